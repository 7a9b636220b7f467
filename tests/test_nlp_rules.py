"""Every row of every rule file: it is well formed, and does what its own examples say."""

import json
import re
from collections import defaultdict
from itertools import pairwise

import pytest

from kgbuild.errors import RuleError
from kgbuild.nlp import figures, gazetteer, relations, rules
from kgbuild.nlp.components import lexicon_rows
from kgbuild.nlp.rows import read_rows
from kgbuild.nlp.text import fold, sentence_starts, words
from kgbuild.resources import resource
from kgbuild.schema import load_schema

SCHEMAS = resource("schemas")
LEXICON = lexicon_rows()
PATTERNS = read_rows([SCHEMAS / "patterns.jsonl"], rules.FIELDS, rules.REQUIRED)
RELATIONS = read_rows([SCHEMAS / "relations.jsonl"], relations.FIELDS, relations.REQUIRED)
FIGURES = read_rows([SCHEMAS / "figures.jsonl"], figures.FIELDS, figures.REQUIRED)
ATTACHMENTS = [r for r in RELATIONS if "place" in r]
WORDINGS = [r for r in RELATIONS if "type" in r and "pattern" in r]
CUES = [r for r in RELATIONS if "polarity" in r]


def by_id(row):
    return row["id"]


def marked(text):
    """Text without the marks ``[surface|Label|role]``, its mentions, and the entities by role; a surface is one entity."""
    plain, mentions, roles, at = "", [], defaultdict(list), 0
    for m in re.finditer(r"\[([^\[\]|]+)\|(\w+)(?:\|(\w+))?\]", text):
        plain += text[at : m.start()]
        mentions.append(relations.Named(len(plain), len(plain) + len(m[1]), m[2], m[1]))
        if m[3]:
            roles[m[3]].append(m[1])
        plain += m[1]
        at = m.end()
    return plain + text[at:], mentions, roles


def spans_of(text):
    starts = [*sentence_starts(text), len(text)]
    return list(pairwise(starts))


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
        assert row["label"] in load_schema().entity_labels
        assert labels[row.get("variant_of", row["id"])] == row["label"], row["id"]
        assert row.get("better", "higher") in ("higher", "lower")
        assert "better" not in row or row["label"] == "Metric"
        assert 0 < row.get("precision", 0.5) <= 1, row["id"]


def test_no_spelling_belongs_to_two_rows_of_a_label():
    owner = {}
    for row in LEXICON:
        for name in (row["name"], *row.get("aliases", ())):
            key = (row["label"], fold(name))
            assert owner.setdefault(key, row["id"]) == row["id"], (name, owner[key], row["id"])


def test_every_row_finds_each_of_its_names():
    known = gazetteer.Lexicon(LEXICON)
    for row in LEXICON:
        for name in (row["name"], *row.get("aliases", ())):
            text = f"We saw {name} with {' '.join(row.get('context', ()))} there."
            hits = [(text[h.start : h.end], h.row["label"]) for h in known.find(text, words(text))]
            assert (name, row["label"]) in hits, (row["id"], name, hits)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a swag of birds", "SWAG"),
        ("glue them together", "GLUE"),
        ("we drop the wings", "DROP"),
        ("race conditions", "RACE"),
        ("a cola drink", "CoLA"),
        ("Adam and Eve saw a bird", "Adam"),
        ("multiple birds", "MultiPL-E"),
        ("an atomic act", "ATOMIC"),
        ("the whole arc of it", "ARC"),
        ("math is hard", "MATH"),
        ("whisper it", "Whisper"),
        ("a mamba bit me", "Mamba"),
        ("sun and stars", "SUN"),
        ("a spider web", "Spider"),
        ("fire and water", "FIRE"),
        ("wow that is a highway", "WoW"),
    ],
)
def test_common_words_are_no_names(text, name):
    known = gazetteer.Lexicon(LEXICON)
    assert not [h for h in known.find(text, words(text)) if h.row["name"] == name]


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
        ("{", "line 1: not JSON"),
        ("[]", "a row must be a JSON object"),
        ('{"id": "x", "label": "Method"}', "field 'name' is missing"),
        ('{"id": "x", "label": "Method", "name": "X", "colour": 1}', "unknown field 'colour'"),
        ('{"id": "x", "label": "Method", "name": 3}', "field 'name' must be str"),
    ],
)
def test_a_malformed_row_is_named_with_its_place(tmp_path, line, complaint):
    path = tmp_path / "mine.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(RuleError, match=re.escape(complaint)) as e:
        lexicon_rows([path])
    assert str(path) in str(e.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RuleError, match="cannot read"):
        lexicon_rows([tmp_path / "none.jsonl"])


