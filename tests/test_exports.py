"""Files for neo4j-admin, imported by the real tool, and the kit for Neo4j Browser, loaded into the real Browser."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import neo4j
import pytest
from playwright.sync_api import Browser, Page, expect

from kgbuild import stores
from kgbuild.errors import SchemaError
from kgbuild.exports.browser_kit import export_browser_kit
from kgbuild.exports.neo4j_admin import export_neo4j_admin
from kgbuild.queries import library
from kgbuild.schema import load_schema
from kgbuild.stores import server
from kgbuild.tables import GraphTables, Row

Rows = dict[str, list[Row]]
MakeTables = Callable[[Rows, Rows], GraphTables]
GraphRows = Callable[[int], tuple[Rows, Rows]]

SCHEMA = load_schema()
HOSTILE = ['"', '""', ",", ";", "a\nb\r\nc", "\\", "NUL \x00", "\x1f", "🧪 ünï", "=1+1", " edge ", "", "x" * 50_000]


def hostile(graph_rows: GraphRows) -> tuple[Rows, Rows]:
    """A graph whose texts hold everything that CSV has a meaning for."""
    nodes, relationships = graph_rows(30)
    for paper, text in zip(nodes["Paper"], HOSTILE, strict=False):
        paper["abstract"] = text
    nodes["Method"][0]["aliases"] = HOSTILE
    nodes["Method"][1]["aliases"] = [""]
    nodes["Method"][2]["aliases"] = ["", ""]
    nodes["Evidence"][0]["sentence_starts"] = []
    relationships["MENTIONS"][0]["surfaces"] = HOSTILE
    relationships["MENTIONS"][1]["surfaces"] = []
    return nodes, relationships


def rows(store: stores.Store) -> list[Row]:
    """Everything in a store, in a fixed order."""
    nodes = store.run("MATCH (n) RETURN n AS row, n.id AS id, labels(n) AS at ORDER BY at, id")
    ends = "MATCH (h)-[r]->(t) RETURN r AS row, r.id AS id, type(r) AS at, h.id AS head, t.id AS tail ORDER BY at, id"
    return nodes + store.run(ends)


def test_the_import_tool_makes_the_graph_that_a_push_makes(
    neo4j_server: server.Server,
    tmp_path: Path,
    free_port: Callable[[], int],
    make_tables: MakeTables,
    graph_rows: GraphRows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NEO4J_PASSWORD", raising=False)
    tables = make_tables(*hostile(graph_rows))
    home = tmp_path / "server"
    (home / "conf").mkdir(parents=True)
    shutil.copy(neo4j_server.directory / f"classpath-{server.VERSION}.txt", home)
    arguments = export_neo4j_admin(tables, tmp_path / "files")
    assert "IMPORT DONE" in server.admin(home, "database", "import", "full", "neo4j", *arguments)
    running = server.start(home, bolt_port=free_port(), http_port=free_port())
    try:
        auth = (running.username, running.password or "")
        with neo4j.GraphDatabase.driver(running.uri, auth=auth) as driver, driver.session(database="neo4j") as session:
            for statement in (tmp_path / "files" / "after-import.cypher").read_text().split(";\n")[:-1]:
                session.run(statement).consume()
            with stores.neo4j(running.uri, *auth, "neo4j") as store:
                # The one row that the tool cannot hold, a list of one empty string, is written by the next push.
                done = store.sync(tables)
                assert (done.created, done.updated, done.deleted) == (0, 1, 0)
                assert done.counters.keys() == {"properties_set"}
                imported = rows(store)
                session.run("MATCH ()-[x]->() DELETE x").consume()
                session.run("MATCH (x) DELETE x").consume()
                store.sync(tables)
                assert imported == rows(store)
                assert len(imported) == sum(sum(n.values()) for n in tables.counts())
    finally:
        server.stop(home)


def test_the_script_names_every_file_beside_it(tmp_path: Path, make_tables: MakeTables, graph_rows: GraphRows) -> None:
    """The script runs whatever is called neo4j-admin; here one that shows what it was given."""
    fake = tmp_path / "bin" / "neo4j-admin"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    export_neo4j_admin(make_tables(*graph_rows(12)), tmp_path / "a folder")
    script = tmp_path / "a folder" / "import.sh"
    path = f"{fake.parent}{os.pathsep}{os.environ['PATH']}"
    shown = subprocess.run([str(script)], capture_output=True, text=True, check=True, env={"PATH": path}).stdout.splitlines()
    assert shown[:5] == ["database", "import", "full", "neo4j", "--overwrite-destination=true"]
    named = {name for line in shown if line.startswith(("--nodes", "--relationships")) for name in line.split("=")[2].split(",")}
    there = {str(path.relative_to(script.parent)) for path in script.parent.rglob("*.csv")}
    assert named == there
    assert there


def test_the_same_tables_give_the_same_files(tmp_path: Path, make_tables: MakeTables, graph_rows: GraphRows) -> None:
    tables = make_tables(*hostile(graph_rows))
    for folder in ("one", "two"):
        export_neo4j_admin(tables, tmp_path / folder)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(files) > 10
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_lists_that_nothing_can_separate_are_refused(tmp_path: Path, make_tables: MakeTables) -> None:
    tables = make_tables({"Method": [{"id": "m", "name": "m", "aliases": ["\x1f\x1e", "\x1d\x1c"]}]}, {})
    with pytest.raises(SchemaError, match=r"U\+001C"):
        export_neo4j_admin(tables, tmp_path / "files")


def test_the_kit_holds_every_label_type_and_question(tmp_path: Path) -> None:
    queries = library()
    for folder in ("one", "two"):
        export_browser_kit(SCHEMA, queries, tmp_path / folder)
    style = (tmp_path / "one" / "kgbuild.grass").read_text()
    guide = (tmp_path / "one" / "guide.md").read_text()
    for label, node in SCHEMA.nodes.items():
        assert f"node.{label} {{\n  color: {node.colour};" in style
        assert f"- `{label}`: " in guide
    for name in SCHEMA.relationships:
        assert f"- `{name}` (" in guide
        assert (f"relationship.{name} {{" in style) == (name in SCHEMA.claim_types)
    with zipfile.ZipFile(tmp_path / "one" / "kgbuild.zip") as archive:
        assert archive.namelist() == ["kgbuild/", "kgbuild/parameters.cypher", *(f"kgbuild/{name}.cypher" for name in queries)]
        parameters = archive.read("kgbuild/parameters.cypher").decode()
        for name, query in queries.items():
            assert archive.read(f"kgbuild/{name}.cypher").decode() == query.path.read_text()
            assert all(f":param {parameter.name} => " in parameters for parameter in query.parameters)
    for file in ("kgbuild.grass", "kgbuild.zip", "guide.md"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def drop(page: Page, file: Path) -> None:
    """Drop a file onto the window."""
    content = base64.b64encode(file.read_bytes()).decode()
    page.evaluate(
        """([name, content]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([Uint8Array.from(atob(content), c => c.charCodeAt(0))], name));
            const target = document.querySelector('.filedrop');
            for (const type of ['dragenter', 'dragover', 'drop'])
                target.dispatchEvent(new DragEvent(type, {bubbles: true, cancelable: true, dataTransfer: transfer}));
        }""",
        [file.name, content],
    )


@pytest.mark.browser
def test_the_real_browser_takes_the_kit(
    browser: Browser, neo4j_server: server.Server, tmp_path: Path, make_tables: MakeTables, graph_rows: GraphRows
) -> None:
    export_browser_kit(SCHEMA, library(), tmp_path)
    nodes, relationships = graph_rows(12)
    nodes["Dataset"][0]["name"] = "ImageNet"
    with stores.neo4j(neo4j_server.uri, neo4j_server.username, neo4j_server.password or "", "neo4j") as store:
        store.sync(make_tables(nodes, relationships))
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)
    page.goto(neo4j_server.browser_url)
    page.fill("[data-testid=username]", neo4j_server.username)
    page.fill("[data-testid=password]", neo4j_server.password or "")
    page.click("[data-testid=connect]")
    expect(page.get_by_text("You are connected as user")).to_be_visible()
    drop(page, tmp_path / "kgbuild.grass")
    expect(page.locator("pre", has_text="node.Method")).to_be_visible()
    drop(page, tmp_path / "kgbuild.zip")
    page.click("[data-testid=navigationFavorites]")
    page.click("[data-testid='expandFolder-kgbuild']")
    favourite = page.locator("[data-testid=savedScriptListItem]")
    favourite.filter(has_text="parameters:").locator("[data-testid=savedScriptsButton-Run]").click()
    expect(page.get_by_test_id("frame").filter(has_text=":param dataset")).to_have_count(1)
    answer = page.get_by_test_id("frame").filter(has_text="// methods-on-dataset").first
    for _ in range(10):  # Browser says nowhere that it has set the last parameter
        favourite.filter(has_text="methods-on-dataset:").locator("[data-testid=savedScriptsButton-Run]").click()
        expect(answer).to_contain_text(re.compile('"M0"|ParameterMissing'))
        if '"M0"' in answer.inner_text():
            break
    expect(answer).to_contain_text('"M0"')
    page.screenshot(path=os.environ.get("KGBUILD_SCREENSHOT", str(tmp_path)) + "-favourite.png")
    page.click("[data-testid=navigationFavorites]")
    page.click(".monaco-editor >> nth=0")
    page.keyboard.type("MATCH p = (:Paper)-[:MENTIONS]->(:Method)-[:EVALUATED_ON]->() RETURN p")
    page.keyboard.press("Control+Enter")
    method = page.locator("svg g.node:has(text:text-is('M0')) circle.b-outline")
    expect(method).to_have_attribute("fill", SCHEMA.nodes["Method"].colour)
    page.screenshot(path=os.environ.get("KGBUILD_SCREENSHOT", str(tmp_path)) + "-style.png")
