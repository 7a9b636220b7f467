"""What every store must do; each test runs on the embedded store and on real Neo4j servers."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import kglite
import neo4j
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgbuild import stores
from kgbuild.errors import StoreError
from kgbuild.schema import load_schema
from kgbuild.stores import Store, bolt, server, sync
from kgbuild.tables import NUMBER, GraphTables, Row, write_tables

Rows = dict[str, list[Row]]
MakeTables = Callable[[Rows, Rows], GraphTables]
GraphRows = Callable[[int], tuple[Rows, Rows]]

SCHEMA = load_schema()
ENGINES = ["kglite", server.VERSION, "2026.07.1"]


@dataclass
class Lab:
    """An empty store, and a user's hand in it."""

    store: Store
    arguments: list[str]
    """What opens the same store in another process: a path, or an address and so on."""
    edit: Callable[..., None]
    """Runs a statement as a user would, past our store."""

    def dump(self) -> tuple[Rows, Rows]:
        """All nodes by label and relationships by type, as the tables have them, sorted by id."""
        nodes: Rows = {}
        for row in self.store.run("MATCH (n) RETURN n AS n, n.id AS id ORDER BY id"):
            for label in row["n"]["labels"]:
                nodes.setdefault(label, []).append(row["n"]["properties"])
        relationships: Rows = {}
        query = "MATCH (h)-[r]->(t) RETURN r AS r, r.id AS id, h.id AS head, t.id AS tail, labels(h) AS hl, labels(t) AS tl ORDER BY id"
        for row in self.store.run(query):
            ends = {"head": row["head"], "tail": row["tail"], "head_label": row["hl"][0], "tail_label": row["tl"][0]}
            relationships.setdefault(row["r"]["type"], []).append({**row["r"]["properties"], **ends})
        return nodes, relationships


def expected(tables: GraphTables) -> tuple[Rows, Rows]:
    """The tables as a store shows them: nulls are no properties, hashes are numbers."""

    def rows(table: pl.DataFrame) -> list[Row]:
        return [{k: v for k, v in row.items() if v is not None} for row in table.with_columns(NUMBER).to_dicts()]

    nodes = {label: rows(tables.nodes(label)) for label in SCHEMA.nodes}
    relationships = {name: rows(tables.relationships(name)) for name in SCHEMA.relationships}
    return {k: v for k, v in nodes.items() if v}, {k: v for k, v in relationships.items() if v}


