"""The embedded store: a kglite file. The only module that knows kglite.

The file is disposable: it is made from the tables, and made again where it cannot be read. A sync works on the graph
in memory and saves it at the end, atomically, so other processes see the state before or after it and none between.
Readers hold the state of the last save, take no lock, and notice a newer file.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import kglite

from kgbuild import ddl
from kgbuild.ddl import quote
from kgbuild.errors import SchemaError, StoreError
from kgbuild.schema import load_schema
from kgbuild.stores.sync import Kind, Page, Progress, Synced, Total, sync
from kgbuild.tables import HASH, GraphTables, Row

log = logging.getLogger(__name__)

kglite.set_query_warning_policy("silent")  # else it prints to standard error that a graph has no nodes of a label

_INVENTED = ("title", "type")
"""Properties that kglite shows on every node, stored or not."""


class EmbeddedStore:
    """A graph in one file: any number of processes may read, one may write. A missing file is an empty graph."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader: Any = None
        self._version: tuple[int, int, int] | None = None

    def __repr__(self) -> str:
        return f"EmbeddedStore({str(self._path)!r})"

    def __enter__(self) -> EmbeddedStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Free the memory of the graph."""
        self._reader = self._version = None

    def sync(
        self, tables: GraphTables, *, earlier: Sequence[GraphTables] = (), dry_run: bool = False, progress: Progress | None = None
    ) -> Synced:
        """Bring the file to the state of the tables; ``earlier`` is no help, since the graph is in memory anyway.

        Raises StoreError where another process is writing the file.
        """
        if dry_run:
            with _errors(self._path):
                return sync(_Engine(self._open_reader(), self._path), tables, dry_run=True, progress=progress)
        with _errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            graph = self._open_writer()
            try:
                engine = _Engine(graph, self._path)
                setup = Counter[str]()
                for statement in {**ddl.constraints(tables.schema), **ddl.indexes(tables.schema)}.values():
                    setup.update(engine.write(statement, {})[1])
                synced = sync(engine, tables, progress=progress)
                synced = replace(synced, counters=dict(setup + Counter(synced.counters)))
                if synced.counters or not self._path.exists():
                    graph.save()
            finally:
                # As after an error: give the file back without another save.
                graph.__exit__(StoreError, None, None)
        return synced

    def run(self, cypher: str, parameters: Mapping[str, Any] | None = None, *, timeout: float = 60.0) -> list[Row]:
        """Rows of a query that only reads. Raises StoreError where it writes, fails, or takes over ``timeout`` seconds."""
        with _errors(self._path):
            limit = max(1, round(timeout * 1000))
            result = self._open_reader().cypher(cypher, params=dict(parameters or {}), timeout_ms=limit)
        if isinstance(result, str):
            raise StoreError("FORMAT CSV is not supported; leave it out of the query and choose an output format instead")
        return [{key: _plain(value) for key, value in row.items()} for row in result.to_list()]

    def _open_reader(self) -> Any:
        """The graph as last saved, reloaded where the file has changed; immutable, so it refuses writes itself."""
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return kglite.KnowledgeGraph().freeze()
        version = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if self._version != version:
            self._reader = kglite.load(str(self._path)).freeze()
            self._version = version
        return self._reader

    def _open_writer(self) -> Any:
        try:
            return kglite.open(str(self._path), durable="off")
        except (kglite.FileFormatError, kglite.NotDurableError) as e:
            if not self._path.is_file():
                raise
            log.warning("the store %s cannot be read and is built anew from the tables: %s", self._path, e)
            self._path.unlink()
            return kglite.open(str(self._path), durable="off")


class _Engine:
    """kglite as the sync algorithm sees it. Lists a whole table at once: the graph is in memory anyway."""

    workers = 1

    def __init__(self, graph: Any, path: Path) -> None:
        self._graph = graph
        self._path = path
        self._listed: tuple[Kind, str] | None = None
        self._ids: list[str] = []
        self._hashes: list[int | None] = []

    def seek(self, variable: str, name: str) -> str:
        return ""

    def totals(self, names: Sequence[tuple[Kind, str]]) -> dict[tuple[Kind, str], Total]:
        return {}

    def hashes(self, kind: Kind, name: str, pages: Sequence[Page], few: bool) -> Iterator[tuple[Page, dict[str, int | None]]]:
        if self._listed != (kind, name) or not pages[0].after:
            self._list(kind, name)
        for page in pages:
            span = slice(bisect_right(self._ids, page.after), bisect_right(self._ids, page.upto))
            ids, hashes = self._ids[span], self._hashes[span]
            if (ids, hashes) != (page.ids, page.hashes):
                yield page, dict(zip(ids, hashes, strict=True))

    def read(self, statement: str, parameters: Row) -> list[Row]:
        rows: list[Row] = self._graph.cypher(statement, params=parameters, timeout_ms=0).to_list()
        return rows

    def write(self, statement: str, parameters: Row) -> tuple[list[Row], dict[str, int]]:
        rows = self.read(statement, parameters)
        return rows, {key: n for key, n in self._graph.last_mutation_stats.items() if n}

    def _list(self, kind: Kind, name: str) -> None:
        pattern = f"(x:{quote(name)})" if kind == "node" else f"()-[x:{quote(name)}]->()"
        listed = self.read(f"MATCH {pattern} RETURN x.`id` AS id, x.`{HASH}` AS hash", {})
        # kglite numbers what users made without an id.
        rows = sorted((row for row in listed if isinstance(row["id"], str)), key=lambda row: str(row["id"]))
        self._listed = kind, name
        self._ids = [row["id"] for row in rows]
        self._hashes = [row["hash"] for row in rows]


def _plain(value: Any) -> Any:
    """A value as every store returns it: nodes and relationships without ids of the engine's own."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"id": int(), "labels": [str(label), *_] as labels, "properties": dict(properties)} if len(value) == 3:
            return {"labels": sorted(labels), "properties": _stored(label, properties)}
        case {"id": int(), "start": int(), "end": int(), "type": str(name), "properties": dict(properties)}:
            return {"type": name, "properties": properties}
    return {key: _plain(v) for key, v in value.items()}


def _stored(label: str, properties: Row) -> Row:
    """The properties of a node without those that kglite shows though nobody stored them."""
    try:
        known = load_schema().node_properties(label)
    except SchemaError:
        return properties
    return {key: value for key, value in properties.items() if key in known or key not in _INVENTED}


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    """kglite's errors as StoreErrors, the most specific first."""
    try:
        yield
    except kglite.WriterLeaseHeldError as e:
        raise StoreError(f"{path} is being written by process {e.holder['pid']}; try again when that has ended") from e
    except kglite.FileFormatError as e:
        raise StoreError(f"{path} cannot be read ({e}); delete it, and it is made anew from the tables") from e
    except (kglite.FileError, kglite.FileIoError, OSError) as e:
        raise StoreError(f"{path} cannot be opened or written: {e}") from e
    except kglite.CypherTimeoutError as e:
        raise StoreError("the query took too long; narrow it, or allow it more time") from e
    except kglite.ReadOnlyError as e:
        raise StoreError("the query writes; a query may only read the store") from e
    except (kglite.KgError, ValueError, TypeError) as e:
        raise StoreError(f"the store refuses the statement: {e}") from e
