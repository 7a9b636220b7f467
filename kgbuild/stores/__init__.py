"""Graph stores, each brought to the state of the tables by writing the difference, and asked in Cypher."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from kgbuild.stores.sync import Progress, Synced
from kgbuild.tables import GraphTables, Row

__all__ = ["Store", "Synced", "embedded", "neo4j"]


class Store(Protocol):
    """A graph database. All errors are StoreErrors."""

    def __enter__(self) -> Store: ...

    def __exit__(self, *error: Any) -> None: ...

    def sync(
        self, tables: GraphTables, *, earlier: Sequence[GraphTables] = (), dry_run: bool = False, progress: Progress | None = None
    ) -> Synced:
        """Bring the store to the state of the tables; ``progress`` hears of each table how many rows are done.

        ``earlier`` are graphs that the store may hold, the fastest to compare with; whether it holds one, it is asked.
        """

    def run(self, cypher: str, parameters: Mapping[str, Any] | None = None, *, timeout: float = 60.0) -> list[Row]:
        """Rows of a query that only reads, as scalars, lists and dicts; ``timeout`` in seconds.

        A date is a ``datetime.date``; a node is ``{"labels", "properties"}``, a relationship ``{"type", "properties"}``,
        a path ``{"nodes", "relationships"}``. Refuses a query that writes.
        """

    def close(self) -> None:
        """Free what the store holds."""


def embedded(path: Path) -> Store:
    """The graph in one file, with no server; made by the first sync."""
    from kgbuild.stores.kglite import EmbeddedStore

    return EmbeddedStore(path)


def neo4j(uri: str, username: str, password: str, database: str, tracer: Callable[[str], None] | None = None) -> Store:
    """A database of a Neo4j server; ``tracer`` hears of each statement, without its parameters."""
    from kgbuild.stores.bolt import Neo4jStore

    return Neo4jStore(uri, username, password, database, tracer)
