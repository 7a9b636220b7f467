"""The neighbourhood of one entity as plain values: what to draw, where, and what to tell about it.

Everything here is JSON-able and in a fixed order. Nothing here knows HTML.
"""

from __future__ import annotations

import math
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypedDict

import networkx as nx

from kgbuild.errors import KGError, NotFoundError
from kgbuild.schema import NodeType, RelationshipType, load_schema
from kgbuild.views.layout import Box, free_labels, radial

MOST_NODES = 2_000
"""More than this is a hairball that nobody reads."""

_UNKNOWN_NODE = NodeType(about="", colour="#8C8C8C", shape="dot")
_PAPER_FONT, _FONT, _FOCUS_FONT = 11, 13, 20

Evidence = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows of evidence by the id of the edge or result that they are about."""


class View(TypedDict):
    """What a page shows. ``nodes`` and ``edges`` are items of vis-network, with what the panel tells in ``data``."""

    title: str
    entity: str
    hidden: int
    types: list[dict[str, Any]]
    relations: list[dict[str, Any]]
    nodes: list[dict[str, Any]]
    edges: list[dict[str, Any]]


def elements(graph: nx.MultiDiGraph, evidence: Evidence, entity: str, *, title: str | None = None) -> View:
    """The view of ``entity`` in ``graph``; positions are in pixels around it.

    Raises NotFoundError if ``entity`` is not in ``graph``, KGError if the graph has more than 2,000 nodes.
    """
    if entity not in graph:
        raise NotFoundError(
            f"cannot draw {entity!r}: the given graph has no such node; pass the id of one of its nodes"
        )
    if len(graph) > MOST_NODES:
        raise KGError(
            f"cannot draw {len(graph):,} nodes in one view (at most {MOST_NODES:,}): nobody could read it. "
            "Take a smaller neighbourhood: fewer hops, a higher support or confidence, or a limit"
        )
    schema = load_schema()
    order = {name: i for i, name in enumerate((*schema.nodes, *schema.relationships))}
    nodes = [_node(node, attributes, evidence, focus=node == entity) for node, attributes in graph.nodes(data=True)]
    nodes.sort(
        key=lambda n: (
            order.get(n["data"]["type"], len(order)),
            n["data"]["type"],
            -n["size"],
            n["data"]["name"],
            n["id"],
        )
    )
    edges = [
        _edge(head, tail, key, attributes, evidence)
        for head, tail, key, attributes in graph.edges(keys=True, data=True)
    ]
    edges.sort(
        key=lambda e: (
            order.get(e["label"], len(order)),
            e["label"],
            -(e["data"]["support"] or 0),
            -(e["data"]["confidence"] or 0),
            e["from"],
            e["to"],
            e["id"],
        )
    )
    _curve(edges)

    boxes = {node["id"]: box(node) for node in nodes}
    groups = {node["id"]: node["data"]["type"] for node in nodes}
    at = radial(str(entity), groups, boxes, [(edge["from"], edge["to"]) for edge in edges])
    for node in nodes:
        node["x"], node["y"] = at[node["id"]]
    important = sorted(edges, key=lambda edge: str(entity) not in (edge["from"], edge["to"]))
    free = free_labels(
        at, boxes, [(edge["from"], edge["to"], edge["label"], edge["smooth"]["bend"]) for edge in important]
    )
    for edge, shown in zip(important, free, strict=True):
        edge["data"]["labelled"] = shown

    name = next(node["data"]["name"] for node in nodes if node["id"] == str(entity))
    return View(
        title=title or f"{name} and its neighbourhood",
        entity=str(entity),
        hidden=graph.graph.get("hidden", 0),
        types=_types(groups.values()),
        relations=_relations(edge["label"] for edge in edges),
        nodes=nodes,
        edges=edges,
    )


def segments(
    sentence: str, start: int | None, marks: Mapping[str, tuple[int | None, int | None]]
) -> list[tuple[str, str]]:
    """A sentence cut into (text, role) where its head and tail begin and end; the role of other text is empty.

    Offsets count code points in the text that holds the sentence at ``start``. They are cut here because
    JavaScript counts UTF-16 units. Of two marks that overlap the first wins.

    >>> segments("We test BERT on GLUE.", 40, {"head": (48, 52), "tail": (56, 60)})
    [('We test ', ''), ('BERT', 'head'), (' on ', ''), ('GLUE', 'tail'), ('.', '')]
    """
    spans = []
    for role, (a, b) in marks.items():
        if start is not None and a is not None and b is not None and start <= a < b <= start + len(sentence):
            spans.append((role, a - start, b - start))
    cuts = sorted({0, len(sentence), *(a for _, a, _ in spans), *(b for _, _, b in spans)})
    return [(sentence[a:b], next((role for role, c, d in spans if c <= a and b <= d), "")) for a, b in pairwise(cuts)]


def _node(node: Any, attributes: Mapping[str, Any], evidence: Evidence, *, focus: bool) -> dict[str, Any]:
    label = str(attributes.get("label") or "Unknown")
    kind = load_schema().nodes.get(label, _UNKNOWN_NODE)
    name = str(next((v for key in ("name", "title", "value") if (v := attributes.get(key))), node))
    papers = attributes.get("papers") or 0
    card = kind.shape in ("box", "ellipse", "text")
    return {
        "id": str(node),
        "label": _caption(name, 24 if card or focus else 18),
        "shape": kind.shape,
        "color": kind.colour,
        "size": 24 if focus else round(min(6 + 1.6 * math.log2(1 + papers), 14), 1),
        "font": {"size": _FOCUS_FONT if focus else _PAPER_FONT if card else _FONT},
        "data": {
            "type": label,
            "name": name,
            "aliases": [str(alias) for alias in attributes.get("aliases") or ()],
            "papers": attributes.get("papers"),
            "years": _years(attributes),
            "title": _text(attributes.get("title")),
            "published": _text(attributes.get("published") or attributes.get("year")),
            "url": _text(attributes.get("url")),
            **{key: _text(attributes.get(key)) for key in ("value", "unit", "kind", "direction")},
            "evidence": _evidence(evidence.get(str(node), ())),
        },
    }


def _edge(head: Any, tail: Any, key: Any, attributes: Mapping[str, Any], evidence: Evidence) -> dict[str, Any]:
    name = str(attributes.get("type") or key)
    kind = load_schema().relationships.get(name)
    support = attributes.get("support")
    return {
        "id": f"{head} {key} {tail}",  # the graph's ids are unique within a type only
        "from": str(head),
        "to": str(tail),
        "label": name,
        "width": round(min(1 + math.log2(max(support or 1, 1)), 5), 1),
        "dashes": kind is not None and not kind.claim,
        "data": {
            "support": support,
            "confidence": _number(attributes.get("confidence")),
            "years": _years(attributes),
            "evidence": _evidence(evidence.get(str(attributes.get("id")), ())),
        },
    }


def _evidence(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    out = []
    for row in rows:
        marks = {role: (row.get(f"{role}_start"), row.get(f"{role}_end")) for role in ("head", "tail")}
        sentences = row.get("sentences") or ()
        starts = [*(row.get("sentence_starts") or ()), *[None] * len(sentences)]
        out.append(
            {
                "sentences": [
                    segments(str(sentence), start, marks) for sentence, start in zip(sentences, starts, strict=False)
                ],
                "paper": _text(row.get("paper")),
                "title": _text(row.get("title") or row.get("paper")),
                "url": _text(row.get("url")),
                "published": _text(row.get("published")),
                "polarity": _text(row.get("polarity")),
                "source": _text(row.get("source")),
                "confidence": _number(row.get("confidence")),
            }
        )
    return out


def _curve(edges: list[dict[str, Any]]) -> None:
    """Bends edges that join the same two nodes apart, so that each can be seen and clicked."""
    between: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for edge in edges:
        between[min(edge["from"], edge["to"]), max(edge["from"], edge["to"])].append(edge)
    for (a, b), parallel in between.items():
        for k, edge in enumerate(parallel):
            bend = 0.0 if a == b else 0.3 * (k - (len(parallel) - 1) / 2)
            # A bend is to the right of the edge's own direction.
            edge["smooth"] = {"bend": bend if edge["from"] == a else -bend}
            if a == b:
                edge["selfReference"] = {"size": 20, "angle": round(math.pi * (0.25 + 0.5 * k), 3)}


def _types(labels: Iterable[str]) -> list[dict[str, Any]]:
    known, count = load_schema().nodes, Counter(labels)
    rows = [
        *((label, known[label]) for label in known),
        *((label, _UNKNOWN_NODE) for label in sorted(count.keys() - known.keys())),
    ]
    return [
        {"name": label, "about": kind.about, "colour": kind.colour, "shape": kind.shape, "count": count[label]}
        for label, kind in rows
        if count[label]
    ]


def _relations(names: Iterable[str]) -> list[dict[str, Any]]:
    known: Mapping[str, RelationshipType] = load_schema().relationships
    count = Counter(names)
    rows = [*known, *sorted(count.keys() - known.keys())]
    return [
        {"name": name, "about": known[name].about if name in known else "", "count": count[name]}
        for name in rows
        if count[name]
    ]


def _caption(name: str, width: int) -> str:
    """The name in at most three lines of ``width`` characters."""
    return "\n".join(textwrap.wrap(name, width, max_lines=3, placeholder="…")) or name[:width]


def box(node: Mapping[str, Any]) -> Box:
    """The room that a node and its caption take, with a little air."""
    lines = node["label"].split("\n")
    size, font = node["size"], node["font"]["size"]
    half, height = max(map(len, lines)) * font * 0.29 + 6, len(lines) * font * 1.25 + 6
    if node["shape"] in ("box", "ellipse", "text"):
        return Box(-half - 6, -height / 2 - 5, half + 6, height / 2 + 5)
    half = max(half, size + 4)
    return Box(-half, -size - 7, half, size + height + 3)


def _years(attributes: Mapping[str, Any]) -> str | None:
    first, last = attributes.get("first_year"), attributes.get("last_year")
    known = sorted({str(year) for year in (first, last) if year is not None})
    return "–".join(known) or None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _number(value: float | None) -> float | None:
    """JSON has no NaN."""
    return None if value is None or not math.isfinite(value) else round(value, 3)
