"""The straight line: files -> papers -> extractions -> graph tables -> embedded store."""

from __future__ import annotations

import logging
import platform
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgbuild import graph, nlp, sources
from kgbuild.errors import NotFoundError, SourceError, StoreError, WorkspaceError
from kgbuild.records import Extraction, Paper
from kgbuild.resolve import Known
from kgbuild.schema import load_schema
from kgbuild.stores.local import open_embedded
from kgbuild.workspace import Shards, Workspace

if TYPE_CHECKING:
    from spacy.language import Language

log = logging.getLogger(__name__)

SHARD = 256
"""Papers to a shard: what a kill can cost."""

Progress = Callable[[str, int, "int | None"], None]
"""Called with the stage, how much of it is done, and how much there is (null where unknown)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one run did."""

    papers: int
    """Distinct papers that the workspace holds now."""
    read: int
    """Papers read in this run, repeated ones included."""
    extracted: int
    """Papers whose text had to be analysed; the others were known."""
    quarantined: int
    """Records or files of this run that could not be read."""
    changed: bool
    """Whether the graph differs from before."""
    nodes: dict[str, int] = field(default_factory=dict)
    relationships: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    """Reason -> relations that were read but are no edge."""
    quarantine: list[dict[str, Any]] = field(default_factory=list)
    """What could not be read in this run: ``source``, ``line``, ``reason``, ``text``."""


def _silent(stage: str, done: int, total: int | None) -> None:
    pass


def build(
    inputs: Iterable[str | Path | Paper],
    workspace: str | Path,
    *,
    model: str = "default",
    rules: Iterable[str | Path] = (),
    progress: Progress = _silent,
) -> Report:
    """Make the workspace hold exactly the papers of the given inputs: files, or papers.

    ``model`` and ``rules`` are those of :func:`kgbuild.nlp.load`; the workspace keeps them for :func:`add`.
    Raises SourceError where nothing can be read; the workspace is then left as it was.
    """
    space = Workspace(workspace)
    with space.lock():
        papers, rejects = _read(_listed(inputs), progress)
        return _settle(space, papers, len(papers), rejects, rejects, model, rules, progress)


def add(
    inputs: Iterable[str | Path | Paper],
    workspace: str | Path,
    *,
    rules: Iterable[str | Path] | None = None,
    progress: Progress = _silent,
) -> Report:
    """Add the papers of the given inputs; a paper that is there already is completed, not doubled.

    ``rules`` take the place of those that the workspace was built with, for all its papers.
    """
    space = Workspace(workspace)
    with space.lock():
        model = space.manifest()["model"]
        inputs = _listed(inputs)
        papers, rejects = _read(inputs, progress)
        again = {str(i) for i in inputs if not isinstance(i, Paper)}
        quarantine = [row for row in space.quarantine() if row["source"] not in again] + rejects
        return _settle(space, space.papers() + papers, len(papers), rejects, quarantine, model, space.rules() if rules is None else rules, progress)


def remove(papers: Iterable[str], workspace: str | Path, *, progress: Progress = _silent) -> Report:
    """Remove papers, named by id or title, with all that only they supported.

    Raises NotFoundError where one is not there; nothing is removed then.
    """
    space = Workspace(workspace)
    with space.lock():
        model = space.manifest()["model"]
        held = space.papers()
        titled: dict[str, list[str]] = defaultdict(list)
        for paper in held:
            titled[sources.fold_title(paper.title)].append(paper.id)
        ids = {paper.id for paper in held}
        gone = set()
        for name in papers:
            known = sources.known_id(name)
            found = [i for i in (name, known) if i in ids][:1] or titled.get(sources.fold_title(name), [])
            if len(found) > 1:
                raise NotFoundError(f"{len(found)} papers are called {name!r}; give the id of one: {', '.join(found)}")
            id_ = found[0] if found else None
            if id_ is None:
                raise NotFoundError(f"no paper {name!r} in {workspace}; give an id (see `kgbuild cypher \"MATCH (p:Paper) RETURN p.id, p.title\"`) or a whole title")
            gone.add(id_)
        return _settle(space, [p for p in held if p.id not in gone], 0, [], space.quarantine(), model, space.rules(), progress)


