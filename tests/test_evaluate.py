"""Measuring an extraction: figures worked out by hand, the measure of record, properties, readers, page, command."""

import csv
import doctest
import gzip
import importlib.util
import io
import json
import math
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from hypothesis import assume, given
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from kgbuild import nlp
from kgbuild.cli import main
from kgbuild.errors import KGError, SourceError
from kgbuild.evaluate import NAMES, Record, Report, evaluate, page, predict, read, read_records
from kgbuild.evaluate.browser import errors, pieces
from kgbuild.evaluate.calibration import calibrate
from kgbuild.evaluate.plot import SIDE
from kgbuild.evaluate.readers import READERS, comparable, detokenise
from kgbuild.evaluate.score import INTERVALS
from kgbuild.schema import load_schema

SHARED = os.environ.get("KGBUILD_SHARED")
needs_shared = pytest.mark.skipif(not SHARED, reason="KGBUILD_SHARED is not set")

Row = dict[str, Any]
Visit = Callable[..., Page]

TEXT = "Tiny nets\nWe propose Tiny-Net. Tiny-Net beats BigNet on DigitSet for digit reading, with an accuracy of 91.2%, 3.1 above."


def record(text: str, names: Mapping[str, tuple[str, Sequence[str]]], said: Row | None = None, **more: Any) -> Row:
    """A record whose mentions are all occurrences of the surfaces of each group."""
    entities = [
        {"start": m.start(), "end": m.end(), "label": label, "text": surface, "entity": group} | (said or {})
        for group, (label, surfaces) in names.items()
        for surface in surfaces
        for m in re.finditer(rf"(?<!\w){re.escape(surface)}(?!\w)", text)
    ]
    return {"id": "p1", "text": text, "entities": entities, "relations": [], "results": []} | more


def relation(kind: str, head: str, tail: str, **more: Any) -> Row:
    return {"type": kind, "head": head, "tail": tail} | more


def parse(row: Row) -> Record:
    return Record.model_validate_json(json.dumps(row))


def gold_row() -> Row:
    return record(
        TEXT,
        {
            "e1": ("Method", ["Tiny-Net"]),
            "e2": ("Method", ["BigNet"]),
            "e3": ("Dataset", ["DigitSet"]),
            "e4": ("Task", ["digit reading"]),
            "e5": ("Metric", ["accuracy"]),
        },
        relations=[
            relation("INTRODUCES", "paper", "e1"),
            relation("OUTPERFORMS", "e1", "e2"),
            relation("EVALUATED_ON", "e1", "e3"),
            relation("APPLIED_TO", "e1", "e4"),
        ],
        results=[
            {"method": "e1", "dataset": "e3", "task": None, "metric": "e5", "value": "91.2%", "kind": "absolute"},
            {"method": "e1", "dataset": None, "task": None, "metric": None, "value": "3.1", "kind": "gain"},
        ],
    )


def predicted_row() -> Row:
    row = record(
        TEXT,
        {"p1": ("Method", ["Tiny-Net"]), "p2": ("Dataset", ["BigNet"]), "p3": ("Dataset", ["DigitSet"]), "p4": ("Task", ["digit"])},
        relations=[
            relation("INTRODUCES", "paper", "p1", source="introduce", confidence=0.6),
            relation("INTRODUCES", "paper", "p1", source="title", confidence=0.9),
            relation("EVALUATED_ON", "p1", "p3", source="on", confidence=0.8, sentences=[[31, 85]]),
            relation("TRAINED_ON", "p1", "p3", source="on", confidence=0.4),
            relation("APPLIED_TO", "p1", "p4", source="for", confidence=0.3),
        ],
        results=[
            {"method": "p1", "dataset": "p3", "metric": None, "value": "91.2%", "kind": "absolute", "source": "reached", "confidence": 0.7},
            {"method": "p1", "dataset": None, "metric": None, "value": "3.1", "kind": "gain", "source": "gain", "confidence": 0.5},
        ],
    )
    spoke = {"p1": ("lexicon+shape", 0.9), "p2": ("shape", 0.7), "p3": ("lexicon", 0.9), "p4": ("heads", 0.2)}
    for e in row["entities"]:
        e["source"], e["confidence"] = spoke[e["entity"]]
    return row


def by_hand() -> Report:
    return evaluate([parse(gold_row())], [parse(predicted_row())])


# ---- Figures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hits", "predicted", "gold"),
    [
        ("mention", 3, 5, 6),
        ("mention:Method", 2, 2, 3),
        ("mention:Dataset", 1, 2, 1),
        ("mention:Benchmark", 0, 0, 0),
        ("mention:Task", 0, 1, 1),
        ("mention:Metric", 0, 0, 1),
        ("span", 4, 5, 6),
        ("concept", 2, 4, 5),
        ("concept:Method", 1, 1, 2),
        ("concept:Dataset", 1, 2, 1),
        ("relation", 2, 4, 4),
        ("relation:INTRODUCES", 1, 1, 1),
        ("relation:OUTPERFORMS", 0, 0, 1),
        ("relation:TRAINED_ON", 0, 1, 0),
        ("figure", 2, 2, 2),
        ("result", 1, 2, 2),
    ],
)
def test_figures_worked_out_by_hand(name: str, hits: int, predicted: int, gold: int):
    score = by_hand().scores[name]
    assert (score.hits, score.predicted, score.gold) == (hits, predicted, gold)
    assert score.precision == (hits / predicted if predicted else 0)
    assert score.recall == (hits / gold if gold else 0)
    assert score.f1 == pytest.approx(2 * hits / (predicted + gold) if predicted + gold else 0)


