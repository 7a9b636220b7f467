"""A knowledge graph of methods, datasets and benchmarks from the abstracts of AI papers.

    import kgbuild as kg

    kg.build(["daily-papers.txt"], "workspace")
    graph = kg.open("workspace")
    graph.query("methods-on-dataset", dataset="SQuAD")
    graph.neighbourhood("SQuAD")              # a networkx.MultiDiGraph
    graph.evidence(edge_id)                   # the sentences behind an edge

Names are imported when first used: opening a workspace loads no spaCy.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kgbuild.api import Found, KnowledgeGraph, open
    from kgbuild.errors import KGError
    from kgbuild.nlp import extract, load
    from kgbuild.pipeline import Report, add, build, remove
    from kgbuild.queries import library
    from kgbuild.records import Extraction, Mention, Paper, Relation, Result
    from kgbuild.schema import GraphSchema, load_schema
    from kgbuild.sources import read

__all__ = [
    "Extraction",
    "Found",
    "GraphSchema",
    "KGError",
    "KnowledgeGraph",
    "Mention",
    "Paper",
    "Relation",
    "Report",
    "Result",
    "add",
    "build",
    "extract",
    "library",
    "load",
    "load_schema",
    "open",
    "read",
    "remove",
]

_HOME = {
    **dict.fromkeys(("Found", "KnowledgeGraph", "open"), "api"),
    **dict.fromkeys(("KGError",), "errors"),
    **dict.fromkeys(("extract", "load"), "nlp"),
    **dict.fromkeys(("Report", "add", "build", "remove"), "pipeline"),
    **dict.fromkeys(("library",), "queries"),
    **dict.fromkeys(("Extraction", "Mention", "Paper", "Relation", "Result"), "records"),
    **dict.fromkeys(("GraphSchema", "load_schema"), "schema"),
    **dict.fromkeys(("read",), "sources"),
}

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
