"""Every question is well formed, runs on the sample, and gives answers that were checked by hand against its texts."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

import kgbuild as kg
from kgbuild.errors import QueryError
from kgbuild.queries import Query, library

LIBRARY = library()

ASKED: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    # question -> parameters, and rows (some of their columns) that must be among the answers
    "methods-on-dataset": (
        {"dataset": "squad"},
        [{"method": "CopperSpan", "first_year": 2019}, {"method": "QuillReader"}, {"method": "SpanLattice"}, {"method": "RoBERTa"}],
    ),
    "methods-for-task": ({"task": "object detection"}, [{"method": "TrellisFPN"}]),
    "datasets-for-task": ({"task": "link prediction"}, [{"dataset": "FB15k-237"}, {"dataset": "WN18RR"}]),
    "dataset-alternatives": ({"dataset": "FB15k-237"}, [{"alternative": "WN18RR", "shared_tasks": 1}]),
    "leaderboard": (
        {"dataset": "SQuAD", "metric": "F1"},
        [
            {"method": "CopperSpan", "value": "88.1", "number": 88.1, "year": 2019},
            {"value": "90.9", "number": 90.9, "year": 2023},
            {"method": "QuillReader", "number": 91.7, "year": 2021},
            {"method": "SpanLattice", "number": 90.4, "year": 2021},
        ],
    ),
    "introduced-by": (
        {"name": "QuillReader"},
        [
            {"role": "introduces", "published": date(2021, 5, 18)},
            {"role": "mentions", "paper": "Are Newer Span Readers Better Readers? A Matched-Budget Replication"},
        ],
    ),
    "lineage": (
        {"method": "BERT"},
        [{"direction": "base of", "steps": 1, "other": "RankWeave", "path": ["RankWeave", "BERT"]}],
    ),
    "who-beats-whom": (
        {"dataset": "SQuAD", "method": "QuillReader"},
        [
            {"winner": "QuillReader", "loser": "SpanLattice", "dataset": "SQuAD", "year": 2021, "contested": True},
            {"winner": "SpanLattice", "loser": "QuillReader", "dataset": "SQuAD", "year": 2022, "contested": True},
        ],
    ),
    "emerging": ({"since": 2023, "label": "Method"}, [{"name": "StepLantern", "before": 0}]),
    "used-together": ({"dataset": "ImageNet"}, [{"other": "COCO"}, {"other": "CIFAR-10"}]),
    "baselines": ({"method": "SpanLattice"}, [{"other": "QuillReader", "wins": 1, "losses": 1}]),
    "negative-findings": ({"name": "HumanEval"}, [{"polarity": "negated", "type": "EVALUATED_ON", "head": "RewardMill"}]),
}


@pytest.fixture(scope="module")
def graph(sample_workspace: Path) -> kg.KnowledgeGraph:
    return kg.open(sample_workspace)


def ask(graph: kg.KnowledgeGraph, name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The answer to a question on the sample, and the rows that it must hold."""
    if name == "evidence":
        (winner,) = (r for r in graph.query("methods-on-dataset", dataset="squad") if r["method"] == "CopperSpan")
        paper = {"paper": "CopperSpan: Reading Comprehension with Two-Pass Span Scoring", "polarity": "asserted"}
        return graph.query("evidence", edge=winner["edge"]), [paper]
    parameters, expected = ASKED[name]
    return graph.query(name, **parameters), expected


@pytest.mark.parametrize("name", LIBRARY)
def test_the_answer_holds_what_the_sample_says(graph: kg.KnowledgeGraph, name: str):
    rows, expected = ask(graph, name)
    for facts in expected:
        assert any(row | facts == row for row in rows), f"{facts} is not in {rows}"


def test_what_a_method_loses_is_no_level_of_the_leaderboard(graph: kg.KnowledgeGraph):
    loss = graph.cypher("MATCH (r:Result {value: '2.1'})-[:RESULT_OF]->(m {name: 'TinyLedger'}) RETURN r.kind AS kind, r.direction AS direction")
    assert loss == [{"kind": "gain", "direction": "down"}]
    assert not [row for row in graph.query("leaderboard", dataset="SQuAD", metric="F1", limit=1000) if row["value"] == "2.1"]


