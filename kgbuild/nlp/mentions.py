"""From candidate spans to the mentions of a paper: which win, and where else they occur."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kgbuild.nlp.text import fold
from kgbuild.records import Span


class Candidate(NamedTuple):
    """A span that some rule or model holds for a mention."""

    start: int
    end: int
    label: str
    """Empty where the source knows a name when it sees one, but not what it names."""
    source: str
    confidence: float
    lexicon: str = ""
    """Id of the lexicon row that it names, else empty."""


DEFINED = 0.7
"""Confidence that a short form which the text defines, and its long form, are an entity."""

DEFAULT = "Method"
"""Label of a name of which nothing says what it is: true of most."""

MODEL = "model"
"""Source of what the trained tagger proposes."""

ADDS = 0.75
"""Confidence from which on a lexicon row adds a mention that the model has overlooked."""

RELABELS = 0.8
"""Confidence from which on a lexicon row decides the label of what the model marks."""

LEAST = 0.35
"""Candidates below this confidence are no mentions of their own; they only help to decide a label."""


def defined(candidates: Sequence[Candidate], pairs: Iterable[tuple[Span, Span]]) -> list[Candidate]:
    """A candidate for each short form and each long form.

    Their label is that of the surest candidate that ends the long form, else of the surest for the short form.
    """
    out: list[Candidate] = []
    for (s, e), (start, end) in pairs:
        long = [c for c in candidates if c.end == end and c.start >= start]
        short = [c for c in candidates if (c.start, c.end) == (s, e)]
        best = max(long or short, key=lambda c: (c.confidence, c), default=None)
        label = best.label if best else ""
        out += [Candidate(start, end, label, "abbreviation", DEFINED), Candidate(s, e, label, "abbreviation", DEFINED)]
    return out


def settle(text: str, candidates: Sequence[Candidate], pairs: Iterable[tuple[Span, Span]]) -> list[Candidate]:
    """The candidates with one label for each name: that of the surest source which gives one.

    A short form and its long form count as one name.
    """
    alias = {fold(text[s:e]): fold(text[start:end]) for (s, e), (start, end) in pairs}
    keys = [fold(text[c.start : c.end]) for c in candidates]
    keys = [alias.get(key, key) for key in keys]
    votes: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for c, key in zip(candidates, keys, strict=True):
        if c.label:
            said = votes[key][c.label]
            said[c.source] = max(c.confidence, said.get(c.source, 0.0))
    labels = {
        key: max(said, key=lambda label: (max(said[label].values()), sum(said[label].values()), label))
        for key, said in votes.items()
    }
    chosen = ((c, labels.get(key, DEFAULT)) for c, key in zip(candidates, keys, strict=True))
    return [c if c.label == label else c._replace(label=label, lexicon="") for c, label in chosen]


def resolve(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Candidates without overlap, by position: the longest wins, among equals the surest.

    Spans that are proposed more than once become one, with all sources and the best confidence.
    """
    merged: dict[Span, Candidate] = {}
    for c in sorted(candidates, key=lambda c: (-c.confidence, c)):
        old = merged.get((c.start, c.end))
        merged[c.start, c.end] = c if old is None else _merge(old, c)
    out: list[Candidate] = []
    taken: set[int] = set()
    for c in sorted(merged.values(), key=lambda c: (c.start - c.end, -c.confidence, c)):
        if c.confidence >= LEAST and taken.isdisjoint(range(c.start, c.end)):
            taken.update(range(c.start, c.end))
            out.append(c)
    return sorted(out)


def _merge(a: Candidate, b: Candidate) -> Candidate:
    sources = dict.fromkeys((*a.source.split("+"), *b.source.split("+")))
    return a._replace(source="+".join(sources), confidence=max(a.confidence, b.confidence), lexicon=a.lexicon or b.lexicon)


def occurrences(text: str, surface: str) -> list[Span]:
    """Every place where the text writes ``surface`` as a whole word."""
    out: list[Span] = []
    at = text.find(surface)
    while at >= 0:
        end = at + len(surface)
        if not (at and text[at - 1].isalnum() and surface[0].isalnum()) and not (
            text[end : end + 1].isalnum() and surface[-1].isalnum()
        ):
            out.append((at, end))
        at = text.find(surface, end)
    return out


