"""The focus view: its plain values, its page, and the page in a real browser with the network off."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from kgbuild.errors import KGError, NotFoundError
from kgbuild.schema import load_schema
from kgbuild.views import focus, notebook
from kgbuild.views.focus import box, elements, segments
from kgbuild.views.network import KGNetwork

Visit = Callable[..., Page]
READY = 'html[data-ready="1"]'
HOSTILE = (
    "<img src=x onerror=window.__x=1>",
    "</script><script>window.__x=2</script>",
    "{{ 7*7 }}<!--",
    "'\"><svg onload=window.__x=3>",
    "\u202eتعلم الآلة\u202c",
    "🤖" * 40,
    "A name that does not end " * 40,
    "\ud800 lone surrogate \u0000",
)


def claim(graph: nx.MultiDiGraph, head: str, name: str, tail: str, support: int, confidence: float) -> None:
    graph.add_edge(
        head,
        tail,
        key=name,
        id=f"{name}:{head}:{tail}",
        type=name,
        support=support,
        confidence=confidence,
        first_year=2020,
        last_year=2022,
    )


def small() -> tuple[nx.MultiDiGraph, dict[str, list[dict[str, Any]]], str]:
    """A method, and one node of each other kind around it."""
    graph = nx.MultiDiGraph(hidden=31)
    graph.add_node(
        "bert",
        label="Method",
        name="BERT",
        aliases=["Bidirectional Encoder"],
        papers=84,
        first_year=2018,
        last_year=2024,
    )
    graph.add_node("squad", label="Dataset", name="SQuAD", aliases=["Stanford QA set"], papers=30)
    graph.add_node("glue", label="Benchmark", name="GLUE", papers=50)
    graph.add_node("qa", label="Task", name="Question answering", papers=12)
    graph.add_node("f1", label="Metric", name="F1")
    graph.add_node(
        "p1",
        label="Paper",
        name="Small encoders",
        title="Small encoders",
        published=datetime.date(2021, 3, 4),
        url="https://arxiv.org/abs/2103.1",
    )
    graph.add_node("r1", label="Result", value="93.2%", unit="%", kind="absolute", direction=None)
    claim(graph, "bert", "EVALUATED_ON", "squad", 3, 0.9)
    claim(graph, "bert", "EVALUATED_ON", "glue", 5, 0.95)
    claim(graph, "bert", "TRAINED_ON", "glue", 1, 0.4)
    claim(graph, "bert", "APPLIED_TO", "qa", 2, 0.7)
    claim(graph, "squad", "MEASURED_BY", "f1", 1, 0.5)
    graph.add_edge("p1", "bert", key="MENTIONS")
    graph.add_edge("r1", "bert", key="RESULT_OF", id="RESULT_OF:r1")
    sentence = "🤖 We run BERT on SQuAD again."
    row = {
        "paper": "p1",
        "title": "Small encoders",
        "url": "https://arxiv.org/abs/2103.1",
        "published": datetime.date(2021, 3, 4),
        "sentences": [sentence],
        "sentence_starts": [100],
        "head_start": 109,
        "head_end": 113,
        "tail_start": 117,
        "tail_end": 122,
        "polarity": "asserted",
        "source": "evaluated.active",
        "confidence": 0.9,
    }
    evidence = {"EVALUATED_ON:bert:squad": [row], "EVALUATED_ON:bert:glue": [row | {"polarity": "hedged", "url": None}]}
    return graph, evidence, "bert"


def hostile() -> tuple[nx.MultiDiGraph, dict[str, list[dict[str, Any]]], str]:
    graph = nx.MultiDiGraph()
    for i, text in enumerate(HOSTILE):
        graph.add_node(
            f"n{i}{text}",
            label=("Method", "Paper", text)[i % 3],
            name=text,
            title=text,
            aliases=list(HOSTILE),
            url="javascript:window.__x=4",
        )
    first, *others = graph
    evidence = {}
    for other in others:
        graph.add_edge(first, other, key=other, id=other, type=other, support=1, confidence=float("nan"))
        evidence[other] = [
            {"paper": text, "title": text, "url": url, "sentences": [text], "source": text, "polarity": text}
            for text in HOSTILE
            for url in ("javascript:window.__x=5", "data:text/html,<script>window.__x=6</script>", "http://example.org")
        ]
    return graph, evidence, first


# ---- Plain values ---------------------------------------------------------------------------------------------------


@given(st.text(), st.integers(0, 50), *[st.none() | st.integers(-5, 80)] * 4)
def test_segments_keep_every_character(
    sentence: str, start: int, a: int | None, b: int | None, c: int | None, d: int | None
) -> None:
    pieces = segments(sentence, start, {"head": (a, b), "tail": (c, d)})
    assert "".join(text for text, _ in pieces) == sentence
    if a is not None and b is not None and start <= a < b <= start + len(sentence):
        assert "".join(text for text, role in pieces if role == "head") == sentence[a - start : b - start]


def test_evidence_is_marked_by_code_points() -> None:
    graph, evidence, entity = small()
    view = elements(graph, evidence, entity)
    edge = next(e for e in view["edges"] if e["to"] == "squad")
    assert edge["data"]["evidence"][0]["sentences"] == [
        [("🤖 We run ", ""), ("BERT", "head"), (" on ", ""), ("SQuAD", "tail"), (" again.", "")]
    ]


def test_drawing_follows_the_schema() -> None:
    graph, evidence, entity = small()
    view = elements(graph, evidence, entity)
    schema = load_schema()
    assert {n["id"]: (n["color"], n["shape"]) for n in view["nodes"]} == {
        node: (schema.nodes[label].colour, schema.nodes[label].shape) for node, label in graph.nodes(data="label")
    }
    assert {t["name"]: t["count"] for t in view["types"]} == dict.fromkeys(
        ["Method", "Dataset", "Benchmark", "Task", "Metric", "Paper", "Result"], 1
    )
    assert {r["name"]: r["count"] for r in view["relations"]}["EVALUATED_ON"] == 2
    assert [r["about"] for r in view["relations"]] == [schema.relationships[r["name"]].about for r in view["relations"]]


def test_parallel_relations_bend_apart_in_both_directions() -> None:
    graph = nx.MultiDiGraph()
    for head, tail, name in [
        ("a", "b", "BASED_ON"),
        ("a", "b", "OUTPERFORMS"),
        ("b", "a", "BASED_ON"),
        ("a", "a", "IS_A"),
        ("a", "a", "VARIANT_OF"),
    ]:
        graph.add_edge(head, tail, key=name)
    edges = elements(graph, {}, "a")["edges"]
    sides = [e["smooth"]["bend"] * (1 if e["from"] == "a" else -1) for e in edges if e["from"] != e["to"]]
    assert len(set(sides)) == 3
    assert len({e["selfReference"]["angle"] for e in edges if e["from"] == e["to"]}) == 2


@pytest.mark.parametrize("size", [1, 2, 40, 300])
def test_no_caption_covers_another(size: int) -> None:
    labels = ["Method", "Dataset", "Paper", "Task", "Result"]
    graph = nx.MultiDiGraph()
    graph.add_node("n0", label="Method", name="The centre")
    for i in range(1, size):
        graph.add_node(f"n{i}", label=labels[i * i % 5], name=f"Name {'of some length ' * (i % 4)}{i}", papers=i)
        graph.add_edge(f"n{i}", f"n{0 if i % 3 else i // 2}", key="BASED_ON")
    graph.add_node("alone", label="Method", name="Alone")
    nodes = elements(graph, {}, "n0")["nodes"]
    placed = [box(node).at(node["x"], node["y"]) for node in nodes]
    assert not any(a.meets(b) for a, b in itertools.combinations(placed, 2))
    assert next((n["x"], n["y"]) for n in nodes if n["id"] == "n0") == (0, 0)


def test_attributes_may_be_missing() -> None:
    graph = nx.MultiDiGraph()
    graph.add_edge("a", "b", key="BASED_ON", support=None, confidence=None)
    graph.add_node("c", label=None, name=None, aliases=None, papers=None)
    assert [n["data"]["name"] for n in elements(graph, {}, "a")["nodes"]] == ["a", "b", "c"]
    assert focus(graph, {"x": [{}]}, "a")


def test_unknown_entity_is_named() -> None:
    with pytest.raises(NotFoundError, match="'nobody'"):
        focus(nx.MultiDiGraph(), {}, "nobody")


def test_a_hairball_is_refused_with_the_remedy() -> None:
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(map(str, range(2001)))
    with pytest.raises(KGError, match=r"2,001 nodes.*fewer hops"):
        focus(graph, {}, "0")


# ---- The page as text -----------------------------------------------------------------------------------------------


def test_same_graph_same_bytes_in_any_order() -> None:
    graph, evidence, entity = small()
    turned = nx.MultiDiGraph(hidden=31)
    turned.add_nodes_from(reversed(list(graph.nodes(data=True))))
    turned.add_edges_from(reversed(list(graph.edges(keys=True, data=True))))
    before = repr((graph.nodes(data=True), graph.edges(keys=True, data=True)))
    assert focus(graph, evidence, entity) == focus(graph, evidence, entity) == focus(turned, evidence, entity)
    assert repr((graph.nodes(data=True), graph.edges(keys=True, data=True))) == before


def test_page_is_a_document_that_admits_no_request() -> None:
    page = focus(*small(), title="What <b>BERT</b> touches")
    assert page.startswith('<!doctype html>\n<html lang="en">')
    assert "<title>What &lt;b&gt;BERT&lt;/b&gt; touches · kgbuild</title>" in page
    policy = page.split('Content-Security-Policy" content="')[1].split('"')[0]
    assert policy.startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "sourceMappingURL" not in page
    assert len(page.encode()) < 550_000


def test_network_writes_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    network = KGNetwork(elements(*small()))
    network.write_html("page.html")
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == focus(*small())
    assert network._repr_html_() == notebook(focus(*small()))
    assert network.num_nodes() == 7


# ---- The page in a browser ------------------------------------------------------------------------------------------


@pytest.fixture
def page(visit: Visit) -> Page:
    page = visit(focus(*small()))
    return page


FIND_COLOUR = """colour => {
  const canvas = document.querySelector("#canvas canvas");
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  let n = 0, x = 0, y = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i] === colour[0] && data[i + 1] === colour[1] && data[i + 2] === colour[2] && data[i + 3] === 255) {
      n += 1; x += (i / 4) % width; y += Math.floor(i / 4 / width);
    }
  }
  const box = canvas.getBoundingClientRect();
  return [n, box.left + x / n * box.width / width, box.top + y / n * box.height / height];
}"""


def centre(page: Page, label: str) -> tuple[float, float]:
    """Where on the page the only node of a type is drawn, by its colour."""
    colour = load_schema().nodes[label].colour
    count, x, y = page.evaluate(FIND_COLOUR, [int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    assert count > 20, f"nothing is drawn in the colour of {label}"
    return x, y


def heading(page: Page) -> str:
    return page.inner_text("#panel h2")


@pytest.mark.browser
def test_everything_is_drawn(page: Page) -> None:
    for label in ("Method", "Dataset", "Benchmark", "Task", "Metric", "Result"):
        centre(page, label)
    expect(page.locator("#counts")).to_have_text("7 of 7 entities, 7 of 7 relations shown")
    assert heading(page) == "BERT"
    assert page.inner_text("#panel").count("EVALUATED_ON → (2)") == 1
    assert page.inner_text("#note") == (
        "Results: as reported in the abstract, not verified. 31 less supported neighbours are not on this page."
    )


@pytest.mark.browser
def test_click_on_a_node_leads_to_sentence_and_paper(page: Page) -> None:
    page.mouse.click(*centre(page, "Dataset"))
    assert heading(page) == "SQuAD"
    page.get_by_role("button", name="Evidence, 1 sentence: EVALUATED_ON BERT").click()
    assert page.inner_text("#panel blockquote") == "🤖 We run BERT on SQuAD again."
    assert page.locator("mark.head").all_inner_texts() == ["BERT"]
    assert page.locator("mark.tail").all_inner_texts() == ["SQuAD"]
    paper = page.locator("#panel .evidence a")
    assert (paper.inner_text(), paper.get_attribute("href")) == ("Small encoders", "https://arxiv.org/abs/2103.1")
    assert page.inner_text("#panel .badge") == "asserted"
    assert "rule evaluated.active" in page.inner_text("#panel .evidence")
    page.keyboard.press("Escape")
    assert heading(page) == "BERT"


@pytest.mark.browser
def test_click_on_an_edge_shows_its_evidence(page: Page) -> None:
    (x1, y1), (x2, y2) = centre(page, "Method"), centre(page, "Dataset")
    page.mouse.click((x1 + x2) / 2, (y1 + y2) / 2)
    assert heading(page) == "EVALUATED_ON"
    assert page.inner_text("#panel blockquote") == "🤖 We run BERT on SQuAD again."
    assert "3 papers · confidence 0.90 · 2020–2022" in page.inner_text("#panel")


@pytest.mark.browser
def test_each_of_two_parallel_relations_can_be_clicked(page: Page) -> None:
    (x1, y1), (x2, y2) = centre(page, "Method"), centre(page, "Benchmark")
    found = set()
    for step in range(-8, 9):
        page.mouse.click((x1 + x2) / 2 + step / 80 * (y1 - y2), (y1 + y2) / 2 + step / 80 * (x2 - x1))
        found.add(heading(page))
    assert {"EVALUATED_ON", "TRAINED_ON"} <= found


@pytest.mark.browser
def test_search_by_alias_and_walk_by_keyboard(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("stanford")
    expect(page.locator("#matches li")).to_have_text("SQuADStanford QA set")
    page.keyboard.press("Enter")
    assert heading(page) == "SQuAD"
    assert page.evaluate("document.activeElement.textContent") == "SQuAD"
    expect(page.locator("#spoken")).to_have_text("Selected SQuAD, Dataset, 2 relations")

    page.keyboard.press("/")
    page.keyboard.type("q")
    names = page.locator("#matches li bdi:first-of-type").all_inner_texts()
    assert names[0] == "Question answering"
    page.keyboard.press("ArrowDown")
    assert page.locator("#matches li[aria-selected=true]").inner_text().startswith(names[1])
    page.keyboard.press("Escape")
    expect(page.locator("#matches")).to_be_hidden()

    page.focus("#canvas")
    page.keyboard.press("ArrowRight")
    assert heading(page) == "GLUE"


@pytest.mark.browser
def test_filters_change_what_is_shown_and_counted(page: Page) -> None:
    counts = page.locator("#counts")
    page.uncheck("#types [value=Dataset]")
    expect(counts).to_have_text("5 of 7 entities, 5 of 7 relations shown")
    assert page.evaluate(FIND_COLOUR, [0, 0x9E, 0x73])[0] == 0
    page.check("#types [value=Dataset]")
    page.uncheck("#relations [value=TRAINED_ON]")
    expect(counts).to_have_text("7 of 7 entities, 6 of 7 relations shown")
    page.get_by_label("Confidence at least").fill("0.9")
    expect(counts).to_have_text("5 of 7 entities, 4 of 7 relations shown")
    page.get_by_label("Papers at least").fill("5")
    expect(counts).to_have_text("4 of 7 entities, 3 of 7 relations shown")
    page.get_by_role("button", name="Show everything").click()
    expect(counts).to_have_text("7 of 7 entities, 7 of 7 relations shown")


@pytest.mark.browser
def test_address_holds_the_state(page: Page, visit: Visit) -> None:
    page.uncheck("#types [value=Paper]")
    page.uncheck("#relations [value=MEASURED_BY]")
    page.get_by_label("Confidence at least").fill("0.65")
    page.mouse.click(*centre(page, "Task"))
    fragment = page.evaluate("location.hash")
    again = visit(focus(*small()), fragment)
    assert heading(again) == heading(page) == "Question answering"
    assert again.inner_text("#counts") == page.inner_text("#counts") == "5 of 7 entities, 4 of 7 relations shown"
    assert again.evaluate("location.hash") == fragment


@pytest.mark.browser
@pytest.mark.parametrize(
    "fragment", ["#sel=nobody&conf=x&sup=-4&hide=Nothing&off=&view=?", "#%%%", "#edge=constructor"]
)
def test_a_broken_address_is_harmless(visit: Visit, fragment: str) -> None:
    page = visit(focus(*small()), fragment)
    assert heading(page) == "BERT"
    expect(page.locator("#counts")).to_have_text("7 of 7 entities, 7 of 7 relations shown")


@pytest.mark.browser
def test_table_says_what_the_drawing_says(page: Page) -> None:
    page.get_by_role("button", name="Table").click()
    rows = page.locator("table tbody tr")
    expect(rows).to_have_count(7)
    assert rows.nth(0).locator("td").all_inner_texts() == [
        "BERT",
        "EVALUATED_ON",
        "GLUE",
        "5",
        "0.95",
        "2020–2022",
        "1 sentence",
    ]
    page.get_by_role("button", name="Evidence of BERT EVALUATED_ON GLUE").click()
    assert page.inner_text("#panel .badge.hedged") == "hedged"
    assert page.locator("#panel .evidence a").count() == 0
    page.get_by_role("button", name="Graph").click()
    page.get_by_role("button", name="Fit").click()
    expect(page.locator("#canvas canvas")).to_be_visible()
    page.reload()
    page.wait_for_selector(READY)
    centre(page, "Benchmark")


@pytest.mark.browser
def test_results_say_that_nobody_verified_them(page: Page) -> None:
    page.mouse.click(*centre(page, "Result"))
    assert heading(page) == "93.2%"
    assert "As reported in the abstract, not verified." in page.inner_text("#panel")


@pytest.mark.browser
def test_hostile_text_stays_text(visit: Visit) -> None:
    graph, evidence, entity = hostile()
    page = visit(focus(graph, evidence, entity))
    assert heading(page) == HOSTILE[0]
    page.get_by_role("button", name="Table").click()
    for button in page.locator("table button[aria-label]").all():
        button.click()
        assert page.locator("#panel .evidence").count() == 3 * len(HOSTILE)
    page.fill("#search", "img")
    expect(page.locator("#matches li").first).to_be_visible()
    assert page.locator("a, img, #panel svg[onload]").count() == 0
    assert page.evaluate("window.__x") is None
    assert page.locator("script").count() == 3


@pytest.mark.browser
@pytest.mark.parametrize("make", [small, hostile])
def test_phone_needs_no_sideways_scroll(visit: Visit, make: Callable[[], Any]) -> None:
    page = visit(focus(*make()), viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    for button in page.locator("#panel [aria-expanded]").all():
        button.click()
    page.locator("#filters summary").click()
    assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [390, 390]
    assert page.locator("#canvas canvas").bounding_box()["height"] > 300


@pytest.mark.browser
def test_dark_and_light_pages_differ(visit: Visit) -> None:
    page = visit(focus(*small()), color_scheme="dark", reduced_motion="reduce")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    centre(page, "Method")
    page.emulate_media(color_scheme="light")
    assert page.evaluate(background) != dark
    centre(page, "Method")


@pytest.mark.browser
def test_page_works_inside_a_notebook_cell(visit: Visit) -> None:
    page = visit(notebook(focus(*small())))
    frame = page.frame_locator("iframe")
    expect(frame.locator(READY)).to_be_attached()
    expect(frame.locator("#counts")).to_have_text("7 of 7 entities, 7 of 7 relations shown")
    frame.get_by_role("button", name="Evidence, 1 sentence: EVALUATED_ON SQuAD").click()
    expect(frame.locator("#panel blockquote")).to_have_text("🤖 We run BERT on SQuAD again.")
