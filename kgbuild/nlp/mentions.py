"""From candidate spans to the mentions of a paper: which win, where else they occur, which are one thing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from kgbuild.nlp.text import fold
from kgbuild.records import Span


@dataclass(frozen=True, slots=True, order=True)
class Candidate:
    """A span that some rule or model holds for a mention."""

    start: int
    end: int
    label: str
    source: str
    confidence: float
    lexicon: str = ""
    """Id of the lexicon row that it names, else empty."""


def resolve(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Candidates without overlap, by position: the longest wins, among equals the surest.

    Spans that are proposed more than once under one label become one, with all sources and the best confidence.
    """
    merged: dict[tuple[int, int, str], Candidate] = {}
    for c in sorted(candidates):
        old = merged.get((c.start, c.end, c.label))
        merged[c.start, c.end, c.label] = c if old is None else _merge(old, c)
    out: list[Candidate] = []
    taken: set[int] = set()
    for c in sorted(merged.values(), key=lambda c: (c.start - c.end, -c.confidence, c)):
        span = range(c.start, c.end)
        if taken.isdisjoint(span):
            taken.update(span)
            out.append(c)
    return sorted(out)


def _merge(a: Candidate, b: Candidate) -> Candidate:
    sources = dict.fromkeys((*a.source.split("+"), *b.source.split("+")))
    return replace(a, source="+".join(sources), confidence=max(a.confidence, b.confidence), lexicon=a.lexicon or b.lexicon)


def occurrences(text: str, surface: str) -> list[Span]:
    """Every place where the text writes ``surface`` as a whole word."""
    out: list[Span] = []
    at = text.find(surface)
    while at >= 0:
        end = at + len(surface)
        if not (at and text[at - 1].isalnum() and surface[0].isalnum()) and not (text[end : end + 1].isalnum() and surface[-1].isalnum()):
            out.append((at, end))
        at = text.find(surface, end)
    return out


def spread(text: str, found: Sequence[Candidate]) -> list[Candidate]:
    """The candidates and every other place where the text writes one of their surfaces, without overlap."""
    best: dict[str, Candidate] = {}
    for c in found:
        surface = text[c.start : c.end]
        if surface not in best or c.confidence > best[surface].confidence:
            best[surface] = c
    return resolve(replace(c, start=start, end=end) for surface, c in best.items() for start, end in occurrences(text, surface))


def group(text: str, found: Sequence[Candidate], pairs: Iterable[tuple[Span, Span]]) -> list[tuple[Candidate, str]]:
    """Each mention with the id of its entity: ``e1``, ``e2``, … in order of appearance.

    One entity are the mentions of one folded name or lexicon row, and of a short form and its long form; its
    label is the one that its mentions support most.
    """
    keys = [fold(text[c.start : c.end]) for c in found]
    parent: dict[str, str] = {key: key for key in keys}

    def root(key: str) -> str:
        while parent[key] != key:
            key = parent[key]
        return key

    def unite(a: str, b: str) -> None:
        if a in parent and b in parent:
            parent[root(b)] = root(a)

    rows: dict[str, str] = {}
    for c, key in zip(found, keys, strict=True):
        if c.lexicon:
            unite(rows.setdefault(c.lexicon, key), key)
    for (s, e), (start, end) in pairs:
        unite(fold(text[start:end]), fold(text[s:e]))
    votes: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for c, key in zip(found, keys, strict=True):
        votes[root(key)][c.label] += c.confidence
    ids: dict[str, str] = {}
    out: list[tuple[Candidate, str]] = []
    for c, key in zip(found, keys, strict=True):
        top = root(key)
        label = max(votes[top], key=lambda name: (votes[top][name], name))
        out.append((replace(c, label=label), ids.setdefault(top, f"e{len(ids) + 1}")))
    return out