def test_a_prediction_counts_for_each_rule_that_made_it():
    sources = by_hand().sources
    assert {s: (x.hits, x.predicted, x.precision) for s, x in sources["mention"].items()} == {
        "lexicon": (3, 3, 1.0),
        "shape": (2, 3, 2 / 3),
        "heads": (0, 1, 0.0),
    }
    # the relation that two rules state counts once for both
    assert {s: (x.hits, x.predicted) for s, x in sources["relation"].items()} == {"on": (1, 2), "introduce": (1, 1), "title": (1, 1), "for": (0, 1)}
    assert {s: (x.hits, x.predicted) for s, x in sources["result"].items()} == {"reached": (0, 1), "gain": (1, 1)}
    assert list(sources["mention"]) == ["lexicon", "shape", "heads"]


def test_confidence_of_a_relation_is_that_of_its_best_statement():
    fit = by_hand().calibration["relation"]
    assert fit is not None
    assert fit.confidence == pytest.approx((0.9 + 0.8 + 0.4 + 0.3) / 4)
    assert fit.brier == pytest.approx((0.01 + 0.04 + 0.16 + 0.09) / 4)
    assert fit.skill == pytest.approx(1 - 0.075 / 0.25)
    assert (fit.precision, fit.surer_half, fit.gain) == (0.5, 1.0, 0.5)


def test_what_one_annotator_saw_counts_neither_for_nor_against():
    gold, predicted = gold_row(), predicted_row()
    wrong = [e for e in predicted["entities"] if e["entity"] in ("p2", "p4")]
    gold["maybe_entities"] = [{k: e[k] for k in ("start", "end", "label")} for e in wrong]
    gold["concepts"] = [{"id": "m1", "label": "Task", "name": "digit", "surfaces": ["Digit"]}]
    gold["maybe_relations"] = [relation("APPLIED_TO", "e1", "m1")]
    report = evaluate([parse(gold)], [parse(predicted)])
    counts = {name: (s.hits, s.predicted, s.gold) for name, s in report.scores.items()}
    assert counts["mention"] == (3, 3, 6)
    assert counts["span"] == (4, 4, 6)
    assert counts["concept"] == (2, 3, 5)
    assert counts["relation"] == (2, 3, 4)
    assert report.sources["mention"].keys() == {"lexicon", "shape"}
    assert report.sources["relation"].keys() == {"on", "introduce", "title"}


def test_calibration_worked_out_by_hand():
    fit = calibrate([(0.9, True), (0.6, True), (0.2, False), (0.9, False)], bins=2)
    assert fit is not None
    assert [(b.low, b.high, b.n, b.precision) for b in fit.bins] == [(0.2, 0.6, 2, 0.5), (0.9, 0.9, 2, 0.5)]
    assert fit.ece == pytest.approx((0.1 + 0.4) / 2)
    assert fit.brier == pytest.approx(0.255)
    assert fit.skill == pytest.approx(-0.02)


def test_of_equally_sure_predictions_at_the_edge_of_the_surer_half_the_mean_counts():
    fit = calibrate([(0.8, True), (0.8, False), (0.1, False), (0.8, False)])
    assert fit is not None
    assert fit.surer_half == pytest.approx(1 / 3)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0]), st.booleans()), min_size=1), st.randoms())
def test_calibration_is_blind_to_order_and_bounded(pairs: list[tuple[float, bool]], rng: random.Random):
    fit = calibrate(pairs)
    assert fit is not None
    rng.shuffle(pairs)
    assert calibrate(pairs) == fit
    assert sum(b.n for b in fit.bins) == fit.n == len(pairs)
    assert 0 <= fit.ece <= 1
    assert 0 <= fit.brier <= 1
    assert (fit.skill is None) == (len({right for _, right in pairs}) == 1)
    # each bin is about as good as its share of the mean error says
    assert math.fsum(b.n * b.precision for b in fit.bins) == pytest.approx(sum(right for _, right in pairs))


def test_nothing_predicted_has_no_calibration():
    assert calibrate([]) is None


# ---- Properties -----------------------------------------------------------------------------------------------------

SMALL = "alpha beta gamma\nalpha delta Beta epsilon beta zeta eta theta"
PLACES = [(m.start(), m.end()) for m in re.finditer(r"\S+", SMALL)]
LABELS = load_schema().entity_labels
GROUPS = ("e1", "e2", "e3", "e4")
TYPES = ("BASED_ON", "OUTPERFORMS", "EVALUATED_ON")


