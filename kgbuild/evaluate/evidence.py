"""Whether a relation is shown by the sentences that state it, against sentences that were annotated."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kgbuild.errors import KGError
from kgbuild.evaluate.record import Line, read_lines
from kgbuild.evaluate.score import Judgement, means
from kgbuild.records import PAPER, Span


class Stated(Line):
    """A relation of gold, and the sentences that state it. ``head`` and ``tail`` are first mentions; no head: the paper."""

    id: str
    sha1: str
    """Of the text that all offsets point into."""
    type: str
    head: Span | None
    tail: Span
    sentences: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of ``annotated`` relations ``found`` are predicted; ``hit`` of these show one of their sentences or more, ``equal``
    all of them and no other."""

    annotated: int
    found: int
    hit: int
    equal: int


def read_evidence(path: str | Path) -> list[Stated]:
    """The annotated relations of a file. Raises SourceError for a line that is malformed, and a file without any."""
    return [stated for _, stated in read_lines(path, Stated)]


def judge_evidence(stated: Iterable[Stated], judgements: Iterable[Judgement]) -> Evidence:
    """How well the evidence of predicted relations fits; relations of papers that were not judged are left out.

    A predicted relation's sentences are those of all its statements. Sentences that overlap are one, so that another
    segmentation does no harm. Raises KGError where gold has another text, or no mention at an end.
    """
    papers = {j.gold.id: j for j in judgements}
    annotated = found = hit = equal = 0
    for s in stated:
        if s.id not in papers:
            continue
        j = papers[s.id]
        if hashlib.sha1(j.gold.text.encode("utf-8", "surrogatepass")).hexdigest() != s.sha1:  # noqa: S324 - names content
            raise KGError(f"the evidence of {s.id!r} was annotated on another text than gold has")
        groups = {(e.start, e.end): e.entity for e in j.gold.entities}
        try:
            head, tail = PAPER if s.head is None else groups[s.head], groups[s.tail]
        except KeyError as e:
            raise KGError(f"gold has no mention at {e}, where evidence of {s.id!r} has an end of {s.type}") from None
        shown = [
            span
            for r in j.predicted.relations
            if r.type == s.type and means(j, r.head, head) and means(j, r.tail, tail)
            for span in r.sentences
        ]
        annotated += 1
        found += bool(shown)
        hit += any(_one(a, b) for a in shown for b in s.sentences)
        equal += bool(shown) and _within(shown, s.sentences) and _within(s.sentences, shown)
    return Evidence(annotated, found, hit, equal)


def _within(some: Iterable[Span], others: Iterable[Span]) -> bool:
    return all(any(_one(a, b) for b in others) for a in some)


def _one(a: Span, b: Span) -> bool:
    return a[0] < b[1] and b[0] < a[1]
