"""Tables are checked against the schema, sorted, and the same bytes for the same rows."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgbuild.errors import SchemaError, WorkspaceError
from kgbuild.schema import load_schema
from kgbuild.tables import GraphTables, write_tables

SCHEMA = load_schema()
BERT = {"id": "method:bert", "name": "BERT", "aliases": ["Bert"], "papers": 2, "first_seen": date(2019, 1, 2)}
SQUAD = {"id": "dataset:squad", "name": "SQuAD"}


def edge(**values: Any) -> dict[str, Any]:
    return {"id": "r:1", "head": "method:bert", "tail": "dataset:squad", "head_label": "Method", "tail_label": "Dataset"} | values


def write(folder: Path, edges: Iterable[dict[str, Any]], nodes: dict[str, list[dict[str, Any]]] | None = None) -> GraphTables:
    return write_tables(folder, SCHEMA, nodes or {"Method": [BERT], "Dataset": [SQUAD]}, {"EVALUATED_ON": edges})


def test_rows_come_back_with_every_property_of_the_schema(tmp_path: Path):
    tables = write(tmp_path, [edge(support=2, confidence=0.5)])
    method = tables.nodes("Method").row(0, named=True)
    assert {k: method[k] for k in BERT} == BERT
    assert method.keys() == {*SCHEMA.node_properties("Method"), "row_hash"}
    assert tables.nodes("Dataset").row(0, named=True)["aliases"] == []
    row = tables.relationships("EVALUATED_ON").row(0, named=True)
    assert (row["head"], row["tail"], row["support"], row["confidence"]) == ("method:bert", "dataset:squad", 2, 0.5)
    assert tables.counts() == ({"Method": 1, "Dataset": 1}, {"EVALUATED_ON": 1})
    assert tables.relationships("OUTPERFORMS").height == 0


def test_batches_cover_the_table_in_order(tmp_path: Path):
    nodes = {"Task": [{"id": f"task:{n:02}", "name": str(n)} for n in reversed(range(25))]}
    tables = write_tables(tmp_path, SCHEMA, nodes, {})
    batches = list(tables.node_batches("Task", 10, ["id"]))
    assert [len(b) for b in batches] == [10, 10, 5]
    assert [row["id"] for b in batches for row in b] == [f"task:{n:02}" for n in range(25)]


def test_a_row_hash_tells_rows_apart(tmp_path: Path):
    one = write(tmp_path / "1", [edge(support=1)]).relationships("EVALUATED_ON")["row_hash"][0]
    same = write(tmp_path / "2", [edge(support=1)]).relationships("EVALUATED_ON")["row_hash"][0]
    other = write(tmp_path / "3", [edge(support=2)]).relationships("EVALUATED_ON")["row_hash"][0]
    assert one == same != other


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([edge(likes=1)], "no property likes"),
        ([edge(), edge()], "two rows have the id 'r:1'"),
        ([edge(tail="dataset:none")], "tail 'dataset:none' is no Dataset node"),
        ([edge(head="method:none")], "head 'method:none' is no Method node"),
        ([edge(head_label="Task")], "may not go from Task"),
    ],
)
def test_what_does_not_fit_the_schema_is_refused(tmp_path: Path, rows: list[dict[str, Any]], says: str):
    with pytest.raises(SchemaError, match=says):
        write(tmp_path, rows)


def test_an_unknown_label_is_refused(tmp_path: Path):
    with pytest.raises(SchemaError, match="Gadget"):
        write_tables(tmp_path, SCHEMA, {"Gadget": [SQUAD]}, {})


def test_a_damaged_table_is_reported(tmp_path: Path):
    tables = write(tmp_path, [])
    (tmp_path / "nodes" / "Method.parquet").write_bytes(b"not parquet")
    with pytest.raises(WorkspaceError, match=r"Method\.parquet"):
        tables.nodes("Method")


@given(st.permutations([{"id": f"task:{n}", "name": "é" * n, "aliases": ["a", ""]} for n in range(6)]))
def test_the_same_rows_in_any_order_give_the_same_bytes(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]):
    folder = tmp_path_factory.mktemp("tables")
    write_tables(folder / "a", SCHEMA, {"Task": rows}, {})
    write_tables(folder / "b", SCHEMA, {"Task": sorted(rows, key=lambda r: r["id"])}, {})
    assert (folder / "a/nodes/Task.parquet").read_bytes() == (folder / "b/nodes/Task.parquet").read_bytes()
