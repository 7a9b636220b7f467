"""Brings a graph store to the state of the tables by writing only what differs.

Nodes and relationships carry ``row_hash``, a 52-bit integer from the digest of their row in the tables (sums of a page
of them stay within 64 bits, so a server can compare pages without sending their rows). What has no ``row_hash`` is the
user's: it is left alone, and so are labels, properties and relationships that users add to what is ours. A node of
one of our labels that already has the id of a row is taken over.

Nothing but the store's content decides what is written, so a sync that was killed is completed by the next one. First
the store gives totals of each label and type. Where they are those of the tables, nothing is to be done; where they are
those of an earlier graph whose tables are still there, the difference between these is what is to be written; else the
store compares the rows, page by page.
Order: nodes first, then relationships, then the nodes that are gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, Literal, NamedTuple, Protocol

import polars as pl

from kgbuild.ddl import quote
from kgbuild.errors import StoreError
from kgbuild.tables import ENDS, HASH, NUMBER, GraphTables, Row

BLOCK = 20_000
"""Rows of a table that are compared at a time."""

PAGE = 50
"""Rows that a store compares by one sum; few, since one changed row makes it list the page."""

FEW = 4_000
"""Rows that a store lists faster than it plans how to compare them."""

BATCH = 5_000
"""Rows written by one statement."""

LOW_BITS = 21
"""The bits of a hash that are added up apart from the others."""

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


class Total(NamedTuple):
    """A label or type as a whole."""

    rows: int
    """Number of nodes or relationships, users' included."""
    hashes: tuple[int, int, int]
    """Number of hashes, sum of their upper 31 and of their lower 21 bits (sums of 2**32 rows stay within 64 bits).

    Where these are equal the rows of ours are the same, but for a chance of some 2**-52.
    """


class Engine(Protocol):
    """What the algorithm needs of a graph database. Errors are StoreErrors, or ConflictError where a retry helps."""

    workers: int
    """How many threads may call the engine at once."""

    def seek(self, variable: str, name: str) -> str:
        """The hint after a pattern that what it matches of a label or type is to be found by its id; empty where none is needed."""

    def totals(self, names: Sequence[tuple[Kind, str]]) -> dict[tuple[Kind, str], Total]:
        """What is stored of these labels and types; may leave out what is not known at once."""

    def hashes(self, kind: Kind, name: str, pages: Sequence[Page], few: bool) -> Iterator[tuple[Page, dict[str, int | None]]]:
        """Pages with the hashes that are stored in their range, by id.

        Pages that are known to be equal may be left out; a page whose range holds far more rows comes in parts, and where
        few rows are stored altogether, neighbouring pages may come as one.
        """

    def read(self, statement: str, parameters: Row) -> list[Row]:
        """Run a statement that reads."""

    def write(self, statement: str, parameters: Row) -> tuple[list[Row], dict[str, int]]:
        """Run a statement in a transaction of its own; its rows, and the engine's non-zero counters."""


