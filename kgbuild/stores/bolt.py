"""Neo4j through its official driver. The only module that knows the driver.

Works on Community edition without APOC, from Neo4j 5.7 on. The database is always named; statements run in managed
transactions, which the driver retries after transient errors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from operator import attrgetter
from types import TracebackType
from typing import Any, cast
from urllib.parse import urlsplit

import neo4j
from neo4j import exceptions, graph, time

from kgbuild import ddl
from kgbuild.ddl import quote
from kgbuild.errors import StoreError
from kgbuild.stores.sync import LOW_BITS, ConflictError, Kind, Page, Progress, Synced, Total, sync
from kgbuild.tables import HASH, GraphTables, Row

_LISTED = 500
"""Most rows of a page's range that are listed whole."""

_PART = 20_000
"""Rows of a larger range that are listed at a time."""

_LISTS = f"collect(x.`id`) AS ids, collect(coalesce(x.`{HASH}`, -1)) AS hashes"
"""What is listed of rows: lists, since a record for each takes far longer to read; null is none in a list."""

_INDEX_SECONDS = 600

_SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")


class PasswordError(StoreError):
    """The server does not accept the user name and password."""


class Neo4jStore:
    """One database of a Neo4j server. Connects at the first use; ``tracer`` hears of each statement before it runs."""

    workers = 2
    """Two sessions: the server writes for one while rows are read and sent for the other."""

    def __init__(
        self, uri: str, username: str, password: str, database: str, tracer: Callable[[str], None] | None = None
    ) -> None:
        parts = urlsplit(uri)
        if parts.username or parts.password:
            raise StoreError("leave user and password out of the address; set NEO4J_USERNAME and NEO4J_PASSWORD instead")
        if parts.scheme not in _SCHEMES:
            raise StoreError(f"{uri!r} is no address of Neo4j; write one like bolt://HOST:7687 ({', '.join(_SCHEMES)})")
        self.address = uri
        self.database = database
        self._username = username
        self._tracer = tracer or (lambda statement: None)
        self._connected = False
        with self._errors():
            self._driver = neo4j.GraphDatabase.driver(
                uri, auth=(username, password), connection_timeout=10.0, max_transaction_retry_time=10.0, notifications_min_severity="OFF"
            )

    def __repr__(self) -> str:
        return f"Neo4jStore({self.address!r}, database={self.database!r})"

    def __enter__(self) -> Neo4jStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._driver.close()

    def sync(
        self, tables: GraphTables, *, earlier: Sequence[GraphTables] = (), dry_run: bool = False, progress: Progress | None = None
    ) -> Synced:
        """Bring the database to the state of the tables, constraints and indexes first."""
        with self._errors():
            setup = {} if dry_run else self._set_up(tables)
            synced = sync(self, tables, earlier=earlier, dry_run=dry_run, progress=progress)
        return replace(synced, counters=dict(Counter(setup) + Counter(synced.counters)))

    def run(self, cypher: str, parameters: Mapping[str, Any] | None = None, *, timeout: float = 60.0) -> list[Row]:
        """Rows of a query that only reads. Raises StoreError where it writes, fails, or takes over ``timeout`` seconds."""
        with self._errors():
            return self.read(neo4j.Query(cast(Any, cypher), timeout=timeout), dict(parameters or {}))

    def rehearse(self, statement: str) -> None:
        """Run a statement and undo it: whether the user may do it."""
        with self._errors(), self._connection().session(database=self.database) as session, session.begin_transaction() as undone:
            undone.run(cast(Any, statement)).consume()
            undone.rollback()

    def read(self, statement: str | neo4j.Query, parameters: Row) -> list[Row]:
        """Part of the sync engine: a statement that the server refuses if it writes."""
        rows, _ = self._execute(statement, parameters, neo4j.RoutingControl.READ)
        return rows

    def write(self, statement: str, parameters: Row) -> tuple[list[Row], dict[str, int]]:
        """Part of the sync engine: a statement in a transaction of its own."""
        return self._execute(statement, parameters, neo4j.RoutingControl.WRITE)

    def seek(self, variable: str, name: str) -> str:
        """Part of the sync engine: without it the planner may scan all for every row, while the server has no statistics yet."""
        return f" USING INDEX SEEK {variable}:{quote(name)}(`id`)"

    def totals(self, names: Sequence[tuple[Kind, str]]) -> dict[tuple[Kind, str], Total]:
        """Part of the sync engine: reads the hash of each node and relationship of ours, in a statement for all of a kind."""
        found = dict.fromkeys(names, Total(0, (0, 0, 0)))
        labels, types = ("|".join(quote(name) for kind, name in names if kind == k) for k in ("node", "relationship"))
        counted = f"count(*) AS rows, count(hash) AS hashed, sum(hash / {2**LOW_BITS}) AS high, sum(hash % {2**LOW_BITS}) AS low"
        nodes = f"MATCH (x:{labels}) WITH labels(x) AS names, x.`{HASH}` AS hash RETURN names, {counted}"
        relationships = f"MATCH ()-[x:{types}]->() WITH type(x) AS name, x.`{HASH}` AS hash RETURN [name] AS names, {counted}"
        kinds: tuple[tuple[Kind, str], ...] = (("node", nodes), ("relationship", relationships))
        for kind, statement in kinds:
            for row in self.read(statement, {}):
                # users may have added labels to what is ours
                for key in {(kind, name) for name in row["names"]} & found.keys():
                    rows, hashes = found[key]
                    found[key] = Total(rows + row["rows"], (hashes[0] + row["hashed"], hashes[1] + row["high"], hashes[2] + row["low"]))
        return found

    def hashes(self, kind: Kind, name: str, pages: Sequence[Page], few: bool) -> Iterator[tuple[Page, dict[str, int | None]]]:
        """Part of the sync engine: the server compares pages by number of rows and sum of hashes, and lists those that differ."""
        pattern = _pattern(kind, name) + self.seek("x", name)
        if few:
            ids, hashes = ([x for page in pages for x in values(page)] for values in (attrgetter("ids"), attrgetter("hashes")))
            yield from self._parts(pattern, Page(pages[0].after, pages[-1].upto, ids, hashes))
            return
        each, within = "UNWIND range(0, size($after) - 1) AS i", "x.`id` > $after[i] AND x.`id` <= $upto[i]"
        # OPTIONAL, since a page of which nothing is stored differs too
        sums = f"OPTIONAL MATCH {pattern} WHERE {within} WITH i, count(x) AS rows, sum(x.`{HASH}`) AS total"
        differ = f"{each} {sums} WHERE rows <> $rows[i] OR total <> $totals[i] RETURN collect([i, rows]) AS differ"
        expected = {"rows": [len(page.ids) for page in pages], "totals": [sum(page.hashes) for page in pages]}
        listed = []
        for i, rows in self.read(differ, {**_ranges(pages), **expected})[0]["differ"]:
            if rows == 0:
                yield pages[i], {}
            elif rows <= _LISTED:
                listed.append(pages[i])
            else:
                yield from self._parts(pattern, pages[i])
        if listed:
            lists = f"{each} MATCH {pattern} WHERE {within} RETURN i, {_LISTS}"
            for row in self.read(lists, _ranges(listed)):
                yield listed[row["i"]], _by_id(row)

    def _parts(self, pattern: str, page: Page) -> Iterator[tuple[Page, dict[str, int | None]]]:
        """A page whose range holds far more than the page, a part at a time."""
        within = "x.`id` > $after AND x.`id` <= $upto"
        statement = f"MATCH {pattern} WHERE {within} WITH x ORDER BY x.`id` LIMIT $limit RETURN {_LISTS}"
        after = page.after
        while True:
            stored = _by_id(self.read(statement, {"after": after, "upto": page.upto, "limit": _PART})[0])
            upto = page.upto if len(stored) < _PART else max(stored)
            yield page.part(after, upto), stored
            if upto == page.upto:
                return
            after = upto

    def _set_up(self, tables: GraphTables) -> dict[str, int]:
        """Constraints and indexes that are missing, in one transaction; waits until they serve."""
        statements = ddl.statements(tables.schema)
        online = self.read("SHOW INDEXES YIELD name, state WHERE state = 'ONLINE' RETURN collect(name) AS names", {})
        if statements.keys() <= set(online[0]["names"]):
            return {}

        def work(transaction: neo4j.ManagedTransaction) -> dict[str, int]:
            counters = Counter[str]()
            for statement in statements.values():
                self._tracer(statement)
                counters.update(_counters(transaction.run(cast(Any, statement)).consume()))
            return dict(counters)

        with self._connection().session(database=self.database) as session:
            counters = session.execute_write(work)
        if counters:
            self.read("CALL db.awaitIndexes($seconds)", {"seconds": _INDEX_SECONDS})
        return counters

    def _execute(
        self, statement: str | neo4j.Query, parameters: Row, routing: neo4j.RoutingControl
    ) -> tuple[list[Row], dict[str, int]]:
        self._tracer(statement if isinstance(statement, str) else statement.text)
        with self._errors():
            result = self._connection().execute_query(
                cast(Any, statement), parameters, routing_=routing, database_=self.database
            )
        rows = [{key: _plain(record[key]) for key in result.keys} for record in result.records]
        return rows, _counters(result.summary)

    def _connection(self) -> neo4j.Driver:
        """The driver, after one try without retries, so that a wrong address or password shows at once."""
        if not self._connected:
            with self._driver.session(database=self.database) as session:
                session.run("RETURN 1").consume()
            self._connected = True
        return self._driver

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """The driver's errors as StoreErrors, the most specific first."""
        try:
            yield
        except exceptions.AuthError as e:
            raise PasswordError(
                f"{self.address} does not accept user {self._username!r} with this password; "
                "check NEO4J_USERNAME and NEO4J_PASSWORD"
            ) from e
        except exceptions.ConstraintError as e:
            raise ConflictError(f"{self.address} was changed by another writer meanwhile: {e.message}") from e
        except exceptions.Neo4jError as e:
            raise StoreError(self._refusal(e)) from e
        except (exceptions.ConfigurationError, ValueError, TypeError) as e:
            if isinstance(e.__context__, OSError):  # how driver 5 says that it finds no such host
                raise StoreError(self._unreachable(e)) from e
            raise StoreError(f"the driver refuses {self.address} or a parameter of the query: {e}") from e
        except (exceptions.DriverError, OSError) as e:
            raise StoreError(self._unreachable(e)) from e

    def _unreachable(self, error: Exception) -> str:
        reason = str(error).splitlines()[-1]
        return (
            f"no Neo4j server answers at {self.address}, or it went away ({reason}); see that it runs and that scheme, "
            "host and port are right, or start one with: kgbuild neo4j start"
        )

    def _refusal(self, error: exceptions.Neo4jError) -> str:
        code = error.code or ""
        if code == "Neo.ClientError.Database.DatabaseNotFound":
            return f"{self.address} has no database {self.database!r}; check NEO4J_DATABASE (a Community server has only neo4j)"
        if code.startswith("Neo.ClientError.Transaction.TransactionTimedOut"):
            return "the query took too long; narrow it, or allow it more time"
        if code == "Neo.ClientError.Statement.AccessMode":
            return "the query writes; a query may only read the store"
        if code == "Neo.ClientError.Security.AuthenticationRateLimit":
            return f"{self.address} saw too many wrong passwords and takes none for some seconds; wait, then try again"
        if code == "Neo.ClientError.Security.Forbidden":
            return f"user {self._username!r} lacks a right that this needs: {error.message}"
        if code.startswith("Neo.DatabaseError.Transaction.") or code == "Neo.TransientError.General.DatabaseUnavailable":
            # the server names the reason in its own log alone
            return (
                f"{self.address} has stopped its database {self.database!r}, most often because its disk is full; make room "
                "there, restart the server (its logs/debug.log says more), and push again"
            )
        return f"{self.address} refuses the statement: {error.message} [{code}]"


