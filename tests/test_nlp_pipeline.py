"""The pipeline as a whole: what it reads, and what it promises whatever the text."""

import gc
import json
from importlib.metadata import entry_points

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language

from kgbuild import nlp as extraction
from kgbuild import sources
from kgbuild.errors import ModelError, RuleError
from kgbuild.nlp.components import CANDIDATES, propose
from kgbuild.nlp.mentions import Candidate
from kgbuild.records import PAPER, Paper
from kgbuild.resources import sample
from kgbuild.schema import load_schema

COMPONENTS = ["kg_sentences", "kg_abbreviations", "kg_lexicon", "kg_patterns", "kg_mentions", "kg_relations", "kg_results", "kg_polarity"]

TITLE = "FlockNet: Gentle Attention for Bird Song Detection"
ABSTRACT = """Bird song detection is hard. We propose FlockNet, a small network for bird song detection that builds on
BERT and uses Careful Wing Attention (CWA). Experiments on LibriSpeech, AudioSet and the FeatherTalk dataset show that FlockNet
outperforms wav2vec 2.0 by 3.2 points in F1 score. On AudioSet, CWA reaches 71.4% mAP. We do not compare it with GPT-4.
Large language models such as Llama 3 may help. We release NestBench, a benchmark for nest finding."""


@pytest.fixture(scope="module")
def nlp():
    return extraction.load("rules")


def paper(title, abstract, id="title:x"):
    return Paper(id=id, title=title, abstract=abstract)


@pytest.fixture(scope="module")
def read(nlp):
    def run(title, abstract):
        p = paper(title, abstract)
        [(_, x)] = extraction.extract(nlp, [p])
        return p, x

    return run


@pytest.fixture(scope="module")
def flock(read):
    return read(TITLE, ABSTRACT)


def names(p, x):
    """Entity id to its first surface."""
    out = {PAPER: PAPER}
    for m in x.mentions:
        out.setdefault(m.entity, p.text[m.start : m.end])
    return out


def stated(p, x, **wanted):
    name = names(p, x)
    return {(r.type, name[r.head], name[r.tail]) for r in x.relations if all(getattr(r, k) == v for k, v in wanted.items())}


# --- what it reads


@pytest.mark.parametrize(
    ("surface", "label"),
    [
        ("FlockNet", "Method"),
        ("BERT", "Method"),
        ("Careful Wing Attention", "Method"),
        ("CWA", "Method"),
        ("wav2vec 2.0", "Method"),
        ("LibriSpeech", "Dataset"),
        ("AudioSet", "Dataset"),
        ("FeatherTalk", "Dataset"),
        ("NestBench", "Benchmark"),
        ("bird song detection", "Task"),
        ("Bird Song Detection", "Task"),
        ("F1 score", "Metric"),
        ("mAP", "Metric"),
        ("Llama 3", "Method"),
    ],
)
def test_mentions(flock, surface, label):
    p, x = flock
    assert (surface, label) in {(p.text[m.start : m.end], m.label) for m in x.mentions}


def test_every_occurrence_of_a_name_is_a_mention(flock):
    p, x = flock
    assert [p.text[m.start : m.end] for m in x.mentions].count("FlockNet") == p.text.count("FlockNet")


def test_a_short_form_and_its_long_form_are_one_entity(flock):
    p, x = flock
    entity = {p.text[m.start : m.end]: m.entity for m in x.mentions}
    assert entity["CWA"] == entity["Careful Wing Attention"]
    assert entity["bird song detection"] == entity["Bird Song Detection"]
    assert entity["FlockNet"] != entity["BERT"]
    assert ("CWA", "Careful Wing Attention") in x.abbreviations


def test_entities_are_numbered_in_order_of_appearance(flock):
    _, x = flock
    seen = list(dict.fromkeys(m.entity for m in x.mentions))
    assert seen == [f"e{i}" for i in range(1, len(seen) + 1)]


