"""The plain values that flow through kgbuild: a paper, and what was read in it.

Offsets are Unicode code points into ``Paper.text`` (title, newline, abstract), end exclusive.
They are plain integers, so records compare, pickle, hash and print, and hold no spaCy object.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

Span = tuple[int, int]
"""Start and end (exclusive) in code points of ``Paper.text``."""

PAPER = "paper"
"""Stands for the paper's own unnamed proposal, as head of a relation or method of a result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """One paper as its source gave it; ``None`` means that the source did not say."""

    id: str
    """arXiv id (``arxiv:2401.00001``), ``doi:…``, ``acl:…``, else the source's own id, else
    ``title:`` and a hash of the folded title."""
    title: str
    abstract: str
    """Exactly as given, markup and line breaks included."""
    published: str | None = None
    """ISO date; null where the source gives no year."""
    published_text: str | None = None
    """The date as the source writes it (``Mar 12`` on a page without years)."""
    year: int | None = None
    """Year of publication, also where no full date is known."""
    authors: tuple[str, ...] = ()
    authors_count: int | None = None
    upvotes: int | None = None
    organisation: str | None = None
    venue: str | None = None
    url: str | None = None
    source: str = ""
    """Name of the file that it was read from, or of the feed that the file names."""

    @property
    def text(self) -> str:
        """Title, one newline, abstract: what all offsets point into."""
        return f"{self.title}\n{self.abstract}"

    @property
    def key(self) -> str:
        """SHA-1 of the text: what the extraction of this paper depends on."""
        return hashlib.sha1(self.text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """One place where the text names an entity. ``text[start:end]`` is its surface."""

    start: int
    end: int
    label: str
    entity: str
    """Group of the mentions of one thing within the paper (``e1``, ``e2``, … in order of appearance)."""
    source: str
    """Who proposed it: the id of a lexicon row or pattern, ``model``, the name that a component of others gives; all that
    agree, joined by ``+``."""
    confidence: float
    lexicon: str | None = None
    """Id of the lexicon entry that this surface names, where one does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """One statement that ``head`` stands in ``type`` to ``tail``; a paper may state a relation more than once."""

    type: str
    head: str
    """A mention group, or ``paper``."""
    tail: str
    sentences: tuple[Span, ...]
    """The sentences that state it; more than one where head and tail stand apart."""
    head_span: Span | None
    """Where the head is named or referred to ("our method"); null for an implicit paper."""
    tail_span: Span
    source: str
    """Id of the rule, or the model's name."""
    confidence: float
    polarity: str = "asserted"
    """``asserted``, ``negated``, ``hedged``, ``future`` or ``others``; only the first counts as support."""
    on: str | None = None
    """OUTPERFORMS, COMPARED_WITH: group of the data set or benchmark, where stated."""
    metric: str | None = None
    """OUTPERFORMS, COMPARED_WITH: group of the metric, where stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One stated figure. Ends are mention groups; ``method`` may be ``paper``."""

    value: str
    """As the text writes it: ``84.3%``, ``+2.3``, ``15x``."""
    number: float | None
    """The value as a number, sign kept; null where it has none ("a factor of two" has 2.0)."""
    unit: str | None
    """``%``, ``points``, ``x``, ``ms``, … as normalised by the figure rules."""
    kind: str
    """``absolute`` (a level reached), ``gain`` (improvement over something) or ``cost``."""
    direction: str | None
    """``up`` or ``down`` for gains and costs, where the text says so."""
    start: int
    end: int
    sentence: Span
    source: str
    confidence: float
    polarity: str = "asserted"
    method: str | None = None
    dataset: str | None = None
    task: str | None = None
    metric: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """What one paper gave. Depends on ``key`` and the pipeline version alone."""

    key: str
    """``Paper.key`` of the paper that it was read from."""
    mentions: tuple[Mention, ...] = ()
    relations: tuple[Relation, ...] = ()
    results: tuple[Result, ...] = ()
    abbreviations: tuple[tuple[str, str], ...] = ()
    """(short form, long form) pairs that the text defines, or uses for one thing."""


def as_row(record: Mention | Relation | Result) -> dict[str, Any]:
    """The fields of a record; what ``dataclasses.asdict`` gives in a tenth of the time, since none holds another."""
    return {name: getattr(record, name) for name in record.__slots__}


def to_record(paper: Paper, extraction: Extraction) -> dict[str, Any]:
    """The JSON object of one paper that ``kgbuild extract`` writes: an extraction record with the text."""
    text = paper.text
    return {"id": paper.id, "text": text, **_body(extraction, text)}


def to_json(extraction: Extraction) -> dict[str, Any]:
    """An extraction as a JSON object, without the text; the opposite of :func:`from_json`."""
    return {"key": extraction.key, **_body(extraction, None)}


def from_json(row: Mapping[str, Any]) -> Extraction:
    """The extraction that :func:`to_json` wrote."""
    return Extraction(
        key=row["key"],
        mentions=tuple(Mention(**m) for m in row["entities"]),
        relations=tuple(Relation(**(r | _spans(r, "head_span", "tail_span") | {"sentences": tuple((s, e) for s, e in r["sentences"])})) for r in row["relations"]),
        results=tuple(Result(**(r | _spans(r, "sentence"))) for r in row["results"]),
        abbreviations=tuple((short, long) for short, long in row["abbreviations"]),
    )


def paper_from_json(row: Mapping[str, Any]) -> Paper:
    """A paper from the fields that ``Paper`` has; others are ignored."""
    known = {f.name for f in fields(Paper)}
    values = {k: v for k, v in row.items() if k in known}
    return Paper(**(values | {"authors": tuple(values.get("authors") or ())}))


def _body(extraction: Extraction, text: str | None) -> dict[str, Any]:
    mentions = [as_row(m) for m in extraction.mentions]
    if text is not None:
        mentions = [m | {"text": text[m["start"] : m["end"]]} for m in mentions]
    return {
        "entities": mentions,
        "relations": [as_row(r) for r in extraction.relations],
        "results": [as_row(r) for r in extraction.results],
        "abbreviations": [list(pair) for pair in extraction.abbreviations],
    }


def _spans(row: Mapping[str, Any], *names: str) -> dict[str, Span | None]:
    return {name: tuple(row[name]) if row[name] is not None else None for name in names}
