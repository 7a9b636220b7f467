"""Every row of every rule file: it is well formed, and does what its own examples say."""

import json
import pickle
import re
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgbuild import sources
from kgbuild.errors import RuleError
from kgbuild.evaluate.profile import Profiler
from kgbuild.evaluate.record import Entity, Mark, Record, Relation, Result
from kgbuild.evaluate.rules import mentioned, spans_of, trials
from kgbuild.nlp import figures, gazetteer, relations, rules
from kgbuild.nlp.literals import Literals, literals, lower
from kgbuild.nlp.ruleset import TABLES, read_ruleset, table_of
from kgbuild.nlp.text import fold, words
from kgbuild.resources import resource, sample
from kgbuild.schema import load_schema

SCHEMAS = resource("schemas")
RULESET = read_ruleset()
LEXICON = RULESET["lexicon"]
PATTERNS = RULESET["patterns"]
FIGURES = RULESET["figures"]


def by_id(row):
    return row["id"]


@pytest.fixture(scope="module")
def tried():
    """The trials of each row, by its id."""
    out = defaultdict(list)
    for trial in trials(RULESET):
        out[trial.row].append(trial)
    return out


# --- every row


@pytest.mark.parametrize("table", TABLES)
def test_packaged_rows_are_well_formed(table):
    assert [table_of(row) for row in RULESET[table]] == [table] * len(RULESET[table])


def test_no_id_stands_in_two_tables():
    ids = [row["id"] for rows in RULESET.values() for row in rows]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("row", [row for table in TABLES if table != "lexicon" for row in RULESET[table]], ids=by_id)
def test_a_row_does_what_its_examples_say(row, tried):
    assert row["examples"]
    assert row["counters"]
    assert len(tried[row["id"]]) == len(row["examples"]) + len(row["counters"])
    assert all(t.found == t.expected for t in tried[row["id"]]), tried[row["id"]]


def test_every_name_of_the_lexicon_is_found_and_every_example_is_right(tried):
    for row in LEXICON:
        names = (row["name"], *row.get("aliases", ()))
        assert len(tried[row["id"]]) == len((*names, *row.get("examples", ()), *row.get("counters", ())))
        assert [t for t in tried[row["id"]] if not t.passed] == []


BROKEN = [
    {"id": "t:lexicon", "label": "Method", "name": "QuillNet", "context": ["bird"], "examples": ["our [QuillNet]"], "counters": ["a bird, QuillNet"]},
    {"id": "t-pattern", "label": "Method", "pattern": "(?P<name>{CAP}) hops", "precision": 0.5, "examples": ["[FooNet] flies"], "counters": ["BirdNet hops"]},
    {"id": "t-generic", "words": ["aviary"], "examples": ["[FooNet] sees"], "counters": ["the Aviary dataset"]},
    {"id": "t-wording", "type": "EVALUATED_ON", "pattern": "(?P<head>{M}) sees (?P<tail>{D})", "precision": 0.5, "examples": ["[FooNet|Method|head] hears [BirdSet|Dataset|tail]"], "counters": ["[FooNet|Method] sees [BirdSet|Dataset]"]},
    {"id": "t-cue", "polarity": "negated", "pattern": "\\bhardly\\b", "examples": ["it sees"], "counters": ["it hardly sees"]},
    {"id": "t-figure", "kind": "gain", "after": "more", "precision": 0.5, "examples": ["[3%] less"], "counters": ["[3%] more"]},
]


@pytest.mark.parametrize("row", BROKEN, ids=by_id)
def test_an_example_that_is_not_found_and_a_counterexample_that_is_are_failures(row, tmp_path):
    mine = tmp_path / "mine.jsonl"
    mine.write_text(json.dumps(row) + "\n", encoding="utf-8")
    failed = [t for t in trials(read_ruleset([mine])) if not t.passed]
    assert [(t.row, t.example) for t in failed] == [(row["id"], row["examples"][0]), (row["id"], row["counters"][0])]
    assert not failed[0].found
    assert not failed[1].expected


@pytest.mark.parametrize(
    ("example", "counter", "said"),
    [
        ("FooNet thrashes BarNet", "none", "a mark [surface|Label|tail]"),
        ("[FooNet|Metod|head] thrashes [BarNet|Method|tail]", "none", "labels of the schema, not Metod"),
    ],
)
def test_examples_that_show_nothing_are_failures(example, counter, said, tmp_path):
    mine = tmp_path / "mine.jsonl"
    row = {"id": "x", "type": "OUTPERFORMS", "pattern": "(?P<head>{M}) thrashes (?P<tail>{M})", "precision": 0.9, "examples": [example], "counters": [counter]}
    mine.write_text(json.dumps(row) + "\n", encoding="utf-8")
    [failed] = [t for t in trials(read_ruleset([mine])) if not t.passed]
    assert failed.expected == (said,)


def test_on_par_in_one_sentence_is_not_beaten_there_but_may_be_elsewhere():
    compiled = relations.Rules(RULESET["relations"], load_schema())

    def kinds(example):
        text, mentions, _ = mentioned(f"A title\n{example}")
        return {r.type for r in relations.relations(text, spans_of(text), mentions, compiled)} & {"OUTPERFORMS", "COMPARED_WITH", "BASED_ON"}

    assert kinds("[Owl|Method] performs on par with [Kite|Method].") == {"COMPARED_WITH"}
    assert kinds("[Owl|Method] performs on par with [Kite|Method]. On [Nest|Dataset], [Owl|Method] outperforms [Kite|Method].") == {"COMPARED_WITH", "OUTPERFORMS"}