def sync(
    engine: Engine, tables: GraphTables, *, earlier: Sequence[GraphTables] = (), dry_run: bool = False, progress: Progress | None = None
) -> Synced:
    """Write the difference between ``tables`` and what ``engine`` holds, in statements of at most BATCH rows.

    ``earlier`` are graphs that the engine may hold. ``progress`` may be called from several threads, though never by two
    for one table.
    """
    run = _Run(engine, tables, earlier, dry_run, progress or (lambda name, rows: None))
    nodes: list[tuple[Kind, str]] = [("node", label) for label in tables.schema.nodes]
    relationships: list[tuple[Kind, str]] = [("relationship", name) for name in tables.schema.relationships]
    stored = engine.totals([*nodes, *relationships])
    written = run.each(_Table.sync_nodes, [_Table(run, *key, stored.get(key)) for key in nodes])
    written += run.each(_Table.sync_relationships, [_Table(run, *key, stored.get(key)) for key in relationships])
    written += run.each(_Table.delete_nodes, [_Table(run, "node", table.name, table.stored) for table in written if table.gone])
    return Synced(
        created=sum(table.created for table in written),
        updated=sum(table.updated for table in written),
        deleted=sum(table.deleted for table in written),
        kept=tuple(i for table in written for i in table.kept),
        counters=dict(sum((table.counters for table in written), Counter[str]())),
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """What all tables of a sync share."""

    engine: Engine
    tables: GraphTables
    earlier: Sequence[GraphTables]
    dry_run: bool
    progress: Progress
    stopped: Event = field(default_factory=Event)
    updating: Lock = field(default_factory=Lock)
    """Held while relationships are updated: two transactions that do so deadlock in Neo4j, and the driver waits a second."""

    def each(self, step: Callable[[_Table], None], tables: list[_Table]) -> list[_Table]:
        """Take a step for all tables, as many at once as the engine allows, and give the tables back.

        Where one fails the others end before their next statement.
        """
        if self.engine.workers == 1:
            for table in tables:
                step(table)
            return tables
        with ThreadPoolExecutor(self.engine.workers) as pool:
            # the largest first, lest one thread is left with it at the end
            running = [pool.submit(step, table) for table in sorted(tables, key=lambda table: -table.height)]
            try:
                for future in as_completed(running):
                    future.result()
            except BaseException:
                self.stopped.set()
                raise
        return tables


@dataclass(slots=True)
class _Difference:
    """What one block of a table asks for."""

    new: pl.DataFrame
    changed: pl.DataFrame
    gone: list[str]


@dataclass(slots=True)
class _Table:
    """One label or type that is brought to the state of its table, and what that came to.

    Rows travel as lists, id first, the properties written out in the statement: half the bytes of maps, and half the
    time to pack. (``SET``, since kglite lets a ``CREATE`` name no property that no node of the label has yet.)
    """

    run: _Run
    kind: Kind
    name: str
    stored: Total | None = None
    """What the engine holds; None where that is not known."""
    created: int = 0
    updated: int = 0
    deleted: int = 0
    gone: bool = False
    """Whether nodes are gone from the table, which ``delete_nodes`` must see to."""
    kept: list[str] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)

    @property
    def scan(self) -> pl.LazyFrame:
        """The rows, sorted by id."""
        return self._scan(self.run.tables)

    @property
    def height(self) -> int:
        """Number of rows."""
        return int(self.scan.select(pl.len()).collect().item())

    def sync_nodes(self) -> None:
        """Create and update the nodes of the label."""
        label = quote(self.name)
        match = f"MATCH (n:{label} {{`id`: row[0]}}){self._seek('n')}"

        def write(difference: _Difference) -> None:
            self.gone = self.gone or bool(difference.gone)
            properties = difference.new.columns
            for part in difference.new.iter_slices(BATCH):
                self._write(f"UNWIND $rows AS row CREATE (n:{label} {{`id`: row[0]}}) SET n += {_map(properties)}", rows=part.rows())
                self.created += part.height
            for part in difference.changed.iter_slices(BATCH):
                found = self._write(f"UNWIND $rows AS row {match} SET n += {_map(properties)} RETURN count(n) AS found", rows=part.rows())
                if found and found[0]["found"] != part.height:
                    raise ConflictError(f"{part.height - found[0]['found']} nodes of {self.name} were removed or got other ids")
                self.updated += part.height

        self._each_block(write)

    def sync_relationships(self) -> None:
        """Create, update and delete the relationships of the type."""

        def write(difference: _Difference) -> None:
            for ids in _batched(difference.gone):
                self._delete_relationships(ids)
                self.deleted += len(ids)
            for part in difference.changed.iter_slices(BATCH):
                self._update_relationships(part)
                self.updated += part.height
            for head, tail, rows in _by_ends(difference.new):
                self._create_relationships(head, tail, rows)
                self.created += rows.height

        self._each_block(write)

    def delete_nodes(self) -> None:
        """Delete the nodes of the label that are gone from the table, but for those that users' relationships hold."""
        schema = self.run.tables.schema
        n = f"UNWIND $ids AS id MATCH (n:{quote(self.name)} {{`id`: id}}){self._seek('n')}"
        held = (
            f"{n} WHERE any(l IN labels(n) WHERE l IN $labels) "
            f"OR EXISTS {{ MATCH (n)-[r]-() WHERE r.`{HASH}` IS NULL OR NOT type(r) IN $types }} RETURN id"
        )
        known = {"labels": [other for other in schema.nodes if other != self.name], "types": list(schema.relationships)}

        def write(difference: _Difference) -> None:
            for ids in _batched(difference.gone):
                kept = {row["id"] for row in self.run.engine.read(held, {"ids": ids, **known})}
                free = [i for i in ids if i not in kept]
                if free:
                    self._write(f"{n} DELETE n", ids=free)
                self.deleted += len(free)
                self.kept += sorted(kept)

        self._each_block(write)

    def _delete_relationships(self, ids: list[str]) -> None:
        match = f"MATCH ()-[r:{quote(self.name)} {{`id`: id}}]->(){self._seek('r')}"
        self._write(f"UNWIND $ids AS id {match} DELETE r", ids=ids)

    def _update_relationships(self, rows: pl.DataFrame) -> None:
        """Set what has changed; a relationship that has other ends by now is made anew."""
        (*properties, _, _, _, _) = rows.columns
        head, tail, head_label, tail_label = (f"row[{len(properties) + i}]" for i in range(len(ENDS)))
        where = f"h.`id` = {head} AND t.`id` = {tail} AND {head_label} IN labels(h) AND {tail_label} IN labels(t)"
        match = f"MATCH (h)-[r:{quote(self.name)} {{`id`: row[0]}}]->(t){self._seek('r')} WHERE {where}"
        with self.run.updating:
            same = self._write(f"UNWIND $rows AS row {match} SET r += {_map(properties)} RETURN r.`id` AS id", rows=rows.rows())
        moved = rows.filter(~pl.col("id").is_in([row["id"] for row in same]))
        if moved.height and not self.run.dry_run:
            self._delete_relationships(moved["id"].to_list())
            for head, tail, part in _by_ends(moved):
                self._create_relationships(head, tail, part)

    def _create_relationships(self, head: str, tail: str, rows: pl.DataFrame) -> None:
        (*properties, _, _) = rows.columns
        ends = " ".join(
            f"MATCH ({end}:{quote(label)} {{`id`: row[{len(properties) + i}]}}){self.run.engine.seek(end, label)}"
            for i, (end, label) in enumerate((("h", head), ("t", tail)))
        )
        create = f"CREATE (h)-[r:{quote(self.name)} {{`id`: row[0]}}]->(t) SET r += {_map(properties)}"
        made = self._write(f"UNWIND $rows AS row {ends} {create} RETURN count(r) AS made", rows=rows.rows())
        if not self.run.dry_run and made[0]["made"] != rows.height:
            lost = rows.height - made[0]["made"]
            raise ConflictError(f"{lost} ends of {self.name} relationships were removed while they were written")

    def _scan(self, tables: GraphTables) -> pl.LazyFrame:
        return tables.scan_nodes(self.name) if self.kind == "node" else tables.scan_relationships(self.name)

    def _seek(self, variable: str) -> str:
        return self.run.engine.seek(variable, self.name)

    def _write(self, statement: str, **parameters: Any) -> list[Row]:
        self._go_on()
        if self.run.dry_run:
            return []
        rows, counters = self.run.engine.write(statement, parameters)
        self.counters.update(counters)
        return rows

    def _go_on(self) -> None:
        if self.run.stopped.is_set():
            raise StoreError(f"{self.name} was left unfinished, since another table failed")

    def _each_block(self, write: Callable[[_Difference], None]) -> None:
        table, done = self.scan, 0
        if self.stored and self.stored.hashes == _hashes(table):
            self.run.progress(self.name, self.stored.hashes[0])
            return
        if (known := self._known()) is not None:
            try:
                for difference in _against(table, known):
                    write(difference)
            except ConflictError:
                self.stored = None  # the engine must say what it holds
            else:
                self.run.progress(self.name, self.height)
                return
        for rows, pages in _blocks(table):
            for attempt in range(_ATTEMPTS):
                self._go_on()
                try:
                    for difference in self._differences(table.slice(done, rows), pages):
                        write(difference)
                    break
                except ConflictError:
                    self.stored = None
                    if attempt == _ATTEMPTS - 1:
                        raise
            done += rows
            self.run.progress(self.name, done)

    def _known(self) -> pl.DataFrame | None:
        """Ids and hashes of all that the engine holds, where that is the state of an earlier graph."""
        if self.stored is None or not self.stored.rows or self.stored.rows != self.stored.hashes[0]:
            return None  # not known, nothing, or among it users' rows
        for tables in self.run.earlier:
            try:
                rows = self._scan(tables).select("id", HASH).collect()
            except (OSError, pl.exceptions.PolarsError):
                continue  # a build takes away old graphs at any time
            if _hashes(rows.lazy()) == self.stored.hashes:
                return rows
        return None

    def _differences(self, block: pl.LazyFrame, pages: list[Page]) -> Iterator[_Difference]:
        """What a block asks for; in several parts where much is gone, as a store may hold far more than the tables."""
        if self.stored and not self.stored.rows:
            yield _Difference(_numbered(block), _numbered(block.clear()), [])
            return
        new: list[str] = []
        changed: list[str] = []
        gone: list[str] = []
        few = self.stored is not None and self.stored.rows <= FEW
        for page, stored in self.run.engine.hashes(self.kind, self.name, pages, few):
            hashes = dict(zip(page.ids, page.hashes, strict=True))
            new += hashes.keys() - stored.keys()
            changed += (i for i, value in hashes.items() if i in stored and stored[i] != value)
            gone += sorted(i for i, value in stored.items() if value is not None and i not in hashes)
            if len(gone) >= BATCH:
                yield _Difference(_rows(block, []), _rows(block, []), gone)
                gone = []
        yield _Difference(_rows(block, new), _rows(block, changed), gone)