def trust(
    text: str,
    model: Sequence[Candidate],
    others: Sequence[Candidate],
    hints: Sequence[Candidate],
    pairs: Iterable[tuple[Span, Span]],
) -> list[Candidate]:
    """A model's mentions, mended and completed by others; by position, without overlap.

    A lexicon row names what the model marks, and where the row is sure it also says what it is; it adds what the
    model has overlooked, and so do the components of others. ``hints`` (our patterns) only agree: on papers that the
    model had not seen, each share of their mentions that was added cost more than it brought.
    """
    # a short form that the text itself defines is what the text says, not what the lexicon says
    own = {text[start:end] for (start, end), _ in pairs}
    at: dict[Span, list[Candidate]] = defaultdict(list)
    for c in (*others, *hints):
        at[c.start, c.end].append(c)
    out = []
    for m in model:
        same = at[m.start, m.end]
        relabels = text[m.start : m.end] not in own
        rows = [
            c
            for c in same
            if _is_name(c)
            and (_kind(c.label) == _kind(m.label) or (relabels and c.confidence >= RELABELS and "Metric" not in (c.label, m.label)))
        ]
        row = max(rows, key=lambda c: (_kind(c.label) == _kind(m.label), c.confidence, c), default=None)
        label = row.label if row and row.confidence >= RELABELS else m.label
        agree = [c.source for c in sorted(same) if c.label in ("", label)]
        source = "+".join(dict.fromkeys((m.source, *agree)))
        out.append(m._replace(label=label, source=source, lexicon=row.lexicon if row else ""))
    labels = {text[m.start : m.end]: m.label for m in out}
    long_forms = {text[s:e]: labels[text[start:end]] for (s, e), (start, end) in pairs if text[start:end] in labels}
    out = [_as(m, long_forms.get(text[m.start : m.end], m.label)) for m in out]
    short_forms = [
        Candidate(s, e, long_forms[text[s:e]], "abbreviation", DEFINED)
        for (s, e), _ in pairs
        if text[s:e] in long_forms
    ]
    sure = [
        c
        for c in others
        if c.label
        and (not _is_name(c) or (c.confidence >= ADDS and text[c.start : c.end] not in own and not _compound(text, c)))
    ]
    taken = [(m.start, m.end) for m in out]
    added = [c for c in short_forms + sure if all(c.end <= start or end <= c.start for start, end in taken)]
    return sorted(out + resolve(added))


def _is_name(c: Candidate) -> bool:
    """Whether it comes from a row of the lexicon."""
    return c.lexicon != "" and c.source == c.lexicon


def _compound(text: str, c: Candidate) -> bool:
    """Whether a candidate is part of a longer name or word: OPUS in "OPUS-MT", IR in "non-IR". What a row of the lexicon
    added there was wrong 38 times and right 4 times on 2,056 papers that the model had not learnt."""
    return bool(_GOES_ON.match(text, c.end) or _BEGAN.fullmatch(text, max(0, c.start - 2), c.start))


_GOES_ON = re.compile(r"-[A-Z0-9]")
_BEGAN = re.compile(r"[^\W_]-")


def _as(mention: Candidate, label: str) -> Candidate:
    """The mention under a label; a lexicon row of another kind does not name it then."""
    same = _kind(label) == _kind(mention.label)
    return mention if label == mention.label else mention._replace(label=label, lexicon=mention.lexicon if same else "")


def _kind(label: str) -> str:
    return "Data" if label in ("Dataset", "Benchmark") else label


def spread(text: str, found: Sequence[Candidate]) -> list[Candidate]:
    """The candidates and every other place where the text writes one of their surfaces, without overlap.

    What was said at a place remains its source.
    """
    said = {(c.start, c.end): c.source for c in found}
    best: dict[str, Candidate] = {}
    for c in found:
        surface = text[c.start : c.end]
        if surface not in best or c.confidence > best[surface].confidence:
            best[surface] = c
    return resolve(
        c._replace(start=start, end=end, source=said.get((start, end), c.source))
        for surface, c in best.items()
        for start, end in occurrences(text, surface)
    )
