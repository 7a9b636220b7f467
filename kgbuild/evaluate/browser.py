"""The error browser: one page, in one file that needs no network, of what was missed and what is wrong, in context.

==============  ==============================================================
wrong label     the place is right, the label is not
wrong edge      the label is right, and overlaps what gold marks
wrong both      overlaps what gold marks, under another label
wrong           a mention where gold has none; a relation that gold does not state
missed          what gold marks and no prediction touches; a relation that none states
wrong type      gold relates the same two in another way
wrong end       a predicted relation of which an end is no entity of gold
missed end      a relation of gold of which an end was not found
==============  ==============================================================
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kgbuild.evaluate.record import Entity, Record, Relation
from kgbuild.evaluate.score import Judgement
from kgbuild.records import PAPER, Span
from kgbuild.resources import resource

AROUND = 110
"""Characters of context on either side."""

Mark = tuple[int, int, str]
"""Start, end and CSS class of a place to highlight."""


def page(judgements: Sequence[Judgement], title: str) -> str:
    """The page as HTML. Its Content-Security-Policy admits its own script and style by their hashes, and no request."""
    folder = resource("viz")
    script, style = ((folder / f"errors.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    policy = f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; base-uri 'none'; form-action 'none'"
    rows = [row for j in judgements for row in errors(j)]
    # as ASCII without angle brackets the data can neither end its element nor break the encoding
    data = json.dumps(rows).replace("<", "\\u003c").replace(">", "\\u003e")
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("errors.html").render(
        title=title.encode("utf-8", "replace").decode(), papers=len(judgements), policy=policy, style=style, script=script, data=data
    )


def errors(judgement: Judgement) -> Iterator[dict[str, Any]]:
    """The rows of one paper: ``of`` mention or relation, ``error``, ``label``, ``gold`` where gold says something else,
    ``rules``, ``confidence``, ``paper``, and ``context``, lists of pieces of text with their classes."""
    yield from _mentions(judgement)
    yield from _relations(judgement)


def _mentions(judgement: Judgement) -> Iterator[dict[str, Any]]:
    gold, missed = judgement.gold, list(judgement.missed_mentions)
    touched: set[Span] = set()
    for j in judgement.mentions:
        if j.right is not False:
            continue
        e = j.item
        near = max((g for g in missed if g.start < e.end and e.start < g.end), key=lambda g: _closeness(e, g), default=None)
        marks = [(e.start, e.end, "predicted")]
        error, other = "wrong", ""
        if near:
            touched.add((near.start, near.end))
            marks.append((near.start, near.end, "gold"))
            same_place, same_label = (near.start, near.end) == (e.start, e.end), near.label == e.label
            error = "wrong label" if same_place else "wrong edge" if same_label else "wrong both"
            other = "" if same_label else near.label
        yield _row(gold.id, "mention", error, e.label, other, e, [pieces(gold.text, marks)])
    for e in missed:
        if (e.start, e.end) not in touched:
            yield _row(gold.id, "mention", "missed", e.label, "", None, [pieces(gold.text, [(e.start, e.end, "gold")])])


def _closeness(predicted: Entity, gold: Entity) -> tuple[bool, bool, int, int]:
    place = (predicted.start, predicted.end) == (gold.start, gold.end)
    return place, predicted.label == gold.label, min(predicted.end, gold.end) - max(predicted.start, gold.start), -gold.start


def _relations(judgement: Judgement) -> Iterator[dict[str, Any]]:
    gold, match, twins = judgement.gold, judgement.match, judgement.twins
    found = {twin for group in match.values() for twin in twins.get(group, ())}
    for j in judgement.relations:
        if j.right is not False:
            continue
        r = j.item
        head, tail = match.get(r.head), match.get(r.tail)
        others = sorted({g.type for g in gold.relations if head in twins.get(g.head, ()) and tail in twins.get(g.tail, ()) and g.type != r.type})
        error = "wrong end" if head is None or tail is None else "wrong type" if others else "wrong"
        yield _row(gold.id, "relation", error, r.type, ", ".join(others), r, _stated(judgement.predicted, r))
    for r in judgement.missed_relations:
        error = "missed" if {r.head, r.tail} <= found else "missed end"
        yield _row(gold.id, "relation", error, r.type, "", None, _stated(gold, r))


def _stated(record: Record, relation: Relation) -> list[list[list[str]]]:
    """The sentences of a relation, else the places where its ends stand closest, with head and tail marked."""
    heads = [(e.start, e.end, "head") for e in record.entities if e.entity == relation.head]
    tails = [(e.start, e.end, "tail") for e in record.entities if e.entity == relation.tail]
    marks: list[Mark] = [*heads, *tails]
    if relation.sentences:
        out = [pieces(record.text, [m for m in marks if start <= m[0] < end], (start, end)) for start, end in relation.sentences]
    elif heads and tails:
        head, tail = min(((h, t) for h in heads for t in tails), key=lambda pair: (abs(pair[0][0] - pair[1][0]), pair))
        apart = abs(head[0] - tail[0]) > 3 * AROUND
        out = [pieces(record.text, [head]), pieces(record.text, [tail])] if apart else [pieces(record.text, [head, tail])]
    else:
        out = [pieces(record.text, marks[:1])]
    name = {e.entity: e.text for e in reversed(record.entities)}
    ends = [[name.get(relation.head, relation.head), "head" if relation.head != PAPER else "paper"], [" → ", ""], [name.get(relation.tail, relation.tail), "tail"]]
    return [ends, *out]


def pieces(text: str, marks: Sequence[Mark], window: Span | None = None) -> list[list[str]]:
    """The text around the marks, cut where a mark starts or ends: pairs of text and the classes that hold there.

    >>> pieces("We use BERT.", [(7, 11, "gold")])
    [['We use ', ''], ['BERT', 'gold'], ['.', '']]
    """
    low = min((s for s, _, _ in marks), default=0)
    high = max((e for _, e, _ in marks), default=0)
    start, end = window or _around(text, low, high)
    cuts = sorted({start, end, *(p for s, e, _ in marks for p in (s, e) if start < p < end)})
    out = []
    if start > 0 and window is None:
        out.append(["…", ""])
    for a, b in pairwise(cuts):
        out.append([text[a:b], " ".join(sorted({kind for s, e, kind in marks if s <= a and b <= e}))])
    if end < len(text) and window is None:
        out.append(["…", ""])
    return out


def _around(text: str, low: int, high: int) -> Span:
    """A window around a place, cut between words."""
    start, end = max(0, low - AROUND), min(len(text), high + AROUND)
    if start > 0:
        start = min(low, text.find(" ", start) + 1 or low)
    if end < len(text):
        end = max(high, text.rfind(" ", high, end))
    return start, end


def _row(paper: str, of: str, error: str, label: str, other: str, item: Entity | Relation | None, context: Iterable[Any]) -> dict[str, Any]:
    return {
        "of": of,
        "error": error,
        "label": label,
        "gold": other,
        "rules": item.source.split("+") if item and item.source else [],
        "confidence": item.confidence if item else None,
        "paper": paper,
        "context": list(context),
    }


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
