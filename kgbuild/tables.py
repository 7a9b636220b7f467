"""The graph as columnar tables: one Parquet file a label, one a relationship type.

They are the truth that stores, the Python API, views and exports are made from.

    FOLDER/nodes/<Label>.parquet          id, name, <properties of the label>, row_hash
    FOLDER/relationships/<TYPE>.parquet   id, head, tail, head_label, tail_label, <properties of the type>, row_hash

Rows are sorted by id; every file of the schema exists, empty ones too. ``row_hash`` is a digest of all
other columns of the row, by which a store finds the rows that differ.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from kgbuild.errors import SchemaError, WorkspaceError
from kgbuild.schema import GraphSchema, Property

Row = dict[str, Any]

ENDS = ("head", "tail", "head_label", "tail_label")
HASH = "row_hash"

_DTYPES: dict[str, pl.DataType] = {
    "string": pl.String(),
    "integer": pl.Int64(),
    "float": pl.Float64(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "strings": pl.List(pl.String()),
    "integers": pl.List(pl.Int64()),
}


@dataclass(frozen=True, slots=True)
class GraphTables:
    """The tables in one folder."""

    folder: Path
    schema: GraphSchema

    def nodes(self, label: str) -> pl.DataFrame:
        """All nodes of a label, sorted by id."""
        self.schema.node_properties(label)
        return _read(self._node_file(label))

    def relationships(self, name: str) -> pl.DataFrame:
        """All relationships of a type, sorted by id."""
        self.schema.relationship_properties(name)
        return _read(self._relationship_file(name))

    def node_batches(self, label: str, size: int, columns: list[str] | None = None) -> Iterator[list[Row]]:
        """The nodes of a label as lists of at most ``size`` rows, without holding the table in memory."""
        return _batches(self._node_file(label), size, columns)

    def relationship_batches(self, name: str, size: int, columns: list[str] | None = None) -> Iterator[list[Row]]:
        """The relationships of a type as lists of at most ``size`` rows, without holding the table in memory."""
        return _batches(self._relationship_file(name), size, columns)

    def counts(self) -> tuple[dict[str, int], dict[str, int]]:
        """Number of nodes by label and of relationships by type, empty ones left out."""
        nodes = {label: _height(self._node_file(label)) for label in self.schema.nodes}
        relationships = {name: _height(self._relationship_file(name)) for name in self.schema.relationships}
        return {k: n for k, n in nodes.items() if n}, {k: n for k, n in relationships.items() if n}

    def _node_file(self, label: str) -> Path:
        return self.folder / "nodes" / f"{label}.parquet"

    def _relationship_file(self, name: str) -> Path:
        return self.folder / "relationships" / f"{name}.parquet"


def write_tables(
    folder: Path, schema: GraphSchema, nodes: Mapping[str, Iterable[Row]], relationships: Mapping[str, Iterable[Row]]
) -> GraphTables:
    """Check rows against the schema and write all tables; ``nodes`` by label, ``relationships`` by type.

    A missing property becomes null (an empty list for lists). Raises SchemaError for an unknown label, type or
    property, a repeated id, an end of a label that the type does not admit, or an end that does not exist.
    """
    for name in nodes.keys() - schema.nodes.keys() | relationships.keys() - schema.relationships.keys():
        raise SchemaError(f"no label or relationship type {name!r} in the schema")
    tables = GraphTables(folder, schema)
    (folder / "nodes").mkdir(parents=True, exist_ok=True)
    (folder / "relationships").mkdir(parents=True, exist_ok=True)
    ids: dict[str, set[str]] = {}
    for label in schema.nodes:
        frame = _frame(label, schema.node_properties(label), (), nodes.get(label, ()))
        ids[label] = set(frame["id"])
        frame.write_parquet(tables._node_file(label))
    for name in schema.relationships:
        frame = _frame(name, schema.relationship_properties(name), ENDS, relationships.get(name, ()))
        for head, tail, head_label, tail_label in frame.select(ENDS).iter_rows():
            if not schema.allows(name, head_label, tail_label):
                raise SchemaError(f"{name} may not go from {head_label} {head!r} to {tail_label} {tail!r}")
            if head not in ids[head_label] or tail not in ids[tail_label]:
                raise SchemaError(f"{name} from {head!r} to {tail!r}: one of them is no node")
        frame.write_parquet(tables._relationship_file(name))
    return tables


def _frame(name: str, properties: Mapping[str, Property], ends: tuple[str, ...], rows: Iterable[Row]) -> pl.DataFrame:
    columns = ["id", *ends, *(p for p in properties if p != "id")]
    lists = [p for p, spec in properties.items() if spec.type in ("strings", "integers")]
    full: list[Row] = []
    for row in rows:
        if unknown := row.keys() - set(columns):
            raise SchemaError(f"{name} has no property {', '.join(sorted(unknown))} in the schema")
        values = {c: row.get(c) for c in columns}
        values.update({c: [] for c in lists if values[c] is None})
        full.append(values | {HASH: _digest(values)})
    full.sort(key=lambda r: r["id"])
    for one, two in itertools.pairwise(full):
        if one["id"] == two["id"]:
            raise SchemaError(f"{name}: two rows have the id {one['id']!r}")
    dtypes: dict[str, pl.DataType] = {c: _DTYPES[properties[c].type] if c in properties else pl.String() for c in columns}
    return pl.DataFrame(full, schema=dtypes | {HASH: pl.String()}, orient="row")


def _digest(values: Row) -> str:
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), default=date.isoformat)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _read(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, memory_map=False)
    except (OSError, pl.exceptions.PolarsError) as e:
        raise WorkspaceError(f"cannot read the table {path}: {e}; build the workspace again") from e


def _height(path: Path) -> int:
    try:
        return int(pl.scan_parquet(path).select(pl.len()).collect().item())
    except (OSError, pl.exceptions.PolarsError) as e:
        raise WorkspaceError(f"cannot read the table {path}: {e}; build the workspace again") from e


def _batches(path: Path, size: int, columns: list[str] | None) -> Iterator[list[Row]]:
    frame = pl.scan_parquet(path)
    if columns is not None:
        frame = frame.select(columns)
    for start in range(0, _height(path), size):
        yield frame.slice(start, size).collect().to_dicts()