@st.composite
def rows(draw: st.DrawFn, gold: bool, key: str) -> Row:
    """A record in which labels clash, groups share names, and ends point to nothing."""

    def mark() -> Row:
        first = draw(st.integers(0, len(PLACES) - 1))
        last = min(len(PLACES) - 1, first + draw(st.integers(0, 1)))
        start, end = PLACES[first][0], PLACES[last][1]
        return {"start": start, "end": end, "label": draw(st.sampled_from(LABELS[:3]))}

    def end(paper: bool = True) -> str:
        return draw(st.sampled_from((*GROUPS, "m1", *(("paper",) if paper else ()))))

    def several(make: Callable[[], Row], most: int) -> list[Row]:
        return [make() for _ in range(draw(st.integers(0, most)))]

    def entity() -> Row:
        m = mark()
        return m | {"text": SMALL[m["start"] : m["end"]], "entity": draw(st.sampled_from(GROUPS))}

    def link() -> Row:
        return relation(draw(st.sampled_from(TYPES)), end(), end(paper=False))

    def result() -> Row:
        ends = {k: draw(st.sampled_from((None, *GROUPS, "paper"))) for k in ("method", "dataset", "metric")}
        return ends | {"task": None, "value": draw(st.sampled_from(("1", "2"))), "kind": draw(st.sampled_from(("gain", "absolute")))}

    row: Row = {"id": key, "text": SMALL, "entities": several(entity, 7), "relations": several(link, 6), "results": several(result, 4)}
    if gold:
        row["maybe_entities"] = several(mark, 3)
        row["maybe_relations"] = several(link, 3)
        row["concepts"] = [
            {"id": i, "label": draw(st.sampled_from(LABELS[:3])), "surfaces": draw(st.lists(st.sampled_from(("Alpha", "beta", "zeta eta")), max_size=2))}
            for i in draw(st.sets(st.sampled_from((*GROUPS, "m1"))))
        ]
    return row


@st.composite
def corpora(draw: st.DrawFn) -> tuple[list[Row], list[Row]]:
    """Gold and predicted records; some papers are in one of the two alone."""
    gold = [draw(rows(gold=True, key=f"p{i}")) for i in range(draw(st.integers(1, 3)))]
    return gold, [draw(rows(gold=False, key=f"p{i}")) for i in range(draw(st.integers(1, 4)))]


@given(corpora())
def test_any_records_give_shares_and_the_same_in_any_order_of_papers_and_mentions(corpus: tuple[list[Row], list[Row]]):
    gold, predicted = [[parse(row) for row in side] for side in corpus]
    report = evaluate(gold, predicted)
    for score in report.scores.values():
        assert 0 <= score.hits <= min(score.predicted, score.gold)
        assert 0 <= min(score.precision, score.recall, score.f1) <= max(score.precision, score.recall, score.f1) <= 1
    turned = evaluate(gold[::-1], predicted[::-1])
    assert {n: (s.hits, s.predicted, s.gold) for n, s in turned.scores.items()} == {n: (s.hits, s.predicted, s.gold) for n, s in report.scores.items()}
    assert turned.sources == report.sources
    assert json.loads(json.dumps(report.to_json())) == json.loads(json.dumps(evaluate(gold, predicted).to_json()))
    assert {"mention", "span", "concept", "relation", "figure", "result"} <= report.scores.keys()


@given(rows(gold=True, key="p"))
def test_gold_as_its_own_prediction_is_perfect(row: Row):
    known = {e["entity"]: (e["label"], e["text"].casefold()) for e in row["entities"]}
    # one name a group, and ends that exist: what gold itself guarantees
    kept = {name: group for group, name in reversed(known.items())}
    row["entities"] = [e for e in row["entities"] if kept.get((e["label"], e["text"].casefold())) == e["entity"]]
    groups = {e["entity"] for e in row["entities"]} | {"paper"}
    row["concepts"] = row["maybe_entities"] = row["maybe_relations"] = []
    row["relations"] = [r for r in {json.dumps(r): r for r in row["relations"]}.values() if {r["head"], r["tail"]} <= groups]
    row["results"] = [r for r in row["results"] if {r[k] or "paper" for k in ("method", "dataset", "metric")} <= groups]
    report = evaluate([parse(row)], [parse(row)])
    for score in report.scores.values():
        assert score.hits == score.predicted == score.gold
        assert not score.gold or score.f1 == 1.0


def test_a_perfect_prediction_has_only_ones_and_no_error():
    gold = parse(gold_row())
    report = evaluate([gold], [gold])
    counted = [s for s in report.scores.values() if s.gold]
    assert len(counted) > 10
    assert all((s.precision, s.recall, s.f1) == (1, 1, 1) for s in counted)
    assert all((report.scores[name].low, report.scores[name].high) == (1, 1) for name in INTERVALS)
    assert [row for j in report.judgements for row in errors(j)] == []


def test_empty_predictions_are_all_missed():
    gold = parse(gold_row())
    report = evaluate([gold], [Record(id="p1", text=TEXT)])
    assert all(s.f1 == s.precision == s.recall == s.predicted == 0 for s in report.scores.values())
    assert report.scores["mention"].gold == 6
    assert report.calibration == {"mention": None, "relation": None, "result": None}


def test_ids_that_do_not_join_are_counted():
    gold = [parse(gold_row() | {"id": name}) for name in ("p1", "p2", "p3")]
    predicted = [parse(predicted_row() | {"id": name}) for name in ("p1", "x")]
    report = evaluate(gold, [*predicted, parse({"id": "p3", "text": "Another\ntext"})])
    assert (report.records, report.missing, report.unknown, report.other_text) == (3, 1, 1, 1)
    assert report.scores["mention"].gold == 18
    with pytest.raises(KGError, match="none of the 1 predicted records"):
        evaluate(gold, predicted[1:])


