"""Evidence of relations against annotated sentences: worked out by hand, from the command line, and our own annotations."""

import csv
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from kgbuild import nlp
from kgbuild.cli import main
from kgbuild.schema import load_schema

ANNOTATED = Path(__file__).parent.parent / "training/evidence.jsonl"
READINGS = ANNOTATED.with_name("annotations.jsonl.gz")
SHARED = os.environ.get("KGBUILD_SHARED")

SENTENCES = (
    "Tiny nets\n",
    "We propose TinyNet. ",
    "TinyNet reads DigitSet. ",
    "It beats BigNet there. ",
    "TinyNet is small.",
)
TEXT = "".join(SENTENCES)
PLACES = [(sum(map(len, SENTENCES[:i])), sum(map(len, SENTENCES[: i + 1]))) for i in range(len(SENTENCES))]
NAMES = {"e1": ("TinyNet", "Method"), "e2": ("DigitSet", "Dataset"), "e3": ("BigNet", "Method")}


def first(entity):
    start = TEXT.index(NAMES[entity][0])
    return [start, start + len(NAMES[entity][0])]


def record(**more):
    entities = [
        {"start": first(e)[0], "end": first(e)[1], "label": label, "text": name, "entity": e}
        for e, (name, label) in NAMES.items()
    ]
    return {"id": "p1", "text": TEXT, "entities": entities, **more}


def relation(kind, head, tail, *sentences):
    return {"type": kind, "head": head, "tail": tail, "sentences": [PLACES[i] for i in sentences]}


def stated(kind, head, tail, *sentences, **more):
    """An annotation; its sentences end before the space that ours end with."""
    places = [(PLACES[i][0], PLACES[i][1] - 1) for i in sentences]
    sha1 = hashlib.sha1(TEXT.encode()).hexdigest()
    return {"id": "p1", "sha1": sha1, "type": kind, "head": head, "tail": first(tail), "sentences": places, **more}


INTRODUCES = ("INTRODUCES", "paper", "e1")
EVALUATED_ON = ("EVALUATED_ON", "e1", "e2")
OUTPERFORMS = ("OUTPERFORMS", "e1", "e3")
GOLD = record(relations=[relation(*r) for r in (INTRODUCES, EVALUATED_ON, OUTPERFORMS)])
ALL = [
    stated("INTRODUCES", None, "e1", 1),
    stated("EVALUATED_ON", first("e1"), "e2", 2),
    stated("OUTPERFORMS", first("e1"), "e3", 2, 3),
]


@pytest.fixture
def measured(tmp_path):
    def run(predicted, annotated, form="json", exit_code=0):
        names = []
        for name, rows in (("gold", [GOLD]), ("predicted", [predicted]), ("evidence", annotated)):
            names.append(tmp_path / f"{name}.jsonl")
            names[-1].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        gold, said, evidence = map(str, names)
        result = CliRunner().invoke(main, ["eval", gold, said, "--evidence", evidence, "--format", form])
        assert result.exit_code == exit_code, result.output
        return result

    return run


@pytest.mark.parametrize(
    ("relations", "found", "hit", "equal"),
    [
        ([], 0, 0, 0),
        ([relation(*INTRODUCES, 1)], 1, 1, 1),
        ([relation(*INTRODUCES, 4)], 1, 0, 0),
        ([relation(*INTRODUCES, 0, 1)], 1, 1, 0),
        ([relation(*OUTPERFORMS, 3)], 1, 1, 0),
        ([relation(*OUTPERFORMS, 3), relation(*OUTPERFORMS, 2)], 1, 1, 1),
        ([relation("TRAINED_ON", "e1", "e2", 2), relation(*EVALUATED_ON, 2), relation(*INTRODUCES, 1, 4)], 2, 2, 1),
    ],
)
def test_evidence_worked_out_by_hand(measured, relations, found, hit, equal):
    said = json.loads(measured(record(relations=relations), ALL).stdout)["evidence"]
    assert said == {"annotated": 3, "found": found, "hit": hit, "equal": equal}


def test_every_format_has_it(measured):
    predicted = record(relations=[relation(*INTRODUCES, 1)])
    rows = list(csv.DictReader(io.StringIO(measured(predicted, ALL, "csv").stdout)))
    assert {r["figure"]: r["value"] for r in rows if r["section"] == "evidence"} == {
        "annotated": "3",
        "found": "1",
        "hit": "1",
        "equal": "1",
    }
    assert "Evidence of relations" in measured(predicted, ALL, "table").stdout


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"sha1": "0"}, "another text"),
        ({"tail": [0, 4]}, "no mention at (0, 4)"),
        ({"sentences": 3}, "sentences"),
    ],
)
def test_what_does_not_fit_gold_is_said(measured, row, complaint):
    said = measured(GOLD, [ALL[0] | row], exit_code=1)
    assert complaint in said.stderr