@pytest.fixture(params=ENGINES)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    """Each store in turn, empty."""
    if request.param == "kglite":
        path = tmp_path / "store" / "graph.kgl"
        path.parent.mkdir()

        def edit(statement: str, **parameters: Any) -> None:
            with kglite.open(str(path), durable="off") as graph:
                graph.cypher(statement, params=parameters)

        with stores.embedded(path) as store:
            yield Lab(store, [str(path)], edit)
    else:
        running = request.getfixturevalue("neo4j_servers")(request.param)
        arguments = [running.uri, running.username, running.password, running.database]
        with neo4j.GraphDatabase.driver(running.uri, auth=(running.username, running.password)) as driver:
            for pattern in ("()-[x]->()", "(x)"):
                driver.execute_query(f"MATCH {pattern} DELETE x", database_="neo4j")

            def edit(statement: str, **parameters: Any) -> None:
                driver.execute_query(statement, parameters, database_="neo4j")

            with stores.neo4j(*arguments) as store:
                yield Lab(store, arguments, edit)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks, pages and batches so small that a few rows make many of each."""
    monkeypatch.setattr(sync, "BLOCK", 7)
    monkeypatch.setattr(sync, "PAGE", 3)
    monkeypatch.setattr(sync, "BATCH", 2)
    monkeypatch.setattr(sync, "FEW", 5)
    monkeypatch.setattr(bolt, "_LISTED", 4)
    monkeypatch.setattr(bolt, "_PART", 2)


def size(tables: GraphTables) -> int:
    nodes, relationships = tables.counts()
    return sum(nodes.values()) + sum(relationships.values())


def test_the_first_sync_writes_every_row(lab: Lab, make_tables: MakeTables, graph_rows: GraphRows) -> None:
    tables = make_tables(*graph_rows(30))
    done = lab.store.sync(tables)
    assert (done.created, done.updated, done.deleted, done.kept) == (size(tables), 0, 0, ())
    assert done.counters["nodes_created"] == sum(tables.counts()[0].values())
    assert done.counters["relationships_created"] == sum(tables.counts()[1].values())
    assert lab.dump() == expected(tables)


def test_a_second_sync_writes_nothing(lab: Lab, make_tables: MakeTables, graph_rows: GraphRows) -> None:
    tables = make_tables(*graph_rows(30))
    lab.store.sync(tables)
    again = lab.store.sync(tables)
    assert again == stores.Synced(created=0, updated=0, deleted=0, kept=(), counters={})


def test_rows_that_change_go_and_come_are_written_alone(lab: Lab, make_tables: MakeTables, graph_rows: GraphRows) -> None:
    nodes, relationships = graph_rows(30)
    lab.store.sync(make_tables(nodes, relationships))
    nodes["Method"][3]["papers"] = 99
    nodes["Method"][4]["first_seen"] = None
    relationships["MENTIONS"][5]["surfaces"] = []
    del relationships["STATES"][7], nodes["Evidence"][7]
    nodes["Task"] = [{"id": "task:1", "name": "T"}]
    tables = make_tables(nodes, relationships)
    done = lab.store.sync(tables)
    assert (done.created, done.updated, done.deleted) == (1, 3, 2)
    counted = {key: n for key, n in done.counters.items() if key.startswith(("nodes", "relationships"))}
    assert counted == {"nodes_created": 1, "nodes_deleted": 1, "relationships_deleted": 1}
    assert lab.dump() == expected(tables)


def test_a_relationship_with_other_ends_is_made_anew(lab: Lab, make_tables: MakeTables, graph_rows: GraphRows) -> None:
    nodes, relationships = graph_rows(12)
    lab.store.sync(make_tables(nodes, relationships))
    relationships["MENTIONS"][0]["tail"] = "method:3"
    tables = make_tables(nodes, relationships)
    done = lab.store.sync(tables)
    assert (done.created, done.updated, done.deleted) == (0, 1, 0)
    assert lab.dump() == expected(tables)


def test_a_node_under_another_label_takes_its_relationships_along(
    lab: Lab, make_tables: MakeTables, graph_rows: GraphRows
) -> None:
    nodes, relationships = graph_rows(12)
    lab.store.sync(make_tables(nodes, relationships))
    retyped = nodes["Dataset"].pop(0)
    nodes["Benchmark"].append(retyped)
    for row in relationships["EVALUATED_ON"]:
        if row["tail"] == retyped["id"]:
            row["tail_label"] = "Benchmark"
    tables = make_tables(nodes, relationships)
    lab.store.sync(tables)
    assert lab.dump() == expected(tables)


def test_an_emptied_graph_leaves_an_empty_store(
    lab: Lab, make_tables: MakeTables, graph_rows: GraphRows, small: None
) -> None:
    tables = make_tables(*graph_rows(20))
    lab.store.sync(tables)
    done = lab.store.sync(make_tables({}, {}))
    assert (done.created, done.updated, done.deleted) == (0, 0, size(tables))
    assert lab.dump() == ({}, {})


def test_a_dry_run_tells_what_a_sync_does_and_writes_nothing(
    lab: Lab, make_tables: MakeTables, graph_rows: GraphRows
) -> None:
    nodes, relationships = graph_rows(12)
    first = make_tables(nodes, relationships)
    assert lab.store.sync(first, dry_run=True).created == size(first)
    assert lab.dump() == ({}, {})
    lab.store.sync(first)
    nodes["Method"][1]["papers"] = 7
    relationships["MENTIONS"][0]["tail"] = "method:3"
    del relationships["STATES"][5], nodes["Evidence"][5]
    second = make_tables(nodes, relationships)
    told = lab.store.sync(second, dry_run=True)
    assert told.counters == {}
    assert lab.dump() == expected(first)
    done = lab.store.sync(second)
    assert (told.created, told.updated, told.deleted, told.kept) == (done.created, done.updated, done.deleted, done.kept)


def test_a_graph_that_came_before_changes_nothing_of_what_a_sync_does(
    lab: Lab, make_tables: MakeTables, graph_rows: GraphRows, small: None
) -> None:
    nodes, relationships = graph_rows(30)
    first = make_tables(nodes, relationships)
    lab.store.sync(first)
    nodes["Method"][1]["papers"] = 7
    relationships["MENTIONS"][0]["tail"] = "method:3"
    relationships["MENTIONS"][1]["count"] = 99
    del relationships["STATES"][5:9], nodes["Evidence"][5:9]
    nodes["Task"] = [{"id": "task:1", "name": "T"}]
    second = make_tables(nodes, relationships)
    compared = lab.store.sync(second, dry_run=True)
    assert lab.store.sync(second, earlier=[make_tables({}, {}), first], dry_run=True) == compared
    done = lab.store.sync(second, earlier=[make_tables({}, {}), first])
    assert (done.created, done.updated, done.deleted) == (compared.created, compared.updated, compared.deleted) == (1, 3, 8)
    assert lab.dump() == expected(second)
    assert lab.store.sync(second, earlier=[first]).counters == {}


def test_progress_counts_the_rows_of_each_table(
    lab: Lab, make_tables: MakeTables, graph_rows: GraphRows, small: None
) -> None:
    heard: dict[str, int] = {}
    lab.store.sync(make_tables(*graph_rows(20)), progress=heard.__setitem__)
    assert heard["Paper"] == heard["STATES"] == 20
    assert heard.keys() == {*SCHEMA.nodes, *SCHEMA.relationships}


HOSTILE = [
    "' OR 1=1 //",
    '"}) DETACH DELETE n //',
    "`back` ``ticks``",
    "\\u0027 \\",
    "$row {id: 1}",
    "line\r\nfeed\ttab",
    "NUL \x00 inside",
    "emoji 🧪 ünïcode \u202e",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "x" * 100_000,
    "",
]


def test_hostile_strings_come_back_unchanged(lab: Lab, make_tables: MakeTables) -> None:
    papers = [{"id": f"p:{i}", "name": text, "title": text, "abstract": text} for i, text in enumerate(HOSTILE)]
    methods = [{"id": "m:'`\"\\{$", "name": "m", "aliases": HOSTILE}]
    edge = {"head_label": "Paper", "tail_label": "Method", "head": "p:0", "tail": methods[0]["id"]}
    tables = make_tables({"Paper": papers, "Method": methods}, {"MENTIONS": [{"id": "e:'`", **edge, "surfaces": HOSTILE}]})
    lab.store.sync(tables)
    assert lab.dump() == expected(tables)
    assert lab.store.run("MATCH (p:Paper) WHERE p.name = $name RETURN p.id AS id", {"name": HOSTILE[1]}) == [{"id": "p:1"}]
    assert lab.store.sync(tables).counters == {}


def test_nulls_and_empty_lists_stay_apart(lab: Lab, make_tables: MakeTables) -> None:
    lab.store.sync(make_tables({"Method": [{"id": "m", "name": "m", "aliases": ["a"], "papers": 0, "first_year": 2020}]}, {}))
    lab.store.sync(make_tables({"Method": [{"id": "m", "name": "m", "aliases": [], "papers": 0}]}, {}))
    query = "MATCH (n:Method) RETURN n.aliases AS aliases, n.papers AS papers, n.first_year AS year, n.last_seen AS seen"
    assert lab.store.run(query) == [{"aliases": [], "papers": 0, "year": None, "seen": None}]


def test_values_come_back_as_plain_python(lab: Lab, make_tables: MakeTables, graph_rows: GraphRows) -> None:
    lab.store.sync(make_tables(*graph_rows(12)))
    query = (
        "MATCH (p:Paper {id: 'arxiv:0001'})-[m:MENTIONS]->(x:Method) MATCH (p)-[:STATES]->(e:Evidence) "
        "RETURN p.published AS published, p.year AS year, e.sentence_starts AS starts, e.confidence AS confidence, "
        "e.type AS type, p.title AS title, {a: [1, {b: null}]} AS map, m AS m, 1 < 2 AS yes"
    )
    (row,) = lab.store.run(query)
    assert row.pop("m")["type"] == "MENTIONS"
    assert row == {
        "published": date(2024, 2, 2),
        "year": 2024,
        "starts": [0, 11],
        "confidence": 0.6,
        "type": "EVALUATED_ON",
        "title": "Title of 1",
        "map": {"a": [1, {"b": None}]},
        "yes": True,
    }
    assert type(row["published"]) is date
    (path,) = lab.store.run("MATCH p = (:Paper {id: 'arxiv:0001'})-[:STATES]->() RETURN p AS p")
    assert [node["labels"] for node in path["p"]["nodes"]] == [["Paper"], ["Evidence"]]
    assert [edge["type"] for edge in path["p"]["relationships"]] == ["STATES"]


def test_parameters_of_all_kinds_reach_the_query(lab: Lab) -> None:
    parameters = {"text": "a'b", "number": 2, "float": 0.5, "list": ["x"], "none": None, "day": date(2024, 2, 29), "yes": True}
    query = "RETURN " + ", ".join(f"${name} AS {name}" for name in parameters)
    assert lab.store.run(query, parameters) == [parameters]


WRITES = [
    "CREATE (n:X {id: 1})",
    "MERGE (n:X {id: 1}) RETURN n",
    "MATCH (n) SET n.x = 1",
    "MATCH (n) REMOVE n.name",
    "MATCH (n) DETACH DELETE n",
    "match (n) detach\ndelete n",
    "// MATCH (n) RETURN n\nMATCH (n) DETACH DELETE n",
    "UNWIND [1] AS x FOREACH (y IN [1] | CREATE (:X {id: y}))",
    "CALL { MATCH (n) DETACH DELETE n }",
    "MATCH (n) WITH n LIMIT 1 CREATE (m:X {id: 1}) RETURN n",
    "CREATE INDEX x IF NOT EXISTS FOR (n:Method) ON (n.papers)",
    "CREATE CONSTRAINT x IF NOT EXISTS FOR (n:Method) REQUIRE n.name IS UNIQUE",
    "PROFILE CREATE (n:X {id: 1})",
    "DROP CONSTRAINT kgbuild_Method_id",
]


@pytest.mark.parametrize("statement", WRITES)
def test_a_query_may_not_write(lab: Lab, make_tables: MakeTables, graph_rows: GraphRows, statement: str) -> None:
    tables = make_tables(*graph_rows(4))
    lab.store.sync(tables)
    with pytest.raises(StoreError):
        lab.store.run(statement)
    assert lab.dump() == expected(tables)


@pytest.mark.parametrize(
    ("query", "said"),
    [("MATCH (n", "refuses the statement"), ("MATCH (n:Paper {id: $id}) RETURN n", "id"), ("RETURN nope(1)", "nope")],
)
def test_a_query_that_is_wrong_says_what_is_wrong(lab: Lab, query: str, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        lab.store.run(query)


def test_a_query_that_takes_too_long_is_ended(lab: Lab, make_tables: MakeTables, graph_rows: GraphRows) -> None:
    lab.store.sync(make_tables(*graph_rows(60)))
    with pytest.raises(StoreError, match="too long"):
        lab.store.run("MATCH (a), (b), (c), (d), (e) WHERE a.name + b.name + c.name + d.name = e.name RETURN count(*) AS n", timeout=0.2)


def test_what_users_add_is_left_alone(lab: Lab, make_tables: MakeTables, graph_rows: GraphRows) -> None:
    nodes, relationships = graph_rows(12)
    lab.store.sync(make_tables(nodes, relationships))
    lab.edit("MATCH (n:Method {id: 'method:1'}) SET n:Favourite, n.note = 'mine'")
    lab.edit("MATCH (:Paper {id: 'arxiv:0001'})-[r:MENTIONS]->() SET r.note = 'mine'")
    lab.edit("CREATE (n:Note {id: 'note', text: 'mine'})")
    lab.edit("MATCH (n:Note {id: 'note'}) MATCH (m:Method {id: 'method:1'}) CREATE (n)-[:ABOUT]->(m)")
    lab.edit("MATCH (p:Paper {id: 'arxiv:0001'}) MATCH (m:Method {id: 'method:2'}) CREATE (p)-[:MENTIONS {note: 'by hand'}]->(m)")
    nodes["Method"][1]["papers"] = 99
    relationships["MENTIONS"][1]["count"] = 99
    tables = make_tables(nodes, relationships)
    done = lab.store.sync(tables)
    assert (done.created, done.updated, done.deleted) == (0, 2, 0)
    assert lab.store.sync(tables).counters == {}
    method = "MATCH (n:Favourite) RETURN n.note AS note, n.papers AS papers"
    assert lab.store.run(method) == [{"note": "mine", "papers": 99}]
    assert lab.store.run("MATCH (:Note)-[r:ABOUT]->(m) RETURN m.id AS id") == [{"id": "method:1"}]
    notes = "MATCH ()-[r:MENTIONS]->() WHERE r.note IS NOT NULL RETURN r.note AS note, r.count AS count ORDER BY note"
    assert lab.store.run(notes) == [{"note": "by hand", "count": None}, {"note": "mine", "count": 99}]


def test_a_node_that_users_hold_stays_until_they_let_go(lab: Lab, make_tables: MakeTables, graph_rows: GraphRows) -> None:
    nodes, relationships = graph_rows(12)
    lab.store.sync(make_tables(nodes, relationships))
    lab.edit("CREATE (n:Note {id: 'note'})")
    lab.edit("MATCH (n:Note {id: 'note'}) MATCH (m:Evidence {id: 'evidence:0003'}) CREATE (n)-[:ABOUT]->(m)")
    del nodes["Evidence"][3:5], relationships["STATES"][3:5]
    tables = make_tables(nodes, relationships)
    told = lab.store.sync(tables, dry_run=True)
    done = lab.store.sync(tables)
    assert told.kept == done.kept == ("evidence:0003",)
    assert told.deleted == done.deleted == 3
    again = lab.store.sync(tables)
    assert (again.deleted, again.kept, again.counters) == (0, ("evidence:0003",), {})
    lab.edit("MATCH (:Note)-[r:ABOUT]->() DELETE r")
    freed = lab.store.sync(tables)
    assert (freed.deleted, freed.kept) == (1, ())


def test_a_user_s_node_under_our_label_stays_theirs_unless_it_has_the_id_of_a_row(
    lab: Lab, make_tables: MakeTables
) -> None:
    lab.edit("CREATE (n:Method {id: 'aaa', name: 'by hand'})")
    lab.edit("CREATE (n:Method {id: 'method:1', name: 'by hand'}) SET n.note = 'mine'")
    tables = make_tables({"Method": [{"id": "method:1", "name": "M1"}, {"id": "method:2", "name": "M2"}]}, {})
    done = lab.store.sync(tables)
    assert (done.created, done.updated, done.deleted) == (1, 1, 0)
    assert lab.store.sync(tables).counters == {}
    query = "MATCH (n:Method) RETURN n.id AS id, n.name AS name, n.note AS note ORDER BY id"
    assert lab.store.run(query) == [
        {"id": "aaa", "name": "by hand", "note": None},
        {"id": "method:1", "name": "M1", "note": "mine"},
        {"id": "method:2", "name": "M2", "note": None},
    ]


def test_a_label_of_ours_that_users_add_to_a_node_of_ours_does_not_cost_it(lab: Lab, make_tables: MakeTables) -> None:
    tables = make_tables({"Method": [{"id": "x", "name": "X"}], "Task": [{"id": "y", "name": "Y"}]}, {})
    lab.store.sync(tables)
    lab.edit("MATCH (n:Method) SET n:Task")
    assert lab.store.sync(tables).deleted == 0
    assert lab.store.run("MATCH (n:Method) RETURN n.name AS name") == [{"name": "X"}]


CHILD = """
import sys
from pathlib import Path
from kgbuild import stores
from kgbuild.schema import load_schema
from kgbuild.stores import sync
from kgbuild.tables import GraphTables

