"""Looks at everything that storing a graph needs, and says how to mend what is amiss."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kgbuild import ddl, stores
from kgbuild.errors import StoreError
from kgbuild.schema import GraphSchema, load_schema
from kgbuild.stores.bolt import Neo4jStore, PasswordError
from kgbuild.tables import write_tables

PACKAGES = ("kglite", "neo4j", "networkx", "polars", "pydantic", "pyvis", "spacy")

_SINCE = (5, 7)
"""Neo4j has unique relationship properties from here on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    """What to do; empty where all is well."""


def check(
    uri: str | None = None, username: str = "neo4j", password: str = "", database: str = "neo4j"
) -> Iterator[Check]:
    """Checks in order; those of Neo4j only with a ``uri``, and no further than the first that the rest depends on."""
    yield _python()
    for package in PACKAGES:
        yield _package(package)
    yield _embedded()
    if uri is not None:
        yield from _neo4j(uri, username, password, database)


def _python() -> Check:
    ok = (3, 10) <= sys.version_info[:2] < (3, 14)
    detail = ".".join(map(str, sys.version_info[:3]))
    return Check(name="Python", ok=ok, detail=detail, remedy="" if ok else "use Python 3.10 to 3.13")


def _package(package: str) -> Check:
    try:
        return Check(name=f"package {package}", ok=True, detail=version(package))
    except PackageNotFoundError:
        return Check(name=f"package {package}", ok=False, detail="not installed", remedy=f"pip install {package}")


def _embedded() -> Check:
    """Writes a node into a store of its own and reads it back."""
    name = "embedded store"
    try:
        with tempfile.TemporaryDirectory() as folder, stores.embedded(Path(folder) / "graph.kgl") as store:
            store.sync(write_tables(Path(folder) / "tables", load_schema(), {"Task": [{"id": "task", "name": "Task"}]}, {}))
            rows = store.run("MATCH (n:Task) RETURN n.name AS name")
    except (StoreError, OSError) as e:
        return Check(name=name, ok=False, detail=str(e), remedy="see that the temporary folder can be written to")
    ok = rows == [{"name": "Task"}]
    remedy = "" if ok else "reinstall kglite: pip install --force-reinstall 'kglite>=0.21.2,<0.22'"
    return Check(name=name, ok=ok, detail="writes and reads" if ok else f"read {rows}", remedy=remedy)


def _neo4j(uri: str, username: str, password: str, database: str) -> Iterator[Check]:
    try:
        store = Neo4jStore(uri, username, password, database)
    except StoreError as e:
        yield Check(name="Neo4j address", ok=False, detail=str(e), remedy="set NEO4J_URI, such as bolt://127.0.0.1:7687")
        return
    yield Check(name="Neo4j address", ok=True, detail=uri)
    with store:
        reached = _reached(store, username)
        yield from reached
        if not all(one.ok for one in reached):
            return
        kernel = store.run("CALL dbms.components() YIELD name, versions, edition RETURN name, versions, edition")
        (found,) = [row for row in kernel if row["name"] == "Neo4j Kernel"]
        yield _version(found["versions"][0])
        yield Check(name="Neo4j edition", ok=True, detail=found["edition"])
        yield _database(store, database)
        yield _permissions(store)
        yield _constraints(store, load_schema())


def _reached(store: Neo4jStore, username: str) -> list[Check]:
    reached = Check(name="Neo4j reachable", ok=True, detail=store.address)
    try:
        store.run("RETURN 1 AS one")
    except PasswordError as e:
        remedy = "set NEO4J_USERNAME and NEO4J_PASSWORD to what the server was set up with"
        return [reached, Check(name="Neo4j password", ok=False, detail=str(e), remedy=remedy)]
    except StoreError as e:
        remedy = "start a server with: kgbuild neo4j start; or mend NEO4J_URI or NEO4J_DATABASE"
        return [Check(name="Neo4j reachable", ok=False, detail=str(e), remedy=remedy)]
    return [reached, Check(name="Neo4j password", ok=True, detail=f"accepted for user {username!r}")]


def _version(text: str) -> Check:
    ok = tuple(map(int, re.findall(r"\d+", text)[:2])) >= _SINCE
    remedy = "" if ok else f"use Neo4j {_SINCE[0]}.{_SINCE[1]} or newer (5.26 is the long-term version)"
    return Check(name="Neo4j version", ok=ok, detail=text, remedy=remedy)


def _database(store: Neo4jStore, database: str) -> Check:
    rows = store.run("SHOW DATABASES YIELD name, currentStatus, access, aliases RETURN name, currentStatus, access, aliases")
    found = [row for row in rows if database in (row["name"], *row["aliases"])]
    ok = any(row["currentStatus"] == "online" and row["access"] == "read-write" for row in found)
    detail = ", ".join(f"{row['name']} is {row['currentStatus']}, {row['access']}" for row in found) or f"no {database!r}"
    return Check(name="Neo4j database", ok=ok, detail=detail, remedy="" if ok else "set NEO4J_DATABASE to one that is online and read-write")


def _permissions(store: Neo4jStore) -> Check:
    """Creates a node and a constraint in a transaction that is undone."""
    try:
        store.rehearse("CREATE (n:`kgbuild probe` {`id`: 'probe'})")
        store.rehearse("CREATE CONSTRAINT `kgbuild probe` IF NOT EXISTS FOR (n:`kgbuild probe`) REQUIRE n.`id` IS UNIQUE")
    except StoreError as e:
        remedy = "give the user the right to write data and to make constraints and indexes"
        return Check(name="Neo4j permissions", ok=False, detail=str(e), remedy=remedy)
    return Check(name="Neo4j permissions", ok=True, detail="may write data and make constraints")


def _constraints(store: Neo4jStore, schema: GraphSchema) -> Check:
    rows = store.run("SHOW INDEXES YIELD name, state RETURN name, state")
    online = {row["name"] for row in rows if row["state"] == "ONLINE"}
    wanted = ddl.statements(schema)
    missing = wanted.keys() - online
    detail = f"{len(wanted) - len(missing)} of {len(wanted)} constraints and indexes online"
    return Check(name="Neo4j constraints", ok=not missing, detail=detail, remedy="kgbuild push makes them" if missing else "")