@pytest.mark.parametrize("query", LIBRARY.values(), ids=lambda q: q.name)
def test_columns_are_those_of_the_header_in_order_and_type(graph: kg.KnowledgeGraph, query: Query):
    types = {"string": str, "integer": int, "float": (float, int), "boolean": bool, "date": date, "list of string": list}
    rows, _ = ask(graph, query.name)
    for row in rows:
        assert list(row) == [c.name for c in query.columns]
        for column in query.columns:
            assert row[column.name] is None or isinstance(row[column.name], types[column.type]), column


@pytest.mark.parametrize("query", [q for q in LIBRARY.values() if any(p.name == "limit" for p in q.parameters)], ids=lambda q: q.name)
def test_the_limit_holds_and_the_order_is_fixed(graph: kg.KnowledgeGraph, query: Query):
    parameters = ASKED[query.name][0]
    rows = graph.query(query.name, **parameters)
    assert rows == graph.query(query.name, **parameters)
    assert graph.query(query.name, **parameters, limit=1) == rows[:1]


@pytest.mark.parametrize("query", LIBRARY.values(), ids=lambda q: q.name)
def test_hostile_values_are_values(graph: kg.KnowledgeGraph, query: Query):
    hostile = "x' OR 1=1 }) MATCH (n) DETACH DELETE n //"
    values: dict[str, Any] = {p.name: {"integer": 1, "float": 1.0}.get(p.type, hostile) for p in query.parameters}
    assert graph.cypher(query.text, **values) == []
    assert graph.cypher("MATCH (p:Paper) RETURN count(p) AS n") == [{"n": 40}]


def test_every_question_has_a_checked_answer():
    assert ASKED.keys() | {"evidence"} == set(LIBRARY)


HEAD = "// test: What?\n"
COLUMN = "// column a (string): A.\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("MATCH (n) RETURN n\n", "the first line must be `// test: what it answers`"),
        ("// other: What?\nRETURN 1\n", "the first line must be"),
        (HEAD + "// param a: no type\nRETURN 1\n", r"test\.cypher:2: not a header line"),
        (HEAD + "// param a (gadget): A.\n" + COLUMN + "RETURN $a\n", "neither a scalar type nor a list of labels"),
        (HEAD + "// param a (integer = x): A.\n" + COLUMN + "RETURN $a\n", "must be an integer"),
        (HEAD + "// param a (integer): A.\n" + COLUMN + "RETURN 1\n", "declared: a; used: "),
        (HEAD + COLUMN + "RETURN $b\n", "declared: ; used: b"),
        (HEAD + "RETURN 1\n", "names no column"),
        (HEAD + COLUMN + "MATCH (n:Gadget) RETURN n.name AS a\n", "no label or relationship type 'Gadget'"),
        (HEAD + COLUMN + "MATCH (n)-[:LIKES]->() RETURN n.name AS a\n", "no label or relationship type 'LIKES'"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path: Path, text: str, says: str):
    (tmp_path / "test.cypher").write_text(text)
    with pytest.raises(QueryError, match=says):
        library(tmp_path)


def test_parameters_are_typed(tmp_path: Path):
    params = "// param n (integer = 3): N.\n// param d (date = null): D.\n// param f (float = 0.5): F.\n// param s (string): S.\n"
    (tmp_path / "test.cypher").write_text(HEAD + params + COLUMN + "RETURN $n, $d, $f, $s AS a\n")
    query = library(tmp_path)["test"]
    assert query.bind({"s": "x"}) == {"n": 3, "d": None, "f": 0.5, "s": "x"}
    assert query.bind({"s": "x", "n": "7", "d": "2020-02-29", "f": 2}) == {"n": 7, "d": date(2020, 2, 29), "f": 2.0, "s": "x"}
    for wrong in ({"s": 1}, {"s": "x", "n": "many"}, {"s": "x", "n": 1.5}, {"s": "x", "d": "yesterday"}, {}):
        with pytest.raises(QueryError):
            query.bind(wrong)
