"""Predicted records against gold records: what is right, what is wrong, what is missed, in figures.

==========  ============================================================================================
mention     exact span and label; ``mention:LABEL`` for one label, ``span`` whatever the label
concept     predicted groups of mentions, aligned one to one with gold groups of their label
relation    type equal, and both ends aligned concepts or ``paper``; ``relation:TYPE`` for one type
figure      value and kind equal
result      a figure whose method, data set and metric are those of gold, and absent where gold has none
==========  ============================================================================================

All are summed over papers before they are divided (micro average).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from kgbuild.evaluate.record import Entity, Mark, Record, Relation, Result, Said
from kgbuild.records import PAPER
from kgbuild.schema import load_schema

DRAWS = 200
"""Bootstrap samples behind an interval."""

INTERVALS = ("mention", "concept", "relation", "result")
"""The figures that have an interval."""

ENDS = ("method", "dataset", "metric")

T = TypeVar("T", bound=Said)
Group = tuple[str, set[str]]
"""Label and folded surfaces of the mentions of one thing."""


@dataclass(frozen=True, slots=True)
class Judged(Generic[T]):
    """A prediction and what gold says of it: ``None`` where it counts neither for nor against."""

    item: T
    right: bool | None


@dataclass(slots=True)
class Judgement:
    """One paper: counts of hits, predictions and gold items by name, and what lies behind them."""

    gold: Record
    predicted: Record
    counts: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))
    mentions: list[Judged[Entity]] = field(default_factory=list)
    relations: list[Judged[Relation]] = field(default_factory=list)
    results: list[Judged[Result]] = field(default_factory=list)
    missed_mentions: list[Entity] = field(default_factory=list)
    missed_relations: list[Relation] = field(default_factory=list)
    match: dict[str, str] = field(default_factory=dict)
    """Predicted group -> gold group."""
    twins: dict[str, set[str]] = field(default_factory=dict)
    """Gold group -> the gold groups that name the same thing, itself included."""

    def count(self, name: str, part: str, hits: int, predicted: int, gold: int) -> None:
        """Add to the counts of ``name`` and of ``name:part``."""
        for key in (name, f"{name}:{part}") if part else (name,):
            row = self.counts[key]
            row[0] += hits
            row[1] += predicted
            row[2] += gold


@dataclass(frozen=True, slots=True)
class Score:
    """Precision, recall and F1 with the counts behind them, 0 where nothing could be right.

    ``low`` and ``high`` bound the 95 % interval of F1, by percentile bootstrap over papers.
    """

    precision: float
    recall: float
    f1: float
    hits: int
    predicted: int
    gold: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Spoke:
    """What one rule or model part has said, and how much of it is right."""

    precision: float
    hits: int
    predicted: int


def judge(gold: Record, predicted: Record) -> Judgement:
    """Compare the two records of one paper."""
    out = Judgement(gold, predicted)
    # names that are always there, whatever a file holds
    for name in ("mention", *(f"mention:{label}" for label in load_schema().entity_labels), "concept", "relation"):
        out.count(name, "", 0, 0, 0)
    _mentions(out)
    _concepts(out)
    _relations(out)
    _results(out)
    return out


def scores(judgements: Sequence[Judgement]) -> dict[str, Score]:
    """The figures over all papers, by name. The bootstrap's seed is fixed."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for j in judgements:
        for name, row in j.counts.items():
            sums[name] = [a + b for a, b in zip(sums[name], row, strict=True)]
    rng = random.Random(0)  # noqa: S311
    intervals = {name: _interval([j.counts[name] for j in judgements], rng) for name in INTERVALS}
    return {name: _score(row, *intervals.get(name, (None, None))) for name, row in sorted(sums.items())}


def by_source(judged: Iterable[Judged[T]]) -> dict[str, Spoke]:
    """How often each rule or model part is right, the busiest first; what several agree on counts for each of them."""
    rows: dict[str, list[bool]] = defaultdict(list)
    for j in judged:
        if j.right is not None:
            for source in filter(None, j.item.source.split("+")):
                rows[source].append(j.right)
    return {
        source: Spoke(sum(rows[source]) / len(rows[source]), sum(rows[source]), len(rows[source]))
        for source in sorted(rows, key=lambda source: (-len(rows[source]), source))
    }


def _mentions(out: Judgement) -> None:
    gold = {(e.start, e.end, e.label): e for e in out.gold.entities}
    predicted = _merge(((e.start, e.end, e.label), e) for e in out.predicted.entities)
    maybe = {(e.start, e.end, e.label) for e in out.gold.maybe_entities}
    for key, e in predicted.items():
        right = True if key in gold else None if key in maybe else False
        out.mentions.append(Judged(e, right))
    out.missed_mentions = [e for key, e in gold.items() if key not in predicted]
    for j in out.mentions:
        if j.right is not None:
            out.count("mention", j.item.label, j.right, 1, 0)
    for e in gold.values():
        out.count("mention", e.label, 0, 0, 1)

    bare, found, unsure = _bare(out.gold.entities), _bare(out.predicted.entities), _bare(out.gold.maybe_entities)
    out.count("span", "", len(bare & found), len(found - (unsure - bare)), len(bare))