def test_a_counterexample_with_a_mark_is_still_one(tmp_path):
    mine = tmp_path / "mine.jsonl"
    row = {"id": "x", "label": "Method", "pattern": "the (?P<name>{CAP}) aviary", "precision": 0.9, "examples": ["no mark"], "counters": ["the [Foo] aviary"]}
    mine.write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert [(t.expected, t.found) for t in trials(read_ruleset([mine])) if not t.passed] == [(("a mark [ ]",), ()), ((), ("Foo",))]


# --- lexicon


def test_lexicon_is_rich():
    count = defaultdict(int)
    for row in LEXICON:
        count[row["label"]] += 1
    assert count["Method"] >= 350
    assert count["Dataset"] >= 350
    assert count["Benchmark"] >= 150
    assert count["Task"] >= 250
    assert count["Metric"] >= 120


def test_lexicon_ids_are_slugs_of_their_label_and_unique():
    lines = (SCHEMAS / "lexicon.jsonl").read_text(encoding="utf-8").splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert len(ids) == len(set(ids))
    assert ids == sorted(ids)
    for row in LEXICON:
        assert re.fullmatch(r"(method|dataset|benchmark|task|metric):[a-z0-9.\-]+", row["id"]), row["id"]
        assert row["id"].split(":")[0] == row["label"].lower()


def test_lexicon_rows_point_at_rows_of_their_label():
    labels = {row["id"]: row["label"] for row in LEXICON}
    for row in LEXICON:
        assert labels[row.get("variant_of", row["id"])] == row["label"], row["id"]
        assert "better" not in row or row["label"] == "Metric"


def test_no_spelling_belongs_to_two_rows_of_a_label():
    owner = {}
    for row in LEXICON:
        for name in (row["name"], *row.get("aliases", ())):
            key = (row["label"], fold(name))
            assert owner.setdefault(key, row["id"]) == row["id"], (name, owner[key], row["id"])


COMMON = """
act adam adult align alpaca apps arc atomic bart behave bird blimp blink bloom bold breakfast bright charades cider claude clip clue codex coin cola
cora cord cutout dice dino dolly dora drive droid drop electra electricity emilia falcon fever fire flamingo flan flux frames friends gem gemini glove glue
grab gum habitat hear helm highway hover include informer jigsaw leaf liar lima lime llama mamba math mediaeval muon oasis opt overcooked pegasus pie
pope proteins race raft react reinforce replica reverie roots rotate ruler salmon sam scrolls seed shampoo sick sift sora spider star stare sun superb
swag switchboard synapse tape visa voyager whisper wise wow
"""
"""Names of the lexicon that are also common words or first names."""


@pytest.mark.parametrize("word", COMMON.split())
def test_common_words_are_no_names(word):
    rows = [row for row in LEXICON if word in {re.sub(r"\W", "", name).lower() for name in (row["name"], *row.get("aliases", ()))}]
    assert rows
    known = gazetteer.Lexicon(LEXICON)
    for row in rows:
        assert row["examples"]
        assert row["counters"]
        assert row["id"] not in {h.row["id"] for text in (word, f"we saw a {word} there") for h in known.find(text, words(text))}


def test_every_guard_holds():
    """A row with ``case`` does not take the lower-case word; one with ``context`` not the bare name."""
    known = gazetteer.Lexicon(LEXICON)
    for row in LEXICON:
        names = {row["name"], *row.get("aliases", ())}
        for name in names:
            if row.get("case") and name.lower() not in names:
                hits = known.find(name.lower(), words(name.lower()))
                assert not [h for h in hits if h.row["id"] == row["id"] and h.end - h.start == len(name)], name
            if row.get("context") and not any(word in name.lower() for word in row["context"]):
                assert row["id"] not in {h.row["id"] for h in known.find(name, words(name))}, name


@pytest.mark.parametrize(
    ("text", "surface", "row"),
    [
        ("trained with Adam, a fast optimizer", "Adam", "method:adam"),
        ("Large\nLanguage Models fly", "Large\nLanguage Models", "method:large-language-model"),
        ("BERT-based reranking", "BERT", "method:bert"),
        ("on the CIFAR10 set", "CIFAR10", "dataset:cifar-10"),
        ("and WMT'14 too", "WMT'14", "dataset:wmt14"),
        ("an F1-score of 3", "F1-score", "metric:f1"),
        ("ScanNet++ and ScanNet", "ScanNet++", "dataset:scannetplusplus"),
        ("finetuning helps", "finetuning", "method:fine-tuning"),
    ],
)
def test_spellings_are_found(text, surface, row):
    hits = {(text[h.start : h.end], h.row["id"]) for h in gazetteer.Lexicon(LEXICON).find(text, words(text))}
    assert (surface, row) in hits


