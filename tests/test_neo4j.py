"""What is Neo4j's own: its server, its errors, its constraints, and Neo4j Browser."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import neo4j
import pytest
from click.testing import CliRunner
from playwright.sync_api import expect, sync_playwright

from kgbuild import ddl, pipeline, stores
from kgbuild.cli import main
from kgbuild.errors import StoreError
from kgbuild.queries import Query, library
from kgbuild.schema import load_schema
from kgbuild.stores import Store, doctor, server, sync
from kgbuild.tables import GraphTables, Row
from kgbuild.workspace import Workspace

Rows = dict[str, list[Row]]
MakeTables = Callable[[Rows, Rows], GraphTables]
GraphRows = Callable[[int], tuple[Rows, Rows]]

SCHEMA = load_schema()


def connect(running: server.Server, tracer: Callable[[str], None] | None = None) -> Store:
    assert running.password is not None
    return stores.neo4j(running.uri, running.username, running.password, running.database, tracer)


@pytest.fixture
def store(neo4j_server: server.Server) -> Iterator[Store]:
    """An empty database of the shared server."""
    auth = (neo4j_server.username, neo4j_server.password or "")
    with neo4j.GraphDatabase.driver(neo4j_server.uri, auth=auth) as driver:
        for pattern in ("()-[x]->()", "(x)"):
            driver.execute_query(f"MATCH {pattern} DELETE x", database_="neo4j")
    with connect(neo4j_server) as opened:
        yield opened


def test_constraints_and_indexes_are_made_once_and_serve(store: Store, make_tables: MakeTables) -> None:
    tables = make_tables({}, {})
    store.sync(tables)
    shown = store.run("SHOW INDEXES YIELD name, state, owningConstraint RETURN name, state, owningConstraint IS NOT NULL AS unique")
    ours = {row["name"]: row for row in shown if row["name"].startswith("kgbuild_")}
    assert ours.keys() == ddl.statements(SCHEMA).keys()
    assert {row["state"] for row in ours.values()} == {"ONLINE"}
    assert {name for name, row in ours.items() if row["unique"]} == ddl.constraints(SCHEMA).keys()
    assert store.sync(tables).counters == {}


def test_full_text_search_finds_names_and_aliases(store: Store, make_tables: MakeTables) -> None:
    store.sync(make_tables({"Method": [{"id": "m", "name": "Gated mixer", "aliases": ["GMix"]}], "Task": [{"id": "t", "name": "Mixing"}]}, {}))
    query = f"CALL db.index.fulltext.queryNodes('{ddl.NAMES}', $words) YIELD node RETURN node.id AS id"
    assert store.run(query, {"words": "mixer"}) == store.run(query, {"words": "gmix"}) == [{"id": "m"}]


@pytest.mark.parametrize("few", [0, sync.FEW])
def test_rows_are_found_by_their_ids_and_by_no_scan(
    neo4j_server: server.Server, store: Store, make_tables: MakeTables, graph_rows: GraphRows, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """Also in a graph that the server has no statistics of, as after a first sync."""
    monkeypatch.setattr(sync, "FEW", few)
    nodes, relationships = graph_rows(30)
    sent: list[str] = []
    with connect(neo4j_server, sent.append) as traced:
        traced.sync(make_tables(nodes, relationships))
        nodes["Method"][0]["papers"] = 77
        relationships["MENTIONS"][0]["count"] = 77
        relationships["MENTIONS"][1]["tail"] = "method:5"
        del relationships["STATES"][2], nodes["Evidence"][2]
        traced.sync(make_tables(nodes, relationships))
    statements = {statement for statement in sent if "$" in statement and "db.await" not in statement}
    kinds = ("CREATE (n", "CREATE (h", "MATCH (n:`Method` {`id`: row", "MATCH (h)-[r:`MENTIONS`", "DELETE n", "DELETE r", "EXISTS")
    for kind in (*kinds, "AS hashes" if few else "AS differ"):
        assert any(kind in statement for statement in statements), kind
    parameters: Row = {key: [] for key in ("rows", "ids", "labels", "types", "totals")} | {"limit": 9}
    for statement in sorted(statements):
        ends = {"after": [], "upto": []} if "$after[i]" in statement else {"after": "", "upto": "z"}
        assert "Scan" not in explain(neo4j_server, statement, parameters | ends), statement


def explain(running: server.Server, statement: str, parameters: Row) -> str:
    with neo4j.GraphDatabase.driver(running.uri, auth=(running.username, running.password or "")) as driver:
        driver.execute_query("CALL db.clearQueryCaches()", database_="neo4j")  # else a plan for a smaller graph answers
        return str(driver.execute_query(f"EXPLAIN {statement}", parameters, database_="neo4j").summary.plan)


def test_a_second_sync_only_reads(neo4j_server: server.Server, store: Store, make_tables: MakeTables, graph_rows: GraphRows) -> None:
    tables = make_tables(*graph_rows(30))
    store.sync(tables)
    sent: list[str] = []
    with connect(neo4j_server, sent.append) as traced:
        traced.sync(tables)
    writing = [statement for statement in sent if "IF NOT EXISTS" not in statement and ("SET" in statement or "DELETE" in statement)]
    assert sent
    assert writing == []


def test_what_differs_from_the_graph_before_is_asked_of_no_server(
    neo4j_server: server.Server, store: Store, make_tables: MakeTables, graph_rows: GraphRows
) -> None:
    nodes, relationships = graph_rows(30)
    first = make_tables(nodes, relationships)
    store.sync(first)
    nodes["Method"][0]["papers"] = 77
    relationships["MENTIONS"][0]["count"] = 77
    del relationships["STATES"][2], nodes["Evidence"][2]
    second = make_tables(nodes, relationships)
    for earlier in ([first], []):
        sent: list[str] = []
        with connect(neo4j_server, sent.append) as traced:
            assert traced.sync(second, earlier=earlier, dry_run=True).updated == 2
        compared = any("AS hashes" in statement for statement in sent)
        assert compared == (not earlier)


def test_a_graph_before_that_is_gone_or_no_longer_all_on_the_server_does_no_harm(
    neo4j_server: server.Server, store: Store, make_tables: MakeTables
) -> None:
    tasks: Rows = {"Task": [{"id": f"task:{i}", "name": f"T{i}"} for i in range(9)]}
    first = make_tables(tasks, {})
    store.sync(first)
    # the hashes are still those of the graph before
    with neo4j.GraphDatabase.driver(neo4j_server.uri, auth=("neo4j", neo4j_server.password or "")) as driver:
        driver.execute_query("MATCH (n:Task {id: 'task:1'}) SET n.id = 'renamed'", database_="neo4j")
    tasks["Task"][1]["papers"] = 7
    done = store.sync(make_tables(tasks, {}), earlier=[GraphTables(first.folder / "gone", SCHEMA), first])
    assert (done.created, done.updated, done.deleted) == (1, 0, 1)
    assert store.run("MATCH (n:Task) RETURN n.id AS id, n.papers AS papers ORDER BY id LIMIT 2") == [
        {"id": "task:0", "papers": None},
        {"id": "task:1", "papers": 7},
    ]


def test_a_workspace_keeps_the_graph_that_was_pushed_last(neo4j_server: server.Server, store: Store, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")

    def build(papers: int) -> str:
        file = tmp_path / "papers.jsonl"
        rows = [{"id": f"p{i}", "title": f"LoRA for BERT {i}", "abstract": "We evaluate BERT on SQuAD."} for i in range(papers)]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        pipeline.build([file], workspace.folder, model="rules")
        return workspace.tables().folder.name

    def push(*options: str) -> None:
        command = ["push", neo4j_server.uri, "-w", str(workspace.folder), *options]
        done = CliRunner().invoke(main, command, env={"NEO4J_PASSWORD": neo4j_server.password})
        assert done.exit_code == 0, done.output

    first = build(3)
    push()
    middle = build(4)
    push("--dry-run")
    build(5)
    last = build(6)
    earlier = {tables.folder.name for tables in workspace.earlier()}
    assert first in earlier
    assert not {middle, last} & earlier
    push()
    assert store.run("MATCH (p:Paper) RETURN count(p) AS n") == [{"n": 6}]
    build(7)
    build(8)
    assert last in {tables.folder.name for tables in workspace.earlier()}
    assert first not in {tables.folder.name for tables in workspace.earlier()}


def addresses(running: server.Server) -> dict[str, tuple[str, str, str, str, str]]:
    right = running.password or ""
    http = running.browser_url.split("/browser")[0]
    return {
        "nobody there": ("bolt://127.0.0.1:1", "neo4j", right, "neo4j", "no Neo4j server answers"),
        "no such host": ("bolt://no-such-host.invalid:7687", "neo4j", right, "neo4j", "no Neo4j server answers"),
        "the port of Browser": (http.replace("http://", "bolt://"), "neo4j", right, "neo4j", "looks like HTTP"),
        "encrypted": (running.uri.replace("bolt://", "bolt+s://"), "neo4j", right, "neo4j", "no Neo4j server answers"),
        "another scheme": (http, "neo4j", right, "neo4j", "no address of Neo4j"),
        "no scheme": ("127.0.0.1:7687", "neo4j", right, "neo4j", "no address of Neo4j"),
        "nothing": ("", "neo4j", right, "neo4j", "no address of Neo4j"),
        "password in the address": (running.uri.replace("://", f"://neo4j:{right}@"), "neo4j", right, "neo4j", "leave user and password out"),
        "wrong password": (running.uri, "neo4j", right + "x", "neo4j", "does not accept user 'neo4j'"),
        "wrong user": (running.uri, "nobody", right, "neo4j", "does not accept user 'nobody'"),
        "wrong database": (running.uri, "neo4j", right, "papers", "no database 'papers'"),
    }


CASES = [
    "nobody there",
    "no such host",
    "the port of Browser",
    "encrypted",
    "another scheme",
    "no scheme",
    "nothing",
    "password in the address",
    "wrong password",
    "wrong user",
    "wrong database",
]


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said_in_a_sentence_without_the_password(
    neo4j_server: server.Server, make_tables: MakeTables, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tables = make_tables({}, {})
    uri, username, password, database, said = addresses(neo4j_server)[case]

    def sync() -> None:
        with stores.neo4j(uri, username, password, database) as store:
            store.sync(tables)

    with pytest.raises(StoreError, match=said) as raised:
        sync()
    assert "\n" not in str(raised.value)
    cause: BaseException | None = raised.value
    while cause is not None:
        assert password not in repr(cause)
        cause = cause.__cause__
    assert password not in caplog.text


def test_no_representation_holds_the_password(neo4j_server: server.Server, store: Store) -> None:
    assert neo4j_server.password is not None
    assert neo4j_server.password not in repr(store) + repr(neo4j_server) + str(vars(store).get("_driver"))


def test_doctor_finds_all_well_after_a_push(neo4j_server: server.Server, store: Store, make_tables: MakeTables) -> None:
    store.sync(make_tables({}, {}))
    checks = list(doctor.check(neo4j_server.uri, neo4j_server.username, neo4j_server.password or "", "neo4j"))
    assert [check for check in checks if not check.ok] == []
    assert all(check.detail and not check.remedy for check in checks)
    names = {"Python", "package spacy", "embedded store", "Neo4j address", "Neo4j reachable", "Neo4j password", "Neo4j version"}
    assert names | {"Neo4j edition", "Neo4j database", "Neo4j permissions", "Neo4j constraints"} <= {check.name for check in checks}
    assert store.run("MATCH (n:`kgbuild probe`) RETURN count(n) AS n") == [{"n": 0}]


def test_doctor_misses_constraints(neo4j_server: server.Server, store: Store, make_tables: MakeTables) -> None:
    store.sync(make_tables({}, {}))
    with neo4j.GraphDatabase.driver(neo4j_server.uri, auth=("neo4j", neo4j_server.password or "")) as driver:
        driver.execute_query("DROP CONSTRAINT kgbuild_Method_id", database_="neo4j")
    checks = doctor.check(neo4j_server.uri, neo4j_server.username, neo4j_server.password or "", "neo4j")
    (wrong,) = [check for check in checks if not check.ok]
    assert (wrong.name, wrong.remedy) == ("Neo4j constraints", "kgbuild push makes them")
    store.sync(make_tables({}, {}))


@pytest.mark.parametrize("case", CASES)
def test_doctor_says_what_is_wrong_and_how_to_mend_it(neo4j_server: server.Server, case: str) -> None:
    uri, username, password, database, said = addresses(neo4j_server)[case]
    *before, last = doctor.check(uri, username, password, database)
    assert all(check.ok for check in before)
    assert not last.ok
    assert said in last.detail
    assert last.remedy
    assert password not in last.detail


def test_the_server_starts_stops_and_recovers(
    neo4j_server: server.Server,
    tmp_path: Path,
    free_port: Callable[[], int],
    make_tables: MakeTables,
    graph_rows: GraphRows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, tables = tmp_path / "server", make_tables(*graph_rows(6))
    monkeypatch.delenv("NEO4J_PASSWORD", raising=False)
    monkeypatch.setattr(server.secrets, "token_urlsafe", lambda size: "-as-a-made-password-may-begin")
    assert server.status(folder) is None
    assert server.stop(folder) is False
    ports = {"bolt_port": free_port(), "http_port": free_port()}
    running = server.start(folder, **ports)
    try:
        assert running.password_file is not None
        assert stat.S_IMODE(running.password_file.stat().st_mode) == 0o600
        assert running.password_file.read_text().strip() == running.password
        assert server.status(folder) == running
        assert server.start(folder, **ports) == running
        with connect(running) as store:
            store.sync(tables)
            # A server that dies in the middle is one plain sentence; the next sync on a new one goes on.
            os.kill(running.pid, signal.SIGKILL)
            with pytest.raises(StoreError, match="no Neo4j server answers"):
                store.sync(make_tables(*graph_rows(60)))
        assert server.status(folder) is None
        again = server.start(folder, **ports)
        assert (again.password, again.uri) == (running.password, running.uri)
        assert again.pid != running.pid
        with connect(again) as store:
            assert store.sync(tables).counters == {}
        assert server.stop(folder) is True
        assert server.stop(folder) is False
        monkeypatch.setenv("NEO4J_PASSWORD", "another-password")
        with pytest.raises(StoreError, match="first started with another password"):
            server.start(folder, **ports)
        assert server.status(folder) is None
    finally:
        server.stop(folder)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small disk, which takes root on Linux")
def test_a_full_disk_is_one_sentence_and_the_next_push_heals(
    neo4j_server: server.Server, tmp_path: Path, free_port: Callable[[], int], make_tables: MakeTables, graph_rows: GraphRows
) -> None:
    folder, disk = tmp_path / "server", tmp_path / "server" / "data"
    disk.mkdir(parents=True)
    shutil.copy(neo4j_server.directory / f"classpath-{server.VERSION}.txt", folder)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(disk)], check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small disk: {mounted.stderr}")
    ports = {"bolt_port": free_port(), "http_port": free_port()}
    try:
        first = make_tables(*graph_rows(12))
        nodes, relationships = graph_rows(5_000)
        noise = random.Random(0)
        for row in nodes["Paper"]:
            row["abstract"] = noise.randbytes(2000).hex()
        tables = make_tables(nodes, relationships)
        with connect(server.start(folder, **ports)) as store:
            store.sync(first)
            for _ in range(2):
                with pytest.raises(StoreError, match="most often because its disk is full; make room there, restart") as raised:
                    store.sync(tables)
                assert "\n" not in str(raised.value)
        subprocess.run(["mount", "-o", "remount,size=400m", str(disk)], check=True)
        server.stop(folder)
        with connect(server.start(folder, **ports)) as store:
            store.sync(tables)
            assert store.sync(tables).counters == {}
            assert store.run("MATCH (p:Paper) RETURN count(p) AS n") == [{"n": 5_000}]
    finally:
        server.stop(folder)
        subprocess.run(["umount", str(disk)], check=True)


def test_a_port_that_is_taken_is_named(neo4j_server: server.Server, tmp_path: Path, free_port: Callable[[], int]) -> None:
    shutil.copy(neo4j_server.directory / f"classpath-{server.VERSION}.txt", tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StoreError, match=f"port {port} is used by another program; .* --http-port"):
            server.start(tmp_path, bolt_port=free_port(), http_port=port)


def test_a_server_record_of_a_process_that_is_another_by_now_is_stale(neo4j_server: server.Server, tmp_path: Path) -> None:
    record = (neo4j_server.directory / "server.json").read_text()
    (tmp_path / "server.json").write_text(record.replace(str(neo4j_server.pid), str(os.getpid())))
    assert server.status(tmp_path) is None
    assert server.stop(tmp_path) is False
    (tmp_path / "server.json").write_text("{half a rec")
    assert server.status(tmp_path) is None


def test_without_java_or_maven_one_sentence_gives_the_docker_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreError, match=r"Maven \(mvn\); install it, or use Docker: docker run .*neo4j:5"):
        server.find_maven()
    monkeypatch.setattr(server, "_javas", lambda: iter([str(tmp_path / "java")]))
    with pytest.raises(StoreError, match=r"without Java 17 or 21; install it, or use Docker: docker run "):
        server.start(tmp_path / "server")


def test_the_default_folder_follows_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert server.default_directory() == tmp_path / "kgbuild" / "neo4j"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert server.default_directory() == tmp_path / ".cache" / "kgbuild" / "neo4j"
    monkeypatch.setattr("sys.platform", "darwin")
    assert server.default_directory() == tmp_path / "Library" / "Caches" / "kgbuild" / "neo4j"


@pytest.fixture
def big_workspace(tmp_path: Path) -> Path:
    """The graph of two thousand papers."""
    if "KGBUILD_SHARED" not in os.environ:
        pytest.skip("KGBUILD_SHARED is not set")
    pipeline.build([Path(os.environ["KGBUILD_SHARED"]) / "corpus" / "papers-2k.jsonl.gz"], tmp_path / "big", model="rules")
    return tmp_path / "big"


@pytest.mark.parametrize("workspace", ["sample_workspace", "big_workspace"])
def test_every_question_has_the_same_answers_on_both_engines(store: Store, request: pytest.FixtureRequest, workspace: str, tmp_path: Path) -> None:
    tables = Workspace(request.getfixturevalue(workspace)).tables()
    store.sync(tables)
    with stores.embedded(tmp_path / "graph.kgl") as local:
        local.sync(tables)
        for query in library().values():
            answered = 0
            for values in asked(local, query):
                rows = local.run(query.text, values)
                assert store.run(query.text, values) == rows, (query.name, values)
                answered += bool(rows)
                if answered == 3:
                    break
            assert answered, query.name


def asked(store: Store, query: Query) -> Iterator[dict[str, Any]]:
    """Parameters to try: the entities that most papers mention, well supported edges, several years."""
    (required,) = [p for p in query.parameters if p.required] or (None,)
    if required is None:
        yield query.bind({})
        return
    if required.labels:
        entities = f"MATCH (n:{'|'.join(required.labels)}) RETURN n.name AS value ORDER BY n.papers DESC, n.id LIMIT 60"
        values = store.run(entities)
    elif required.name == "edge":
        values = store.run("MATCH ()-[r:EVALUATED_ON|BASED_ON]->() RETURN r.id AS value ORDER BY r.support DESC, value LIMIT 5")
    else:
        values = [{"value": year} for year in (2018, 2021, 2023)]
    for row in values:
        yield query.bind({required.name: row["value"]})


@pytest.mark.browser
def test_neo4j_browser_draws_the_graph(
    neo4j_server: server.Server, store: Store, make_tables: MakeTables, graph_rows: GraphRows, tmp_path: Path
) -> None:
    store.sync(make_tables(*graph_rows(12)))
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(neo4j_server.browser_url)
        page.fill("[data-testid=username]", neo4j_server.username)
        page.fill("[data-testid=password]", neo4j_server.password or "")
        page.click("[data-testid=connect]")
        expect(page.get_by_text("You are connected as user")).to_be_visible(timeout=30_000)
        page.click(".monaco-editor >> nth=0")
        page.keyboard.type("MATCH p = (:Paper)-[:MENTIONS]->(:Method) RETURN p")
        page.keyboard.press("Control+Enter")
        expect(page.locator("svg .node")).to_have_count(16, timeout=30_000)
        expect(page.locator("svg .relationship")).not_to_have_count(0)
        page.screenshot(path=os.environ.get("KGBUILD_SCREENSHOT") or tmp_path / "browser.png")
        browser.close()
