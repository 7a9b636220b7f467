"""The learned reader of relations and results: what it sees of a paper, and what it says.

It looks at the states that the tagger's encoder left at the words (no second run of the encoder), at the entities that
the pipeline settled on, and at what the rules say. A small graph of its own (two attention layers over the words, which
know by now what each word is part of) judges

- every ordered pair of entities, and the paper with every entity: which relation, if any;
- every figure: whether it is a result, of what kind; and for every entity, whether the figure is about it.

The context of a pair is pooled as in ATLOP (Zhou et al. 2021, "Document-Level Relation Extraction with Adaptive
Thresholding and Localized Context Pooling"): by the product of both ends' attention.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from kgbuild.nlp.figures import Figure, Rules, levels, of_humans_or_chance, rivals, shown
from kgbuild.nlp.relations import Named, compared, ruled_out, sentences
from kgbuild.nlp.relations import Rules as Wordings
from kgbuild.nlp.tagger import Word, open_session
from kgbuild.nlp.text import fold
from kgbuild.records import PAPER, Relation, Result, Span
from kgbuild.schema import GraphSchema

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

LABELS = ("Method", "Dataset", "Benchmark", "Task", "Metric")
KINDS = ("absolute", "gain", "cost")
ROLES = ("method", "dataset", "task", "metric")
ROLE_OF = {"Method": 0, "Dataset": 1, "Benchmark": 1, "Task": 2, "Metric": 3}
PAPER_TAG = 2 * len(LABELS) + 1
FIGURE_TAG = PAPER_TAG + 1
TAGS = FIGURE_TAG + 1
"""What a word is: nothing (0), first or later word of a mention of a label, the paper's own place, a figure."""

FILE = "pairs.onnx"
"""The network's file in a model folder; its numbers are in ``config.json`` under ``pairs``."""

SOURCE = "pairs"
"""What a relation or result names as its source that the network states."""

GOOD, FLOOR = 0.7, 0.6
"""What a rule states that is right at least this often counts as at least this probable, most often enough to be stated: a
plain wording ("A trails B") stands. With 0.3, relation F1 was half a point above no floor; 0.6 is as good (0.557 for 0.558, dev 0.567 for 0.562)."""

FAIR = 0.4
"""From this precision on, what a rule states of a type that the network never states stands."""

PLAIN = 0.8
"""From this precision on, a cue that says a figure is a gain or a cost is believed. Where such cues and the network
differed on 1,478 papers that it had not learnt, the cues were right 36 times and the network 4 times."""

SHOWN = 0.98
"""How often a role is right that the form of the text shows (0.99 with annotated names)."""

HUMAN_OR_CHANCE = 0.9
"""How often a figure is no method's where the words before it say whose it is."""

UNNAMED = 0.9
"""How much lower the log-odds of a result are for each role for which the text is taken to name nothing (the paper, as a method): that is right less
often than the network says. Fitted on 9,471 results of 2,000 papers that the model had not learnt; Brier skill there
(cross-fitted) 0.104 -> 0.140, held out 0.119 -> 0.133."""

_GAPS = np.array([2, 4, 8, 16, 32])
_UNITS = {"%": 0, "points": 1, "x": 2, None: 3}
FIGURE_FEATURES = 14


def pair_features(types: int) -> int:
    """How many features a pair has, with that many relation types."""
    return 43 + types


@dataclass(frozen=True)
class Sheet:
    """One paper as the network sees it. Nodes are the paper, then the entities, then the figures."""

    entities: tuple[str, ...]
    """The groups of mentions, by first mention; node 1 is the first."""
    labels: tuple[str, ...]
    figures: tuple[Figure, ...]
    tags: Ints
    """[1 + words] what each word is; place 0 stands for the paper."""
    members: Floats
    """[nodes, 1 + words] weights that add up to 1: the first words of a node's mentions."""
    pairs: Ints
    """[pairs, 2] ordered nodes that may be related: ``related`` pairs first, then (figure, entity)."""
    related: int
    features: Floats
    """[pairs, features]"""
    shapes: Floats
    """[figures, FIGURE_FEATURES]"""