# --- rows as files


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "not JSON"),
        ("[]", "a row must be a JSON object"),
        ('{"name": "X", "label": "Method"}', "a row needs an 'id'"),
        ('{"id": 3, "name": "X", "label": "Method"}', "a row needs an 'id'"),
        ('{"id": "a+b", "name": "X", "label": "Method"}', "without '+'"),
        ('{"id": "x", "name": "X"}', "as a row of lexicon, field 'label' is missing"),
        ('{"id": "x", "label": "Method", "name": "X", "colour": 1}', "unknown field 'colour'"),
        ('{"id": "x", "label": "Method", "name": 3}', "field 'name' must be str"),
        ('{"id": "x", "label": "Method", "name": "X", "aliases": [3]}', "field 'aliases' must be a list of texts"),
        ('{"id": "x", "label": "Bird", "name": "X"}', "field 'label' must be one of Method, "),
        ('{"id": "x", "label": "Method", "name": "X", "precision": 1.5}', "field 'precision' must be above 0"),
        ('{"id": "x", "label": "Method", "precision": 0.5, "examples": [], "counters": []}', "as a row of patterns, it must have 'pattern', or 'heads'"),
        ('{"id": "x", "type": "IS_A", "precision": 0.5, "examples": [], "counters": []}', "as a row of relations, it must have 'type' and 'pattern'"),
        ('{"id": "x", "type": "EATS", "pattern": "x", "precision": 0.5, "examples": [], "counters": []}', "field 'type' must be one of INTRODUCES"),
        ('{"id": "x", "type": "IS_A", "pattern": "x", "precision": 0.5, "instead": ["EATS"], "examples": [], "counters": []}', "'instead' must name types of relations"),
        ('{"id": "x", "kind": "gain", "precision": 0.5, "examples": [], "counters": []}', "as a row of figures, it must have 'before', or 'after'"),
        ('{"id": "x", "pattern": "x", "examples": [], "counters": []}', "of no table"),
        ('{"id": "x", "label": "Method", "type": "IS_A", "pattern": "x", "examples": [], "counters": []}', "of patterns and relations at once"),
        ('{"id": "negated", "label": "Method", "name": "X"}', "the id 'negated' is that of a row of relations, and this one is of lexicon"),
        ('{"id": "x", "label": "Method", "name": " "}', "field 'name' is empty"),
        ('{"id": "x", "words": ["a", ""], "examples": [], "counters": []}', "field 'words' holds an empty text"),
        ('{"id": "x", "label": "Task", "heads": ["bird"], "max": -1, "precision": 0.5, "examples": [], "counters": []}', "'max' must be at least 1"),
        ('{"id": "x", "label": "Method", "pattern": "(", "precision": 0.5, "examples": [], "counters": []}', "pattern 'x' is no regular expression"),
        ('{"id": "x", "label": "Method", "pattern": "(?P<name>{WORDS} x)", "precision": 0.5, "examples": [], "counters": []}', "pattern 'x' has {WORDS}, which is no macro"),
        ('{"id": "x", "label": "Method", "pattern": "x", "precision": 0.5, "examples": [], "counters": []}', "has neither a group (?P<name>"),
        ('{"id": "x", "type": "IS_A", "pattern": "(", "precision": 0.5, "examples": [], "counters": []}', "no regular expression"),
        ('{"id": "x", "kind": "gain", "after": "(", "precision": 0.5, "examples": [], "counters": []}', "no regular expression"),
        ('{"id": "no-such-rule", "off": true}', "there is no rule 'no-such-rule' to switch off"),
        ('{"id": "negated", "off": false}', "to switch a rule off"),
    ],
)
def test_a_malformed_row_is_named_with_its_place(tmp_path, line, complaint):
    path = tmp_path / "mine.jsonl"
    path.write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(RuleError, match=re.escape(complaint)) as e:
        read_ruleset([path])
    assert str(e.value).startswith(f"{path}, line 2: ")


def test_a_variant_of_nothing_is_named(tmp_path):
    (tmp_path / "mine.jsonl").write_text('{"id": "method:x", "label": "Method", "name": "X", "variant_of": "method:none"}', encoding="utf-8")
    with pytest.raises(RuleError, match=r"mine\.jsonl, line 1: 'method:x' is a variant of 'method:none', which is no row"):
        read_ruleset([tmp_path / "mine.jsonl"])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RuleError, match="cannot read"):
        read_ruleset([tmp_path / "none.jsonl"])


def test_rows_of_the_user_add_replace_and_switch_off(tmp_path):
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    new = {"id": "dataset:plume", "label": "Dataset", "name": "plume of joy"}
    cue = {"id": "merrily", "kind": "gain", "after": "merrier", "precision": 0.5, "examples": ["[3%] merrier"], "counters": ["[3%] more"]}
    ours = [row["id"] for row in FIGURES]
    first.write_text(f'{json.dumps(new)}\n{json.dumps(cue)}\n{{"id": "method:bert", "off": true}}\n', encoding="utf-8")
    second.write_text(json.dumps({**cue, "id": ours[1], "after": "jollier"}) + "\n" + json.dumps({**new, "name": "plume"}), encoding="utf-8")
    both = read_ruleset([first, second])
    assert both["lexicon"][0] == {**new, "name": "plume"}
    assert "method:bert" not in {row["id"] for row in both["lexicon"]}
    assert len(both["lexicon"]) == len(LEXICON)
    assert [row["id"] for row in both["figures"]] == ["merrily", *ours]
    assert both["figures"][2]["after"] == "jollier"
    assert (both["patterns"], both["relations"]) == (RULESET["patterns"], RULESET["relations"])


def test_a_pattern_that_is_no_regular_expression_is_named():
    row = {"id": "broken", "label": "Method", "pattern": "(", "precision": 1.0, "examples": [], "counters": []}
    with pytest.raises(RuleError, match="broken"):
        rules.Rules([row], [], [])
    with pytest.raises(RuleError, match="name"):
        rules.Rules([{**row, "pattern": "x"}], [], [])
    with pytest.raises(RuleError, match="broken"):
        relations.Rules([{**row, "type": "IS_A"}], load_schema())
    with pytest.raises(RuleError, match="tail"):
        relations.Rules([{**row, "type": "IS_A", "pattern": "x"}], load_schema())
    with pytest.raises(RuleError, match="broken"):
        figures.Rules([{"id": "broken", "kind": "gain", "before": "(", "precision": 1.0}])