# ---- The measure of record ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measure_of_record() -> ModuleType:
    spec = importlib.util.spec_from_file_location("score", Path(SHARED or "") / "gold" / "score.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def figures(scores: Mapping[str, Row]) -> Row:
    """Our figures under the names of the measure of record."""
    out = {name: {"p": s["precision"], "r": s["recall"], "f": s["f1"], "gold": s["gold"], "predicted": s["predicted"]} for name, s in scores.items()}
    for name in INTERVALS:
        out[name] |= {"low": scores[name]["low"], "high": scores[name]["high"]}
    return out


@needs_shared
@given(corpus=corpora())
def test_equals_the_measure_of_record_on_random_records(corpus: tuple[list[Row], list[Row]], measure_of_record: ModuleType):
    gold, predicted = corpus
    # theirs fails where no paper has any
    assume(all(any(r[key] for r in gold) for key in ("entities", "relations")))
    theirs, _ = measure_of_record.score({r["id"]: r for r in gold}, {r["id"]: r for r in predicted})
    assert figures(evaluate([parse(r) for r in gold], [parse(r) for r in predicted]).to_json()["scores"]) == theirs


@needs_shared
def test_equals_the_measure_of_record_on_gold(tmp_path: Path):
    gold = Path(SHARED or "") / "gold"
    papers, predicted = tmp_path / "papers.jsonl", tmp_path / "predicted.jsonl"
    lines = (gold / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    kept = [{k: row[k] for k in ("id", "title", "abstract")} for row in map(json.loads, lines)]
    papers.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
    run("extract", papers, "-o", predicted, "--model", "rules")
    said = subprocess.run([sys.executable, gold / "score.py", gold / "dev.jsonl", predicted, "--json"], capture_output=True, text=True, check=True)
    theirs = json.loads(said.stdout)
    ours = json.loads(run("eval", gold / "dev.jsonl", predicted, "--format", "json").stdout)
    assert (ours["records"], ours["missing"]) == (theirs.pop("records"), theirs.pop("missing")) == (len(lines), 0)
    assert figures(ours["scores"]) == theirs
    # reading the texts itself gives the same as reading what was extracted from them
    assert json.loads(run("eval", gold / "dev.jsonl", "--model", "rules", "--format", "json").stdout) == ours


# ---- Readers --------------------------------------------------------------------------------------------------------


def marked(text: str, *marks: tuple[str, str]) -> list[Row]:
    """Entities by surface and label, at the first place of each surface."""
    return [{"start": text.index(s), "end": text.index(s) + len(s), "label": label, "text": s} for s, label in marks]


def links(*triples: tuple[int, str, int]) -> list[Row]:
    return [{"head": h, "label": label, "tail": t} for h, label, t in triples]


SENTENCE = "TinyNet, a kind of SmallNet with gates, reads digits on DigitSet better than BigNet by accuracy. It wins."
AS_SCIERC = marked(
    SENTENCE, ("TinyNet", "Method"), ("SmallNet", "Method"), ("gates", "Method"), ("digits", "Task"), ("DigitSet", "Material"), ("BigNet", "Method"), ("accuracy", "Metric"), ("It", "Generic")
)
CASES: dict[str, tuple[Row, set[tuple[str, str]], set[tuple[str, str, str]]]] = {
    "scierc": (
        {
            "entities": AS_SCIERC,
            "relations": links((0, "HYPONYM-OF", 1), (0, "USED-FOR", 3), (2, "USED-FOR", 0), (4, "EVALUATE-FOR", 0), (6, "EVALUATE-FOR", 3), (5, "COMPARE", 0), (0, "CONJUNCTION", 1), (7, "USED-FOR", 3)),
            "clusters": [[0, 7]],
        },
        {("TinyNet", "Method"), ("SmallNet", "Method"), ("gates", "Method"), ("digits", "Task"), ("DigitSet", "Dataset"), ("BigNet", "Method"), ("accuracy", "Metric")},
        {
            ("IS_A", "TinyNet", "SmallNet"),
            ("APPLIED_TO", "TinyNet", "digits"),
            ("BASED_ON", "TinyNet", "gates"),
            ("EVALUATED_ON", "TinyNet", "DigitSet"),
            ("MEASURED_BY", "digits", "accuracy"),
            # without a direction: what the text names first is the head
            ("COMPARED_WITH", "TinyNet", "BigNet"),
        },
    ),
    "scier": (
        {
            "entities": marked(SENTENCE, ("TinyNet", "Method"), ("gates", "Method"), ("digits", "Task"), ("DigitSet", "Dataset"), ("BigNet", "Method"), ("SmallNet", "Method")),
            "relations": links((1, "Part-Of", 0), (0, "Evaluated-With", 3), (0, "Trained-With", 3), (3, "Benchmark-For", 2), (5, "Synonym-Of", 0), (5, "Compare-With", 4)),
        },
        {("TinyNet", "Method"), ("SmallNet", "Method"), ("gates", "Method"), ("digits", "Task"), ("DigitSet", "Dataset"), ("BigNet", "Method")},
        {
            ("BASED_ON", "TinyNet", "gates"),
            ("EVALUATED_ON", "TinyNet", "DigitSet"),
            ("TRAINED_ON", "TinyNet", "DigitSet"),
            ("FOR_TASK", "DigitSet", "digits"),
            # a synonym is the same thing
            ("COMPARED_WITH", "TinyNet", "BigNet"),
        },
    ),
    "tdmsci": (
        {"entities": marked(SENTENCE, ("digits", "TASK"), ("DigitSet", "DATASET"), ("accuracy", "METRIC"))},
        {("digits", "Task"), ("DigitSet", "Dataset"), ("accuracy", "Metric")},
        set(),
    ),
    "gsap": (
        {"entities": marked(SENTENCE, ("TinyNet", "MLModel"), ("SmallNet", "ModelArchitecture"), ("gates", "Method"), ("digits", "Task"), ("DigitSet", "Datasource"), ("It", "MLModelGeneric"))},
        {("TinyNet", "Method"), ("SmallNet", "Method"), ("gates", "Method"), ("digits", "Task"), ("DigitSet", "Dataset")},
        set(),
    ),
    "scirex": (
        {"entities": marked(SENTENCE, ("TinyNet", "Method"), ("digits", "Task"), ("DigitSet", "Material"), ("accuracy", "Metric"))},
        {("TinyNet", "Method"), ("digits", "Task"), ("DigitSet", "Dataset"), ("accuracy", "Metric")},
        set(),
    ),
    "crossner": (
        {"entities": marked(SENTENCE, ("TinyNet", "algorithm"), ("digits", "task"), ("DigitSet", "product"), ("accuracy", "metrics"))},
        {("TinyNet", "Method"), ("digits", "Task"), ("accuracy", "Metric")},
        set(),
    ),
}


def test_every_reader_has_a_case():
    assert set(CASES) == set(READERS) == set(NAMES) - {"gold"}


def in_words(r: Record) -> tuple[set[tuple[str, str]], set[tuple[str, str, str]]]:
    first = {e.entity: e.text for e in sorted(r.entities, key=lambda e: e.start, reverse=True)}
    return {(e.text, e.label) for e in r.entities}, {(x.type, first[x.head], first[x.tail]) for x in r.relations}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_reader(name: str, packed: bool, tmp_path: Path):
    body, entities, relations = CASES[name]
    file = tmp_path / "set.jsonl"
    data = (json.dumps({"id": "1", "text": SENTENCE, "source": name, **body}) + "\n").encode()
    file.write_bytes(gzip.compress(data) if packed else data)
    (r,) = read(file, name)
    assert (r.id, r.text) == ("1", SENTENCE)
    assert in_words(r) == (entities, relations)
    assert evaluate([r], [r], name).scores["mention"].f1 == 1.0


@pytest.mark.parametrize("name", READERS)
def test_mappings_lead_to_what_the_schema_admits(name: str):
    schema, reader = load_schema(), READERS[name]
    assert set(reader.labels.values()) <= set(schema.entity_labels)
    for (_, head, tail), (kind, swap) in reader.relations.items():
        assert {head, tail} <= set(reader.labels.values())
        assert schema.allows(kind, *((tail, head) if swap else (head, tail)))


def test_coreference_and_equal_surfaces_make_groups(tmp_path: Path):
    text = "The reader TinyNet is small. tinynet, TN for short, is a net."
    entities = marked(text, ("TinyNet", "Method"), ("tinynet", "Method"), ("TN", "Method"), ("net", "Method"), ("reader", "Task"))
    file = tmp_path / "set.jsonl"
    file.write_text(json.dumps({"id": "1", "text": text, "entities": entities, "clusters": [[2, 1], [4, 3]]}))
    (r,) = read(file, "scierc")
    groups = [e.entity for e in r.entities]
    assert groups[0] == groups[1] == groups[2]
    # one thing has one label, so a cluster of two labels is none
    assert len({*groups}) == 3


def test_scierc_as_published(tmp_path: Path):
    document = {
        "doc_key": "X-1",
        "sentences": [["We", "use", "TinyNet", "-LRB-", "TN", "-RRB-", "."], ["It", "reads", "digits", ",", "well", "."]],
        "ner": [[[2, 2, "Method"], [4, 4, "Method"]], [[7, 7, "Generic"], [9, 9, "Task"]]],
        "relations": [[], [[7, 7, 9, 9, "USED-FOR"], [2, 2, 9, 9, "USED-FOR"]]],
        "clusters": [[[2, 2], [4, 4], [7, 7]]],
    }
    file = tmp_path / "dev.json"
    file.write_text(json.dumps(document))
    (r,) = read(file, "scierc")
    assert r.text == "We use TinyNet (TN). It reads digits, well."
    assert in_words(r) == ({("TinyNet", "Method"), ("TN", "Method"), ("digits", "Task")}, {("APPLIED_TO", "TinyNet", "digits")})
    assert r.entities[0].entity == r.entities[1].entity


def test_scirex_as_published(tmp_path: Path):
    document = {
        "doc_id": "d1",
        "words": ["TinyNet", "reads", "MNIST", "digits", ".", "TN", "wins", "."],
        "sentences": [[0, 5], [5, 8]],
        "ner": [[0, 1, "Method"], [2, 4, "Material"], [5, 6, "Method"]],
        "coref": {"TinyNet": [[0, 1], [5, 6]], "unmarked": [[6, 7]]},
        "n_ary_relations": [],
    }
    file = tmp_path / "test.jsonl"
    file.write_text(json.dumps(document))
    (r,) = read(file, "scirex")
    assert r.text == "TinyNet reads MNIST digits. TN wins."
    assert [(e.text, e.label) for e in r.entities] == [("TinyNet", "Method"), ("MNIST digits", "Dataset"), ("TN", "Method")]
    assert r.entities[0].entity == r.entities[2].entity


@given(st.lists(st.sampled_from(["a", "B-2", ",", ".", "(", "-LRB-", "-RRB-", "``", "é"])))
def test_detokenised_words_stay_where_their_offsets_say(words: list[str]):
    text, spans = detokenise(words)
    plain = {"-LRB-": "(", "-RRB-": ")", "``": '"'}
    assert [text[s:e] for s, e in spans] == [plain.get(w, w) for w in words]
    assert text == text.strip()


def test_predictions_are_brought_to_what_the_set_can_hold():
    predicted = parse(
        record(
            SENTENCE,
            {"p1": ("Method", ["TinyNet"]), "p2": ("Method", ["BigNet"]), "p3": ("Benchmark", ["DigitSet"]), "p4": ("Metric", ["accuracy"]), "p5": ("Task", ["digits"])},
            relations=[
                relation("OUTPERFORMS", "p2", "p1"),
                relation("EVALUATED_ON", "p1", "p3"),
                relation("INTRODUCES", "paper", "p1"),
                relation("MEASURED_BY", "p5", "p4"),
                relation("APPLIED_TO", "paper", "p5"),
            ],
            results=[{"value": "1", "kind": "gain"}],
        )
    )
    entities, relations = in_words(comparable(predicted, "scier"))
    assert entities == {("TinyNet", "Method"), ("BigNet", "Method"), ("DigitSet", "Dataset"), ("digits", "Task")}
    assert relations == {("COMPARED_WITH", "TinyNet", "BigNet"), ("EVALUATED_ON", "TinyNet", "DigitSet")}
    # no data sets, no relations
    assert in_words(comparable(predicted, "crossner")) == ({("TinyNet", "Method"), ("BigNet", "Method"), ("accuracy", "Metric"), ("digits", "Task")}, set())
    assert comparable(predicted, "scier").results == ()
    assert comparable(predicted) == predicted


@pytest.mark.parametrize("reader", ["gold", "scierc"])
def test_predictions_point_into_the_texts_they_were_read_in(reader: str):
    text = "We propose TinyNet. TinyNet outperforms BERT on ImageNet."
    gold = Record(id="1", text=text if reader == "scierc" else f"A title\n{text}")
    (r,) = predict([gold], partial(nlp.extract, nlp.load("rules")), reader)
    assert "ImageNet" in {e.text for e in r.entities}
    assert all(r.text[e.start : e.end] == e.text for e in r.entities)
    assert all(0 <= s < e <= len(r.text) for x in r.relations for s, e in x.sentences)


# ---- Malformed files ------------------------------------------------------------------------------------------------

GOOD = json.dumps(gold_row()).encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "holds no record"),
        (b"\n \n", "holds no record"),
        (GOOD + b"\n{oops\n", ":2: Invalid JSON"),
        (b"\n\n[1]\n", ":3: "),
        (b'{"text": ""}', ":1: id: Field required"),
        (b'{"id": 7, "text": ""}', ":1: id: Input should be a valid string"),
        (GOOD + b"\n" + GOOD, ":2: the id 'p1' stands in line 1 already"),
        (GOOD.replace(b'"start": 21', b'"start": 22'), ":1: Value error, the text has no 'Tiny-Net' from 22"),
        (GOOD.replace(b'"end": 29', b'"end": 29000'), ":1: Value error, the text has no"),
        (GOOD.replace(b'"start": 21', b'"start": "21"'), ":1: entities.0.start: Input should be a valid integer"),
        (b'{"id": "\xff\xfe", "text": ""}', ":1: "),
        (b"\x00\x01\x02", ":1: "),
        (gzip.compress(GOOD * 50)[:-30], "damaged or cut off"),
    ],
)
def test_a_malformed_line_is_named(data: bytes, said: str, tmp_path: Path):
    file = tmp_path / "gold.jsonl"
    file.write_bytes(data)
    with pytest.raises(SourceError, match=re.escape(said)) as e:
        read(file)
    assert str(file) in str(e.value)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"entities": marked(SENTENCE, ("TinyNet", "Method")), "relations": links((0, "USED-FOR", 1))}, "there is no entity 1"),
        ({"entities": [{"start": 0, "end": 3, "label": "Method", "text": "Tin y"}]}, "the text has no 'Tin y'"),
        ({"doc_key": "x", "sentences": [["a", "b"]], "ner": [[[1, 2, "Task"]]]}, "there are no words 1 to 2"),
        ({}, "entities: Field required"),
    ],
)
def test_a_malformed_line_of_a_public_set_is_named(row: Row, said: str, tmp_path: Path):
    file = tmp_path / "set.jsonl"
    file.write_text("\n" + json.dumps(row if "doc_key" in row else {"id": "1", "text": SENTENCE, **row}))
    with pytest.raises(SourceError, match=f":2: .*{re.escape(said)}"):
        read(file, "scierc")


