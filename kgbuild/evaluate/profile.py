"""What each rule brings on annotated papers, and what it costs.

A row is judged by what it says, also where another says the same:

==========  ==============================================  =====================================================
table       a hit                                           is right where gold has
==========  ==============================================  =====================================================
lexicon     a place where no row proposes a longer mention  that mention; of a row without a label, that span
patterns    the same                                        the same
relations   a relation between gold's entities              that relation
(cues)      a relation that the cue keeps from being one    no such relation
figures     a figure beside the cue, kind as read           a result of that value and kind; for ``none``, no result
==========  ==============================================  =====================================================

What only one annotator saw counts neither for nor against. Time is what a row's regular expressions take in that run,
none where the text holds nothing that they need; rows without one (names, head nouns, places) are found by look-up and have no
time of their own. What is generic is left out before anything is said, and has no line.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast

from kgbuild import records
from kgbuild.evaluate.record import Entity, Record, Relation
from kgbuild.evaluate.rules import spans_of
from kgbuild.evaluate.score import Judged, T, judge
from kgbuild.nlp import figures, gazetteer, relations, rules
from kgbuild.nlp.mentions import LEAST
from kgbuild.nlp.rows import Row
from kgbuild.nlp.ruleset import TABLES, Ruleset
from kgbuild.nlp.text import words
from kgbuild.records import Span
from kgbuild.resources import resource
from kgbuild.schema import load_schema


@dataclass(frozen=True, slots=True)
class Profile:
    """One row: how often it fired, how often it was right, and its time in milliseconds for 1,000 papers."""

    table: str
    row: str
    hits: int
    right: int
    precision: float | None
    """Null where the row never fired."""
    ms: float | None
    """Null where the row has no regular expression."""


class Stopwatch:
    """A compiled regular expression that adds up the seconds it takes."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.groupindex = pattern.groupindex
        self.seconds = 0.0
        self._pattern = pattern

    def finditer(self, *args: Any) -> Iterator[re.Match[str]]:
        """As of the expression, all matches at once."""
        start = perf_counter()
        found = list(self._pattern.finditer(*args))
        self.seconds += perf_counter() - start
        return iter(found)

    def search(self, text: str) -> re.Match[str] | None:
        """As of the expression."""
        start = perf_counter()
        found = self._pattern.search(text)
        self.seconds += perf_counter() - start
        return found

    def match(self, *args: Any) -> re.Match[str] | None:
        """As of the expression."""
        start = perf_counter()
        found = self._pattern.match(*args)
        self.seconds += perf_counter() - start
        return found