# --- patterns


def found_by(row, text):
    compiled = rules.Rules([row], (SCHEMAS / "boundary.txt").read_text(encoding="utf-8").split(), [])
    return sorted({(f.start, text[f.start : f.end]) for f in compiled.find(text, words(text))})


@pytest.mark.parametrize("row", [r for r in PATTERNS if "heads" in r], ids=by_id)
def test_every_head_noun_ends_a_term(row):
    for head in row["heads"]:
        text = f"we study feathered {head} here"
        assert [s for _, s in found_by(row, text)] == [f"feathered {head}"]


@pytest.mark.parametrize("pattern", ["(?P<name>{CAP}|[a-z]+-set) aviary", "(?P<name>{CAP})? ?aviary", "(?P<name>{CAP}?[a-z]+) aviary", "(?P<name>{CAP}) aviary|nest"])
def test_patterns_that_may_begin_otherwise_are_tried_everywhere(pattern):
    assert rules._lead(pattern) == ""


def test_patterns_that_begin_with_a_name_find_the_same_by_where_names_start():
    texts = [paper.text for paper in sources.read(sample(), lambda rejected: None)]
    found = lambda matches: [m.span() for m in matches]  # noqa: E731
    compared = 0
    for pattern, lead, _, row in rules.Rules(read_ruleset()["patterns"], (), ()).patterns:
        assert (lead != "") == row["pattern"].startswith(("(?P<name>{NAME}", "(?P<name>{CAP}", "(?P<names>{LIST}"))
        for text in texts if lead else ():
            starts = [m.start() for m in rules._STARTS[lead].finditer(text)]
            expected = found(pattern.finditer(text))
            assert found(rules._matches(pattern, text, starts)) == expected, row["id"]
            compared += len(expected)
    assert compared > 100


# --- what a text must hold


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize(
    "pattern",
    [
        "[Ww]e (?:propose|present(?:ed)?)",
        "(?:gains?|boosts?){1,2} of",
        "(?i:OUTPERFORM)s?|beats",
        "(?:no )?evidence(?: at all)*",
        "(?=\\w*ing)train\\w+",
        "(?:a|the) (?:data set|corpus) [XY]",
        "[Kk]elvin|İstanbul|straße",
        "a{3,5}b|cde+f",
    ],
)
def test_whatever_a_pattern_matches_holds_one_of_its_literals(pattern, data):
    some = literals(pattern)
    text = data.draw(st.from_regex(pattern))
    assert not some or any(literal in lower(text) for literal in some), (text, some)


@pytest.mark.parametrize("text", ["\u017fy\u017ftems", "\u0130mage", "\u0131mage", "\u212aelvin", "SYSTEMS"])
def test_letters_that_count_as_others_whatever_their_case_hide_nothing(text):
    pattern = "(?i)systems|image|kelvin"
    assert re.search(pattern, text)
    assert any(literal in lower(text) for literal in literals(pattern))


def test_patterns_nested_too_deep_to_look_into_are_always_tried():
    assert literals("(?:ab|" * 340 + "cde" + ")" * 340) == frozenset()


@given(
    sets=st.lists(st.frozensets(st.text("abß\u0130 ", min_size=1, max_size=4), max_size=3), max_size=4),
    text=st.text("abß\u0130 x\ud800", max_size=30).map(lower),
)
def test_the_sets_of_literals_that_fit_are_those_of_which_one_stands_in_the_text_here_and_in_another_process(sets, text):
    expected = [n for n, some in enumerate(sets) if not some or any(literal in text for literal in some)]
    assert Literals(sets).fitting(text) == pickle.loads(pickle.dumps(Literals(sets))).fitting(text) == expected


@pytest.mark.parametrize("pattern", ["a-»] no|[a-»] nowhere", "points[»,;]", "gain\\»", "not[»]", "x»", "(?i:\u0345foo)"])
def test_literals_do_not_hold_what_the_text_need_not(pattern):
    assert all("»" not in literal and "\u0345" not in literal for literal in literals(pattern, but="»"))
    assert relations.Rules([{"id": "x", "pattern": pattern, "polarity": "hedged"}], load_schema()).cues


def test_literals_are_told_of_most_rows_and_never_hide_a_match():
    papers = [paper.text for paper in sources.read(sample(), lambda rejected: None)]
    compiled = relations.Rules(RULESET["relations"], load_schema())
    used = [(w.pattern, w.literals) for w in (*(w for w, _ in compiled.wordings), *compiled.cues)]
    used += [(pattern, some) for pattern, _, some, _ in rules.Rules(PATTERNS, (), ()).patterns]
    used += [(before, some) for before, _, some, _ in figures.Rules(RULESET["figures"]).cues if before]
    examples = [e for table in ("relations", "patterns", "figures") for row in RULESET[table] for e in (*row["examples"], *row["counters"])]
    texts = [*papers, *examples, *(re.sub(r"\[[^\]|]*\|(\w)[^\]]*\]", r"<\g<1>1>", e) for e in examples)]
    # cues are searched with the place where a relation ends, those of figures up to the figure
    cut = [e[: m.start()] for e in examples for m in re.finditer(r"\d+", e)]
    marked = [f"{t[:at]}»{t[at:]}" for t in texts[len(papers) :] for at in {0, len(t), *(m.end() for m in re.finditer(r"<\w1>", t))}]
    matched = dict.fromkeys((False, True), 0)
    for pattern, some in used:
        for text in (*texts, *cut, *(marked if "»" in pattern.pattern else ())):
            if pattern.search(text):
                matched[pattern.pattern.endswith("$")] += 1
                assert not some or any(literal in lower(text.replace("»", "")) for literal in some), (pattern.pattern, text)
    assert matched[False] > 1000
    assert matched[True] > 20
    assert sum(bool(some) for _, some in used) > len(used) / 2


