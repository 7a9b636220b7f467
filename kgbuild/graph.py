"""From extractions to the graph tables, and from the tables to a networkx graph."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from kgbuild.records import PAPER, Extraction, Paper, Relation, Result, Span
from kgbuild.resolve import Entity, Known, Memory, Name, Resolution, Resolver, fold, kind, slugify, variants
from kgbuild.schema import GraphSchema
from kgbuild.tables import ENDS, GraphTables, Row, TableWriter

if TYPE_CHECKING:
    import networkx as nx

Extractions = Callable[[], Iterator[tuple[Paper, Extraction]]]
"""Starts one pass over the papers and their extractions, in any order."""

RESULT = "RESULT"
"""``type`` of the evidence of a result."""


@dataclass(frozen=True, slots=True)
class Built:
    """A graph, and what did not make it into it."""

    tables: GraphTables
    memory: Memory
    rejected: Mapping[str, int]
    """Reason -> number of relations that were read but are no edge: a type that the schema does not admit
    between such ends, or a thing related to itself."""


def build(extractions: Extractions, lexicon: Mapping[str, Known], schema: GraphSchema, folder: Path, memory: Memory) -> Built:
    """Resolve names and write the tables of a graph into ``folder``.

    ``extractions`` is called twice: once to count names, once to build. The result does not depend on the order.
    """
    resolver = Resolver(lexicon)
    for paper, extraction in extractions():
        resolver.observe(paper, extraction)
    resolution = resolver.resolve(memory)
    builder = _Builder(schema, folder, resolution)
    for paper, extraction in extractions():
        builder.paper(paper, extraction)
    return Built(builder.close(), resolution.memory, dict(sorted(builder.rejected.items())))


def edge_id(name: str, head: str, tail: str) -> str:
    """Id of a relationship: a digest of its type and ends, the same in every build."""
    return "r:" + _digest(name, head, tail)


def to_networkx(tables: GraphTables, labels: Iterable[str] | None = None) -> nx.MultiDiGraph:
    """The graph as a MultiDiGraph: node key = id, edge key = relationship type, attributes = properties.

    Nodes also have ``label``, edges ``type``. Evidence nodes are left out unless ``labels`` names them: what an
    edge is based on is found by its ``id`` (see :func:`evidence`).
    """
    import networkx as nx

    wanted = set(labels) if labels is not None else tables.schema.nodes.keys() - {"Evidence"}
    graph = nx.MultiDiGraph()
    for label in tables.schema.nodes:
        if label in wanted:
            for row in tables.nodes(label).drop("row_hash").iter_rows(named=True):
                graph.add_node(row["id"], label=label, **row)
    for name in tables.schema.relationships:
        frame = tables.relationships(name).drop("row_hash").filter(pl.col("head_label").is_in(wanted) & pl.col("tail_label").is_in(wanted))
        for row in frame.iter_rows(named=True):
            _add_edge(graph, name, row)
    return graph


def neighbourhood(tables: GraphTables, node: str, *, hops: int, limit: int) -> nx.MultiDiGraph:
    """What lies within ``hops`` of a node along claims, results and variants, as :func:`to_networkx` shows it.

    At most ``limit`` new nodes a hop, best supported first; ``graph.graph["hidden"]`` counts those left out.
    A result comes with what it is a result of, on, for and in.
    """
    import networkx as nx

    schema = tables.schema
    frames = {
        name: tables.relationships(name).drop("row_hash")
        for name, rel in schema.relationships.items()
        if rel.claim or name == "VARIANT_OF" or name.startswith("RESULT_")
    }
    nodes, frontier, met = {node}, {node}, set[str]()
    for _ in range(hops):
        rank: dict[str, tuple[int, float]] = {}
        for frame in frames.values():
            near = frame.filter(pl.col("head").is_in(frontier) | pl.col("tail").is_in(frontier))
            for row in near.iter_rows(named=True):
                for end in (row["head"], row["tail"]):
                    if end not in nodes:
                        rank[end] = max(rank.get(end, (0, 0.0)), (row.get("support", 1), row.get("confidence", 0.0)))
        order = sorted(rank, key=lambda n: (-rank[n][0], -rank[n][1], n))
        met |= rank.keys()
        frontier = set(order[:limit])
        nodes |= frontier
    results = nodes & set(tables.nodes("Result")["id"])
    for name in (n for n in frames if n.startswith("RESULT_")):
        nodes |= set(frames[name].filter(pl.col("head").is_in(results))["tail"])
    graph = nx.MultiDiGraph(hidden=len(met - nodes))
    for label in schema.nodes:
        if label != "Evidence":
            for row in tables.nodes(label).drop("row_hash").filter(pl.col("id").is_in(nodes)).iter_rows(named=True):
                graph.add_node(row["id"], label=label, **row)
    for name, frame in frames.items():
        for row in frame.filter(pl.col("head").is_in(nodes) & pl.col("tail").is_in(nodes)).iter_rows(named=True):
            _add_edge(graph, name, row)
    return graph


def evidence(tables: GraphTables, edges: Iterable[str]) -> dict[str, list[Row]]:
    """The statements behind relationships or results, by their id, best first.

    Each row has the properties of an Evidence node, and ``paper``, ``title``, ``url``, ``published`` and ``year``
    of the paper that states it.
    """
    found = tables.nodes("Evidence").drop("row_hash", "name").filter(pl.col("edge").is_in(list(edges)))
    stated = tables.relationships("STATES").select(paper="head", id="tail")
    papers = tables.nodes("Paper").select("title", "url", "published", "year", paper="id")
    rows = found.join(stated, on="id").join(papers, on="paper").sort(["edge", "polarity", "confidence", "id"], descending=[False, False, True, False])
    out: dict[str, list[Row]] = defaultdict(list)
    for row in rows.iter_rows(named=True):
        out[row["edge"]].append(row)
    return dict(out)


@dataclass(slots=True)
class _Seen:
    """What the papers that mention or assert something add up to."""

    papers: set[str] = field(default_factory=set)
    dates: list[date] = field(default_factory=list)
    years: list[int] = field(default_factory=list)
    confidence: float = 0.0

    def add(self, paper: Paper, confidence: float = 0.0) -> None:
        self.papers.add(paper.id)
        if when := _date(paper):
            self.dates = [min([*self.dates, when]), max([*self.dates, when])]
        if (year := _year(paper)) is not None:
            self.years = [min([*self.years, year]), max([*self.years, year])]
        self.confidence = max(self.confidence, confidence)

    def span(self) -> Row:
        return {
            "first_seen": self.dates[0] if self.dates else None,
            "last_seen": self.dates[-1] if self.dates else None,
            "first_year": self.years[0] if self.years else None,
            "last_year": self.years[-1] if self.years else None,
        }


class _Builder:
    """Second pass: writes what a paper says as it comes, and adds up what papers share."""

    def __init__(self, schema: GraphSchema, folder: Path, resolution: Resolution) -> None:
        self._schema = schema
        self._resolution = resolution
        self._writer = TableWriter(folder, schema)
        self._entities: dict[str, Entity] = {}
        self._mentioned: dict[str, _Seen] = defaultdict(_Seen)
        self._surfaces: dict[str, Counter[str]] = defaultdict(Counter)
        self._claims: dict[tuple[str, str, str, str, str], _Seen] = defaultdict(_Seen)
        self._people: dict[str, str] = {}
        self._venues: dict[str, str] = {}
        self._stated: set[str] = set()
        """Ids of the statements of the present paper: one that two rules word alike is one statement."""
        self.rejected: Counter[str] = Counter()

    def paper(self, paper: Paper, extraction: Extraction) -> None:
        """Add one paper with all it says."""
        self._stated.clear()
        self._writer.node("Paper", _paper_row(paper))
        self._bibliography(paper)
        entities = self._resolution.entities(paper, extraction)
        self._mentions(paper, extraction, entities)
        for relation in extraction.relations:
            self._relation(paper, relation, entities)
        for result in extraction.results:
            metric = next((paper.text[m.start : m.end] for m in extraction.mentions if m.entity == result.metric), None)
            self._result(paper, result, metric, entities)

    def close(self) -> GraphTables:
        """Write what papers share, and the tables."""
        names = {id_: self._name(entity) for id_, entity in self._entities.items()}
        for id_, entity in self._entities.items():
            seen, surfaces = self._mentioned[id_], self._surfaces[id_]
            met = [s for s in sorted(surfaces, key=lambda s: (-surfaces[s], s)) if self._leads_to(s, entity)]
            known = entity.known.aliases if entity.known else ()
            aliases = [s for s in dict.fromkeys((*met, *known)) if s != names[id_]]
            row: Row = {"id": id_, "name": names[id_], "aliases": aliases, "papers": len(seen.papers), "mentions": surfaces.total()}
            if entity.label == "Metric" and entity.known:
                row["better"] = entity.known.better
            self._writer.node(entity.label, {**row, **seen.span()})
        for (claim, head, head_label, tail, tail_label), seen in self._claims.items():
            row = {"support": len(seen.papers), "confidence": seen.confidence, **seen.span()}
            self._link(claim, head, head_label, tail, tail_label, row)
        for variant, base in variants(self._entities.values(), names):
            if kind(variant.label) == kind(base.label) and self._schema.allows("VARIANT_OF", variant.label, base.label):
                self._link("VARIANT_OF", variant.id, variant.label, base.id, base.label)
        for label, nodes in (("Author", self._people), ("Venue", self._venues)):
            for id_, name in nodes.items():
                self._writer.node(label, {"id": id_, "name": name})
        return self._writer.close()

    def _name(self, entity: Entity) -> str:
        if entity.known:
            return entity.known.name
        surfaces = self._surfaces[entity.id]
        own = [s for s in surfaces if self._leads_to(s, entity)] or list(surfaces)
        return min(own, key=lambda s: (-surfaces[s], -len(s), s))

    def _leads_to(self, surface: str, entity: Entity) -> bool:
        """Whether a surface that some paper uses for an entity is a name of it everywhere: not where it has one of its own."""
        other = self._resolution.by_name[Name(kind(entity.label), fold(surface))]
        return other == entity or other.id not in self._entities

    def _bibliography(self, paper: Paper) -> None:
        seen: set[str] = set()
        for position, name in enumerate(paper.authors, 1):
            id_ = _name_id("author", name)
            self._people[id_] = min(self._people.get(id_, name), name)
            if id_ not in seen:
                seen.add(id_)
                self._link("WRITTEN_BY", paper.id, "Paper", id_, "Author", {"position": position})
        if paper.venue:
            id_ = _name_id("venue", paper.venue)
            self._venues[id_] = min(self._venues.get(id_, paper.venue), paper.venue)
            self._link("PUBLISHED_IN", paper.id, "Paper", id_, "Venue")

    def _mentions(self, paper: Paper, extraction: Extraction, entities: Mapping[str, Entity]) -> None:
        surfaces: dict[str, Counter[str]] = defaultdict(Counter)
        for m in extraction.mentions:
            entity = entities[m.entity]
            self._entities[entity.id] = entity
            surfaces[entity.id][" ".join(paper.text[m.start : m.end].split())] += 1
        for id_, written in surfaces.items():
            self._mentioned[id_].add(paper)
            self._surfaces[id_].update(written)
            self._link("MENTIONS", paper.id, "Paper", id_, self._entities[id_].label, {"count": written.total(), "surfaces": list(written)})

    def _relation(self, paper: Paper, relation: Relation, entities: Mapping[str, Entity]) -> None:
        head, head_label = _end(paper, relation.head, entities)
        tail, tail_label = _end(paper, relation.tail, entities)
        if head == tail:
            self.rejected["related to itself"] += 1
            return
        if not self._schema.allows(relation.type, head_label, tail_label):
            self.rejected[f"{relation.type} from {head_label} to {tail_label}"] += 1
            return
        if relation.polarity == "asserted":
            self._claims[relation.type, head, head_label, tail, tail_label].add(paper, relation.confidence)
        on, metric = (entities[e].id if e else None for e in (relation.on, relation.metric))
        row = {"edge": edge_id(relation.type, head, tail), "type": relation.type, "head_id": head, "tail_id": tail, "on": on, "metric": metric}
        self._evidence(paper, row, relation, relation.sentences, relation.head_span, relation.tail_span)

    def _result(self, paper: Paper, result: Result, metric: str | None, entities: Mapping[str, Entity]) -> None:
        id_ = "x:" + _digest(paper.id, repr(result))
        if id_ in self._stated:
            return
        self._stated.add(id_)
        ends = {
            "RESULT_OF": _end(paper, result.method, entities) if result.method else None,
            "RESULT_ON": _end(paper, result.dataset, entities) if result.dataset else None,
            "RESULT_FOR": _end(paper, result.task, entities) if result.task else None,
            "RESULT_IN": _end(paper, result.metric, entities) if result.metric else None,
        }
        name = f"{result.value} {metric}" if metric else result.value
        row = {"value": result.value, "number": result.number, "unit": result.unit, "kind": result.kind, "direction": result.direction}
        self._writer.node("Result", {"id": id_, "name": name, **row, "polarity": result.polarity, "confidence": result.confidence})
        self._link("REPORTS", paper.id, "Paper", id_, "Result")
        for name, end in ends.items():
            if end and self._schema.allows(name, "Result", end[1]):
                self._link(name, id_, "Result", *end)
        row = {"edge": id_, "type": RESULT, "head_id": paper.id, "tail_id": id_}
        self._evidence(paper, row, result, (result.sentence,), None, (result.start, result.end))

    def _evidence(
        self, paper: Paper, row: Row, stated: Relation | Result, sentences: tuple[Span, ...], head: Span | None, tail: Span
    ) -> None:
        text = paper.text
        quotes = [text[start:end] for start, end in sentences]
        id_ = "e:" + _digest(paper.id, repr(sorted(row.items())), stated.source, stated.polarity, repr((head, tail, sentences)))
        if id_ in self._stated:
            return
        self._stated.add(id_)
        where = {
            "sentence_starts": [start for start, _ in sentences],
            "head_start": head[0] if head else None,
            "head_end": head[1] if head else None,
            "tail_start": tail[0],
            "tail_end": tail[1],
        }
        said = {"polarity": stated.polarity, "source": stated.source, "confidence": stated.confidence}
        self._writer.node("Evidence", {"id": id_, "name": _shorten(" … ".join(quotes)), "sentences": quotes, **row, **where, **said})
        self._link("STATES", paper.id, "Paper", id_, "Evidence")

    def _link(self, name: str, head: str, head_label: str, tail: str, tail_label: str, row: Row | None = None) -> None:
        ends = {"head": head, "tail": tail, "head_label": head_label, "tail_label": tail_label}
        self._writer.relationship(name, {"id": edge_id(name, head, tail), **ends, **(row or {})})


def _add_edge(graph: nx.MultiDiGraph, name: str, row: Row) -> None:
    values = {k: v for k, v in row.items() if k not in ENDS}
    graph.add_edge(row["head"], row["tail"], key=name, type=name, **values)


def _paper_row(paper: Paper) -> Row:
    same = ("id", "title", "abstract", "published_text", "authors_count", "upvotes", "organisation", "url", "source")
    row: dict[str, Any] = {name: getattr(paper, name) for name in same}
    return row | {"name": paper.title, "published": _date(paper), "year": _year(paper)}


def _date(paper: Paper) -> date | None:
    return date.fromisoformat(paper.published) if paper.published else None


def _year(paper: Paper) -> int | None:
    return paper.year if paper.year is not None else int(paper.published[:4]) if paper.published else None


def _end(paper: Paper, group: str, entities: Mapping[str, Entity]) -> tuple[str, str]:
    return (paper.id, "Paper") if group == PAPER else (entities[group].id, entities[group].label)


def _name_id(prefix: str, name: str) -> str:
    key = " ".join(name.split()).casefold()
    return f"{prefix}:{slugify(name) or 'x'}-{_digest(key)[:8]}"


def _shorten(text: str, width: int = 80) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