@pytest.mark.parametrize(
    "relation",
    [
        ("INTRODUCES", "paper", "FlockNet"),
        ("INTRODUCES", "paper", "NestBench"),
        ("APPLIED_TO", "FlockNet", "Bird Song Detection"),
        ("BASED_ON", "FlockNet", "BERT"),
        ("EVALUATED_ON", "FlockNet", "LibriSpeech"),
        ("EVALUATED_ON", "FlockNet", "AudioSet"),
        ("EVALUATED_ON", "FlockNet", "FeatherTalk"),
        ("OUTPERFORMS", "FlockNet", "wav2vec 2.0"),
    ],
)
def test_relations(flock, relation):
    assert relation in stated(*flock, polarity="asserted")


def test_evidence_holds_the_ends_of_the_relation(flock):
    p, x = flock
    for r in x.relations:
        assert all(0 <= a < b <= len(p.text) for a, b in r.sentences)
        assert any(a <= r.tail_span[0] and r.tail_span[1] <= b for a, b in r.sentences)
        if r.head_span is not None:
            assert any(a <= r.head_span[0] and r.head_span[1] <= b for a, b in r.sentences)


def test_results(flock):
    p, x = flock
    name = names(p, x)
    found = {(r.value, r.kind, name[r.method], name.get(r.dataset), name.get(r.metric)) for r in x.results}
    assert ("3.2 points", "gain", "FlockNet", "LibriSpeech", "F1 score") in found or ("3.2 points", "gain") in {f[:2] for f in found}
    assert ("71.4%", "absolute", "Careful Wing Attention", "AudioSet", "mAP") in found


@pytest.mark.parametrize(
    ("sentence", "polarity"),
    [
        ("FlockNet outperforms BERT.", "asserted"),
        ("FlockNet does not outperform BERT.", "negated"),
        ("FlockNet may outperform BERT.", "hedged"),
        ("In the future FlockNet will outperform BERT.", "future"),
    ],
)
def test_polarity(read, sentence, polarity):
    _, x = read("FlockNet: Birds", f"We propose FlockNet. {sentence}")
    found = {r.polarity for r in x.relations if r.type == "OUTPERFORMS"}
    assert found == {polarity}


def test_names_follow_the_nouns_that_stand_by_them(read):
    p, x = read("A Study", "We use the PlumeTalk corpus, the BeakMark benchmark and a model called SongMixer2.")
    assert {(p.text[m.start : m.end], m.label) for m in x.mentions} >= {("PlumeTalk", "Dataset"), ("BeakMark", "Benchmark"), ("SongMixer2", "Method")}


# --- what it promises


def check(p, x):
    text = p.text
    schema = load_schema()
    end = 0
    for m in x.mentions:
        assert end <= m.start < m.end <= len(text)
        assert text[m.start : m.end].strip() == text[m.start : m.end]
        assert 0 < m.confidence <= 1
        assert m.label in schema.entity_labels
        end = m.end
    label = {m.entity: m.label for m in x.mentions} | {PAPER: "Paper"}
    for r in x.relations:
        assert schema.allows(r.type, label[r.head], label[r.tail])
        assert 0 < r.confidence <= 1
        assert r.head != r.tail
    for r in x.results:
        assert text[r.start : r.end] == r.value
        assert {r.method, r.dataset, r.task, r.metric} <= {None, *label}


ODD = ["", "\n", " ", "\x00", "🐦🐤", "a" * 50, "((((", "<b>BERT</b>", "السلام BERT عليكم", "BERT\r\nGPT-4\r\n", "$\\pi_0$", "F1 (F1)", "e\u0301BERT", "_BERT_"]


@pytest.mark.parametrize("title", ODD)
@pytest.mark.parametrize("abstract", ODD)
def test_odd_texts(read, title, abstract):
    check(*read(title, abstract))


def test_two_mentions_in_one_token_break_nothing(nlp):
    doc = nlp.make_doc("A title\nWe like foo_bar.")
    start = doc.text.index("foo")
    propose(doc, [Candidate(start, start + 3, "Method", "x", 0.9), Candidate(start + 4, start + 7, "Task", "x", 0.9)])
    for name in nlp.pipe_names:
        doc = nlp.get_pipe(name)(doc)
    assert [e.text for e in doc.ents] == ["foo_bar"]