def test_no_generic_word_stands_in_two_rows_and_each_is_taken():
    generic = [word for row in RULESET["generic"] for word in row["words"]]
    assert len(generic) == len(set(generic))
    compiled = rules.Rules(PATTERNS, [], RULESET["generic"])
    assert all(compiled.is_generic(word) and compiled.is_generic(word.upper()) for word in generic)


def test_no_head_noun_stands_in_two_rows():
    heads = [head for row in PATTERNS for head in row.get("heads", ())]
    assert len(heads) == len(set(heads))


# --- figures


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it reaches 84.3% here", [("84.3%", 84.3, "%")]),
        ("it reaches 84.3\\% here", [("84.3\\%", 84.3, "%")]),
        ("from 71.2 to 74.5 BLEU", [("71.2", 71.2, None), ("74.5", 74.5, None)]),
        ("from 71.2% to 74.5%", [("71.2%", 71.2, "%"), ("74.5%", 74.5, "%")]),
        ("gains of 2 to 3 points", [("2 to 3 points", 3.0, "points")]),
        ("by $6.5\\%$ there", [("6.5\\%", 6.5, "%")]),
        ("a gain of +2.3 points", [("+2.3 points", 2.3, "points")]),
        ("by 3.2 percentage points", [("3.2 percentage points", 3.2, "points")]),
        ("runs 2x faster", [("2x", 2.0, "x")]),
        ("runs 15$\\times$ faster", [("15$\\times$", 15.0, "x")]),
        ("35 % fewer", [("35 %", 35.0, "%")]),
        ("1,200 ms", [("1,200 ms", 1200.0, "ms")]),
        ("a factor of two", [("a factor of two", 2.0, "x")]),
        ("in 2023 and GPT-4 and v1.1", []),
        ("LLaMA-7B has 7B parameters", [("7B", 7.0, "B")]),
        ("about ~12 FPS", [("~12 FPS", 12.0, "FPS")]),
        ("in >90% and < 5 ms", [(">90%", 90.0, "%"), ("< 5 ms", 5.0, "ms")]),
        ("only 80K parameters and 6.12 M parameters", [("80K", 80.0, "K"), ("6.12 M", 6.12, "M")]),
        ("an 80K-parameter model with 128k-token contexts", [("80K", 80.0, "K"), ("128k", 128.0, "K")]),
        ("in 10 GPU days, 1 GPU-hour or 8 GPU\ndays", [("10 GPU days", 10.0, "GPU days"), ("1 GPU-hour", 1.0, "GPU hour"), ("8 GPU\ndays", 8.0, "GPU days")]),
        ("errors of 2.64 px, 1.97 s an image, 10 s in all, in the 1990 s", [("2.64 px", 2.64, "px"), ("1.97 s", 1.97, "s"), ("10 s", 10.0, "s")]),
        ("errors of 38.65 mm, 0.3s a frame, 8.49G", [("38.65 mm", 38.65, "mm"), ("0.3s", 0.3, "s"), ("8.49G", 8.49, "G")]),
        ("in the 1990s, on two 3090s, for 5G", []),
        ("it is so (p < 0.05)", []),
        ("a rank r 16", [("16", 16.0, None)]),
        ("1344 times 1344 pixels, 512x512, 3 × 224 × 224", []),
        ("2x – 3 points", [("2x", 2.0, "x"), ("3 points", 3.0, "points")]),
        ("from ~3x to 5x", [("~3x", 3.0, "x"), ("5x", 5.0, "x")]),
        ("a −3.2% change at 10 m/s", [("−3.2%", -3.2, "%"), ("10", 10.0, None)]),
        ("7.5±0.2% or 69.13$\\pm$10.71%", [("7.5±0.2%", 7.5, "%"), ("69.13$\\pm$10.71%", 69.13, "%")]),
        ("$91.3_{\\pm 0.2}$ or 92.4$_{\\pm0.3}$%", [("91.3_{\\pm 0.2}", 91.3, None), ("92.4$_{\\pm0.3}$%", 92.4, "%")]),
        ("93.5\\% (±0.4), 1.5 ($\\pm$ $0.4) and 94.3% ± 1.9", [("93.5\\%", 93.5, "%"), ("1.5", 1.5, None), ("94.3% ± 1.9", 94.3, "%")]),
        ("$\\mathbf{91.3}_{\\pm 0.2}$, $92.4_{±0.3}$ and 93.5^{\\pm{0.4}}", [("91.3", 91.3, None), ("92.4_{±0.3}", 92.4, None), ("93.5^{\\pm{0.4}}", 93.5, None)]),
        ("91.3% ± 0.2 points, 10 ms ± 2 ms, 1.5x (± 0.1)", [("91.3% ± 0.2 points", 91.3, "%"), ("10 ms", 10.0, "ms"), ("1.5x", 1.5, "x")]),
        ("within a margin of ±0.5 points", [("0.5 points", 0.5, "points")]),
        ("82 pct", [("82 pct", 82.0, "%")]),
        ("up to 18% points, a 5%-point gain", [("18% points", 18.0, "points"), ("5%-point", 5.0, "points")]),
        ("2x to 10x higher, 40.4%～61.1% shorter", [("2x to 10x", 10.0, "x"), ("40.4%～61.1%", 61.1, "%")]),
        ("a 3B-parameter model", [("3B", 3.0, "B")]),
        ("a 3-parameter family, a 12-layer net", []),
        ("An order of magnitude, orders-of-magnitude", [("An order of magnitude", 10.0, "x"), ("orders-of-magnitude", None, "x")]),
        ("2 orders of magnitude, three orders of magnitude", [("2 orders of magnitude", 100.0, "x"), ("three orders of magnitude", 1000.0, "x")]),
        ("of the same order of magnitude", []),
    ],
)
def test_figures(text, expected):
    assert [(f.value, f.number, f.unit) for f in figures.figures(text)] == expected


