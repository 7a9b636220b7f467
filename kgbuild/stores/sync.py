"""Brings a graph store to the state of the tables by writing only what differs.

Nodes and relationships carry ``row_hash``, a 52-bit integer from the digest of their row in the tables (sums of a page
of them stay within 64 bits, so a server can compare pages without sending their rows). What has no ``row_hash`` is the
user's: it is left alone, and so are labels, properties and relationships that users add to what is ours. A node of
one of our labels that already has the id of a row is taken over.

Nothing but the store's content decides what is written, so a sync that was killed is completed by the next one.
Order: nodes first, then relationships, then the nodes that are gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any, Literal, Protocol

import polars as pl

from kgbuild.ddl import quote
from kgbuild.errors import StoreError
from kgbuild.tables import ENDS, HASH, NUMBER, GraphTables, Row

BLOCK = 20_000
"""Rows of a table that are compared at a time."""

PAGE = 50
"""Rows that a store compares by one sum; few, since one changed row makes it list the page."""

BATCH = 5_000
"""Rows written by one statement."""

_ATTEMPTS = 3

Kind = Literal["node", "relationship"]
Progress = Callable[[str, int], None]


class ConflictError(StoreError):
    """Another writer was faster; comparing and writing again settles it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What a sync wrote (or, as a dry run, would write)."""

    created: int
    updated: int
    deleted: int
    kept: tuple[str, ...]
    """Ids of nodes that are gone from the tables but stay, because users' relationships hang on them."""
    counters: dict[str, int]
    """The engine's own non-zero counters, added up; empty when nothing was written."""


@dataclass(frozen=True, slots=True)
class Page:
    """Neighbouring rows of a table, and the range of ids that they stand for: above ``after``, up to ``upto``."""

    after: str
    upto: str
    ids: list[str]
    hashes: list[int]

    def part(self, after: str, upto: str) -> Page:
        """The rows of the page in a narrower range."""
        kept = [(i, value) for i, value in zip(self.ids, self.hashes, strict=True) if after < i <= upto]
        return Page(after, upto, [i for i, _ in kept], [value for _, value in kept])


class Engine(Protocol):
    """What the algorithm needs of a graph database. Errors are StoreErrors, or ConflictError where a retry helps."""

    def hashes(self, kind: Kind, name: str, pages: Sequence[Page]) -> Iterator[tuple[Page, dict[str, int | None]]]:
        """Pages with the hashes that are stored in their range, by id.

        Pages that are known to be equal may be left out; a page whose range holds far more rows comes in parts.
        """

    def read(self, statement: str, parameters: Row) -> list[Row]:
        """Run a statement that reads."""

    def write(self, statement: str, parameters: Row) -> tuple[list[Row], dict[str, int]]:
        """Run a statement in a transaction of its own; its rows, and the engine's non-zero counters."""


def sync(engine: Engine, tables: GraphTables, *, dry_run: bool = False, progress: Progress | None = None) -> Synced:
    """Write the difference between ``tables`` and what ``engine`` holds, in statements of at most BATCH rows."""
    run = _Run(engine, tables, dry_run, progress or (lambda name, rows: None))
    labels = list(tables.schema.nodes)
    gone = [label for label in labels if run.nodes(label)]
    for name in tables.schema.relationships:
        run.relationships(name)
    for label in gone:
        run.delete_nodes(label)
    return Synced(
        created=run.created, updated=run.updated, deleted=run.deleted, kept=tuple(run.kept), counters=dict(run.counters)
    )