@given(text=st.text("aB. \n-", min_size=1, max_size=30), data=st.data())
def test_a_proposed_span_is_of_the_tokens_that_it_has_some_of(nlp, text, data):
    doc = nlp.make_doc(text)
    start = data.draw(st.integers(0, len(text) + 2))
    end = data.draw(st.integers(start, len(text) + 3))
    propose(doc, [Candidate(start, end, "Method", "x", 0.9)])
    covered = [t.i for t in doc if t.idx < end and start < t.idx + len(t)]
    assert [(s.start, s.end) for s in doc.spans[CANDIDATES]] == ([(covered[0], covered[-1] + 1)] if covered and start < end else [])


def test_a_very_long_text(read):
    check(*read("Long", "We use BERT-base (BB) on the FooBar dataset and reach 3.4% F1, which " * 1500))


PIECES = st.sampled_from(
    ["BERT", "GPT-4", "ImageNet", "FooNet", "We propose ", "accuracy", " of ", "84.3%", "(", ")", ", ", ". ", "\n", "bird detection", " on the ", " dataset", "Big Bird Nets (BBN)", "-based ", "\u0301", "<", ">", "{M}", "\\%", "[", "|"]
)


@given(title=st.lists(PIECES, max_size=8).map("".join), abstract=st.lists(PIECES, max_size=40).map("".join))
def test_records_are_sound(read, title, abstract):
    check(*read(title, abstract))


@given(st.text(max_size=200))
def test_any_text_is_read(read, text):
    check(*read(text, text))


def test_a_record_depends_on_its_own_paper_alone(nlp):
    papers = [paper(TITLE, ABSTRACT, "title:a"), paper("NestNet", "NestNet finds FlockNet.", "title:b"), paper("", "", "title:c"), paper(ABSTRACT, TITLE, "title:d")]
    alone = {p.id: x for q in papers for p, x in extraction.extract(nlp, [q])}
    for batch_size in (1, 2, 64):
        assert {p.id: x for p, x in extraction.extract(nlp, papers[::-1], batch_size=batch_size)} == alone


def test_processes_share_the_work(nlp):
    papers = [paper(TITLE, ABSTRACT, f"title:{i}") for i in range(4)]
    assert list(extraction.extract(nlp, papers, n_process=2, batch_size=2)) == list(extraction.extract(nlp, papers))


def test_what_there_is_is_out_of_the_collectors_sight_for_long_work_alone(nlp):
    with extraction.frozen():
        assert gc.get_freeze_count() > 1000
        assert len(list(extraction.extract(nlp, [paper(TITLE, ABSTRACT)]))) == 1
    assert gc.get_freeze_count() == 0
    gc.freeze()  # a program's own
    try:
        with extraction.frozen():
            pass
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()


# --- the spaCy side


def test_the_pipeline_is_sound(nlp):
    assert nlp.pipe_names == COMPONENTS
    assert not any(nlp.analyze_pipes()["problems"].values())


def test_every_component_is_an_entry_point():
    assert {e.name for e in entry_points(group="spacy_factories") if e.name.startswith("kg_")} >= set(COMPONENTS)


def test_a_component_works_alone():
    nlp = spacy.blank("en")
    nlp.add_pipe("kg_lexicon")
    nlp.add_pipe("kg_mentions")
    assert [(e.text, e.label_, e.kb_id_) for e in nlp("Birds\nWe use BERT.").ents] == [("BERT", "Method", "method:bert")]


def test_saved_and_loaded_it_reads_the_same(nlp, tmp_path):
    p = paper(TITLE, ABSTRACT)
    expected = list(extraction.extract(nlp, [p]))
    nlp.to_disk(tmp_path / "pipeline")
    loaded = spacy.load(tmp_path / "pipeline")
    assert list(extraction.extract(loaded, [p])) == expected
    assert extraction.version(loaded) == extraction.version(nlp)
    assert list(extraction.extract(extraction.load("rules").from_bytes(nlp.to_bytes()), [p])) == expected


