"""Fixtures that several test files share: small graphs, a real browser, and one real Neo4j server of each version."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, Page, sync_playwright

from kgbuild import pipeline
from kgbuild.errors import StoreError
from kgbuild.resources import sample
from kgbuild.schema import load_schema
from kgbuild.stores import server
from kgbuild.tables import GraphTables, Row, write_tables

Rows = dict[str, list[Row]]
MakeTables = Callable[[Rows, Rows], GraphTables]
Visit = Callable[..., Page]

# a busy machine must not fail a property; the same examples are tried everywhere
settings.register_profile("kgbuild", deadline=None, derandomize=True)
settings.load_profile("kgbuild")


@pytest.fixture(scope="session")
def sample_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled sample, built as a user builds it; tests only read it."""
    folder = tmp_path_factory.mktemp("sample") / "workspace"
    pipeline.build(sample(), folder)
    return folder


@pytest.fixture
def make_tables(tmp_path: Path) -> MakeTables:
    """Write rows (nodes by label, relationships by type) to tables in a folder of their own."""
    made = 0

    def make(nodes: Rows, relationships: Rows) -> GraphTables:
        nonlocal made
        made += 1
        return write_tables(tmp_path / f"tables-{made}", load_schema(), nodes, relationships)

    return make


@pytest.fixture
def graph_rows() -> Callable[[int], tuple[Rows, Rows]]:
    """Rows of a graph of ``papers`` papers in which every property type, and labels and types of all kinds, occur."""
    return _graph_rows


def _graph_rows(papers: int) -> tuple[Rows, Rows]:
    methods, data = max(1, papers // 3), max(1, papers // 4)
    labels = [("Dataset", "Benchmark")[i % 2] for i in range(data)]
    nodes: Rows = {
        "Paper": [
            {
                "id": f"arxiv:{i:04}",
                "name": f"Paper {i}",
                "title": f"Title of {i}",
                "abstract": "We propose it.\nIt works.",
                "published": date(2024, 1 + i % 12, 1 + i % 28) if i % 3 else None,
                "year": 2024,
                "upvotes": i,
            }
            for i in range(papers)
        ],
        "Method": [
            {
                "id": f"method:{i}",
                "name": f"M{i}",
                "aliases": [f"m-{i}", f"model {i}"][: i % 3],
                "papers": i,
                "first_seen": date(2024, 1, 1),
            }
            for i in range(methods)
        ],
        "Dataset": [{"id": f"data:{i}", "name": f"D{i}"} for i in range(data) if labels[i] == "Dataset"],
        "Benchmark": [{"id": f"data:{i}", "name": f"D{i}"} for i in range(data) if labels[i] == "Benchmark"],
        "Evidence": [
            {
                "id": f"evidence:{i:04}",
                "name": "evidence",
                "edge": f"evaluated:{i:04}",
                "type": "EVALUATED_ON",
                "head_id": f"method:{i % methods}",
                "tail_id": f"data:{i % data}",
                "sentences": ["It works.", "It is tested."],
                "sentence_starts": [0, 10 + i],
                "head_start": None if i % 2 else 4,
                "confidence": 0.5 + i % 5 / 10,
                "polarity": "asserted",
            }
            for i in range(papers)
        ],
    }

    def edge(row_id: str, head_label: str, head: str, tail_label: str, tail: str, **properties: Any) -> Row:
        return {"id": row_id, "head_label": head_label, "head": head, "tail_label": tail_label, "tail": tail, **properties}

    relationships: Rows = {
        "MENTIONS": [
            edge(f"m:{i:04}", "Paper", f"arxiv:{i:04}", "Method", f"method:{i % methods}", count=1 + i, surfaces=["M", "m"])
            for i in range(papers)
        ],
        "EVALUATED_ON": [
            edge(
                f"evaluated:{i:04}",
                "Method",
                f"method:{i % methods}",
                labels[i % data],
                f"data:{i % data}",
                support=1,
                confidence=0.75,
                last_seen=date(2024, 2, 29),
            )
            for i in range(papers)
        ],
        "STATES": [
            edge(f"s:{i:04}", "Paper", f"arxiv:{i:04}", "Evidence", f"evidence:{i:04}") for i in range(papers)
        ],
    }
    return nodes, relationships


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, as it is installed on the machine."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        reason = "no chromium on the PATH, so no page is opened"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, tmp_path: Path) -> Iterator[Visit]:
    """Opens a page (text) from a file, offline; in the end it must have asked for nothing and complained of nothing."""
    asked: list[str] = []
    complaints: list[str] = []
    contexts = []
    file = tmp_path / "page.html"

    def open_page(html: str, fragment: str = "", **options: Any) -> Page:
        file.write_text(html, encoding="utf-8")
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 800}, "offline": True} | options))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("request", lambda r: asked.append(r.url))
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.goto(file.as_uri() + fragment)
        # in a notebook's cell the page is inside a frame
        page.wait_for_selector('html[data-ready="1"], iframe')
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert {url.split("#")[0] for url in asked if not url.startswith("data:")} == {file.as_uri()}
    assert complaints == []


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Finds ports that nobody uses now."""
    return _free_port


@pytest.fixture(scope="session")
def neo4j_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], server.Server]]:
    """Starts a server of a version, once a session, with a made password. Skips where the machine cannot run it."""
    running: dict[str, server.Server] = {}

    def get(version: str) -> server.Server:
        if version not in running:
            _require(version)
            folder = tmp_path_factory.mktemp("neo4j")
            running[version] = server.start(folder, bolt_port=_free_port(), http_port=_free_port(), version=version)
        return running[version]

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NEO4J_PASSWORD", raising=False)
        yield get
        for one in running.values():
            server.stop(one.directory)


@pytest.fixture(scope="session")
def neo4j_server(neo4j_servers: Callable[[str], server.Server]) -> server.Server:
    """A running server of the version that ``kgbuild neo4j start`` starts."""
    return neo4j_servers(server.VERSION)


def _require(version: str) -> None:
    """Skip where the machine cannot run this version; in CI only the newer versions may be skipped."""
    try:
        server.find_java(version)
        server.find_maven()
    except StoreError as e:
        if os.environ.get("CI") and version == server.VERSION:
            pytest.fail(f"CI must run Neo4j: {e}")
        pytest.skip(str(e))


def _free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