class Profiler:
    """Runs the rules of every table over annotated papers, one after the other."""

    def __init__(self, ruleset: Ruleset) -> None:
        boundary = (resource("schemas") / "boundary.txt").read_text(encoding="utf-8").split()
        self._ruleset = ruleset
        self._known = gazetteer.Lexicon(ruleset["lexicon"])
        self._patterns = rules.Rules(ruleset["patterns"], boundary, ruleset["generic"])
        self._relations = relations.Rules(ruleset["relations"], load_schema())
        self._figures = _Figures(ruleset["figures"])
        self._watches: dict[str, list[Stopwatch]] = defaultdict(list)
        self._said: dict[str, list[bool]] = defaultdict(list)
        self._papers = 0
        self._patterns.patterns = [(self._timed(p, row), lead, some, row) for p, lead, some, row in self._patterns.patterns]
        self._relations.wordings = [(w._replace(pattern=self._timed(w.pattern, w.row)), needs) for w, needs in self._relations.wordings]
        self._relations.cues = [c._replace(pattern=self._timed(c.pattern, c.row), row={**c.row, "polarity": c.row["id"]}) for c in self._relations.cues]
        self._figures.cues = [(a and self._timed(a, row), b and self._timed(b, row), some, row) for a, b, some, row in self._figures.cues]

    def read(self, gold: Record) -> None:
        """Let every row speak of one paper."""
        self._papers += 1
        spans = spans_of(gold.text)
        named = [relations.Named(e.start, e.end, e.label, e.entity) for e in sorted(gold.entities, key=lambda e: e.start)]
        self._mentions(gold)
        stated = relations.statements(gold.text, spans, named, self._relations)
        self._stated(gold, stated)
        self._figured(gold, spans, named, stated)

    def rows(self) -> list[Profile]:
        """What was seen, by table and then by hits; names that no paper writes are left out."""
        out = []
        for table in TABLES:
            for row in self._ruleset[table]:
                said, watches = self._said[row["id"]], self._watches[row["id"]]
                if said or watches:
                    seconds = sum(w.seconds for w in watches) / max(1, self._papers) if watches else None
                    precision = sum(said) / len(said) if said else None
                    out.append(Profile(table, row["id"], len(said), sum(said), precision, None if seconds is None else seconds * 1e6))
        return sorted(out, key=lambda p: (list(TABLES).index(p.table), -p.hits, p.row))

    def _timed(self, pattern: re.Pattern[str], row: Row) -> re.Pattern[str]:
        watch = Stopwatch(pattern)
        self._watches[row["id"]].append(watch)
        return cast("re.Pattern[str]", watch)

    def _mentions(self, gold: Record) -> None:
        text = gold.text
        labels = {(e.start, e.end): e.label for e in (*gold.maybe_entities, *gold.entities)}
        found: list[rules.Found | gazetteer.Hit] = [*self._known.find(text, words(text)), *self._patterns.find(text, words(text))]
        # as the pipeline does: what is too unsure to be a mention covers none
        sure = {(f.start, f.end) for f in found if f.row.get("precision", 1.0) >= LEAST}
        covered = {(s, e) for s, e in {(f.start, f.end) for f in found} for a, b in sure if a <= s and e <= b and e - s < b - a}
        entities = {
            (f.start, f.end, f.row["id"]): Entity(
                start=f.start,
                end=f.end,
                # a row without a label knows a name, but not what it names
                label=f.row["label"] or labels.get((f.start, f.end), ""),
                text=text[f.start : f.end],
                entity="",
                source=f.row["id"],
            )
            for f in found
            if (f.start, f.end) not in covered
        }
        self._count(judge(gold, Record(id=gold.id, text=text, entities=tuple(entities.values()))).mentions)

    def _stated(self, gold: Record, stated: Sequence[records.Relation]) -> None:
        # a cue is known by its id here: several may have one polarity
        asserted = {(r.type, r.head, r.tail) for r in stated if r.polarity == "asserted"}
        held = [Relation(type=r.type, head=r.head, tail=r.tail, source=r.source) for r in stated if r.polarity == "asserted"]
        kept = [
            Relation(type=r.type, head=r.head, tail=r.tail, source=r.polarity)
            for r in stated
            if r.polarity != "asserted" and (r.type, r.head, r.tail) not in asserted
        ]
        for said, right in ((held, True), (kept, False)):
            predicted = Record(id=gold.id, text=gold.text, entities=gold.entities, relations=tuple(said))
            self._count(judge(gold, predicted).relations, right)

    def _figured(self, gold: Record, spans: Sequence[Span], named: Sequence[relations.Named], stated: Sequence[records.Relation]) -> None:
        introduced = [r.tail for r in stated if r.type == "INTRODUCES" and r.polarity == "asserted"]
        method, _ = relations.proposals(introduced, named)
        left = Counter((r.value, r.kind) for r in gold.results)
        values = {r.value for r in gold.results}
        for r in figures.results(gold.text, spans, named, method, self._figures):
            self._said[r.source].append(left[r.value, r.kind] > 0)
            left[r.value, r.kind] -= 1
        for f, row in self._figures.heard():
            if row["kind"] == "none":
                self._said[row["id"]].append(f.value not in values)

    def _count(self, judged: Iterable[Judged[T]], right: bool = True) -> None:
        for j in judged:
            if j.right is not None:
                for row in dict.fromkeys(j.item.source.split("+")):
                    self._said[row].append(j.right == right)


class _Figures(figures.Rules):
    """Cues that remember which figure each of them was heard at."""

    def __init__(self, rows: Iterable[Row]) -> None:
        super().__init__(rows)
        self._heard: list[tuple[figures.Figure, Row]] = []

    def cue(self, text: str, f: figures.Figure, sentence: Span) -> Row | None:
        """As of the rules."""
        if row := super().cue(text, f, sentence):
            self._heard.append((f, row))
        return row

    def heard(self) -> list[tuple[figures.Figure, Row]]:
        """The figures with a cue since the last call."""
        heard, self._heard = self._heard, []
        return heard