def sheet(
    text: str,
    spans: Sequence[Span],
    words: Sequence[Word],
    mentions: Sequence[Named],
    figures: Sequence[Figure],
    stated: Sequence[Relation],
    told: Sequence[Result],
    may: npt.NDArray[np.bool_],
    types: Sequence[str],
) -> Sheet:
    """Puts a paper on a sheet.

    ``spans`` are the sentences, ``words`` the tagger's; ``stated`` and ``told`` what the rules say; ``may`` whether a
    label (Paper, then ``LABELS``) may be related to a label of ``LABELS``: [6, 5].
    """
    starts = [w.start for w in words]
    begins = [a for a, _ in spans]

    def word(at: int) -> int:
        return max(0, bisect_right(starts, at) - 1)

    order: dict[str, int] = {}
    for m in mentions:
        order.setdefault(m.entity, len(order))
    label = {m.entity: m.label for m in mentions}
    names = tuple(order)
    count, nodes = len(order), 1 + len(order) + len(figures)
    tags = np.zeros(1 + len(words), dtype=np.int64)
    tags[0] = PAPER_TAG
    members = np.zeros((nodes, 1 + len(words)), dtype=np.float32)
    members[0, 0] = 1
    # one row a mention, grouped by node, so that sums and minima over a node are one step of numpy
    rows = sorted(
        [(order[m.entity], m.start, m.end, k) for k, m in enumerate(mentions)]
        + [(count + k, f.start, f.end, len(mentions) + k) for k, f in enumerate(figures)]
    )
    owner = np.array([r[0] for r in rows], dtype=np.int64)
    first = np.array([word(r[1]) for r in rows], dtype=np.int64)
    last = np.array([word(r[2] - 1) for r in rows], dtype=np.int64)
    place = np.array([max(0, bisect_right(begins, r[1]) - 1) for r in rows], dtype=np.int64)
    for (node, *_), a, b in zip(rows, first, last, strict=True):
        if node < count:
            tag = 1 + 2 * LABELS.index(label[names[node]])
            tags[1 + a], tags[2 + a : 2 + b] = tag, tag + 1
        else:  # its unit may be a metric's name, which it stays
            tags[1 + a : 2 + b][tags[1 + a : 2 + b] == 0] = FIGURE_TAG
        members[1 + node, 1 + a] += 1
    members /= members.sum(1, keepdims=True)

    everything = nodes - 1
    kinds = np.array([1 + LABELS.index(label[n]) for n in names] + [1 + len(LABELS)] * len(figures), dtype=np.int64)
    total = np.bincount(owner, minlength=everything) if everything else np.zeros(0, dtype=np.int64)
    edges = np.concatenate(([0], np.cumsum(total)[:-1])) if everything else np.zeros(0, dtype=np.int64)
    if everything:
        apart = np.abs(place[:, None] - place[None, :])
        gap = np.maximum(0, np.maximum(first[None, :] - last[:, None], first[:, None] - last[None, :]))
        key = (apart * 1024 + np.minimum(gap, 1023)) * 2 + (first[:, None] > first[None, :])
        near = np.minimum.reduceat(np.minimum.reduceat(key, edges, axis=0), edges, axis=1)
        inside = np.zeros((everything, max(1, len(spans))), dtype=np.float32)
        inside[owner, place] = 1
        shared = inside @ inside.T
        opening = inside.argmax(1)
        titled = inside[:, 0] > 0

    pairs: list[tuple[int, int]] = [(0, 1 + j) for j in range(count) if may[0, kinds[j] - 1]]
    pairs += [(1 + i, 1 + j) for i in range(count) for j in range(count) if i != j and may[kinds[i], kinds[j] - 1]]
    related = len(pairs)
    pairs += [(1 + count + i, 1 + j) for i in range(len(figures)) for j in range(count)]
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    x = np.zeros((len(pairs), pair_features(len(types))), dtype=np.float32)
    if len(pairs):
        head, tail = table[:, 0] - 1, table[:, 1] - 1
        at = np.arange(len(pairs))
        named = head >= 0
        h, t, n = head[named], tail[named], at[named]
        close = near[h, t]
        distance, between = close // 2048, (close // 2) % 1024
        x[n, np.minimum(distance, 3)] = 1
        same = distance == 0
        x[n[same], 4 + np.searchsorted(_GAPS, between[same], side="right")] = 1
        x[n, 10] = close % 2
        x[n, 12] = titled[h]
        x[n, 13] = np.minimum(total[h], 4) / 4
        x[n, 15] = np.minimum(shared[h, t], 3) / 3
        x[at, 16 + np.where(named, kinds[head], 0)] = 1
        x[n, 28] = np.minimum(opening[h], 10) / 10
        x[at, 11] = titled[tail]
        x[at, 14] = np.minimum(total[tail], 4) / 4
        x[at, 22 + kinds[tail]] = 1
        x[at, 29] = np.minimum(opening[tail], 10) / 10
        _said(x, pairs, order, stated, types)
        _alike(x, pairs[:related], mentions, names, text)
        _around(x, pairs, related, count, rows, first, last, kinds, mentions, figures, told, order)
    return Sheet(
        names,
        tuple(label[n] for n in names),
        tuple(figures),
        tags,
        members,
        table,
        related,
        x,
        _shapes(figures, told),
    )


