"""A built workspace as Python sees it: find, ask, and walk the graph. Imports no spaCy and needs no server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rapidfuzz import fuzz, process

from kgbuild import graph, queries
from kgbuild.errors import NotFoundError
from kgbuild.records import Paper
from kgbuild.resolve import fold
from kgbuild.schema import load_schema
from kgbuild.stores import Store
from kgbuild.stores.local import open_embedded
from kgbuild.tables import GraphTables, Row
from kgbuild.workspace import Workspace

if TYPE_CHECKING:
    import networkx as nx

NEAR = 75.0
"""Names less alike than this (0 to 100, RapidFuzz WRatio) are no suggestion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A node that goes by a name."""

    id: str
    label: str
    name: str
    aliases: tuple[str, ...]
    papers: int
    """Distinct papers that mention it; 1 for a paper."""


def open(workspace: str | Path) -> KnowledgeGraph:
    """Open a built workspace for reading. Raises WorkspaceError where nothing has been built.

    >>> kg = open(sample_workspace)
    >>> kg.entity("squad").name
    'SQuAD'
    """
    return KnowledgeGraph(workspace)


class KnowledgeGraph:
    """The graph of a workspace, as of the moment it was opened. A context manager.

    It outlives one build of the workspace; Cypher is answered by the store, which holds the latest graph.
    """

    def __init__(self, folder: str | Path) -> None:
        self._workspace = Workspace(folder)
        self._manifest = self._workspace.manifest()
        self.tables = GraphTables(self._workspace.folder / self._manifest["graph"], load_schema())
        """The columnar tables, as polars data frames: ``kg.tables.nodes("Method")``."""

    def __enter__(self) -> KnowledgeGraph:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the embedded store, if a query opened it."""
        if store := self.__dict__.pop("_store", None):
            store.close()

    def stats(self) -> dict[str, Any]:
        """Counts: ``papers``, ``quarantined``, ``nodes`` and ``relationships`` by label or type, ``evidence``,
        ``results``, ``rejected`` relations by reason, ``versions``."""
        m = self._manifest
        return {
            "papers": m["papers"],
            "quarantined": m["quarantined"],
            "nodes": m["nodes"],
            "relationships": m["relationships"],
            "evidence": m["nodes"].get("Evidence", 0),
            "results": m["nodes"].get("Result", 0),
            "rejected": m["rejected"],
            "versions": m["versions"],
        }

    def papers(self) -> list[Paper]:
        """The papers, sorted by id."""
        return self._workspace.papers(self._manifest["graph"])

    def quarantine(self) -> list[Row]:
        """What could not be read: ``source``, ``line``, ``reason``, ``text``."""
        return self._workspace.quarantine()

    def find(self, name: str, labels: Sequence[str] = ()) -> list[Found]:
        """Everything that goes by a name: its id, name or an alias, whatever the case, dashes and plural.

        Most mentioned first; only nodes with one of ``labels``, where given. Empty where there is none.

        >>> [found.id for found in open(sample_workspace).find("natural-questions")]
        ['dataset:natural-questions']
        """
        name = self._redirects.get(name, name)
        hits = self._names.get(name) or self._names.get(fold(name)) or self._names.get(fold(name.lower()), [])
        return [f for f in hits if not labels or f.label in labels]

    def entity(self, name: str, labels: Sequence[str] = ()) -> Found:
        """The most mentioned node that goes by a name. Raises NotFoundError, which names near ones."""
        if found := self.find(name, labels):
            return found[0]
        near = self.suggest(name, labels)
        kind = " or ".join(labels) or "entity"
        hint = f"near names: {', '.join(near)}" if near else "nothing has a name like it"
        raise NotFoundError(f"no {kind} is called {name!r} in this graph; {hint}")

    def suggest(self, name: str, labels: Sequence[str] = (), limit: int = 5) -> list[str]:
        """Names most like a name that nothing goes by."""
        keys = [key for key, found in self._names.items() if any(not labels or f.label in labels for f in found)]
        near = process.extract(fold(name), keys, scorer=fuzz.WRatio, score_cutoff=NEAR, limit=4 * limit)
        shown = dict.fromkeys(f.name for key, _, _ in near for f in self._names[key] if not labels or f.label in labels)
        return list(shown)[:limit]

    def queries(self) -> queries.Library:
        """The named questions."""
        return queries.library()

    def query(self, name: str, /, **parameters: object) -> list[Row]:
        """Rows that answer a named question; names of things are understood as in :meth:`find`.

        Raises QueryError for an unknown question or a wrong parameter, NotFoundError for a thing that is not there.

        >>> rows = open(sample_workspace).query("methods-on-dataset", dataset="squad", limit=1)
        >>> sorted(rows[0])
        ['confidence', 'edge', 'first_year', 'last_year', 'method', 'support']
        """
        query = self.queries()[name]
        bound = query.bind(parameters)
        for p in query.parameters:
            if p.labels and bound[p.name] is not None:
                bound[p.name] = self.entity(bound[p.name], p.labels).id
        rows = self.cypher(query.text, **bound)
        if not rows and (edges := [bound[p.name] for p in query.parameters if p.type == "edge"]):
            raise NotFoundError(f"no statement of this graph is about {edges[0]!r}; ids of relationships are what questions give as `edge`")
        return rows

    def cypher(self, text: str, /, **parameters: object) -> list[Row]:
        """Rows of a Cypher query that only reads, run by the embedded store. Raises StoreError where it fails."""
        return self._store.run(text, parameters)

    def evidence(self, edge: str) -> list[Row]:
        """The statements behind a relationship or result, best first; empty for an id that has none.

        Each has ``paper``, ``title``, ``sentences``, ``sentence_starts``, ``head_start`` … ``tail_end`` (offsets
        into title, newline, abstract), ``polarity``, ``source``, ``confidence``.
        """
        return self.evidence_of([edge]).get(edge, [])

    def evidence_of(self, edges: Iterable[str]) -> dict[str, list[Row]]:
        """The statements behind several relationships or results, by their id; see :meth:`evidence`."""
        return graph.evidence(self.tables, edges)

    def to_networkx(self) -> nx.MultiDiGraph:
        """The whole graph but its Evidence nodes: node key = id, edge key = relationship type.

        >>> graph = open(sample_workspace).to_networkx()
        >>> graph.nodes["dataset:squad"]["label"]
        'Dataset'
        """
        return graph.to_networkx(self.tables)

    def neighbourhood(self, name: str, *, hops: int = 1, limit: int = 60) -> nx.MultiDiGraph:
        """What lies within ``hops`` of a thing: claims, results and variants, not mere mentions.

        At most ``limit`` nodes a hop, best supported first; ``graph.graph["hidden"]`` counts those left out.
        Raises NotFoundError.
        """
        return graph.neighbourhood(self.tables, self.entity(name).id, hops=hops, limit=limit)

    @cached_property
    def _store(self) -> Store:
        return open_embedded(self._workspace)

    @cached_property
    def _redirects(self) -> Mapping[str, str]:
        return self._workspace.memory(self._manifest["graph"]).redirects

    @cached_property
    def _names(self) -> Mapping[str, list[Found]]:
        """Ids as they are, and folded names and aliases -> what goes by them, most mentioned first."""
        index: dict[str, list[Found]] = defaultdict(list)
        for label in self.tables.schema.entity_labels:
            frame = self.tables.nodes(label).select("id", "name", "aliases", "papers")
            for id_, name, aliases, papers in frame.iter_rows():
                found = Found(id=id_, label=label, name=name, aliases=tuple(aliases), papers=papers)
                # a final S is a plural in lower case alone, and names are looked up in any case
                for key in {id_, *map(fold, (name, *aliases)), *(fold(n.lower()) for n in (name, *aliases))}:
                    index[key].append(found)
        for id_, title in self.tables.nodes("Paper").select("id", "title").iter_rows():
            found = Found(id=id_, label="Paper", name=title, aliases=(), papers=1)
            for key in {id_, fold(title)}:
                index[key].append(found)
        for hits in index.values():
            hits.sort(key=lambda f: (-f.papers, f.label, f.id))
        return index