sync.BLOCK, sync.BATCH = 40, 10
folder, *arguments = sys.argv[1:]
store = stores.embedded(Path(arguments[0])) if len(arguments) == 1 else stores.neo4j(*arguments)
print("ready", flush=True)
sys.stdin.readline()
done = store.sync(GraphTables(Path(folder), load_schema()), progress=lambda name, rows: print(name, rows, flush=True))
print("done", done.created, flush=True)
store.close()
"""


def start_sync(lab: Lab, tables: GraphTables) -> subprocess.Popen[str]:
    """A process that syncs once it is told to, and writes a line after every block."""
    command = [sys.executable, "-c", CHILD, str(tables.folder), *lab.arguments]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def begin(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


@pytest.mark.parametrize("lines", [1, 12, 25, 45])
def test_a_sync_that_is_killed_is_completed_by_the_next(
    lab: Lab, make_tables: MakeTables, graph_rows: GraphRows, lines: int
) -> None:
    before, after = make_tables(*graph_rows(60)), make_tables(*graph_rows(200))
    lab.store.sync(before)
    with start_sync(lab, after) as child:
        begin(child)
        assert child.stdout is not None
        for _ in range(lines):
            assert not child.stdout.readline().startswith("done")
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    lab.store.sync(after)
    assert lab.dump() == expected(after)
    assert lab.store.sync(after).counters == {}


def test_two_writers_at_once_leave_the_state_of_the_tables(
    lab: Lab, make_tables: MakeTables, graph_rows: GraphRows
) -> None:
    tables = make_tables(*graph_rows(300))
    with start_sync(lab, tables) as one, start_sync(lab, tables) as two:
        begin(one)
        begin(two)
        outcomes = [child.communicate() for child in (one, two)]
        codes = [child.returncode for child in (one, two)]
    # A writer that comes too late either does its part or says that another is writing.
    assert 0 in codes, outcomes
    assert all(code == 0 or "StoreError" in error or "ConflictError" in error for code, (_, error) in zip(codes, outcomes, strict=True))
    lab.store.sync(tables)
    assert lab.dump() == expected(tables)


names = st.text(st.characters(codec="utf-8"), max_size=12)
methods = st.dictionaries(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=6),
    st.fixed_dictionaries(
        {
            "name": names,
            "aliases": st.lists(names, max_size=3),
            "papers": st.none() | st.integers(-(2**63), 2**63 - 1),
            "first_seen": st.none() | st.dates(date(1, 1, 1)),
        }
    ),
    max_size=12,
)


BY_HAND = [
    "MATCH (n) WITH n ORDER BY n.id LIMIT 1 DETACH DELETE n",
    "MATCH ()-[r]->() WITH r ORDER BY r.id LIMIT 1 DELETE r",
    "MATCH (n) WITH n ORDER BY n.id LIMIT 1 SET n.row_hash = n.row_hash + 1",
    "MATCH ()-[r]->() WITH r ORDER BY r.id LIMIT 1 SET r.row_hash = 0",
]


@given(steps=st.lists(methods, min_size=2, max_size=3), data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rows_come_back_after_any_rows(
    lab: Lab, tmp_path: Path, small: None, steps: list[dict[str, Row]], data: st.DataObject
) -> None:
    """Whichever graphs the sync is told came before, and whatever users take away of what is ours."""
    before: list[GraphTables] = []
    for number, step in enumerate(steps):
        nodes = {"Method": [{"id": i, **row} for i, row in step.items()]}
        relationships: Rows = {}
        if step:
            ends = st.tuples(st.sampled_from(sorted(step)), st.sampled_from(sorted(step)))
            drawn = data.draw(st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(ends, st.none() | st.floats(0, 1)), max_size=6))
            relationships["BASED_ON"] = [
                {"id": i, "head": h, "tail": t, "head_label": "Method", "tail_label": "Method", "confidence": confidence}
                for i, ((h, t), confidence) in drawn.items()
            ]
        tables = write_tables(tmp_path / f"step-{number}", SCHEMA, nodes, relationships)
        earlier = [graph for graph in before if data.draw(st.booleans())]
        if by_hand := data.draw(st.none() | st.sampled_from(BY_HAND)):
            lab.edit(by_hand)
        lab.store.sync(tables, earlier=earlier)
        assert lab.dump() == expected(tables)
        assert lab.store.sync(tables, earlier=earlier).counters == {}
        before.append(tables)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "graph.kgl"


def test_an_embedded_file_that_cannot_be_read_is_made_anew(
    path: Path, make_tables: MakeTables, graph_rows: GraphRows, caplog: pytest.LogCaptureFixture
) -> None:
    tables = make_tables(*graph_rows(12))
    with stores.embedded(path) as store:
        store.sync(tables)
        whole = path.read_bytes()
        for damaged in (b"", b"something else", whole[: len(whole) // 2], whole[:200] + bytes(64) + whole[264:]):
            path.write_bytes(damaged)
            with pytest.raises(StoreError, match="made anew from the tables"):
                store.run("RETURN 1 AS one")
            assert store.sync(tables).created == size(tables)
            assert "built anew" in caplog.text
            assert store.run("MATCH (p:Paper) RETURN count(p) AS n") == [{"n": 12}]


def test_a_reader_sees_the_last_sync_of_another_process(path: Path, make_tables: MakeTables, graph_rows: GraphRows) -> None:
    with stores.embedded(path) as reader, stores.embedded(path) as writer:
        assert reader.run("MATCH (n) RETURN count(n) AS n") == [{"n": 0}]
        for papers in (3, 6):
            writer.sync(make_tables(*graph_rows(papers)))
            assert reader.run("MATCH (p:Paper) RETURN count(p) AS n") == [{"n": papers}]


def test_a_second_embedded_writer_hears_who_is_writing(path: Path, make_tables: MakeTables, graph_rows: GraphRows) -> None:
    tables = make_tables(*graph_rows(3))
    writing = pytest.raises(StoreError, match=rf"being written by process {os.getpid()}")
    with kglite.open(str(path), durable="off"), stores.embedded(path) as store, writing:
        store.sync(tables)


def test_an_embedded_store_in_the_place_of_a_folder_is_refused(tmp_path: Path, make_tables: MakeTables) -> None:
    with stores.embedded(tmp_path) as store, pytest.raises(StoreError):
        store.sync(make_tables({}, {}))
    assert tmp_path.is_dir()


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts a small disk, which takes root on Linux")
def test_a_full_disk_costs_the_embedded_store_nothing(tmp_path: Path, make_tables: MakeTables, graph_rows: GraphRows) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)], check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small disk: {mounted.stderr}")
    try:
        first = make_tables(*graph_rows(12))
        nodes, relationships = graph_rows(300)
        noise = random.Random(0)
        for row in nodes["Paper"]:
            row["abstract"] = noise.randbytes(2000).hex()
        with stores.embedded(disk / "graph.kgl") as store:
            store.sync(first)
            with pytest.raises(StoreError, match=r"graph\.kgl"):
                store.sync(make_tables(nodes, relationships))
            assert store.run("MATCH (p:Paper) RETURN count(p) AS n") == [{"n": 12}]
        with stores.embedded(disk / "graph.kgl") as store:
            assert store.sync(first).counters == {}
    finally:
        subprocess.run(["umount", str(disk)], check=True)