MINE = """
{"id": "dataset:plume", "label": "Dataset", "name": "plume of joy"}
{"id": "method:bert", "label": "Method", "name": "QuiteOtherName"}
{"id": "dataset:imagenet", "off": true}
{"id": "aviary", "label": "Dataset", "pattern": "(?P<name>{CAP}) aviary", "precision": 0.9, "examples": ["the [Foo] aviary"], "counters": ["an aviary"]}
{"id": "nests-in", "type": "EVALUATED_ON", "pattern": "(?P<head>{M}) nests in the (?P<tail>{D})", "precision": 0.7, "examples": ["[FooNet|Method|head] nests in the [BirdSet|Dataset|tail]"], "counters": ["[FooNet|Method] and the [BirdSet|Dataset]"]}
{"id": "merrier", "kind": "cost", "direction": "up", "after": "merrier", "precision": 0.6, "examples": ["[3%] merrier"], "counters": ["[3%] more"]}
"""
"""Rows of the user for every table."""
READ = "Birds\nThe plume of joy and imagenet. QuiteOtherName nests in the Dawn aviary and is 3% merrier by 4%."


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text(MINE, encoding="utf-8")
    return path


def check_mine(doc):
    assert [(e.text, e.kb_id_) for e in doc.ents] == [("plume of joy", "dataset:plume"), ("QuiteOtherName", "method:bert"), ("Dawn", "")]
    assert ("nests-in", "EVALUATED_ON", "e2", "e3") in [(r["source"], r["type"], r["head"], r["tail"]) for r in doc._.kg_relations]
    assert [(r["value"], r["source"], r["kind"], r["direction"]) for r in doc._.kg_results][:1] == [("3%", "merrier", "cost", "up")]


@pytest.mark.parametrize(("model", "more", "found"), [("rules", {}, True), ("default", {}, True), ("rules", {"adds": False}, True), ("default", {"adds": False}, False)])
def test_a_pattern_of_the_user_adds_to_what_the_model_sees(tmp_path, model, more, found):
    row = json.loads(MINE.splitlines()[4]) | {"pattern": "(?P<name>[a-z]+) aviary"} | more
    (tmp_path / "one.jsonl").write_text(json.dumps(row), encoding="utf-8")
    doc = extraction.load(model, rules=[tmp_path / "one.jsonl"])("Birds\nBERT reads in the brown feather aviary.")
    assert (("feather", "aviary") in [(e.text, e._.kg_source) for e in doc.ents]) == found


@pytest.mark.parametrize("model", extraction.MODELS)
def test_what_a_rule_of_the_user_states_stands_whatever_a_model_makes_of_it(model, mine):
    doc = extraction.load(model, rules=[mine])("Birds\nBERT nests in the SQuAD. It is 3% merrier.")
    assert [(r["type"], r["confidence"] > 0.2) for r in doc._.kg_relations if "nests-in" in r["source"].split("+")] == [("EVALUATED_ON", True)]
    assert [(r["value"], r["kind"]) for r in doc._.kg_results if r["source"] == "merrier"] == [("3%", "cost")]


@pytest.mark.parametrize("model", extraction.MODELS)
def test_words_of_the_user_are_no_name_whoever_marks_them(model, tmp_path):
    mine = tmp_path / "mine.jsonl"
    mine.write_text('{"id": "no-bert", "words": ["bert", "nest"], "examples": [], "counters": []}\n', encoding="utf-8")
    paper = Paper(id="title:x", title="FlockNet: Birds", abstract="We propose FlockNet, which outperforms BERT and RoBERTa on the Nest dataset and on SQuAD.")
    [(_, x)] = extraction.extract(extraction.load(model, rules=[mine]), [Paper(id="title:y", title="Birds", abstract="Bidirectional Encoder Transformer (BERT) flies. BERT beats SQuAD.")])
    assert "BERT" not in {"Birds\nBidirectional Encoder Transformer (BERT) flies. BERT beats SQuAD."[m.start : m.end] for m in x.mentions}
    marked = []
    for rules in ([], [mine]):
        [(_, x)] = extraction.extract(extraction.load(model, rules=rules), [paper])
        marked.append({paper.text[m.start : m.end] for m in x.mentions})
    assert marked[0] & {"BERT", "Nest"}
    assert marked[1] >= {"RoBERTa", "SQuAD"}
    assert not marked[1] & {"BERT", "Nest", "Nest dataset"}