def _said(
    x: Floats, pairs: Sequence[tuple[int, int]], order: dict[str, int], stated: Sequence[Relation], types: Sequence[str]
) -> None:
    """What the rules say of a pair: their confidence under each type; and whether they hold an end for introduced."""
    number = {p: k for k, p in enumerate(pairs)}
    introduced = set()
    for r in stated:
        if r.polarity != "asserted":
            continue
        ends = (0 if r.head == PAPER else 1 + order[r.head], 1 + order[r.tail])
        if r.type == "INTRODUCES":
            introduced.add(ends[1])
        if ends in number:
            k, c = number[ends], 30 + types.index(r.type)
            x[k, c] = max(x[k, c], r.confidence)
    for k, (i, j) in enumerate(pairs):
        x[k, 30 + len(types)] = i in introduced
        x[k, 31 + len(types)] = j in introduced


def _alike(
    x: Floats, pairs: Sequence[tuple[int, int]], mentions: Sequence[Named], names: Sequence[str], text: str
) -> None:
    """Whether two names share words, or one holds the other."""
    at = x.shape[1] - 11
    surfaces: dict[str, str] = {}
    for m in mentions:
        surfaces.setdefault(m.entity, fold(text[m.start : m.end]))
    parts = [set(surfaces[n].replace("-", " ").split()) for n in names]
    for k, (i, j) in enumerate(pairs):
        if i and parts[i - 1] & parts[j - 1]:
            x[k, at] = 1
            a, b = surfaces[names[i - 1]], surfaces[names[j - 1]]
            x[k, at + 1] = a in b or b in a