def _against(table: pl.LazyFrame, known: pl.DataFrame) -> Iterator[_Difference]:
    """What a table asks for, a block at a time, of an engine that holds rows with the ids and hashes of ``known``."""
    rows = table.select("id", HASH).collect()
    gone = known.join(rows, on="id", how="anti", maintain_order="left")["id"].to_list()
    differing = rows.join(known, on=["id", HASH], how="anti", maintain_order="left")["id"]
    for start in range(0, max(len(differing), 1), BLOCK):
        ids = differing.slice(start, BLOCK).to_list()
        # the range spares most of a large table the reading
        near = table.filter(pl.col("id").is_between(pl.lit(ids[0]), pl.lit(ids[-1]))) if ids else table
        block = _rows(near, ids)
        old = block["id"].is_in(known["id"].implode())
        yield _Difference(block.filter(~old), block.filter(old), gone)
        gone = []


def _hashes(table: pl.LazyFrame) -> tuple[int, int, int]:
    """What :class:`Total` has under this name, of a table."""
    sums = table.select(pl.len(), high=(NUMBER // 2**LOW_BITS).sum(), low=(NUMBER % 2**LOW_BITS).sum())
    rows, high, low = sums.collect().row(0)
    return rows, high, low


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


def _rows(block: pl.LazyFrame, ids: list[str]) -> pl.DataFrame:
    """The rows with these ids."""
    return _numbered(block.filter(pl.col("id").is_in(ids)) if ids else block.clear())


def _numbered(rows: pl.LazyFrame) -> pl.DataFrame:
    """The rows, with hashes as numbers; the ends of relationships are the last columns."""
    frame = rows.with_columns(NUMBER).collect()
    return frame.select(pl.exclude(*ENDS), *(pl.col(end) for end in ENDS if end in frame.columns))


def _map(properties: list[str]) -> str:
    """The map of properties but for the id that a statement makes of a row; nulls take away what was there."""
    return "{" + ", ".join(f"{quote(name)}: row[{i}]" for i, name in enumerate(properties) if i) + "}"


def _by_ends(rows: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """Batches of relationships that share the labels of head and tail, in order of the ends' ids.

    Their columns are the properties, head and tail.
    """
    ordered = rows.sort("head_label", "tail_label", "head", "tail")
    for (head, tail), part in ordered.group_by("head_label", "tail_label", maintain_order=True):
        for batch in part.drop("head_label", "tail_label").iter_slices(BATCH):
            yield str(head), str(tail), batch


def _batched(ids: list[str]) -> Iterator[list[str]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