def test_no_relation_is_stated_both_ways():
    papers = list(sources.read(sample(), lambda rejection: None))
    for _, x in extraction.extract(extraction.load(), papers):
        said = {(r.type, r.head, r.tail) for r in x.relations if r.source.startswith("pairs")}
        assert not [r for r in said if (r[0], r[2], r[1]) in said]


def test_rows_of_the_user_add_to_ours_replace_them_and_switch_them_off(mine, tmp_path):
    nlp = extraction.load("rules", rules=[mine])
    check_mine(nlp(READ))
    nlp.to_disk(tmp_path / "pipeline")
    mine.unlink()
    check_mine(spacy.load(tmp_path / "pipeline")(READ))


@pytest.mark.parametrize("row", MINE.split("\n")[1:-1], ids=lambda row: row[8:20])
def test_every_row_of_the_user_is_part_of_the_version(row, tmp_path):
    (tmp_path / "one.jsonl").write_text(row, encoding="utf-8")
    assert extraction.version(extraction.load("rules", rules=[tmp_path / "one.jsonl"])) != extraction.version(extraction.load("rules"))


def test_the_version_names_what_a_record_depends_on(nlp):
    version = extraction.version(nlp)
    nlp("Reading\nchanges nothing, not even with NewWord42.")
    assert extraction.version(nlp) == version == extraction.version(extraction.load("rules"))
    assert extraction.version(extraction.load("default")) != version
    fewer = extraction.load("rules")
    fewer.remove_pipe("kg_results")
    assert extraction.version(fewer) != version


def test_unknown_models_and_files_are_named(tmp_path):
    with pytest.raises(ModelError, match="rules"):
        extraction.load("no-such-model")
    with pytest.raises(RuleError, match=r"none\.jsonl"):
        extraction.load("rules", rules=[tmp_path / "none.jsonl"])


@Language.component("test_tagger", assigns=["doc.spans"])
def tagger(doc):
    """A model in small: it proposes one span, surely."""
    at = doc.text.find("quiet bird")
    propose(doc, [Candidate(at, at + len("quiet bird"), "Task", "tagger", 0.95)])
    return doc


@Language.component("test_ner", assigns=["doc.ents"])
def ner(doc):
    """Another project's component, which knows only ``doc.ents``."""
    at = doc.text.find("quiet bird")
    doc.ents = [doc.char_span(at, at + len("quiet bird"), label="Task")]
    return doc


@Language.component("test_spans", assigns=["doc.spans"])
def spans(doc):
    """A third one, which replaces our span group, and with it the scores."""
    at = doc.text.find("quiet bird")
    doc.spans[CANDIDATES] = [*doc.spans.get(CANDIDATES, ()), doc.char_span(at, at + len("quiet bird"), label="Task")]
    return doc


@Language.component("test_appends", assigns=["doc.spans"])
def appends(doc):
    """One that adds to what is there, as the documentation says."""
    if len(doc):
        doc.spans[CANDIDATES].append(doc[:1])
    return doc