@dataclass(slots=True)
class _Difference:
    """What one block of a table asks for."""

    new: list[Row] = field(default_factory=list)
    changed: list[Row] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Run:
    engine: Engine
    tables: GraphTables
    dry_run: bool
    progress: Progress
    created: int = 0
    updated: int = 0
    deleted: int = 0
    kept: list[str] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)

    def nodes(self, label: str) -> bool:
        """Create and update the nodes of a label; whether some are gone from the tables."""
        n = f"(n:{quote(label)} {{`id`: row.`id`}})"
        gone = False

        def write(difference: _Difference) -> None:
            nonlocal gone
            gone = gone or bool(difference.gone)
            for rows in _batched(_node_parameters(difference.new, nulls=False)):
                self._write(f"UNWIND $rows AS row CREATE {n} SET n += row.`properties`", rows=rows)
                self.created += len(rows)
            for rows in _batched(_node_parameters(difference.changed, nulls=True)):
                self._write(f"UNWIND $rows AS row MATCH {n} SET n += row.`properties`", rows=rows)
                self.updated += len(rows)

        self._each_block("node", label, write)
        return gone

    def relationships(self, name: str) -> None:
        """Create, update and delete the relationships of a type."""
        r = f"[r:{quote(name)} {{`id`: row.`id`}}]"

        def write(difference: _Difference) -> None:
            for ids in _batched(difference.gone):
                self._delete_relationships(name, ids)
                self.deleted += len(ids)
            for head, tail, rows in _by_ends(difference.changed, nulls=True):
                match = f"MATCH (h:{head} {{`id`: row.`head`}})-{r}->(t:{tail} {{`id`: row.`tail`}})"
                same = self._write(f"UNWIND $rows AS row {match} SET r += row.`properties` RETURN r.`id` AS id", rows=rows)
                moved = [] if self.dry_run else _without(rows, same)
                if moved:
                    self._delete_relationships(name, [row["id"] for row in moved])
                    self._create_relationships(name, head, tail, moved)
                self.updated += len(rows)
            for head, tail, rows in _by_ends(difference.new, nulls=False):
                self._create_relationships(name, head, tail, rows)
                self.created += len(rows)

        self._each_block("relationship", name, write)

    def delete_nodes(self, label: str) -> None:
        """Delete the nodes of a label that are gone from the tables, but for those that users' relationships hold."""
        schema = self.tables.schema
        n = f"UNWIND $ids AS id MATCH (n:{quote(label)} {{`id`: id}})"
        held = (
            f"{n} WHERE any(l IN labels(n) WHERE l IN $labels) "
            f"OR EXISTS {{ MATCH (n)-[r]-() WHERE r.`{HASH}` IS NULL OR NOT type(r) IN $types }} RETURN id"
        )
        known = {"labels": [other for other in schema.nodes if other != label], "types": list(schema.relationships)}

        def write(difference: _Difference) -> None:
            for ids in _batched(difference.gone):
                kept = {row["id"] for row in self.engine.read(held, {"ids": ids, **known})}
                free = [i for i in ids if i not in kept]
                if free:
                    self._write(f"{n} DELETE n", ids=free)
                self.deleted += len(free)
                self.kept += sorted(kept)

        self._each_block("node", label, write)

    def _delete_relationships(self, name: str, ids: list[str]) -> None:
        self._write(f"UNWIND $ids AS id MATCH ()-[r:{quote(name)} {{`id`: id}}]->() DELETE r", ids=ids)

    def _create_relationships(self, name: str, head: str, tail: str, rows: list[Row]) -> None:
        ends = f"MATCH (h:{head} {{`id`: row.`head`}}) MATCH (t:{tail} {{`id`: row.`tail`}})"
        create = f"CREATE (h)-[r:{quote(name)} {{`id`: row.`id`}}]->(t) SET r += row.`properties`"
        made = self._write(f"UNWIND $rows AS row {ends} {create} RETURN count(r) AS made", rows=rows)
        if not self.dry_run and made[0]["made"] != len(rows):
            raise ConflictError(f"{len(rows) - made[0]['made']} ends of {name} relationships were removed while they were written")

    def _write(self, statement: str, **parameters: Any) -> list[Row]:
        if self.dry_run:
            return []
        rows, counters = self.engine.write(statement, parameters)
        self.counters.update(counters)
        return rows

    def _each_block(self, kind: Kind, name: str, write: Callable[[_Difference], None]) -> None:
        scan = self.tables.scan_nodes if kind == "node" else self.tables.scan_relationships
        table = scan(name)
        done = 0
        for rows, pages in _blocks(table):
            for attempt in range(_ATTEMPTS):
                try:
                    for difference in self._differences(kind, name, table.slice(done, rows), pages):
                        write(difference)
                    break
                except ConflictError:
                    if attempt == _ATTEMPTS - 1:
                        raise
            done += rows
            self.progress(name, done)

    def _differences(self, kind: Kind, name: str, block: pl.LazyFrame, pages: list[Page]) -> Iterator[_Difference]:
        """What a block asks for; in several parts where much is gone, as a store may hold far more than the tables."""
        new: list[str] = []
        changed: list[str] = []
        gone: list[str] = []
        for page, stored in self.engine.hashes(kind, name, pages):
            hashes = dict(zip(page.ids, page.hashes, strict=True))
            new += hashes.keys() - stored.keys()
            changed += (i for i, value in hashes.items() if i in stored and stored[i] != value)
            gone += sorted(i for i, value in stored.items() if value is not None and i not in hashes)
            if len(gone) >= BATCH:
                yield _Difference(gone=gone)
                gone = []
        yield _Difference(new=_rows(block, new), changed=_rows(block, changed), gone=gone)