def test_what_is_no_file_or_no_reader_is_said(tmp_path: Path):
    with pytest.raises(SourceError, match=r"cannot read .*missing"):
        read_records(tmp_path / "missing")
    with pytest.raises(SourceError, match="cannot read"):
        read(tmp_path, "scier")
    with pytest.raises(KGError, match="no reader 'nobody'; there is gold, scierc"):
        read(tmp_path, "nobody")


# ---- The error browser ----------------------------------------------------------------------------------------------


def said_errors(report: Report) -> set[tuple[str, str, str, str]]:
    return {(row["of"], row["error"], row["label"], row["gold"]) for j in report.judgements for row in errors(j)}


def test_errors_are_told_apart():
    assert said_errors(by_hand()) == {
        ("mention", "wrong label", "Dataset", "Method"),
        ("mention", "wrong edge", "Task", ""),
        ("mention", "missed", "Metric", ""),
        ("relation", "wrong type", "TRAINED_ON", "EVALUATED_ON"),
        ("relation", "wrong end", "APPLIED_TO", ""),
        ("relation", "missed end", "APPLIED_TO", ""),
        ("relation", "missed end", "OUTPERFORMS", ""),
    }
    bare = evaluate([parse(record(TEXT, {"e1": ("Metric", ["digit reading"])}))], [parse(record(TEXT, {"p1": ("Task", ["digit"]), "p2": ("Task", ["nets"])}))])
    assert said_errors(bare) == {("mention", "wrong both", "Task", "Metric"), ("mention", "wrong", "Task", "")}