@pytest.mark.parametrize("model", extraction.MODELS)
@pytest.mark.parametrize(("component", "source"), [("test_tagger", "tagger"), ("test_ner", "ents"), ("test_spans", "spans")])
@pytest.mark.parametrize("place", [{"first": True}, {"before": "kg_mentions"}], ids=lambda place: "-".join(place))
def test_a_model_joins_by_proposing_or_by_setting_entities(model, component, source, place):
    nlp = extraction.load(model)
    nlp.add_pipe(component, **place)
    assert not any(nlp.analyze_pipes()["problems"].values())
    doc = nlp("FlockNet: Birds\nWe propose FlockNet, a network for quiet bird. FlockNet solves quiet bird better than BERT.")
    bird = next(e for e in doc.ents if e.text == "quiet bird")
    assert bird.label_ == "Task"
    assert source in bird._.kg_source.split("+")
    stated = [(r["type"], r["head"], r["tail"]) for r in doc._.kg_relations]
    assert ("INTRODUCES", "paper", "e1") in stated
    # the last replaces what the model proposed too: two ends without a score are hardly sure enough for its network
    if (model, component, place) != ("default", "test_spans", {"before": "kg_mentions"}):
        assert ("APPLIED_TO", "e1", bird._.kg_entity) in stated


@pytest.mark.parametrize("text", ["Zork walks.\nIt was so and then he went.", "\n", ""])
def test_a_component_finds_the_span_groups_also_where_nothing_was_proposed(text):
    for model in extraction.MODELS:
        nlp = extraction.load(model)
        nlp.add_pipe("test_appends", before="kg_mentions")
        assert nlp(text).text == text


def test_a_component_that_comes_too_late_is_told(nlp):
    late = extraction.load("rules")
    late.add_pipe("entity_ruler")
    with pytest.raises(ModelError, match="entity_ruler would set entities after kg_mentions"):
        list(extraction.extract(late, [paper("Birds", "BERT flies.")]))


FUZZY = [
    {"label": "Dataset", "pattern": "Plumage of Finches", "type": "fuzzy", "id": "fuzzy"},
    {"label": "Dataset", "pattern": "ImageNet", "type": "fuzzy", "id": "fuzzy"},
    {"label": "ORG", "pattern": "Nest Society", "type": "fuzzy", "id": "fuzzy"},
]


@pytest.mark.parametrize("model", extraction.MODELS)
def test_a_component_of_another_project_joins_and_agreement_is_kept(model):
    """spaczz finds names in spite of slips of the pen, and sets ``doc.ents``."""
    nlp = extraction.load(model)
    nlp.add_pipe("spaczz_ruler", before="kg_mentions").add_patterns(FUZZY)
    text = paper("Birds", "The Nest Society trains BERT on ImageNet and on Plumaje of Finchs.")
    ((_, record),) = extraction.extract(nlp, [text])
    found = {text.text[m.start : m.end]: (m.label, set(m.source.split("+"))) for m in record.mentions}
    alone = set() if model == "rules" else {"model"}
    # a label that is none of ours says nothing, whatever a model makes of the name
    assert "fuzzy" not in found.pop("Nest Society", ("", set()))[1]
    assert found.keys() == {"BERT", "ImageNet", "Plumaje of Finchs"}
    assert found["Plumaje of Finchs"][0] == "Dataset"
    assert {"fuzzy"} <= found["Plumaje of Finchs"][1] <= {"fuzzy", *alone}
    shape = set() if model == "fast" else {"name-shape"}
    assert found["ImageNet"] == ("Dataset", alone | shape | {"fuzzy", "dataset:imagenet"})
    assert "fuzzy" not in found["BERT"][1]


def test_what_was_said_at_a_place_is_kept_there():
    nlp = extraction.load("rules")
    nlp.add_pipe("test_ner", before="kg_mentions")
    doc = nlp("Birds\nSee the quiet bird. FlockNet is new; we propose FlockNet for another quiet bird.")
    assert [e._.kg_source for e in doc.ents if e.text == "quiet bird"] == ["ents", "ents"]
    said = [set(e._.kg_source.split("+")) for e in doc.ents if e.text == "FlockNet"]
    assert "proposed" in said[1] - said[0]


def test_candidates_keep_their_confidence(nlp):
    doc = nlp("Birds\nWe use BERT on ImageNet.")
    group = doc.spans[CANDIDATES]
    assert len(group.attrs["scores"]) == len(group)