def results_of(text, proposal=None):
    """Value, method, data set and metric of each figure of a marked sentence."""
    text, mentions, _ = mentioned(f"A title\n{text}")
    return [(r.value, r.method, r.dataset, r.metric) for r in figures.results(text, spans_of(text), mentions, proposal, figures.Rules(FIGURES))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[Osprey|Method] surpasses [Kite|Method] on [SQuAD|Dataset] (91.7 vs. 90.4 [F1|Metric]).",
            [("91.7", "Osprey", "SQuAD", "F1"), ("90.4", "Kite", "SQuAD", "F1")],
        ),
        (
            "[Osprey|Method] is better than [Kite|Method] on [SQuAD|Dataset], with 91.7% against 90.4% [F1|Metric].",
            [("91.7%", "Osprey", "SQuAD", "F1"), ("90.4%", "Kite", "SQuAD", "F1")],
        ),
    ],
)
def test_of_two_figures_that_are_compared_the_second_is_the_rivals(text, expected):
    assert results_of(text, "Osprey") == expected


@pytest.mark.parametrize("unit", figures._COST_UNITS)
def test_figures_with_a_unit_of_cost_are_costs(unit):
    value = {"B": "10B", "M": "10M", "G": "8.5G", "K": "10K parameters"}.get(unit, f"10 {unit}")
    text, mentions, _ = mentioned(f"A title\n[Osprey|Method] reaches {value} with [BERT|Method].")
    [found] = figures.results(text, spans_of(text), mentions, None, figures.Rules(FIGURES))
    assert found.kind == "cost"


@pytest.mark.parametrize("text", ["[WER|Metric] drops from 5.2\\% to 4.1\\%.", "[Osprey|Method] improves [F1|Metric] from $71.2$ to $74.5$."])
def test_a_change_from_one_to_another_is_two_levels(text):
    text, mentions, _ = mentioned(f"A title\n{text}")
    found = figures.results(text, spans_of(text), mentions, None, figures.Rules(FIGURES))
    assert [r.kind for r in found] == ["absolute", "absolute"]