@given(st.text(max_size=400), st.lists(st.tuples(st.integers(0, 400), st.integers(1, 30), st.sampled_from(("gold", "predicted"))), min_size=1, max_size=3))
def test_pieces_are_the_text_with_every_mark_in_it(text: str, places: list[tuple[int, int, str]]):
    marks = [(s, min(len(text), s + n), kind) for s, n, kind in places if s < len(text)]
    out = pieces(text, marks)
    whole = "".join(piece for piece, _ in out).removeprefix("…").removesuffix("…")
    assert whole in text
    for start, end, kind in marks:
        inside = "".join(piece for piece, kinds in out if kind in kinds.split())
        assert set(text[start:end]) <= set(inside)


def hostile() -> Report:
    text = "</script><script>window.__x=1</script> & <img src=x onerror=window.__x=2>\n\ud83e\udd16 {{ 7*7 }} <!-- end"
    text = text.encode("utf-16", "surrogatepass").decode("utf-16")
    names = {"p1": ("Method", ["<script>window.__x=1</script>"]), "p2": ("<b>Task", ["{{ 7*7 }}"])}
    entities = [
        {"start": text.index(s), "end": text.index(s) + len(s), "label": label, "text": s, "entity": g, "source": "<i>rule", "confidence": 0.5}
        for g, (label, (s,)) in names.items()
    ]
    said = {"id": "<u>", "text": text, "entities": entities, "relations": [relation("<s>TYPE", "p1", "p2", source="x", confidence=0.5)]}
    return evaluate([Record(id="<u>", text=text)], [parse(said)])


