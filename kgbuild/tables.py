"""The graph as columnar tables: one Parquet file a label, one a relationship type.

They are the truth that stores, the Python API, views and exports are made from.

    FOLDER/nodes/<Label>.parquet          id, name, <properties of the label>, row_hash
    FOLDER/relationships/<TYPE>.parquet   id, head, tail, head_label, tail_label, <properties of the type>, row_hash

Rows are sorted by id; every file of the schema exists, empty ones too. ``row_hash`` is a digest of all
other columns of the row, by which a store finds the rows that differ.
"""

from __future__ import annotations

import hashlib
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
NUMBER = pl.col(HASH).str.slice(0, 13).str.to_integer(base=16)
"""The hash of a row as stores keep it: the first 52 bits, as an integer, so that a server can add up many."""

_CHUNK = 20_000

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

    def scan_nodes(self, label: str) -> pl.LazyFrame:
        """The nodes of a label, sorted by id, read when they are asked for."""
        return pl.scan_parquet(self._node_file(label))

    def scan_relationships(self, name: str) -> pl.LazyFrame:
        """The relationships of a type, sorted by id, read when they are asked for."""
        return pl.scan_parquet(self._relationship_file(name))

    def counts(self) -> tuple[dict[str, int], dict[str, int]]:
        """Number of nodes by label and of relationships by type, empty ones left out."""
        nodes = {label: _height(self._node_file(label)) for label in self.schema.nodes}
        relationships = {name: _height(self._relationship_file(name)) for name in self.schema.relationships}
        return {k: n for k, n in nodes.items() if n}, {k: n for k, n in relationships.items() if n}

    def _node_file(self, label: str) -> Path:
        return self.folder / "nodes" / f"{label}.parquet"

    def _relationship_file(self, name: str) -> Path:
        return self.folder / "relationships" / f"{name}.parquet"


class TableWriter:
    """Takes rows in any order and writes sorted, checked tables; holds rows as columns, not as objects.

    Every row is checked against the schema as it comes: SchemaError for an unknown label, type or property, or an
    end of a label that the type does not admit. A missing property becomes null (an empty list for lists).
    """

    def __init__(self, folder: Path, schema: GraphSchema) -> None:
        self.tables = GraphTables(folder, schema)
        self._schema = schema
        self._nodes = {label: _Columns(label, schema.node_properties(label), ()) for label in schema.nodes}
        self._relationships = {
            name: _Columns(name, schema.relationship_properties(name), ENDS) for name in schema.relationships
        }

    def node(self, label: str, row: Row) -> None:
        """Add a node."""
        if label not in self._nodes:
            raise SchemaError(f"no label {label!r} in the schema")
        self._nodes[label].add(row)

    def relationship(self, name: str, row: Row) -> None:
        """Add a relationship; the row also holds ``head``, ``tail`` and the labels of both."""
        if not self._schema.allows(name, row["head_label"], row["tail_label"]):
            raise SchemaError(f"{name} may not go from {row['head_label']} {row['head']!r} to {row['tail_label']} {row['tail']!r}")
        self._relationships[name].add(row)

    def close(self) -> GraphTables:
        """Write all tables. Raises SchemaError for a repeated id, or an end that is no node."""
        tables = self.tables
        (tables.folder / "nodes").mkdir(parents=True, exist_ok=True)
        (tables.folder / "relationships").mkdir(parents=True, exist_ok=True)
        ids: dict[str, pl.DataFrame] = {}
        for label, columns in self._nodes.items():
            frame = columns.frame()
            ids[label] = frame.select("id")
            frame.write_parquet(tables._node_file(label))
        for name, columns in self._relationships.items():
            frame = columns.frame()
            for end in ("head", "tail"):
                for (label,), part in frame.group_by(f"{end}_label"):
                    lost = part.join(ids[str(label)], left_on=end, right_on="id", how="anti")
                    if lost.height:
                        raise SchemaError(f"{name}: {end} {lost[end].min()!r} is no {label} node")
            frame.write_parquet(tables._relationship_file(name))
        return tables


def write_tables(
    folder: Path, schema: GraphSchema, nodes: Mapping[str, Iterable[Row]], relationships: Mapping[str, Iterable[Row]]
) -> GraphTables:
    """Write tables from rows: ``nodes`` by label, ``relationships`` by type. Errors as of :class:`TableWriter`."""
    writer = TableWriter(folder, schema)
    for label, rows in nodes.items():
        for row in rows:
            writer.node(label, row)
    for name, rows in relationships.items():
        for row in rows:
            writer.relationship(name, row)
    return writer.close()


class _Columns:
    """Rows of one table, turned into columns every so often."""

    def __init__(self, name: str, properties: Mapping[str, Property], ends: tuple[str, ...]) -> None:
        self._name = name
        self._columns = ["id", *ends, *(p for p in properties if p != "id")]
        self._lists = [p for p, spec in properties.items() if spec.type in ("strings", "integers")]
        dtypes = {c: _DTYPES[properties[c].type] if c in properties else pl.String() for c in self._columns}
        self._dtypes: dict[str, pl.DataType] = {**dtypes, HASH: pl.String()}
        self._rows: list[Row] = []
        self._frames: list[pl.DataFrame] = []

    def add(self, row: Row) -> None:
        if unknown := row.keys() - set(self._columns):
            raise SchemaError(f"{self._name} has no property {', '.join(sorted(unknown))} in the schema")
        values = {c: row.get(c) for c in self._columns}
        values.update({c: [] for c in self._lists if values[c] is None})
        self._rows.append({**values, HASH: _digest(values)})
        if len(self._rows) >= _CHUNK:
            self._flush()

    def frame(self) -> pl.DataFrame:
        self._flush()
        frame = pl.concat(self._frames).sort("id")
        self._frames.clear()
        repeated = frame.filter(pl.col("id").is_duplicated())
        if repeated.height:
            raise SchemaError(f"{self._name}: two rows have the id {repeated['id'][0]!r}")
        return frame

    def _flush(self) -> None:
        self._frames.append(pl.DataFrame(self._rows, schema=self._dtypes, orient="row"))
        self._rows = []


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