def test_papers_that_gold_lacks_are_left_out(measured):
    assert json.loads(measured(GOLD, [ALL[0], ALL[1] | {"id": "p2"}]).stdout)["evidence"]["annotated"] == 1


def test_our_annotations_are_spread_over_types_and_hold_no_text():
    rows = [json.loads(line) for line in ANNOTATED.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 150
    assert all(row.keys() == {"id", "sha1", "type", "head", "tail", "sentences"} and row["sentences"] for row in rows)
    assert len({json.dumps(row) for row in rows}) == len(rows)
    counts = Counter(row["type"] for row in rows)
    assert counts.keys() <= set(load_schema().claim_types)
    assert len(counts) == 11
    assert max(counts.values()) < 20


@pytest.mark.skipif(not SHARED, reason="KGBUILD_SHARED is not set")
def test_our_annotations_are_sentences_of_ours_and_their_ends_mentions_of_gold():
    gold = {
        row["id"]: row
        for row in map(json.loads, (Path(SHARED or "") / "gold/dev.jsonl").read_text(encoding="utf-8").splitlines())
    }
    pipeline = nlp.load("rules")
    for row in map(json.loads, ANNOTATED.read_text(encoding="utf-8").splitlines()):
        paper = gold[row["id"]]
        assert hashlib.sha1(paper["text"].encode()).hexdigest() == row["sha1"]
        ours = [(s.start_char, s.start_char + len(s.text.rstrip())) for s in pipeline(paper["text"]).sents]
        assert {tuple(s) for s in row["sentences"]} <= set(ours)
        groups = {(e["start"], e["end"]): e["entity"] for e in paper["entities"]}
        ends = ("paper" if row["head"] is None else groups[tuple(row["head"])], groups[tuple(row["tail"])])
        assert {"type": row["type"], "head": ends[0], "tail": ends[1]} in [
            {k: r[k] for k in ("type", "head", "tail")} for r in paper["relations"]
        ]


def test_the_annotated_papers_hold_no_text_and_what_the_schema_allows():
    schema = load_schema()
    with gzip.open(READINGS, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    assert len(rows) > len({row["id"] for row in rows}) > 3000
    for row in rows:
        assert row.keys() == {"id", "sha1", "annotator", "entities", "relations", "results"}
        assert all(e.keys() == {"start", "end", "label", "entity"} and e["start"] < e["end"] for e in row["entities"])
        spans = [(e["start"], e["end"]) for e in row["entities"]]
        assert all(a[1] <= b[0] for a, b in pairwise(spans))
        label = {e["entity"]: e["label"] for e in row["entities"]} | {"paper": "Paper"}
        assert all(schema.allows(r["type"], label[r["head"]], label[r["tail"]]) for r in row["relations"])
        assert all(r["kind"] in ("absolute", "gain", "cost") and len(r["value"]) < 80 for r in row["results"])


def test_joined_with_their_papers_they_can_be_learnt_from(tmp_path):
    with gzip.open(READINGS, "rt", encoding="utf-8") as lines:
        found = json.loads(next(lines))
    title, abstract = SENTENCES[0].strip(), "".join(SENTENCES[1:])
    (tmp_path / "training").mkdir()
    reading = found | {"sha1": hashlib.sha1(f"{title}\n{abstract}".encode()).hexdigest(), "entities": [{"start": first("e1")[0], "end": first("e1")[1], "label": "Method", "entity": "e1"}]}
    with gzip.open(tmp_path / "training/annotations.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(r) + "\n" for r in (reading, found))
    shutil.copy(READINGS.with_name("join.py"), tmp_path / "training")
    papers = tmp_path / "papers.jsonl"
    papers.write_text(json.dumps({"id": "arxiv:2401.00001", "title": title, "abstract": abstract}), encoding="utf-8")
    done = subprocess.run([sys.executable, tmp_path / "training/join.py", papers], capture_output=True, text=True, check=True)
    record = json.loads(done.stdout)
    assert (record["text"], record["entities"][0]["text"]) == (f"{title}\n{abstract}", "TinyNet")
    assert done.stderr.strip() == "1 of 2 annotated papers found"