@pytest.mark.browser
def test_page_lists_errors_in_context_and_filters_them(visit: Visit):
    shown = visit(page(by_hand().judgements, "Errors on hand.jsonl"))
    expect(shown.locator("#counts")).to_have_text("7 of 7 errors")
    assert shown.inner_text("h1") == "Errors on hand.jsonl"
    assert shown.locator("#of option").all_inner_texts() == ["all (7)", "relation (4)", "mention (3)"]
    shown.select_option("#of", "mention")
    expect(shown.locator("#rows tr")).to_have_count(3)
    # the other lists count what is left
    assert shown.locator("#rule option").all_inner_texts() == ["all (3)", "heads (1)", "shape (1)"]
    shown.select_option("#rule", "shape")
    line = shown.locator("#rows tr")
    expect(line).to_have_count(1)
    assert line.locator("td").nth(0).inner_text() == "wrong label"
    assert line.locator("td").nth(1).inner_text() == "Dataset, gold Method"
    assert line.locator("mark.gold.predicted").inner_text() == "BigNet"
    assert "Tiny-Net beats" in line.locator("td").nth(2).inner_text()
    assert "confidence 0.70" in line.locator("td").nth(3).inner_text()
    shown.click("#clear")
    shown.select_option("#label", "TRAINED_ON")
    expect(line).to_have_count(1)
    assert line.locator(".ends").inner_text() == "Tiny-Net → DigitSet"
    shown.click("#clear")
    shown.fill("#text", "no such words")
    expect(shown.locator("#counts")).to_have_text("0 of 7 errors")


@pytest.mark.browser
def test_page_shows_the_edge_of_both(visit: Visit):
    shown = visit(page(by_hand().judgements, "x"))
    shown.select_option("#error", "wrong edge")
    assert shown.locator("#rows mark.gold.predicted").all_inner_texts() == ["digit"]
    assert shown.locator("#rows mark.gold:not(.predicted)").all_inner_texts() == [" reading"]


@pytest.mark.browser
def test_page_runs_nothing_that_a_text_holds(visit: Visit):
    report = hostile()
    shown = visit(page(report.judgements, "</title><script>window.__x=3</script>"))
    expect(shown.locator("#rows tr")).to_have_count(3)
    assert shown.evaluate("window.__x") is None
    assert shown.locator("#rows :is(b, i, u, s, img, script)").count() == 0
    assert "<script>window.__x=1</script>" in shown.inner_text("#rows")


@pytest.mark.browser
def test_page_of_many_errors_shows_them_by_parts(visit: Visit):
    gold = [parse(gold_row() | {"id": f"p{i}"}) for i in range(100)]
    shown = visit(page(evaluate(gold, [parse(predicted_row() | {"id": f"p{i}"}) for i in range(100)]).judgements, "x"))
    expect(shown.locator("#counts")).to_have_text("700 of 700 errors, the first 200 shown")
    shown.click("#more")
    expect(shown.locator("#rows tr")).to_have_count(400)


def test_page_is_the_same_every_time():
    assert page(by_hand().judgements, "x") == page(by_hand().judgements, "x")


@pytest.mark.parametrize("module", ["kgbuild.evaluate.browser", "kgbuild.evaluate.readers"])
def test_examples_in_docstrings(module: str):
    failed, tried = doctest.testmod(sys.modules[module])
    assert (failed, tried > 0) == (0, True)


# ---- The command ----------------------------------------------------------------------------------------------------