def _listed(inputs: Iterable[str | Path | Paper]) -> list[str | Path | Paper]:
    if isinstance(inputs, str):
        raise SourceError(f"give a list of inputs, not the text {inputs!r}")
    return list(inputs)


def _read(inputs: Iterable[str | Path | Paper], progress: Progress) -> tuple[list[Paper], list[dict[str, Any]]]:
    rejects: list[dict[str, Any]] = []
    papers: list[Paper] = []

    def chain() -> Iterator[Paper]:
        for item in inputs:
            if isinstance(item, Paper):
                yield item
            else:
                yield from sources.read([item], lambda rejected: rejects.append(asdict(rejected)))

    for paper in chain():
        papers.append(paper)
        if len(papers) % 100 == 0:
            progress("read", len(papers), None)
    progress("read", len(papers), len(papers))
    if not papers:
        reasons = "; ".join(f"{r['source']}: {r['reason']}" for r in rejects[:3])
        raise SourceError(f"no paper could be read{': ' + reasons if reasons else ''}")
    return papers, rejects


def _settle(
    space: Workspace,
    papers: list[Paper],
    read: int,
    rejects: list[dict[str, Any]],
    quarantine: list[dict[str, Any]],
    model: str,
    rules: Iterable[str | Path],
    progress: Progress,
) -> Report:
    """Extract what is new, build the graph of these papers, make it current, and update the embedded store."""
    papers = sources.merge(papers)
    rules = list(rules)
    language = nlp.load(model, rules=rules)
    version = nlp.version(language)
    shards = Shards(space, version)
    extracted = _extract(language, papers, shards, progress)
    by_key = {paper.key: paper for paper in papers}

    def extractions() -> Iterator[tuple[Paper, Extraction]]:
        for extraction in shards.read():
            if paper := by_key.get(extraction.key):
                yield paper, extraction

    progress("graph", 0, None)
    with space.draft() as draft:
        built = graph.build(extractions, _lexicon(language), load_schema(), draft, space.memory())
        nodes, relationships = built.tables.counts()
        if nodes.get("Paper", 0) != len(papers):
            raise WorkspaceError(f"{len(papers) - nodes.get('Paper', 0)} papers have no extraction; run the same command again")
        manifest = {
            "model": model,
            "papers": len(papers),
            "quarantined": len(quarantine),
            "nodes": nodes,
            "relationships": relationships,
            "rejected": dict(built.rejected),
            "versions": versions() | {"pipeline": version},
        }
        changed = space.publish(draft, papers, built.memory, rules, quarantine, manifest)
    shards.prune(set(by_key))
    progress("store", 0, None)
    try:
        open_embedded(space).close()
    except StoreError as e:
        # the store is made from the tables, and the next reader brings it up
        log.warning("the embedded store is behind: %s", e)
    return Report(
        papers=len(papers),
        read=read,
        extracted=extracted,
        quarantined=len(rejects),
        changed=changed,
        nodes=nodes,
        relationships=relationships,
        rejected=dict(built.rejected),
        quarantine=rejects,
    )


def _extract(language: Language, papers: list[Paper], shards: Shards, progress: Progress) -> int:
    known = shards.keys()
    todo = [paper for paper in papers if paper.key not in known]
    shard: list[Extraction] = []
    progress("extract", len(papers) - len(todo), len(papers))
    try:
        with nlp.frozen():
            for done, (_, extraction) in enumerate(nlp.extract(language, todo), len(papers) - len(todo) + 1):
                shard.append(extraction)
                if len(shard) == SHARD:
                    shards.append(shard)
                    shard = []
                progress("extract", done, len(papers))
    finally:
        # also when interrupted: what is extracted is kept
        if shard:
            shards.append(shard)
    return len(todo)


def _lexicon(language: Language) -> dict[str, Known]:
    fields = ("id", "label", "name", "variant_of", "better")
    return {
        row["id"]: Known(**{f: row[f] for f in fields if f in row}, aliases=tuple(row.get("aliases", ())))
        for row in nlp.lexicon(language)
    }


def versions() -> dict[str, str]:
    """Versions of what a build depends on."""
    packages = ("kgbuild", "spacy", "polars", "kglite", "networkx", "neo4j", "pyvis")
    return {"python": platform.python_version(), **{name: installed(name) for name in packages}}