def _pattern(kind: Kind, name: str) -> str:
    return f"(x:{quote(name)})" if kind == "node" else f"()-[x:{quote(name)}]->()"


def _by_id(row: Row) -> dict[str, int | None]:
    """What a row of _LISTS says."""
    return {i: None if value == -1 else value for i, value in zip(row["ids"], row["hashes"], strict=True)}


def _ranges(pages: Sequence[Page]) -> Row:
    return {"after": [page.after for page in pages], "upto": [page.upto for page in pages]}


def _counters(summary: neo4j.ResultSummary) -> dict[str, int]:
    return {name: n for name, n in vars(summary.counters).items() if type(n) is int and n}


def _plain(value: Any) -> Any:
    """A value of the driver as every store returns it."""
    match value:
        case str() | int() | float() | None:  # first, since most are; a look for a node is slow
            return value
        case graph.Node():
            return {"labels": sorted(value.labels), "properties": _plain(dict(value))}
        case graph.Relationship():
            return {"type": value.type, "properties": _plain(dict(value))}
        case graph.Path():
            return {"nodes": _plain(list(value.nodes)), "relationships": _plain(list(value.relationships))}
        case time.Date() | time.Time() | time.DateTime():
            return value.to_native()
        case time.Duration():
            return {"months": value.months, "days": value.days, "seconds": value.seconds}
        case list():
            return [_plain(v) for v in value]
        case dict():
            return {key: _plain(v) for key, v in value.items()}
    return value