def run(*arguments: object, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == exit_code, result.output + str(result.exception)
    return result


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    gold, predicted = tmp_path / "gold.jsonl", tmp_path / "predicted.jsonl"
    gold.write_text("".join(json.dumps(gold_row() | {"id": i}) + "\n" for i in ("p1", "p2")))
    predicted.write_text("".join(json.dumps(predicted_row() | {"id": i}) + "\n" for i in ("p1", "x")))
    return gold, predicted


def test_json_is_the_report_and_nothing_else(files: tuple[Path, Path]):
    said = run("eval", *files, "--format", "json")
    values = json.loads(said.stdout)
    assert values == json.loads(json.dumps(evaluate(read(files[0]), read_records(files[1])).to_json()))
    assert (values["records"], values["missing"], values["unknown"], values["other_text"]) == (2, 1, 1, 0)
    assert values["scores"]["mention"].keys() == {"precision", "recall", "f1", "hits", "predicted", "gold", "low", "high"}
    assert values["sources"]["relation"]["on"] == {"precision": 0.5, "hits": 1, "predicted": 2}
    assert values["calibration"]["result"].keys() == {"n", "confidence", "precision", "ece", "brier", "skill", "surer_half", "gain", "bins"}
    assert "1 gold records have no prediction" in said.stderr
    assert "1 predictions are of papers that gold does not have" in said.stderr


def test_csv_has_one_figure_a_row(files: tuple[Path, Path]):
    found = list(csv.DictReader(io.StringIO(run("eval", *files, "--format", "csv").stdout)))
    by_name = {(r["section"], r["name"], r["figure"]): r["value"] for r in found}
    assert len(by_name) == len(found)
    assert by_name["score", "mention", "hits"] == "3"
    assert by_name["records", "missing", "count"] == "1"
    assert by_name["source of relations", "on", "precision"] == "0.5"
    assert float(by_name["calibration", "relation", "brier"]) == pytest.approx(0.075)
    assert by_name["reliability of results", "bin 1", "n"] == "1"


def test_table_has_every_part(files: tuple[Path, Path]):
    said = run("eval", *files, "--format", "table").stdout
    assert re.search(r"^mention +0\.600 +0\.250 +0\.353 +0\.\d{3}-0\.\d{3} +3 +5 +12 *$", said, re.MULTILINE)
    for part in ("Who found mentions", "Who found relations", "Who found results", "Confidence of mentions", "Confidence of relations", "Confidence of results"):
        assert part in said
    # a label that neither side has is no line
    assert "mention:Benchmark" not in said


def test_without_predictions_the_pipeline_is_measured(files: tuple[Path, Path]):
    values = json.loads(run("eval", files[0], "--model", "rules", "--format", "json").stdout)
    assert (values["records"], values["missing"], values["unknown"], values["other_text"]) == (2, 0, 0, 0)
    assert values["scores"]["mention"]["hits"] > 0
    assert values["sources"]["mention"]


@pytest.mark.parametrize("name", READERS)
def test_every_reader_from_the_command_line(name: str, tmp_path: Path):
    file = tmp_path / "set.jsonl"
    file.write_text(json.dumps({"id": "1", "text": SENTENCE, **CASES[name][0]}))
    values = json.loads(run("eval", file, "--reader", name, "--model", "rules", "--format", "json").stdout)
    assert values["scores"]["mention"]["gold"] == len(CASES[name][1])
    assert values["other_text"] == 0


def test_reliability_is_drawn_as_measured(files: tuple[Path, Path], tmp_path: Path):
    said = run("eval", *files, "--format", "json", "--reliability", tmp_path / "fit.svg")
    fits = {kind: fit for kind, fit in json.loads(said.stdout)["calibration"].items() if fit}
    drawn = ElementTree.parse(tmp_path / "fit.svg").getroot().findall("{http://www.w3.org/2000/svg}g")
    assert len(drawn) == len(fits) > 0
    for panel, (kind, fit) in zip(drawn, fits.items(), strict=True):
        assert f"{kind}s: {fit['n']}" in "".join(panel.itertext())
        dots = panel.findall("{http://www.w3.org/2000/svg}circle")
        assert [(float(d.get("cx")), float(d.get("cy"))) for d in dots] == [
            (pytest.approx(SIDE * b["confidence"], abs=0.06), pytest.approx(SIDE - SIDE * b["precision"], abs=0.06)) for b in fit["bins"]
        ]


@pytest.mark.parametrize("target", ["page.html", "new/folder/page.html"])
def test_errors_are_written_as_a_page(target: str, files: tuple[Path, Path], tmp_path: Path):
    run("eval", *files, "--errors", tmp_path / target)
    html = (tmp_path / target).read_text(encoding="utf-8")
    assert "Errors on gold.jsonl" in html
    assert "http" not in re.sub(r"<script[^>]*json.*?</script>", "", html).replace("http-equiv", "")


def test_what_goes_wrong_is_one_line(files: tuple[Path, Path], tmp_path: Path):
    (tmp_path / "bad.jsonl").write_text("{}")
    said = run("eval", tmp_path / "bad.jsonl", files[1], exit_code=1)
    assert said.stderr.startswith("kgbuild: ")
    assert "bad.jsonl:1: id: Field required" in said.stderr
    assert said.stdout == ""
    assert "cannot write" in run("eval", *files, "--errors", tmp_path / "bad.jsonl" / "page.html", exit_code=1).stderr
    assert "go without PREDICTED" in run("eval", *files, "--model", "rules", exit_code=2).stderr
    assert "no model" in run("eval", files[0], "--model", "nobody", exit_code=1).stderr