def _bare(marks: Iterable[Mark]) -> set[tuple[int, int]]:
    return {(m.start, m.end) for m in marks}


def _merge(items: Iterable[tuple[tuple[object, ...], T]]) -> dict[tuple[object, ...], T]:
    """One prediction for each key, with all sources and the best confidence of those that say the same."""
    out: dict[tuple[object, ...], T] = {}
    for key, item in items:
        old = out.setdefault(key, item)
        if old is not item:
            named = dict.fromkeys([*old.source.split("+"), *item.source.split("+")])
            sure = max((c for c in (old.confidence, item.confidence) if c is not None), default=None)
            out[key] = old.model_copy(update={"source": "+".join(named), "confidence": sure})
    return out


def _concepts(out: Judgement) -> None:
    marked, predicted = _groups(out.gold.entities), _groups(out.predicted.entities)
    # what one annotator alone saw of a group helps to recognise it, and a group of theirs alone counts for nothing
    known = {group: (label, set(names)) for group, (label, names) in marked.items()}
    for concept in out.gold.concepts:
        _, names = known.setdefault(concept.id, (concept.label, set()))
        names.update(map(fold, concept.surfaces))
    match = _align(predicted, {group: known[group] for group in marked})
    rest = {group: value for group, value in predicted.items() if group not in match}
    unsure = _align(rest, {group: value for group, value in known.items() if group not in marked})
    out.match = {**match, **unsure, PAPER: PAPER}
    out.twins = {
        group: {other for other, (other_label, other_names) in known.items() if other_label == label and names & other_names}
        for group, (label, names) in known.items()
    }
    out.twins[PAPER] = {PAPER}
    for group, (label, _) in predicted.items():
        if group not in unsure:
            out.count("concept", label, group in match, 1, 0)
    for label, _ in marked.values():
        out.count("concept", label, 0, 0, 1)


def _groups(entities: Iterable[Entity]) -> dict[str, Group]:
    out: dict[str, Group] = {}
    for e in entities:
        out.setdefault(e.entity, (e.label, set()))[1].add(fold(e.text))
    return out


def fold(text: str) -> str:
    """A surface without case and line breaks."""
    return " ".join(text.split()).casefold()


def _align(predicted: Mapping[str, Group], gold: Mapping[str, Group]) -> dict[str, str]:
    """Predicted group -> gold group, best Jaccard index of their surfaces first, each used once."""
    pairs = []
    for p, (label, names) in predicted.items():
        for g, (gold_label, gold_names) in gold.items():
            if label == gold_label and (shared := len(names & gold_names)):
                pairs.append((-shared / len(names | gold_names), p, g))
    out: dict[str, str] = {}
    taken: set[str] = set()
    for _, p, g in sorted(pairs):
        if p not in out and g not in taken:
            out[p] = g
            taken.add(g)
    return out


def _relations(out: Judgement) -> None:
    def same(p: Relation, g: Relation) -> bool:
        return p.type == g.type and means(out, p.head, g.head) and means(out, p.tail, g.tail)

    left = list(out.gold.relations)
    for p in _merge(((r.type, r.head, r.tail), r) for r in out.predicted.relations).values():
        at = next((i for i, g in enumerate(left) if same(p, g)), None)
        if at is not None:
            del left[at]
        right = True if at is not None else None if any(same(p, g) for g in out.gold.maybe_relations) else False
        out.relations.append(Judged(p, right))
        if right is not None:
            out.count("relation", p.type, right, 1, 0)
    for g in out.gold.relations:
        out.count("relation", g.type, 0, 0, 1)
    out.missed_relations = left


def means(out: Judgement, predicted: str | None, gold: str) -> bool:
    """Whether a predicted group, or ``paper``, is what gold's group or ``paper`` names."""
    return out.match.get(predicted or "") in out.twins.get(gold, ())


def _results(out: Judgement) -> None:
    def right(p: Result, g: Result) -> bool:
        for end in ENDS:
            said, true = getattr(p, end), getattr(g, end)
            if not (means(out, said, true) if true else said in (None, PAPER)):
                return False
        return True

    left = list(out.gold.results)
    for p in out.predicted.results:
        equal = [i for i, g in enumerate(left) if (g.value, g.kind) == (p.value, p.kind)]
        at = next((i for i in equal if right(p, left[i])), equal[0] if equal else None)
        hit = at is not None and right(p, left.pop(at))
        out.results.append(Judged(p, hit))
        out.count("figure", "", at is not None, 1, 0)
        out.count("result", "", hit, 1, 0)
    for name in ("figure", "result"):
        out.count(name, "", 0, 0, len(out.gold.results))


def _score(row: Sequence[int], low: float | None = None, high: float | None = None) -> Score:
    hits, predicted, gold = row
    precision = hits / predicted if predicted else 0.0
    recall = hits / gold if gold else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return Score(precision, recall, f1, hits, predicted, gold, low, high)


def _interval(rows: Sequence[Sequence[int]], rng: random.Random) -> tuple[float, float]:
    draws = sorted(_score([sum(column) for column in zip(*rng.choices(rows, k=len(rows)), strict=True)]).f1 for _ in range(DRAWS))
    cut = DRAWS // 40
    return draws[cut], draws[-1 - cut]