def _around(
    x: Floats,
    pairs: Sequence[tuple[int, int]],
    related: int,
    count: int,
    rows: Sequence[tuple[int, int, int, int]],
    first: Ints,
    last: Ints,
    kinds: Ints,
    mentions: Sequence[Named],
    figures: Sequence[Figure],
    told: Sequence[Result],
    order: dict[str, int],
) -> None:
    """For a figure and an entity: how many figures and how many mentions of that label stand between; the rules' choice."""
    at = x.shape[1] - 9
    said = {(r.start, n) for r in told for n in (r.method, r.dataset, r.task, r.metric) if n}
    names = list(order)
    figure_at = [int(first[k]) for k, r in enumerate(rows) if r[0] >= count]
    places: dict[int, list[tuple[int, int]]] = {}
    for k, r in enumerate(rows):
        if r[0] < count:
            places.setdefault(int(kinds[r[0]]), []).append((int(first[k]), r[0]))
    spots: dict[int, list[int]] = {}
    for k, r in enumerate(rows):
        spots.setdefault(r[0], []).append(int(first[k]))
    for k in range(related, len(pairs)):
        i, j = pairs[k][0] - 1 - count, pairs[k][1] - 1
        f = spots[count + i][0]
        m = min(spots[j], key=lambda a: abs(a - f))
        low, high = min(f, m), max(f, m)
        x[k, at + min(2, sum(low < a < high for a in figure_at))] = 1
        x[k, at + 3 + min(2, sum(low < a < high for a, e in places[int(kinds[j])] if e != j))] = 1
        x[k, at + 6] = (figures[i].start, names[j]) in said
        # a name right before "(91.2" or right after "91.2 on"
        x[k, at + 7] = 0 < f - m <= 4
        x[k, at + 8] = 0 < m - f <= 6


def _shapes(figures: Sequence[Figure], told: Sequence[Result]) -> Floats:
    """What a figure looks like, and what the rules hold it for."""
    kinds = {r.start: r.kind for r in told}
    x = np.zeros((len(figures), FIGURE_FEATURES), dtype=np.float32)
    for k, f in enumerate(figures):
        if f.start in kinds:
            x[k, KINDS.index(kinds[f.start])] = 1
            x[k, 3] = 1
        x[k, 4 + _UNITS.get(f.unit, 4)] = 1
        x[k, 9] = "." in f.value
        x[k, 10] = f.value.startswith("+")
        x[k, 11] = f.value.startswith("-")
        size = abs(f.number or 0.0)
        x[k, 12] = min(1.0, np.log10(1 + size) / 4)
        x[k, 13] = size <= 100
    return x


@dataclass(frozen=True)
class Scores:
    """What the network says of a sheet, as probabilities."""

    related: Floats
    """[related pairs, 1 + types] none, then the types that the schema allows between the labels."""
    kinds: Floats
    """[figures, 1 + KINDS] no result, then the kinds."""
    about: tuple[tuple[tuple[tuple[int, float], ...], ...], ...]
    """For each figure and role the nodes that it may be about (0: none is named) and their probabilities, likeliest first."""
    read: Floats
    """[pairs, 1 + words] how much of each word a pair looked at."""