def _blocks(table: pl.LazyFrame) -> Iterator[tuple[int, list[Page]]]:
    """Number of rows and pages of each block; together the pages cover all ids there can be."""
    hashes = table.select("id", NUMBER)
    height = table.select(pl.len()).collect().item()
    after = ""
    for start in range(0, max(height, 1), BLOCK):
        block = hashes.slice(start, BLOCK).collect()
        pages = []
        for first in range(0, block.height, PAGE):
            page = block.slice(first, PAGE)
            ids = page["id"].to_list()
            pages.append(Page(after, ids[-1], ids, page[HASH].to_list()))
            after = ids[-1]
        if start + BLOCK >= height:
            pages.append(Page(after, "\U0010ffff", [], []))
        yield block.height, pages


def _rows(block: pl.LazyFrame, ids: list[str]) -> list[Row]:
    """The rows with these ids, hashes as numbers."""
    if not ids:
        return []
    return block.filter(pl.col("id").is_in(ids)).with_columns(NUMBER).collect().to_dicts()


def _node_parameters(rows: list[Row], *, nulls: bool) -> Iterator[Row]:
    """Rows as the statements take them; nulls remove what a changed row no longer has, a new row goes without them."""
    for row in rows:
        yield {"id": row["id"], "properties": {k: v for k, v in row.items() if k != "id" and (nulls or v is not None)}}


def _by_ends(rows: list[Row], *, nulls: bool) -> Iterator[tuple[str, str, list[Row]]]:
    """Batches of relationships that share the (quoted) labels of head and tail, in order of the ends' ids."""

    def labels(row: Row) -> tuple[str, str]:
        return row["head_label"], row["tail_label"]

    def parameters(row: Row) -> Row:
        properties = {k: v for k, v in row.items() if k not in ("id", *ENDS) and (nulls or v is not None)}
        return {"id": row["id"], "head": row["head"], "tail": row["tail"], "properties": properties}

    for (head, tail), group in groupby(sorted(rows, key=lambda row: (*labels(row), row["head"], row["tail"])), labels):
        for batch in _batched(map(parameters, group)):
            yield quote(head), quote(tail), batch


def _without(rows: list[Row], found: list[Row]) -> list[Row]:
    ids = {row["id"] for row in found}
    return [row for row in rows if row["id"] not in ids]


def _batched(rows: Iterable[Any], size: int = BATCH) -> Iterator[list[Any]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch
