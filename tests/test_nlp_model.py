"""The trained tagger inside the pipeline: sound on any text, mended by the lexicon, and it travels with the pipeline."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgbuild import nlp
from kgbuild.errors import ModelError
from kgbuild.nlp import tagger
from kgbuild.nlp.mentions import MODEL, Candidate, trust
from kgbuild.nlp.model import PACKAGED, read_model
from kgbuild.nlp.pairs import FILE
from kgbuild.nlp.tagger import FILES, Tagger, Transitions, lattices, legal
from kgbuild.records import Paper

PIPELINES = {name: nlp.load(name) for name in PACKAGED}
TAGGERS = {name: Tagger.load(read_model(folder)) for name, folder in PACKAGED.items()}
LANGUAGE = PIPELINES["default"]
each = pytest.mark.parametrize("model", PACKAGED)
TEXT = "Weaving attention for translation\nWe present LoomNet, a network that extends Transformer. On the WMT14 dataset it reaches 29.1 BLEU."


@each
def test_names_never_seen_are_found_and_typed(model: str):
    names = {e.text: e.label_ for e in PIPELINES[model](TEXT).ents}
    assert {"LoomNet": "Method", "Transformer": "Method", "WMT14": "Dataset", "BLEU": "Metric"}.items() <= names.items()


def test_a_mention_keeps_who_agrees_and_which_lexicon_row_it_names():
    (wmt,) = (e for e in LANGUAGE(TEXT).ents if e.text == "WMT14")
    assert MODEL in wmt._.kg_source.split("+")
    assert len(wmt._.kg_source.split("+")) > 1
    assert wmt.kb_id_ == "dataset:wmt14"
    assert 0 < wmt._.kg_confidence <= 1


@each
def test_weights_are_small_enough_to_ship(model: str):
    assert sum(len(data) for data in read_model(PACKAGED[model]).values()) < 30e6


def test_the_fast_model_leaves_relations_to_the_rules():
    text = "Birds\nWe propose FinchNet. FinchNet outperforms BERT on SQuAD."
    stated = {m: {r["source"] for r in pipeline(text)._.kg_relations} for m, pipeline in PIPELINES.items()}
    assert any(s.startswith("pairs") for s in stated["default"])
    assert stated["fast"]
    assert not any(s.startswith("pairs") for s in stated["fast"])


def test_the_model_travels_with_the_pipeline(tmp_path: Path):
    paper = Paper(id="x", title=TEXT.split("\n")[0], abstract=TEXT.split("\n")[1])
    expected = list(nlp.extract(LANGUAGE, [paper]))
    assert list(nlp.extract(nlp.load().from_bytes(LANGUAGE.to_bytes()), [paper])) == expected
    LANGUAGE.to_disk(tmp_path / "pipeline")
    assert list(nlp.extract(nlp.load().from_disk(tmp_path / "pipeline"), [paper])) == expected


@pytest.mark.parametrize("file", [*FILES, FILE])
@pytest.mark.parametrize("content", [b"", b"{}", b"nest"])
def test_a_damaged_model_is_one_sentence(file: str, content: bytes, tmp_path: Path):
    shutil.copytree(PACKAGED["default"], tmp_path / "model")
    (tmp_path / "model" / file).write_bytes(content)
    with pytest.raises(ModelError, match=r"the model in .* is damaged, or made for another version"):
        nlp.load(str(tmp_path / "model"))


def test_a_graph_that_reads_other_inputs_is_of_another_version(tmp_path: Path):
    shutil.copytree(PACKAGED["default"], tmp_path / "model")
    shutil.copy(tmp_path / "model" / FILE, tmp_path / "model" / "model.onnx")
    with pytest.raises(ModelError, match=r"made for another version .*the graph reads other inputs"):
        nlp.load(str(tmp_path / "model"))


def test_a_text_that_is_no_abstract_is_left_to_the_rules():
    text = Paper(id="x", title="Birds", abstract="We propose FinchNet. " + "We test BERT, T5, LLaMA and GPT-4 on SQuAD, GLUE and COCO. " * 3 + "Bird" * 3)
    long = Paper(id="y", title="Birds", abstract=" ".join(f"We test Net{n}A, Net{n}B and Net{n}C on Set{n}A." for n in range(400)))
    (_, short), (_, many) = nlp.extract(LANGUAGE, [text, long])
    assert any(r.source.startswith("pairs") for r in short.relations)
    assert many.mentions
    assert not any(r.source.startswith("pairs") for r in many.relations)


def test_half_a_surrogate_pair_is_read_over():
    ((_, x),) = nlp.extract(LANGUAGE, [Paper(id="x", title="T", abstract="\ud800 We test BERT on SQuAD.")])
    assert {"T\n\ud800 We test BERT on SQuAD."[m.start : m.end] for m in x.mentions} >= {"BERT", "SQuAD"}


def test_without_the_tagger_the_rules_stand():
    pipeline = nlp.load()
    with pipeline.select_pipes(disable=["kg_model"]):
        assert pipeline("Birds\nWe propose FinchNet for image classification.")._.kg_relations


def test_a_folder_without_a_model_is_refused(tmp_path: Path):
    with pytest.raises(ModelError, match="holds no model"):
        read_model(tmp_path)
    with pytest.raises(ModelError, match="there is default, fast, rules"):
        nlp.load("none")


@pytest.mark.parametrize("scaled", [1, 2, tagger.SCALED])
@pytest.mark.parametrize("seed", range(3))
def test_the_probability_of_a_span_is_the_share_of_the_tag_sequences_that_have_it(seed: int, scaled: int, monkeypatch):
    monkeypatch.setattr(tagger, "SCALED", scaled)
    random, labels, n = np.random.default_rng(seed), ("A",), 6
    never = np.float32(-np.inf)
    rules = [np.where(may, random.normal(size=may.shape), never).astype(np.float32) for may in legal(labels)]
    transitions = Transitions(*rules)
    scores = random.normal(size=(n, 5), scale=3).astype(np.float32)
    weights = {}
    for tags in itertools.product(range(5), repeat=n):
        steps = sum(transitions.pairs[a, b] for a, b in itertools.pairwise(tags))
        weights[tags] = np.exp(float(scores[range(n), tags].sum() + steps + transitions.first[tags[0]] + transitions.last[tags[-1]]))
    lattice, whole = lattices([scores], transitions)[0], sum(weights.values())
    for first, last in itertools.combinations_with_replacement(range(n), 2):
        span = (4,) if first == last else (1, *(2,) * (last - first - 1), 3)
        share = sum(w for tags, w in weights.items() if tags[first : last + 1] == span) / whole
        assert lattice.span(first, last)[0] == pytest.approx(share, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("gap", [3.0, 30.0, 80.0, 1000.0])
def test_spans_of_long_texts_with_extreme_scores_are_as_in_log_space(gap: float):
    random, labels = np.random.default_rng(5), ("A",)
    transitions = Transitions(*(np.where(may, 0.0, -np.inf).astype(np.float32) for may in legal(labels)))
    for scores in (random.normal(size=(70, 5), scale=gap), np.where(np.arange(5) == 3, gap, -gap) * np.ones((64, 1))):
        n = len(scores)
        # what is 300 below a word's best counts as that
        local = np.maximum(scores - scores.max(1, keepdims=True), -300)
        ahead, back = np.full((n, 5), -np.inf), np.full((n, 5), -np.inf)
        ahead[0], back[-1] = local[0] + transitions.first, transitions.last
        for t in range(1, n):
            ahead[t] = local[t] + np.logaddexp.reduce(ahead[t - 1][:, None] + transitions.pairs, axis=0)
            back[-1 - t] = np.logaddexp.reduce(transitions.pairs + (local[-t] + back[-t])[None], axis=1)
        single = np.exp(ahead[:, 4] + back[:, 4] - np.logaddexp.reduce(ahead + back, axis=1))
        (lattice,) = lattices([scores.astype(np.float32)], transitions)
        assert [lattice.span(t, t)[0] for t in range(n)] == pytest.approx(single, abs=1e-3 if gap > 100 else 1e-4)


def test_a_lattice_is_the_same_bit_for_bit_whatever_stands_beside_it(monkeypatch):
    random, labels = np.random.default_rng(7), ("A", "B")
    never = np.float32(-np.inf)
    transitions = Transitions(*(np.where(may, random.normal(size=may.shape), never).astype(np.float32) for may in legal(labels)))
    # lengths around those at which sums are scaled, and a text whose sums vanish unless they are at every word
    batch = [random.normal(size=(n, 9), scale=4).astype(np.float32) for n in (1, 16, 300, 17, 2, 16)]
    batch.append(np.where(np.arange(9) == 3, 200, -200) * np.ones((40, 1), dtype=np.float32))
    for at_once in (tagger.AT_ONCE, 320, 1):
        monkeypatch.setattr(tagger, "AT_ONCE", at_once)
        for one, lattice in zip(batch, lattices(batch, transitions), strict=True):
            (alone,) = lattices([one], transitions)
            spans = [(i, j) for i in range(len(one)) for j in range(i, min(len(one), i + 3))]
            assert [lattice.span(*span) for span in spans] == [alone.span(*span) for span in spans]
            assert np.isfinite([lattice.span(*span) for span in spans]).all()


@pytest.mark.parametrize("step", ["encode", "decode"])
def test_a_document_that_fails_is_left_to_the_error_handler(step: str, monkeypatch):
    pipeline, failed = nlp.load("fast"), []
    pipeline.set_error_handler(lambda name, component, docs, error: failed.append((name, docs[0].text, str(error))))
    read = pipeline.get_pipe("kg_model")._tagger
    right = getattr(read, step)

    def fails(given):
        if "BOOM" in str(given):
            raise MemoryError("too long")
        return right(given)

    monkeypatch.setattr(read, step, fails)
    texts = ["We use BERT.", "BOOM", "We use GPT-2."]
    read_of = {doc.text: [e.text for e in doc.ents] for doc in pipeline.pipe(texts, batch_size=2)}
    assert read_of == {"We use BERT.": ["BERT"], "We use GPT-2.": ["GPT-2"]}
    assert failed == [("kg_model", "BOOM", "too long")]


@given(text=st.text(st.sampled_from("aAbB1ß(). \n\\-x"), max_size=60))
def test_features_are_what_they_are_called(text: str):
    words = tagger.split_words(text)
    if not words:
        return
    rows, spellings = tagger.word_features(text, words)
    tokens, title = [w.text for w in words], text.find("\n")
    folded, depth = [t.lower() for t in tokens], 0
    titled = [t for w, t in zip(words, tokens, strict=True) if w.start < title]
    for i, (word, token, low) in enumerate(zip(words, tokens, folded, strict=True)):
        depth = max(0, depth - (token == ")"))
        said = dict(zip(tagger.FEATURES, rows[i] > 0, strict=True))
        others = {t.lower() for w, t in zip(words, tokens, strict=True) if (w.start < title) != (word.start < title)}
        assert said["in title"] == (word.start < title)
        assert said["in brackets"] == (depth > 0)
        assert said["glued to the word before"] == (i > 0 and words[i - 1].end == word.start)
        assert said["glued to the word after"] == (i + 1 < len(words) and words[i + 1].start == word.end)
        assert said["twice in the text"] == (folded.count(low) == 2)
        assert said["more than twice in the text"] == (folded.count(low) > 2)
        assert said["in title and abstract"] == (low in others)
        assert said["elsewhere in lower case"] == (token != low and low in tokens and low.islower())
        assert said["after a backslash"] == (i > 0 and tokens[i - 1] == "\\" and words[i - 1].end == word.start)
        assert said["starts a sentence"] == (i == 0 or tokens[i - 1] in ".!?" or "\n" in text[words[i - 1].end : word.start])
        long = [t[0].isupper() for t in titled if len(t) > 3 and t.isalpha()]
        assert said["title has headline capitals"] == (word.start < title and len(long) > 1 and 2 * sum(long) > len(long))
        assert said["lower"] == token.islower()
        assert said["digits"] == token.isdigit()
        assert [spellings[i] == s for s in spellings.tolist()] == [low == other for other in folded]
        depth += token == "("


@each
def test_words_that_are_spelt_alike_share_their_mean(model: str):
    for window in tagger.encode(TAGGERS[model]._subwords, TEXT)[1]:
        alike = window.spellings[:, None] == window.spellings
        assert window.same.sum(1) == pytest.approx(1, abs=1e-5)
        assert ((window.same > 0) == alike).all()
        again, whose, shared = window.twins
        others = np.delete(np.arange(len(alike)), again)
        assert (window.same[np.ix_(again, again)] == shared[whose]).all()
        assert (window.same[others] == np.eye(len(alike), dtype=np.float32)[others]).all()


@each
@given(text=st.text(max_size=200))
def test_any_text_gives_sound_spans(model: str, text: str):
    last = 0
    for m in TAGGERS[model].predict(text):
        assert last <= m.start < m.end <= len(text)
        assert text[m.start : m.end].strip() == text[m.start : m.end]
        assert 0 <= m.confidence <= 1
        last = m.end


@each
@pytest.mark.parametrize("text", ["", "\n", "\x00", "🤖" * 50, "BERT " * 4000, "שלום BERT", "a\r\nb BERT on SQuAD", "\ud800 BERT"])
def test_odd_texts(model: str, text: str):
    assert TAGGERS[model].predict(text) == TAGGERS[model].predict(text)


@each
def test_a_long_text_is_read_to_its_end(model: str):
    assert TAGGERS[model].predict("We go on and on. " * 300 + "We present LoomNet, which extends BERT.")[-1].start > 5000


@each
def test_a_record_does_not_depend_on_its_neighbours(model: str):
    papers = [Paper(id=str(n), title=f"Study {n} of BERT", abstract=f"We test BERT on SQuAD {n} times." * (n % 5 + 1)) for n in range(12)]
    alone = [x for p in papers for _, x in nlp.extract(PIPELINES[model], [p])]
    assert [x for _, x in nlp.extract(PIPELINES[model], papers, batch_size=5)] == alone
    assert [x for _, x in nlp.extract(PIPELINES[model], papers[::-1])] == alone[::-1]


def candidate(start: int, end: int, label: str, source: str, confidence: float, lexicon: str = "") -> Candidate:
    return Candidate(start, end, label, source, confidence, lexicon)


def test_the_lexicon_names_relabels_and_adds_others_add_and_a_pattern_only_agrees():
    model = [candidate(0, 4, "Method", MODEL, 0.9), candidate(10, 15, "Method", MODEL, 0.6)]
    others = [
        candidate(0, 4, "Method", "method:bert", 0.9, "method:bert"),
        candidate(0, 4, "Method", "another", 0.7),
        candidate(0, 4, "Task", "a-third", 0.7),
        candidate(10, 15, "Dataset", "dataset:squad", 0.95, "dataset:squad"),
        candidate(20, 24, "Dataset", "dataset:coco", 0.95, "dataset:coco"),
        candidate(12, 24, "Task", "task:x", 0.99, "task:x"),
        candidate(13, 18, "Task", "another", 0.7),
        candidate(35, 39, "Task", "another", 0.7, "Q42"),
    ]
    hints = [candidate(0, 4, "", "name-shape", 0.8), candidate(30, 34, "Method", "name-shape", 0.99)]
    bert, squad, coco, more = trust("." * 40, model, others, hints, [])
    assert (bert.label, bert.lexicon, bert.source) == ("Method", "method:bert", "model+name-shape+another+method:bert")
    assert (squad.label, squad.lexicon) == ("Dataset", "dataset:squad")
    assert (coco.start, coco.source) == (20, "dataset:coco")
    assert (more.start, more.source, more.lexicon) == (35, "another", "Q42")


@pytest.mark.parametrize(("text", "adds"), [("On OPUS now", True), ("OPUS-style data", True), ("OPUS-MT now", False), ("OPUS-100 now", False), ("non-OPUS data", False)])
def test_the_lexicon_adds_no_part_of_a_longer_name(text, adds):
    start = text.index("OPUS")
    model = [candidate(len(text) - 3, len(text), "Method", MODEL, 0.9)]
    found = trust(text, model, [candidate(start, start + 4, "Dataset", "dataset:opus", 0.8, "dataset:opus")], [], [])
    assert (len(found) == 2) is adds


def test_a_short_form_that_the_text_defines_is_what_the_text_says():
    names = {e.text: (e.label_, e.kb_id_) for e in LANGUAGE("Slots\nWe train on the Schema-Guided Dialogue (SGD) dataset. On SGD it is better than T5.").ents}
    assert names["SGD"][0] == names["Schema-Guided Dialogue"][0] == "Dataset"