class Pairs:
    """The network and the numbers by which its scores become statements."""

    def __init__(self, session: Any, config: Mapping[str, Any], schema: GraphSchema) -> None:
        self.types: tuple[str, ...] = tuple(config["types"])
        self.least = np.array(config["least"], dtype=np.float32)
        """For each type the confidence from which a relation is stated."""
        self.untold = {kind for kind, least in zip(self.types, config["least"], strict=True) if least > 1}
        """Types that are never stated: hardly any right one passed a threshold on held-out papers."""
        self.least_figure = float(config["figure"])
        """How probably a figure is a result, from which on it is stated."""
        self._curves = {k: (np.array(c["stated"]), np.array(c["true"])) for k, c in config["calibration"].items()}
        self._session = session
        ends = ("Paper", *LABELS)
        self._allowed = np.array([[[schema.allows(t, h, x) for t in self.types] for x in LABELS] for h in ends])
        self.may: npt.NDArray[np.bool_] = np.asarray(self._allowed.any(2))
        if config["features"] != pair_features(len(self.types)) or config["shapes"] != FIGURE_FEATURES:
            raise ValueError("the relation model was trained on other features than this code computes")

    @classmethod
    def load(cls, graph: bytes, config: Mapping[str, Any], schema: GraphSchema) -> Pairs:
        """From the bytes of ``pairs.onnx`` and the part ``pairs`` of the model's ``config.json``."""
        return cls(open_session(graph), config, schema)

    def scores(self, states: Floats, paper: Sheet) -> Scores:
        """Reads a sheet; ``states`` [words, 384] are the encoder's."""
        if not len(paper.pairs):
            nothing = np.eye(1, 1 + len(KINDS), dtype=np.float32).repeat(len(paper.figures), 0)
            unnamed = (((0, 1.0),),) * len(ROLES)
            related = np.zeros((0, 1 + len(self.types)), dtype=np.float32)
            return Scores(related, nothing, (unnamed,) * len(paper.figures), np.zeros((0, len(paper.tags)), dtype=np.float32))
        feed = {
            "hidden": states,
            "tags": paper.tags,
            "members": paper.members,
            "pairs": paper.pairs,
            "features": paper.features,
            "shapes": paper.shapes,
        }
        out, judged, read = self._session.run(["related", "judged", "read"], feed)
        labels = np.array([0, *(1 + LABELS.index(x) for x in paper.labels)])
        head, tail = paper.pairs[: paper.related].T
        legal = np.concatenate(
            (np.ones((paper.related, 1), dtype=bool), self._allowed[labels[head], labels[tail] - 1]), 1
        )
        related = _softmax(np.where(legal, out[: paper.related, :-1], -np.inf))
        kinds = _softmax(judged[:, : 1 + len(KINDS)])
        about = out[paper.related :, -1].reshape(len(paper.figures), len(paper.entities))
        roles = np.array([ROLE_OF[x] for x in paper.labels], dtype=np.int64)
        chosen = []
        for k in range(len(paper.figures)):
            row = []
            for role in range(len(ROLES)):
                nodes = np.flatnonzero(roles == role)
                chance = _softmax(
                    np.concatenate((judged[k, 1 + len(KINDS) + role : 2 + len(KINDS) + role], about[k, nodes]))
                )
                order = np.argsort(-chance, kind="stable")
                row.append(tuple((int(nodes[n - 1]) + 1 if n else 0, float(chance[n])) for n in order.tolist()))
            chosen.append(tuple(row))
        return Scores(related, kinds, tuple(chosen), read)

    def sure(self, what: str, raw: float) -> float:
        """The calibrated probability that a statement of a kind (a relation type, or ``result``) is right."""
        stated, true = self._curves.get(what) or self._curves["relation"]
        return round(float(np.interp(raw, stated, true)), 3)


def _softmax(x: Floats) -> Floats:
    grown = np.exp(x - x.max(-1, keepdims=True)) if x.size else x
    share: Floats = grown / grown.sum(-1, keepdims=True) if x.size else x
    return share


