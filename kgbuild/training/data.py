"""From annotated records to what the networks learn: tags of words, and the targets of a sheet."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kgbuild import nlp as extraction
from kgbuild.evaluate.record import Entity, Record
from kgbuild.evaluate.score import judge
from kgbuild.nlp import figures, pairs, relations
from kgbuild.nlp.components import named, sentences
from kgbuild.nlp.relations import Named
from kgbuild.nlp.tagger import Subwords, Window, Word, encode, tag_names
from kgbuild.records import PAPER, Span
from kgbuild.schema import load_schema

Ints = npt.NDArray[np.int64]

TYPES = (
    "INTRODUCES",
    "EVALUATED_ON",
    "TRAINED_ON",
    "APPLIED_TO",
    "BASED_ON",
    "OUTPERFORMS",
    "COMPARED_WITH",
    "PART_OF",
    "DERIVED_FROM",
    "IS_A",
    "FOR_TASK",
    "MEASURED_BY",
)
"""Relation types, in the order of the network's outputs."""

RAREST = (
    "PART_OF",
    "DERIVED_FROM",
    "COMPARED_WITH",
    "TRAINED_ON",
    "OUTPERFORMS",
    "IS_A",
    "FOR_TASK",
    "EVALUATED_ON",
    "MEASURED_BY",
)
"""Of two relations of one pair (1 in 80), the one that comes first here is learnt."""


@dataclass(frozen=True)
class Targets:
    """What gold says of a sheet."""

    related: Ints
    """[related pairs] 0 for none, else 1 + the type's number."""
    kinds: Ints
    """[figures] 0 for no result, else 1 + the kind's number."""
    about: Ints
    """[figures, roles] the node a result is about, 0 for none; -1 where that is not known."""


@dataclass(frozen=True)
class View:
    """A paper's entities, as annotated or as some pipeline finds them, with gold's group for each that gold has."""

    mentions: tuple[Named, ...]
    gold: Mapping[str, str]


@dataclass(frozen=True)
class Example:
    record: Record
    spans: tuple[Span, ...]
    views: tuple[View, ...]


class Reader:
    """Makes examples and sheets, with the rules of the pipeline."""

    def __init__(self, tokenizer: Any, labels: Sequence[str], fast: bool = False) -> None:
        self._subwords = Subwords(tokenizer)
        self._tags = {t: i for i, t in enumerate(tag_names(labels))}
        self.rules = extraction.load("rules")
        self._wordings: relations.Rules = self.rules.get_pipe("kg_relations").rules  # type: ignore[attr-defined]
        self._cues: figures.Rules = self.rules.get_pipe("kg_results").rules  # type: ignore[attr-defined]
        schema = load_schema()
        ends = ("Paper", *pairs.LABELS)
        self.allowed = np.array([[[schema.allows(t, h, x) for t in TYPES] for x in pairs.LABELS] for h in ends])
        self._may = np.asarray(self.allowed.any(2))
        self.relates = tuple(labels) == pairs.LABELS and not fast
        """Whether relations are learnt: the labels are the schema's, and the network is not the fast one."""

    def example(self, record: Record, found: Record | None = None, mentions_only: bool = False) -> Example:
        """The paper with its annotated entities, and with those ``found`` (else by rules alone): they are never perfect."""
        doc = sentences(self.rules.make_doc(record.text))
        spans = tuple((s.start_char, s.end_char) for s in doc.sents)
        if mentions_only or not self.relates:
            return Example(record, spans, ())
        marked = _named(record)
        seen = _named(found) if found else tuple(named(self.rules(record.text)))
        views = (View(marked, {m.entity: m.entity for m in marked}), View(seen, aligned(record, seen)))
        return Example(record, spans, views)

    def windows(self, record: Record) -> tuple[list[Word], list[tuple[Window, Ints]], int]:
        """The words, the windows with their tags, and how many mentions don't start and end with words."""
        words, windows = encode(self._subwords, record.text)
        tags, lost = np.zeros(len(words), dtype=np.int64), 0
        starts, ends = {w.start: i for i, w in enumerate(words)}, {w.end: i for i, w in enumerate(words)}
        for m in record.entities:
            a, b = starts.get(m.start), ends.get(m.end)
            if a is None or b is None or f"S-{m.label}" not in self._tags:
                lost += 1
            elif a == b:
                tags[a] = self._tags[f"S-{m.label}"]
            else:
                tags[a], tags[a + 1 : b], tags[b] = (self._tags[f"{p}-{m.label}"] for p in "BIE")
        return words, [(w, _whole(tags[w.first : w.first + len(w.heads)])) for w in windows], lost

    def sheet(
        self, record: Record, spans: Sequence[Span], words: Sequence[Word], mentions: Sequence[Named]
    ) -> pairs.Sheet:
        """The paper with these entities, as the network sees it."""
        text = record.text
        stated = relations.relations(text, spans, mentions, self._wordings)
        method, _ = relations.proposals(
            [r.tail for r in stated if r.type == "INTRODUCES" and r.polarity == "asserted"], mentions
        )
        told = figures.results(text, spans, mentions, method, self._cues)
        return pairs.sheet(
            text, spans, words, mentions, figures.candidates(text, spans, mentions), stated, told, self._may, TYPES
        )

    def legal(self, sheet: pairs.Sheet) -> npt.NDArray[np.bool_]:
        """[related pairs, 1 + types] none, and what the schema allows."""
        labels = np.array([0, *(1 + pairs.LABELS.index(x) for x in sheet.labels)])
        head, tail = sheet.pairs[: sheet.related].T
        return np.concatenate(
            (np.ones((sheet.related, 1), dtype=bool), self.allowed[labels[head], labels[tail] - 1]), 1
        )

    def targets(self, record: Record, sheet: pairs.Sheet, gold: Mapping[str, str]) -> Targets:
        """What gold says of a sheet whose entities are, by ``gold``, the annotated ones."""
        order = sorted(
            record.relations, key=lambda r: RAREST.index(r.type) if r.type in RAREST else len(RAREST), reverse=True
        )
        known = {(r.head, r.tail): 1 + TYPES.index(r.type) for r in order}
        ids = (PAPER, *(gold.get(e) for e in sheet.entities))
        may = self.legal(sheet)
        related = np.zeros(sheet.related, dtype=np.int64)
        for k, (i, j) in enumerate(sheet.pairs[: sheet.related]):
            head, tail = ids[i], ids[j]
            kind = known.get((head, tail), 0) if head and tail else 0
            related[k] = kind if may[k, kind] else 0
        kinds = np.zeros(len(sheet.figures), dtype=np.int64)
        about = np.full((len(sheet.figures), len(pairs.ROLES)), -1, dtype=np.int64)
        node = {g: k for k, g in reversed(list(enumerate(ids))) if g}
        done: set[int] = set()
        for exact in (True, False):
            for n, result in enumerate(record.results):
                if n in done:
                    continue
                fits = [k for k, f in enumerate(sheet.figures) if kinds[k] == 0 and _same(f.value, result.value, exact)]
                if not fits:
                    continue
                k = fits[0] if exact else max(fits, key=lambda k: len(sheet.figures[k].value))
                done.add(n)
                kinds[k] = 1 + pairs.KINDS.index(result.kind)
                for role, name in enumerate(pairs.ROLES):
                    end = getattr(result, name)
                    if end is None or end == PAPER:
                        about[k, role] = 0
                    elif (at := node.get(end, 0)) and pairs.ROLE_OF[sheet.labels[at - 1]] == role:
                        about[k, role] = at
        return Targets(related, kinds, about)