def test_a_list_in_dollars_is_of_one_kind():
    text, mentions, _ = mentioned("A title\n[Osprey|Method] improves [AP|Metric] by $3.1\\%$ on [A|Dataset] and $2.3\\%$ on [B|Dataset].")
    assert {r.kind for r in figures.results(text, spans_of(text), mentions, None, figures.Rules(FIGURES))} == {"gain"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It has 91.7 [F1|Metric] on [SQuAD|Dataset] and 4.0 on the [Nest|Benchmark].", {"91.7": {"SQuAD", "F1"}, "4.0": {"Nest"}}),
        ("[F1|Metric] of 91.7 on [SQuAD|Dataset]; [Nest|Dataset] (4.0 vs. 3.0)", {"91.7": {"SQuAD", "F1"}, "4.0": {"Nest"}, "3.0": {"Nest"}}),
        (
            "On [A|Dataset] (as easy as [B|Dataset]), and on [C|Benchmark], it has 1.0%, 2.0%, and 3.0% [F1|Metric], respectively.",
            {"1.0%": {"A"}, "2.0%": {"B"}, "3.0%": {"C", "F1"}},
        ),
        (
            "It has 1.0 [AP|Metric] and 2.0 [APr|Metric] on new classes of [A|Dataset] and [B|Dataset] respectively.",
            {"1.0": {"A", "AP"}, "2.0": {"B", "APr"}},
        ),
        ("[Osprey|Method], trained on [A|Dataset], reaches 1.0 [AP|Metric] and 2.0 [AR|Metric] on [B|Dataset], respectively.", {"1.0": {"AP"}, "2.0": {"AR", "B"}}),
        ("It beats [Kite|Method] (1.0%) and [Owl|Method] (2.0%, with luck).", {"1.0%": {"Kite"}, "2.0%": {"Owl"}}),
        ("[Osprey|Method] runs at 15 [FPS|Metric] with 40.1 [mAP|Metric].", {"15 FPS": {"FPS"}, "40.1": {"mAP"}}),
        ("[Osprey|Method] beats [Kite|Method] (2.3% better accuracy) and [Owl|Method] (3x).", {}),
        ("[T5|Method] of rank 3 reaches 90.9 [F1|Metric]; [Kite|Method] attains an average score of 4.0.", {"90.9": {"F1"}, "4.0": {"Kite"}}),
        ("[Osprey|Method] has a [WER|Metric] of 5.1%, compared with 6.3% of [Kite|Method].", {"5.1%": {"WER"}, "6.3%": {"Kite"}}),
        ("[Osprey|Method] has an [FID|Metric] of $5.1$ (vs $6.3$ of [Kite|Method]).", {"5.1": {"FID"}, "6.3": {"Kite"}}),
        ("It has $1.0$ and $2.0$ [F1|Metric] on [A|Dataset] and [B|Dataset].", {"1.0": {"A"}, "2.0": {"B", "F1"}}),
        ("It has $1.0\\%$ there, and $2.0\\%$, on [A|Dataset] and [B|Dataset], respectively.", {"1.0\\%": {"A"}, "2.0\\%": {"B"}}),
        ("[Osprey|Method] beats [Kite|Method] ($2.3$ lower).", {}),
        ("[Swin|Method] and [ViT|Method] obtain 91.3 and 90.8 [F1|Metric].", {"91.3": {"Swin"}, "90.8": {"ViT", "F1"}}),
        ("With [Swin|Method], [ViT|Method] obtains 91.3 and 90.8.", {"91.3": {"ViT"}}),
        ("[ViT|Method] reaches 84.2 vs. 83.9 top-1 accuracy for [ConvNeXt|Method].", {"83.9": {"ConvNeXt"}}),
        ("[Osprey|Method] beats [Kite|Method] (90.1 vs. 88.2).", {"90.1": {"Osprey"}, "88.2": {"Kite"}}),
        ("[Osprey|Method] and [Wren|Method] surpass [Kite|Method] (90.1 vs. 88.2).", {"90.1": {"Wren"}, "88.2": {"Kite"}}),
        ("It beats [Kite|Method] (90.1 vs. 88.2).", {"88.2": {"Kite"}}),
        # gains over them, and a figure of the one that is not in brackets
        ("[Osprey|Method] beats [Kite|Method] (+1.0%).", {}),
        ("[Osprey|Method] outperforms [Kite|Method] (2.0 vs. 1.0).", {"2.0": {"Osprey"}, "1.0": {"Kite"}}),
        ("On [A|Dataset], it reaches 81.0; on the large [B|Dataset] set, it has 1.0 and then 2.0.", {"81.0": {"A"}, "1.0": {"B"}, "2.0": {"B"}}),
        ("Trained on [A|Dataset], it reaches 81.0 and then 82.0.", {}),
        # as many names as figures, but nothing says that they are in step
        ("On [A|Dataset] and then on [B|Dataset], it gains 1.0 here and there 2.0.", {}),
        ("On [A|Dataset], on [B|Dataset] and on [C|Dataset], it has 1.0 and 2.0, respectively.", {}),
        ("[Osprey|Method] outperforms [Kite|Method] and [Owl|Method] by 1.0 and 2.0.", {}),
    ],
)
def test_what_the_form_of_a_text_says_that_figures_are_about(text, expected):
    text, mentions, _ = mentioned(f"A title\n{text}")
    spans, said = spans_of(text), defaultdict(set)
    at = {f.start: f.value for f in figures.candidates(text, spans, mentions)}
    for (start, _), entity in figures.shown(text, spans, mentions, figures.candidates(text, spans, mentions)).items():
        said[at[start]].add(entity)
    assert said == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[Osprey|Method] outperforms [Kite|Method] by 1.0 points on [A|Dataset].", {("1.0 points", "Kite")}),
        ("[Osprey|Method] outperforms [Kite|Method] and [Owl|Method] by 1.0 and 2.0.", {(value, name) for value in ("1.0", "2.0") for name in ("Kite", "Owl")}),
        ("[Osprey|Method] gains 1.0% [F1|Metric] over the strong [Kite|Method] on [A|Dataset].", {("1.0%", "Kite")}),
        ("[Osprey|Method] is 2x faster than [Kite|Method] and [Owl|Method].", {("2x", "Kite"), ("2x", "Owl")}),
        ("[Osprey|Method] beats [Kite|Method] (91.0 vs. 90.0).", set()),
        ("[Osprey|Method] improves by 1.0 with [Kite|Method].", set()),
        ("It has 1.0% [accuracy|Metric] averaged over five runs with [Kite|Method].", set()),
        ("[Osprey|Method] has 1.0; [Kite|Method] is better than [Owl|Method].", set()),
    ],
)
def test_what_one_method_has_over_another_is_not_the_others(text, expected):
    text, mentions, _ = mentioned(f"A title\n{text}")
    spans = spans_of(text)
    at = {f.start: f.value for f in figures.candidates(text, spans, mentions)}
    assert {(at[start], entity) for start, entity in figures.rivals(text, spans, mentions, figures.candidates(text, spans, mentions))} == expected


HUMAN_OR_CHANCE = [
    "humans reach ",
    "humans on [A|Dataset] still achieve about ",
    "human experts score ",
    "human performance on [A|Dataset] is about ",
    "human accuracy: ",
    "above the human baseline (",
    "far above chance level (",
    "random guessing (",
    "humans achieve an F1 of ",
    "human annotators reach only ",
    "people do better: humans (",
    "humans reach 90.0% and ",
    "human F1 is ",
]
OF_A_METHOD = [
    "a super-human performance of ",
    "near-human accuracy of ",
    "near human performance of ",
    "human-level performance of ",
    "a chance of ",
    "more than chance (",
    "an above-chance accuracy of ",
    "it is near chance level (",
    "more than human performance at ",
    "it agrees with human raters (",
    "a correlation with human scores of ",
    "it matches human performance (",
    "close to human performance (",
    "near the human baseline (",
    "near random chance accuracy of ",
    "it correlates with human accuracy (",
    "it improves human accuracy (",
    "agents with humans in the loop achieve ",
    "models of humans achieve ",
]


