"""Rules against their own examples.

A row is right where it finds exactly what is marked in each of its ``examples``, and nothing in its ``counters``:

==========  =============================================  =========================================================
table       an example marks                               it is tried
==========  =============================================  =========================================================
lexicon     names as ``[Adam]``                            with all other rows; so is each name, in a bare sentence
patterns    names and terms as ``[FooNet]``                alone
generic     what is no name or term, as ``[GPU]``          by what all patterns find less than without it
relations   mentions as ``[FooNet|Method|head]``           alone; a row with a place with what says what is introduced
figures     the one figure as ``[3.2]``                    alone
==========  =============================================  =========================================================
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from kgbuild.nlp import figures, gazetteer, relations, rules
from kgbuild.nlp.rows import Row
from kgbuild.nlp.ruleset import Ruleset
from kgbuild.nlp.text import sentence_starts, words
from kgbuild.records import PAPER, Span
from kgbuild.resources import resource
from kgbuild.schema import load_schema

_MARK = re.compile(r"\[([^\[\]]+)\]")


@dataclass(frozen=True, slots=True)
class Trial:
    """One example of a row: what it should find there, and what it finds."""

    table: str
    row: str
    example: str
    expected: tuple[str, ...]
    found: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the row finds what it should."""
        return self.expected == self.found


def trials(ruleset: Ruleset) -> Iterator[Trial]:
    """Every example and counter-example of every row. Raises RuleError for a row that does not compile."""
    known = gazetteer.Lexicon(ruleset["lexicon"])
    boundary = (resource("schemas") / "boundary.txt").read_text(encoding="utf-8").split()
    introductions = [r for r in ruleset["relations"] if r.get("type") == "INTRODUCES" and "pattern" in r]
    for row in ruleset["lexicon"]:
        for example, expected, found in _lexicon(row, known):
            yield Trial("lexicon", row["id"], example, expected, found)
    for row in ruleset["patterns"]:
        compiled = rules.Rules([row], boundary, ())
        for i, example in enumerate((*row["examples"], *row["counters"])):
            text, marked = unmarked(example)
            expected = (marked or ("a mark [ ]",)) if i < len(row["examples"]) else ()
            spans = sorted({(f.start, f.end) for f in compiled.find(text, words(text))})
            yield Trial("patterns", row["id"], example, expected, tuple(text[start:end] for start, end in spans))
    for row in ruleset["generic"]:
        for example, expected, found in _generic(row, ruleset["patterns"], boundary):
            yield Trial("generic", row["id"], example, expected, found)
    for row in ruleset["relations"]:
        for example, expected, found in _cue(row) if "type" not in row else _relation(row, introductions):
            yield Trial("relations", row["id"], example, expected, found)
    for row in ruleset["figures"]:
        for example, expected, found in _figure(row):
            yield Trial("figures", row["id"], example, expected, found)


Outcome = tuple[str, tuple[str, ...], tuple[str, ...]]
"""An example, what should be found in it, and what is."""


def unmarked(example: str) -> tuple[str, tuple[str, ...]]:
    """An example without its marks, and what they mark.

    >>> unmarked("[FooNet] sees birds")
    ('FooNet sees birds', ('FooNet',))
    """
    return _MARK.sub(r"\1", example), tuple(_MARK.findall(example))


def mentioned(example: str) -> tuple[str, list[relations.Named], dict[str, list[str]]]:
    """An example without its marks ``[surface|Label|role]``, its mentions, and the entities by role.

    Equal surfaces are one entity.
    """
    text, at = "", 0
    mentions: list[relations.Named] = []
    roles: dict[str, list[str]] = defaultdict(list)
    for m in re.finditer(r"\[([^\[\]|]+)\|(\w+)(?:\|(\w+))?\]", example):
        text += example[at : m.start()]
        mentions.append(relations.Named(len(text), len(text) + len(m[1]), m[2], m[1]))
        if m[3]:
            roles[m[3]].append(m[1])
        text += m[1]
        at = m.end()
    return text + example[at:], mentions, roles


def spans_of(text: str) -> list[Span]:
    """The sentences of a text, without the space after each, as the pipeline has them."""
    bounds = pairwise([*sentence_starts(text), len(text)])
    return [(start, end - 1 if text[start:end].endswith(" ") else end) for start, end in bounds]


def _lexicon(row: Row, known: gazetteer.Lexicon) -> Iterator[Outcome]:
    def find(text: str) -> tuple[str, ...]:
        return tuple(text[h.start : h.end] for h in known.find(text, words(text)) if h.row["id"] == row["id"])

    for name in (row["name"], *row.get("aliases", ())):
        text = f"We saw {name} with {' '.join(row.get('context', ()))} there."
        # a name may hold another of the same row
        yield text, (name,), tuple(surface for surface in find(text) if surface == name)
    for example in (*row.get("examples", ()), *row.get("counters", ())):
        text, expected = unmarked(example)
        yield example, expected, find(text)


def _generic(row: Row, patterns: list[Row], boundary: list[str]) -> Iterator[Outcome]:
    without, within = rules.Rules(patterns, boundary, ()), rules.Rules(patterns, boundary, [row])
    for example in (*row["examples"], *row["counters"]):
        text, expected = unmarked(example)
        spans, kept = ({(f.start, f.end) for f in compiled.find(text, words(text))} for compiled in (without, within))
        yield example, expected, tuple(text[start:end] for start, end in sorted(spans - kept))


def _relation(row: Row, introductions: list[Row]) -> Iterator[Outcome]:
    schema = load_schema()
    compiled = relations.Rules([*introductions, row] if "place" in row else [row], schema)
    for i, example in enumerate((*row["examples"], *row["counters"])):
        # only examples of titles have one
        before = "" if "\n" in example else "A title\n"
        text, mentions, roles = mentioned(before + example)
        found = {(r.head, r.tail) for r in relations.relations(text, spans_of(text), mentions, compiled) if r.source == row["id"]}
        stated = tuple(f"{head} -> {tail}" for head, tail in sorted(found))
        if wrong := sorted({m.label for m in mentions} - set(schema.entity_labels)):
            yield example, (f"labels of the schema, not {wrong[0]}",), stated
        elif i >= len(row["examples"]):
            yield example, (), stated
        elif not roles["tail"]:
            yield example, ("a mark [surface|Label|tail]",), stated
        else:
            expected = {(head, tail) for head in roles["head"] or [PAPER] for tail in roles["tail"]}
            yield example, tuple(f"{head} -> {tail}" for head, tail in sorted(expected)), stated


def _cue(row: Row) -> Iterator[Outcome]:
    compiled = relations.Rules([row], load_schema())
    for i, example in enumerate((*row["examples"], *row["counters"])):
        text, mentions, roles = mentioned(example)
        [part] = relations.sentences(text, [(0, len(text))], mentions)
        ends = [m for m in mentions if m.entity in roles["head"] + roles["tail"]]
        found = compiled.polarity(part, min((m.start for m in ends), default=0), max((m.end for m in ends), default=len(text)))
        yield example, (row["polarity"],) if i < len(row["examples"]) else (), (found,) if found == row["polarity"] else ()


def _figure(row: Row) -> Iterator[Outcome]:
    compiled = figures.Rules([row])
    for i, example in enumerate((*row["examples"], *row["counters"])):
        parts = _MARK.split(example)
        if len(parts) != 3:
            yield example, ("one figure marked with [ ]",), (f"{len(parts) // 2} marked",)
            continue
        before, mark, after = parts
        said = (f"{row['kind']} {mark}",)
        yield example, said if i < len(row["examples"]) else (), said if compiled.read(before, after) else ()