def relations(
    text: str,
    spans: Sequence[Span],
    words: Sequence[Word],
    mentions: Sequence[Named],
    stated: Sequence[Relation],
    paper: Sheet,
    scores: Scores,
    model: Pairs,
    rules: Wordings,
) -> list[Relation]:
    """The relations that the network holds for stated.

    Where a rule says the same, it is the rule's statements with their places; else the sentence is the one that the
    network looked at most of those that name both ends, or those of the two mentions that stand closest.
    Statements of rules that are denied, doubted or planned stay as they are: the network is taught what is asserted; and
    so do those of the user's own rules, and of types that the network never states for it has seen too few of them.
    """
    sure = {m.entity: 0.0 for m in mentions} | {PAPER: 1.0}

    def right(r: Relation, precision: float) -> bool:
        """Whether a rule is right at least so often; its confidence is that times what its ends are sure of, rounded."""
        return r.confidence >= precision * sure[r.head] * sure[r.tail] - 0.001

    where: dict[str, list[tuple[int, Named]]] = {m.entity: [] for m in mentions}
    begins = [a for a, _ in spans]
    parts = sentences(text, spans, mentions)
    for m in mentions:
        sure[m.entity] = max(sure[m.entity], m.confidence)
        where[m.entity].append((max(0, bisect_right(begins, m.start) - 1), m))
    said: dict[tuple[str, str, str], list[Relation]] = {}
    for r in stated:
        said.setdefault((r.type, r.head, r.tail), []).append(r)
    ids = (PAPER, *paper.entities)
    # [pairs, sentences] how much of each sentence a pair looked at
    looked = np.zeros((len(paper.pairs), len(spans)), dtype=np.float32)
    if words:
        place = np.searchsorted(begins, [w.start for w in words], side="right").clip(1) - 1
        firsts = np.flatnonzero(np.diff(place, prepend=-1))
        looked[:, place[firsts]] = np.add.reduceat(scores.read[:, 1:], firsts, axis=1)
    # [related pairs, types]; what a good rule says the network may doubt, but not dismiss
    chance = scores.related[:, 1:].copy()
    number = {(ids[i], ids[j]): k for k, (i, j) in enumerate(paper.pairs[: paper.related])}
    for r in stated:
        if r.polarity == "asserted" and right(r, GOOD) and (r.head, r.tail) in number:
            at = number[r.head, r.tail], model.types.index(r.type)
            chance[at] = max(chance[at], FLOOR)
    ends = np.array([sure[e] for e in ids], dtype=np.float32)
    raw = chance * ends[paper.pairs[: paper.related]].prod(1)[:, None]
    turned = {(i, j): k for k, (i, j) in enumerate(paper.pairs[: paper.related].tolist())}
    barred = set(ruled_out(stated, rules))
    # "A is outperformed by B", and no word of the opposite
    barred |= {(r.type, r.tail, r.head) for r in stated if r.type == "OUTPERFORMS" and r.polarity == "asserted" and right(r, GOOD)}
    out: list[Relation] = []
    for k, t in np.argwhere(raw >= model.least):
        head, tail = (ids[n] for n in paper.pairs[k])
        kind = model.types[t]
        # a relation holds both ways only where a wording says so ("A beats B on X, and B beats A on Y"): else the surer one
        if (kind, head, tail) in barred and (kind, head, tail) not in said:
            continue
        other = turned.get((paper.pairs[k, 1], paper.pairs[k, 0]))
        if other is not None and (raw[other, t], k) > (raw[k, t], other) and (kind, head, tail) not in said:
            continue
        confidence = model.sure(kind, float(raw[k, t]))
        same = said.pop((kind, head, tail), [])
        if same:
            for r in same:
                sure_of = max(confidence, r.confidence) if r.source in rules.added else confidence
                out.append(replace(r, confidence=sure_of, source=f"{SOURCE}+{r.source}") if r.polarity == "asserted" else r)
            continue
        u, v = _closest(where.get(head, []), where[tail], looked[k])
        named = [m for m in (u, v) if m is not None]
        places = sorted({max(0, bisect_right(begins, m.start) - 1) for m in named})
        # where the ends stand apart, the sentence that names the tail says how it is meant
        last = max(0, bisect_right(begins, v.start) - 1)
        said_in = [m for m in named if max(0, bisect_right(begins, m.start) - 1) == last]
        polarity = rules.polarity(parts[last], min(m.start for m in said_in), max(m.end for m in said_in), kind)
        out.append(
            Relation(
                type=kind,
                head=head,
                tail=tail,
                sentences=tuple(spans[p] for p in places),
                head_span=(u.start, u.end) if u else None,
                tail_span=(v.start, v.end),
                source=SOURCE,
                confidence=confidence,
                polarity=polarity,
            )
        )
    out += (r for rows in said.values() for r in rows if r.polarity != "asserted" or r.source in rules.added or (r.type in model.untold and right(r, FAIR)))
    return sorted((compared(r, text, mentions) for r in out), key=lambda r: (r.sentences, r.tail_span, r.type, r.head))