@pytest.mark.parametrize(("before", "human"), [*((b, True) for b in HUMAN_OR_CHANCE), *((b, False) for b in OF_A_METHOD)])
def test_what_people_or_chance_reach_is_no_methods(before: str, human: bool):
    text, mentions, _ = mentioned(f"A title\n[Osprey|Method] has 80.0% [accuracy|Metric], {before}91.2% [F1|Metric].")
    (result,) = [r for r in figures.results(text, spans_of(text), mentions, None, figures.Rules(RULESET["figures"])) if r.value == "91.2%"]
    assert (result.method is None) == human


@pytest.mark.parametrize("item", ["1.2, ", "1 , ", "1,2,", "3 points, "])
def test_a_long_list_of_figures_is_read_at_all(item):
    # patterns that try every split of a list would not come to an end
    text, mentions, _ = mentioned(f"A title\n[Osprey|Method] outperforms [Kite|Method] by {item * 200}on [A|Dataset] and 3.1% respectively.")
    assert {entity for _, entity in figures.rivals(text, spans_of(text), mentions, figures.candidates(text, spans_of(text), mentions))} <= {"Kite"}
    figures.shown(text, spans_of(text), mentions, figures.candidates(text, spans_of(text), mentions))


# --- what each row brings on annotated papers

PROFILED = """
{"id": "dataset:birdset", "label": "Dataset", "name": "BirdSet", "precision": 0.9}
{"id": "dataset:set", "label": "Dataset", "name": "Bird", "precision": 0.9}
{"id": "t-pattern", "label": "Dataset", "pattern": "in (?P<name>{NAME})", "precision": 0.5, "examples": ["in [BirdSet]"], "counters": ["on BirdSet"]}
{"id": "t-any", "label": "", "pattern": "On (?P<name>{NAME})", "precision": 0.5, "examples": ["On [BirdSet]"], "counters": ["in BirdSet"]}
{"id": "t-never", "label": "Task", "pattern": "hopping (?P<name>{NAME})", "precision": 0.5, "examples": ["hopping [BirdSet]"], "counters": ["in BirdSet"]}
{"id": "t-wording", "type": "EVALUATED_ON", "pattern": "(?P<head>{M}) (?:may )?nests? in (?P<tail>{D})", "precision": 0.5, "examples": ["[A|Method|head] nests in [B|Dataset|tail]"], "counters": ["[A|Method] in [B|Dataset]"]}
{"id": "t-cue", "polarity": "hedged", "pattern": "\\\\bmay nest\\\\b", "examples": ["may nest"], "counters": ["nests"]}
{"id": "t-figure", "kind": "cost", "after": "merrier", "precision": 0.5, "examples": ["[3%] merrier"], "counters": ["[3%] more"]}
{"id": "t-none", "kind": "none", "after": "eggs", "precision": 0.5, "examples": ["[500] eggs"], "counters": ["[3%] more"]}
"""
GOLD = "FlockNet\nWe propose FlockNet. FlockNet nests in BirdSet. FlockNet may nest in SongSet, 3% merrier. On BirdSet it sees 500 eggs. On PlumeSet not."
MARKED = [("FlockNet", "Method", "e1"), ("BirdSet", "Dataset", "e2"), ("SongSet", "Benchmark", "e3")]


@pytest.mark.parametrize(
    ("row", "hits", "right", "timed"),
    [
        ("dataset:birdset", 2, 2, False),
        # inside a longer name it is no mention
        ("dataset:set", 0, 0, None),
        # one of two, because gold's SongSet has another label
        ("t-pattern", 2, 1, True),
        # whatever its label; PlumeSet is what one annotator saw
        ("t-any", 1, 1, True),
        ("t-never", 0, 0, True),
        ("t-wording", 1, 1, True),
        # gold does not have what is only said to be possible
        ("t-cue", 1, 1, True),
        ("t-figure", 1, 0, True),
        ("t-none", 1, 1, True),
    ],
)
def test_a_profile_counts_what_each_row_says_and_what_of_it_is_right(row, hits, right, timed, tmp_path):
    (tmp_path / "mine.jsonl").write_text(PROFILED, encoding="utf-8")
    entities = [
        Entity(start=m.start(), end=m.end(), label=label, text=surface, entity=entity)
        for surface, label, entity in MARKED
        for m in re.finditer(surface, GOLD)
    ]
    at = GOLD.index("PlumeSet")
    gold = Record(
        id="p1",
        text=GOLD,
        entities=tuple(entities),
        relations=(Relation(type="EVALUATED_ON", head="e1", tail="e2"),),
        results=(Result(value="3%", kind="gain", method="e1"),),
        maybe_entities=(Mark(start=at, end=at + len("PlumeSet"), label="Dataset"),),
    )
    profiler = Profiler(read_ruleset([tmp_path / "mine.jsonl"]))
    profiler.read(gold)
    found = {p.row: p for p in profiler.rows()}
    if timed is None:
        assert row not in found
        return
    assert (found[row].hits, found[row].right) == (hits, right)
    assert found[row].precision == (right / hits if hits else None)
    assert (found[row].ms is not None) == timed