def test_a_pattern_that_is_no_regular_expression_is_named():
    row = {"id": "broken", "label": "Method", "pattern": "(", "precision": 1.0, "examples": [], "counters": []}
    with pytest.raises(RuleError, match="broken"):
        rules.Rules([row], [], [])
    with pytest.raises(RuleError, match="name"):
        rules.Rules([{**row, "pattern": "x"}], [], [])
    with pytest.raises(RuleError, match="broken"):
        relations.Rules([{**row, "type": "IS_A"}], load_schema())
    with pytest.raises(RuleError, match="broken"):
        figures.Rules([{"id": "broken", "kind": "gain", "before": "(", "precision": 1.0}])


# --- patterns


def found_by(row, text):
    compiled = rules.Rules([row], (SCHEMAS / "boundary.txt").read_text(encoding="utf-8").split(), [])
    return sorted({(f.start, text[f.start : f.end]) for f in compiled.find(text, words(text))})


@pytest.mark.parametrize("row", PATTERNS, ids=by_id)
def test_a_pattern_finds_its_examples_and_no_counterexample(row):
    assert row["label"] in (*load_schema().entity_labels, "")
    assert row["examples"]
    assert row["counters"]
    for example in row["examples"]:
        text = re.sub(r"[\[\]]", "", example)
        expected = re.findall(r"\[([^\]]+)\]", example)
        assert [surface for _, surface in found_by(row, text)] == expected
    for counter in row["counters"]:
        assert found_by(row, counter) == []


@pytest.mark.parametrize("row", [r for r in PATTERNS if "heads" in r], ids=by_id)
def test_every_head_noun_ends_a_term(row):
    for head in row["heads"]:
        text = f"we study feathered {head} here"
        assert [s for _, s in found_by(row, text)] == [f"feathered {head}"]


def test_no_head_noun_stands_in_two_rows():
    heads = [head for row in PATTERNS for head in row.get("heads", ())]
    assert len(heads) == len(set(heads))


# --- relations


@pytest.mark.parametrize("row", [*WORDINGS, *ATTACHMENTS], ids=by_id)
def test_a_relation_rule_finds_its_examples_and_no_counterexample(row):
    assert row["type"] in load_schema().claim_types
    assert row["examples"]
    assert row["counters"]
    others = [r for r in WORDINGS if r["type"] == "INTRODUCES"] if "place" in row else []
    compiled = relations.Rules([*others, row], load_schema())
    for example in (*row["examples"], *row["counters"]):
        text, mentions, roles = marked(example)
        if "\n" not in example:
            text, shift = f"A title\n{text}", len("A title\n")
            mentions = [relations.Named(m.start + shift, m.end + shift, m.label, m.entity) for m in mentions]
        got = {(r.head, r.tail) for r in relations.relations(text, spans_of(text), mentions, compiled) if r.source == row["id"]}
        assert got == {(h, t) for h in roles["head"] or ["paper"] for t in roles["tail"]}, example


@pytest.mark.parametrize("row", CUES, ids=by_id)
def test_a_polarity_cue_fits_its_examples_and_no_counterexample(row):
    pattern = re.compile(relations.expand(row["pattern"]))
    assert all(pattern.search(e) for e in row["examples"])
    assert not any(pattern.search(c) for c in row["counters"])


# --- figures


@pytest.mark.parametrize("row", FIGURES, ids=by_id)
def test_a_figure_cue_fits_its_examples_and_no_counterexample(row):
    compiled = figures.Rules([row])
    for example in row["examples"]:
        before, after = re.split(r"\[[^\]]+\]", example)
        assert compiled.read(before, after) == row, example
    for counter in row["counters"]:
        before, after = re.split(r"\[[^\]]+\]", counter)
        assert compiled.read(before, after) is None, counter


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
        ("about ~12 FPS", [("12 FPS", 12.0, "FPS")]),
    ],
)
def test_figures(text, expected):
    assert [(f.value, f.number, f.unit) for f in figures.figures(text)] == expected


def results_of(text, proposal=None):
    """Value, method, data set and metric of each figure of a marked sentence."""
    text, mentions, _ = marked(f"A title\n{text}")
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