def _closest(
    heads: Sequence[tuple[int, Named]], tails: Sequence[tuple[int, Named]], looked: Floats
) -> tuple[Named | None, Named]:
    """The mentions by which a pair is shown: in the sentence with both that was looked at most, else the closest two."""
    if not heads:
        return None, max(tails, key=lambda pm: (looked[pm[0]], -pm[1].start))[1]
    both = {p for p, _ in heads} & {p for p, _ in tails}
    if both:
        best = max(sorted(both), key=lambda p: looked[p])
        heads, tails = [x for x in heads if x[0] == best], [x for x in tails if x[0] == best]
    couples = [(abs(p - q), abs(h.start - t.start), h.start, t.start, h, t) for p, h in heads for q, t in tails]
    u, v = min(couples, key=lambda couple: couple[:4])[4:]
    return u, v


def results(
    text: str,
    spans: Sequence[Span],
    mentions: Sequence[Named],
    told: Sequence[Result],
    paper: Sheet,
    scores: Scores,
    model: Pairs,
    rules: Rules,
) -> list[Result]:
    """The figures that the network holds for results, and what it takes them to be about, where the form of
    the text does not say that; units and directions are the rules'. What the user's own rules say stays as it is."""
    sure = {m.entity: 0.0 for m in mentions} | {PAPER: 1.0}
    for m in mentions:
        sure[m.entity] = max(sure[m.entity], m.confidence)
    by_start = {r.start: r for r in told}
    by_form = shown(text, spans, mentions, paper.figures)
    beaten = rivals(text, spans, mentions, paper.figures)
    level, people = levels(text, paper.figures), of_humans_or_chance(text, spans, paper.figures)
    begins = [a for a, _ in spans]
    out = []
    for k, f in enumerate(paper.figures):
        same = by_start.get(f.start)
        if same is not None and same.source in rules.added:
            out.append(same)
            continue
        if 1 - float(scores.kinds[k, 0]) < model.least_figure:
            continue
        kind = int(scores.kinds[k, 1:].argmax())
        sentence = spans[max(0, bisect_right(begins, f.start) - 1)]
        cue = rules.cue(text, f, sentence) or {}
        if same is not None and same.kind == cue.get("kind") != "absolute" and cue["precision"] >= PLAIN:
            kind = KINDS.index(same.kind)
            raw = PLAIN * (1 - float(scores.kinds[k, 0]))
        else:
            raw = float(scores.kinds[k, 1 + kind])
        if f.start in level and KINDS[kind] == "gain":
            kind = KINDS.index("absolute")
        # a metric that the sentence does not name was the wrong guess 31 times and the right one 6 times
        named = {m.entity for m in mentions if sentence[0] <= m.start < sentence[1]}
        barred = {"method": {e for start, e in beaten if start == f.start}, "metric": set(paper.entities) - named}
        ends: dict[str, str | None] = {}
        unnamed = 0
        for role, choice in zip(ROLES, scores.about[k], strict=True):
            if role == "method" and f.start in people:
                ends[role] = None
                raw *= HUMAN_OR_CHANCE
                continue
            may = [(n, c) for n, c in choice if not n or paper.entities[n - 1] not in barred.get(role, ())]
            node, chance = may[0]
            likely = paper.entities[node - 1] if node else PAPER if role == "method" else None
            ends[role] = by_form.get((f.start, role), likely)
            chance = SHOWN if (f.start, role) in by_form else chance / sum(c for _, c in may)
            if role != "task":
                raw *= chance * sure[ends[role] or PAPER]
                unnamed += ends[role] in (None, PAPER)
        confidence = model.sure("result", raw / (raw + (1 - raw) * math.exp(UNNAMED * unnamed)))
        out.append(
            Result(
                value=f.value,
                number=f.number,
                unit=f.unit,
                kind=KINDS[kind],
                direction=None if KINDS[kind] == "absolute" else cue.get("direction"),
                start=f.start,
                end=f.end,
                sentence=sentence,
                source=f"{SOURCE}+{same.source}" if same else SOURCE,
                confidence=confidence,
                polarity=same.polarity if same else "asserted",
                **ends,
            )
        )
    return out
