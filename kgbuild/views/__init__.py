"""Pages to look at a graph with. Each view is a function that returns one self-contained HTML page as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import networkx as nx

from kgbuild.views.focus import elements
from kgbuild.views.page import notebook

__all__ = ["focus", "notebook"]


def focus(
    graph: nx.MultiDiGraph,
    evidence: Mapping[str, Sequence[Mapping[str, Any]]],
    entity: str,
    *,
    title: str | None = None,
) -> str:
    """A self-contained HTML page of one entity and its neighbourhood, with the evidence of every relation.

    ``graph`` is what to draw, already cut to size: its nodes carry ``label`` and ``name`` beside the schema's
    properties, its edge keys are relationship types. ``graph.graph["hidden"]``, where set, counts the nodes that were
    left out, and the page says so. ``evidence`` maps the id of an edge (or of a Result) to rows of evidence, with
    offsets in code points. Any attribute may be missing. The same input gives the same bytes.

    Raises NotFoundError if ``entity`` is not in ``graph``, KGError if the graph is too large to read.
    """
    # pyvis imports IPython: about half a second that only those who draw should pay.
    from kgbuild.views.network import KGNetwork

    return KGNetwork(elements(graph, evidence, entity, title=title)).generate_html()