def _named(record: Record) -> tuple[Named, ...]:
    return tuple(sorted((Named(e.start, e.end, e.label, e.entity) for e in record.entities), key=lambda m: m.start))


def aligned(record: Record, mentions: Sequence[Named]) -> dict[str, str]:
    """Found group -> annotated group, as the evaluation aligns them."""
    text = record.text
    found = (
        Entity(start=m.start, end=m.end, label=m.label, text=text[m.start : m.end], entity=m.entity) for m in mentions
    )
    return judge(record, Record(id=record.id, text=text, entities=tuple(found))).match


def _same(written: str, value: str, exact: bool) -> bool:
    return written == value if exact else written in value or value in written


def _whole(tags: Ints) -> Ints:
    """The tags of a window; a mention that its edge cuts becomes a mention of the words inside."""
    tags = tags.copy()
    if tags[0] and (tags[0] - 1) % 4 in (1, 2):
        tags[0] += -1 if (tags[0] - 1) % 4 == 1 else 1
    if tags[-1] and (tags[-1] - 1) % 4 in (0, 1):
        tags[-1] += 3 if (tags[-1] - 1) % 4 == 0 else 1
    return tags


def batches(lengths: Sequence[int], size: int, rng: random.Random) -> list[list[int]]:
    """An epoch: shuffled, sorted by length within pools of forty batches, and shuffled again."""
    order = list(range(len(lengths)))
    rng.shuffle(order)
    out: list[list[int]] = []
    for k in range(0, len(order), size * 40):
        pool = sorted(order[k : k + size * 40], key=lambda i: lengths[i])
        out += [pool[j : j + size] for j in range(0, len(pool), size)]
    rng.shuffle(out)
    return out


def split(records: Sequence[Record], size: int, seed: int) -> tuple[list[Record], list[Record]]:
    """(to train on, held out); the same for the same records, size and seed."""
    order = list(range(len(records)))
    random.Random(seed).shuffle(order)
    chosen = set(order[:size])
    return [r for i, r in enumerate(records) if i not in chosen], [r for i, r in enumerate(records) if i in chosen]
