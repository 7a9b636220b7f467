"""Small corpora made by hand: papers with what was read in them, for tests of what comes after reading."""

import re
from collections.abc import Mapping, Sequence

from kgbuild.records import Extraction, Mention, Paper, Relation, Result

Names = Mapping[str, tuple[str, Sequence[str]]]
"""Group -> label and surfaces."""


def paper(number: int, text: str, year: int | None = 2020) -> Paper:
    """A paper whose title is the first sentence of ``text``."""
    title, _, abstract = text.partition(". ")
    published = f"{year}-03-{number % 28 + 1:02}" if year else None
    return Paper(id=f"test:{number:04}", title=title, abstract=abstract, published=published, year=year)


def read(
    paper: Paper,
    names: Names,
    relations: Sequence[tuple[str, str, str]] = (),
    results: Sequence[Result] = (),
    abbreviations: Sequence[tuple[str, str]] = (),
    lexicon: Mapping[str, str] | None = None,
    polarity: str = "asserted",
) -> Extraction:
    """An extraction whose mentions are all whole-word occurrences of the given surfaces."""
    text = paper.text
    mentions = [
        Mention(start=m.start(), end=m.end(), label=label, entity=group, source="hand", confidence=0.9, lexicon=(lexicon or {}).get(group))
        for group, (label, surfaces) in names.items()
        for surface in surfaces
        for m in re.finditer(rf"(?<!\w){re.escape(surface)}(?!\w)", text)
    ]
    mentions.sort(key=lambda m: m.start)
    first = {m.entity: (m.start, m.end) for m in reversed(mentions)}
    whole = (len(paper.title) + 1, len(text))
    stated = [
        Relation(type=kind, head=head, tail=tail, sentences=(whole,), head_span=first.get(head), tail_span=first[tail], source="hand", confidence=0.8, polarity=polarity)
        for kind, head, tail in relations
    ]
    return Extraction(key=paper.key, mentions=tuple(mentions), relations=tuple(stated), results=tuple(results), abbreviations=tuple(abbreviations))
