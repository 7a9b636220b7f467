"""Stated figures: what a text says in numbers about a method, on which data, in which metric."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import ascii_letters

from kgbuild.errors import RuleError
from kgbuild.nlp.literals import Literals, literals, lower
from kgbuild.nlp.relations import Named
from kgbuild.nlp.rows import Row
from kgbuild.records import PAPER, Result, Span

FIELDS: dict[str, type] = {
    "id": str,
    "kind": str,
    "direction": str,
    "before": str,
    "after": str,
    "precision": float,
    "examples": list,
    "counters": list,
}
"""Fields of a row: a cue right ``before`` or right ``after`` a figure that says of what ``kind`` it is; ``none`` is no
result (a count of data). The first row that fits decides. ``examples`` mark the figure with [ ]."""
REQUIRED = ("id", "kind", "precision", "examples", "counters")

ALL_RIGHT = 0.3
"""Of the figures that rules read rightly, the share of which method, data set and metric are right too: 0.27 with the
entities of the fast model, 0.21 with those of rules, on held-out papers; more where the entities are right."""

_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
_WORDS = {"two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "ten": 10.0}
_POWERS = {"an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_UNIT = (
    r"\$\\%\$|\s?\\?%(?:[ -]?points?)?|[\s-]percentage[\s-]points?|\s(?:absolute\s)?points?\b|[\s-]points?\b|\s?pp\b|\s(?:percent|pct)\b|\s?(?:\$?\\times\$?|×|[xX]\b)|\s?times\b|-fold\b"
    r"|\s?(?:ms|fps|FPS|GB|Gb|MB|dB|GFLOPs|(?:GPU[\s-])?hours?|GPU[\s-]days?|seconds?|minutes?|mm|cm|km|px)\b(?!/)|[BMGs]\b|\s(?:billion|million)\b|\s[ms]\b(?!/)"
    r"|\s?[kKMB](?=[\s-](?:param|token))"
)
_TO = r"\s?(?:--?|–|—|~|～|∼|to)\s?"
# "7.5 ± 0.2": part of the figure, but not its number
_PM = r"(?:±|\+/-|\\pm)"
_SPREAD = (
    rf"(?P<percent>\\?%)?(?:\s?\$?{_PM}\s?\$?\s?(?:{_NUMBER})"
    rf"|\$?[_^]\{{[({{]?\s?{_PM}\s?\{{?(?:{_NUMBER})(?:\\?%)?\}}?[)}}]?\s?\}}(?:\$(?=\\?%))?)"
)
_FIGURE = re.compile(
    r"(?P<orders>(?<!same\s)\b(?i:(?:an|one|two|three|four|five|several|\d)[\s-])?(?i:orders?)[ -]of[ -]magnitude\b)|"
    rf"(?<![\w.,\\-])(?P<sign>[+~～≈∼<>≤≥−-]|[<>]\s)?(?P<first>{_NUMBER})"
    rf"(?:(?:\\?%)?{_TO}(?P<last>{_NUMBER})|(?:x|×|\stimes){_TO}(?P<most>{_NUMBER})(?=x\b|×|\stimes\b))?"
    rf"(?:{_SPREAD})?(?P<unit>{_UNIT})?(?:(?<=[BMKk])(?=-(?:param|token))|(?![\w]|[.,]\d|-\w))"
    r"|\ba factor of (?P<word>two|three|four|five|ten)\b"
)
_SOME = re.compile(r"\d|\b(?:orders?|factor)\b", re.IGNORECASE)
"""What every figure holds; most sentences do not."""
_YEAR = re.compile(r"(?:19|20)\d\d")
_WIDE = re.compile(r"(?:(?<=times)|(?<=×)|\s?(?:times|×|x))\s?\d")
_HIGH = re.compile(r"\d\s?(?:times|×|x)\s?$")
"""After and before a number, the other side of a size: 1344 times 1344."""
_P_VALUE = re.compile(r"\b[pPrn]\s?$")
_BEFORE_SPREAD = re.compile(rf"\d(?:{_UNIT})?\}}?\$?\s?(?:[_^]?[{{(\[]+|,)?\s?\$?{_PM}\s?\$?\s?[$~{{]?$")
"""Before a number that only says how much another one varies: "91.3 (±0.2)"."""
_LETTERS = " " + ascii_letters
"""What a unit that may be a name is written with."""
_NORMAL = {"\\%": "%", "percent": "%", "pct": "%", "pp": "points", "point": "points", "percentage point": "points", "percentage points": "points", "%-points": "points", "%-point": "points",
           "% points": "points", "absolute points": "points", "times": "x", "×": "x", "X": "x", "\\times": "x", "-fold": "x", "fold": "x", "fps": "FPS", "billion": "B", "million": "M", "k": "K"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """``text[start:end]`` is a number with its sign and unit."""

    start: int
    end: int
    value: str
    number: float | None
    unit: str | None


def figures(text: str, start: int = 0, end: int | None = None) -> list[Figure]:
    """The figures in ``text[start:end]``; years and numbers inside names are none.

    >>> [(f.value, f.number, f.unit) for f in figures("up 3.2 points to 71.4\\\\% in 2023, 2x faster than GPT-4")]
    [('3.2 points', 3.2, 'points'), ('71.4\\\\%', 71.4, '%'), ('2x', 2.0, 'x')]
    """
    out: list[Figure] = []
    end = len(text) if end is None else end
    for m in _FIGURE.finditer(text, start, end) if _SOME.search(text, start, end) else ():
        if m["word"]:
            out.append(Figure(m.start(), m.end(), m.group(), _WORDS[m["word"]], "x"))
            continue
        if m["orders"]:
            many = re.split(r"[\s-]", m.group().lower())[0]
            power = int(many) if many.isdigit() else _POWERS.get(many)
            out.append(Figure(m.start(), m.end(), m.group(), 10.0**power if power else None, "x"))
            continue
        last = m["last"] or m["most"]
        sign = -1.0 if m["sign"] in ("-", "−") else 1.0
        if _WIDE.match(text, m.end()) or _HIGH.search(text, max(start, m.start() - 8), m.start()):
            continue
        unit = " ".join((m["percent"] or m["unit"] or "").strip("$- \n").split()).replace("GPU-", "GPU ")
        if _BEFORE_SPREAD.search(text, max(start, m.start() - 32), m.start("first")):
            continue
        if m["unit"] in ("s", "G") and "." not in m.group():
            continue  # the 1990s, two 3090s, 5G
        if m["sign"] and m["sign"][0] in "<>≤≥" and _P_VALUE.search(text, max(start, m.start() - 3), m.start()):
            continue  # says how sure a comparison is, nothing of a method
        if unit in ("", "s") and last is None and _YEAR.fullmatch(m["first"]):
            continue
        if last and re.search(r"\bfrom\s+(?:about\s+|around\s+)?\$?$", text[max(start, m.start() - 14) : m.start()]):
            # a change from one level to another is two figures, a range is one
            split = m.start("last") if m["last"] else m.start("most")
            first = re.match(rf"(?:{_NUMBER})(?:{_UNIT})?", text[m.start("first") : split])
            stop = m.start("first") + (first.end() if first else 0)
            out.append(Figure(m.start(), stop, text[m.start() : stop], sign * float(m["first"].replace(",", "")), _NORMAL.get(unit, unit) or None))
            out.append(Figure(split, m.end(), text[split : m.end()], float(last.replace(",", "")), _NORMAL.get(unit, unit) or None))
            continue
        out.append(Figure(m.start(), m.end(), m.group(), sign * float((last or m["first"]).replace(",", "")), _NORMAL.get(unit, unit) or None))
    return out


class Rules:
    """The rows, compiled: cues before and after a figure."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.cues: list[tuple[re.Pattern[str] | None, re.Pattern[str] | None, frozenset[str], Row]] = []
        """What stands before and after the figure, and what the text before must hold (``literals``)."""
        self.added: set[str] = set()
        """Ids of the user's rows: what they state stands, whatever a network makes of it."""
        for row in rows:
            if row.get("adds"):
                self.added.add(row["id"])
            try:
                before = re.compile(rf"(?:{row['before']})\s*\(?\$?$", re.IGNORECASE) if "before" in row else None
                after = re.compile(rf"\$?\)?\s*(?:{row['after']})", re.IGNORECASE) if "after" in row else None
            except (re.error, OverflowError, RecursionError) as e:
                raise RuleError(f"figure rule {row['id']!r} is no regular expression: {e}") from e
            self.cues.append((before, after, literals(before.pattern) if before else frozenset(), row))
        self._literals = Literals(some for *_, some, _ in self.cues)

    def read(self, before: str, after: str) -> Row | None:
        """The first row that fits what stands before and after a figure."""
        before, after = re.sub(r"\s+", " ", before), re.sub(r"\s+", " ", after)
        for n in self._literals.fitting(lower(before)):
            left, right, _, row = self.cues[n]
            if (left is None or left.search(before)) and (right is None or right.match(after)):
                return row
        return None

    def cue(self, text: str, f: Figure, sentence: Span) -> Row | None:
        """The first row that fits what stands around a figure in its sentence."""
        start, end = sentence
        return self.read(text[max(start, f.start - 80) : f.start], text[f.end : min(end, f.end + 60)])


_COST = re.compile(r"param|memory|latenc|time|flop|cost|size|token|comput|energy|speed|throughput|overhead|steps|storage|footprint|nfe|fps|runtime", re.IGNORECASE)
_COST_UNITS = ("B", "M", "K", "G", "GPU days", "GPU day", "GPU hours", "GPU hour", "GB", "Gb", "MB", "s", "ms", "hours", "hour", "seconds", "second", "minutes", "minute", "GFLOPs")
_RIVAL = re.compile(r"(?:over|than|against|compared (?:to|with)|outperform\w*|surpass\w*|exceed\w*|beat\w*|vs\.?|versus|baselines?|from|beyond|by|with|using|of|on|for|based)\s+(?:[\w\-]+\s+){0,3}$", re.IGNORECASE)
_LIST_GAP = re.compile(r"\$?\s*(?:,|and|,\s*and|/|&|or)?\s*(?:(?:the|a|an)\s+)?\$?", re.IGNORECASE)


def results(text: str, spans: Sequence[Span], mentions: Sequence[Named], proposal: str | None, rules: Rules) -> list[Result]:
    """The figures of a paper that are results, each with what it is about, by position.

    ``proposal`` is the method that the paper introduces; where it names none, the paper itself stands for it.
    """
    out: list[Result] = []
    known = candidates(text, spans, mentions)
    level, people = levels(text, known), of_humans_or_chance(text, spans, known)
    for start, end in spans[1:]:
        here = [m for m in mentions if start <= m.start and m.end <= end]
        found = [f for f in known if start <= f.start < end]
        for i, f in enumerate(found):
            left = found[i - 1].end if i else start
            right = found[i + 1].start if i + 1 < len(found) else end
            row = rules.cue(text, f, (start, end))
            faced = i + 1 < len(found) and _VERSUS.fullmatch(text[f.end : found[i + 1].start])
            facing = i and _VERSUS.fullmatch(text[left : f.start])
            if faced:
                # "91.7 vs. 90.4 F1": what follows the second figure is said of both
                right = found[i + 2].start if i + 2 < len(found) else end
                metric = _metric(text, here, found[i + 1], left, right)
            else:
                metric = _metric(text, here, f, left, right)
            if (row is not None and row["kind"] == "none") or not _tied(f, row, metric):
                continue
            name = next((text[m.start : m.end] for m in here if m.entity == metric), "")
            weak = row is None or row["kind"] == "absolute"
            listed = weak and out and out[-1].end == left and _AND.search(text[left : f.start])
            stated = out[-1].kind if listed else row["kind"] if row else "absolute"
            kind = _kind("absolute" if f.start in level else "gain" if weak and (f.value[0] == "+" or f.unit == "points") else stated, f, name)
            peers = _peers(text, found, i)
            out.append(
                Result(
                    value=f.value,
                    number=f.number,
                    unit=f.unit,
                    kind=kind,
                    direction=row.get("direction") if row and kind != "absolute" else None,
                    start=f.start,
                    end=f.end,
                    sentence=(start, end),
                    source=row["id"] if row else "figure",
                    confidence=round(ALL_RIGHT * (row["precision"] if row else 0.5), 3),
                    method=None
                    if f.start in people
                    else (facing and _rival(text, here, f, start))
                    or _zipped(text, here, ("Method",), peers, i)
                    or _method(text, here, f, start, proposal),
                    dataset=_zipped(text, here, ("Dataset", "Benchmark"), peers, i) or _opening(text, here, f, (start, end)) or _dataset(text, here, f, left, right),
                    task=next((m.entity for m in here if m.label == "Task" and 0 <= m.start - f.end < right - f.end), None),
                    metric=_zipped(text, here, ("Metric",), peers, i) or metric,
                )
            )
    return out


_AND = re.compile(r"^[^.;:]{0,60}(?:,|\band|&|/)\s*(?:by|up to|about)?\s*\$?$")
"""Between two figures of one list: ``3 % on A and 4 % on B``."""


_VERSUS = re.compile(r"\$?\)?,?\s*\(?(?:vs\.?|versus|against|compared (?:to|with))\s*\(?\$?", re.IGNORECASE)
"""Between the figures of two that are compared."""


def _tied(f: Figure, row: Row | None, metric: str | None) -> bool:
    """Whether a figure says something of quality or cost, and is no mere number."""
    if row is not None:
        return f.unit is not None or metric is not None or "." in f.value
    if f.unit in ("%", "points", "FPS", "dB"):
        return True
    return metric is not None and ("." in f.value or f.unit is not None)


def _kind(kind: str, f: Figure, metric: str) -> str:
    """``cost`` in place of a gain or level where the unit or the metric's name is one of cost."""
    if f.unit in (*_COST_UNITS, "x") or _COST.search(metric):
        return "cost"
    return kind


def _metric(text: str, here: Sequence[Named], f: Figure, left: int, right: int) -> str | None:
    metrics = [m for m in here if m.label == "Metric"]
    if unit := _unit(metrics, f):
        return unit
    before = [m for m in metrics if left <= m.end <= f.start]
    if before and re.fullmatch(r"\s?(?:\([^()]*\)\s?)?(?:of|is|was|:|=|to|at|score of|scores of|by|\(|from)?\s?(?:about|over|up to|only|around)?\s?\(?\$?", text[before[-1].end : f.start]):
        return before[-1].entity
    after = [m for m in metrics if f.end <= m.start < right and len(text[f.end : m.start].split()) <= 3 and not re.search(r"[.;:,]|\band\b", text[f.end : m.start])]
    if after:
        return after[0].entity
    if before:
        return before[-1].entity
    earlier = [m for m in metrics if m.end <= f.start]
    if earlier:
        return earlier[-1].entity
    return metrics[0].entity if len({m.entity for m in metrics}) == 1 else None


def _unit(names: Sequence[Named], f: Figure) -> str | None:
    """The entity that a figure has for its unit: FPS in "15 FPS"."""
    return next((m.entity for m in names if f.start < m.start < f.end), None)


def _dataset(text: str, here: Sequence[Named], f: Figure, left: int, right: int) -> str | None:
    data = [m for m in here if m.label in ("Dataset", "Benchmark")]
    close = [m for m in data if left <= m.end <= f.start and re.fullmatch(r"\s?(?:\(|:|=|at|\(\+)?\s?", text[m.end : f.start])]
    after = [m for m in data if f.end <= m.start < right and re.search(r"\b(?:on|in|for|over|across|of)\b|^\s*\($", text[f.end : m.start])]
    before = [m for m in data if left <= m.end <= f.start]
    for choice in (close, after, before):
        if choice:
            return choice[0].entity if choice is after else choice[-1].entity
    earlier = [m for m in data if m.end <= f.start]
    if earlier:
        return earlier[-1].entity
    return data[0].entity if len({m.entity for m in data}) == 1 else None


def _method(text: str, here: Sequence[Named], f: Figure, start: int, proposal: str | None) -> str | None:
    methods = [m for m in here if m.label == "Method" and m.end <= f.start]
    if methods and re.fullmatch(r"\s?\(", text[methods[-1].end : f.start]):
        return methods[-1].entity
    subjects = [m for m in methods if not _RIVAL.search(text[max(start, m.start - 60) : m.start])]
    if proposal is not None and any(m.entity == proposal for m in subjects):
        return proposal
    if subjects:
        return subjects[-1].entity
    return proposal or PAPER


def _rival(text: str, here: Sequence[Named], f: Figure, start: int) -> str | None:
    """The method that another is compared with, before a figure that stands against that other's."""
    methods = [m for m in here if m.label == "Method" and m.end <= f.start]
    return next((m.entity for m in reversed(methods) if _RIVAL.search(text[max(start, m.start - 60) : m.start])), None)


def _winner(text: str, here: Sequence[Named], f: Figure, start: int) -> str | None:
    """The method that beats another, before the first of two figures that stand against each other: "A beats B (1 vs. 2)".
    Right 37 of 39 times on annotated and read papers, with their names."""
    methods = [m for m in here if m.label == "Method" and m.end <= f.start]
    at = next((i for i in reversed(range(len(methods))) if _BEATEN.search(text[max(start, methods[i].start - 80) : methods[i].start])), 0)
    subject = next((m for m in reversed(methods[:at]) if m.entity != methods[at].entity), None)
    return subject.entity if subject and not _RIVAL.search(text[max(start, subject.start - 60) : subject.start]) else None


def _peers(text: str, found: Sequence[Figure], i: int) -> tuple[int, int]:
    """First and last index of the list of figures that figure ``i`` stands in (``1, 2 and 3``)."""
    first = last = i
    while first > 0 and _LIST_GAP.fullmatch(text[found[first - 1].end : found[first].start]):
        first -= 1
    while last + 1 < len(found) and _LIST_GAP.fullmatch(text[found[last].end : found[last + 1].start]):
        last += 1
    return first, last


def _zipped(text: str, here: Sequence[Named], labels: tuple[str, ...], peers: tuple[int, int], i: int) -> str | None:
    """The entity at the figure's place in a list of as many names as there are figures in its list."""
    first, last = peers
    if first == last:
        return None
    run: list[Named] = []
    for m in here:
        if m.label not in labels:
            continue
        if run and not _LIST_GAP.fullmatch(text[run[-1].end : m.start]):
            if len(run) == last - first + 1:
                break
            run = []
        run.append(m)
    return run[i - first].entity if len(run) == last - first + 1 else None


def candidates(text: str, spans: Sequence[Span], mentions: Sequence[Named]) -> list[Figure]:
    """Every figure of an abstract whose number is not part of a name, be it a result or not. ``spans`` are the sentences.

    Its unit may be a name: "15 FPS" is a figure where FPS is a metric.
    """
    taken = [(m.start, m.end) for m in mentions]
    found = [f for start, end in spans[1:] for f in figures(text, start, end)]
    return [f for f in found if not any(a < f.start + len(f.value.rstrip(_LETTERS)) and f.start < b for a, b in taken)]


def shown(
    text: str, spans: Sequence[Span], mentions: Sequence[Named], known: Sequence[Figure]
) -> dict[tuple[int, str], str]:
    """What the form of a text alone says that figures are about: (start of the figure, role) to entity. ``known`` are
    the text's :func:`candidates`.

    Of lists in step, each figure is about the name at its place ("1, 2 and 3 on A, B and C", or by "respectively"); a
    figure after a "vs." is the rival's, the one before it that of the method that beats it; and what a name right beside it says ("3 F1 on A", "A (3)").
    """
    out: dict[tuple[int, str], str] = {}
    for start, end in spans[1:]:
        here = [m for m in mentions if start <= m.start and m.end <= end]
        found = [f for f in known if start <= f.start < end]
        for i, f in enumerate(found):
            if entity := _opening(text, here, f, (start, end)):
                out[f.start, "dataset"] = entity
            peers = _peers(text, found, i)
            for role, labels in _ROLES:
                if entity := _zipped(text, here, labels, peers, i):
                    out[f.start, role] = entity
            if i and _VERSUS.fullmatch(text[found[i - 1].end : f.start]):
                owner = next((m for m in here if m.label == "Method" and m.start > f.end), None)
                if owner and _OWNER.fullmatch(text[f.end : owner.start]):
                    out[f.start, "method"] = owner.entity
                elif entity := _rival(text, here, f, start):
                    out[f.start, "method"] = entity
                if (found[i - 1].start, "dataset") in out:
                    out[f.start, "dataset"] = out[found[i - 1].start, "dataset"]
            faced = i + 1 < len(found) and _VERSUS.fullmatch(text[f.end : found[i + 1].start])
            if entity := _subject(text, here, found, i) or (_winner(text, here, f, start) if faced else None):
                out[f.start, "method"] = entity
            # a margin in brackets, and the first of two figures that are compared, are said of the other method
            margin = f.value[0] in "+-−~" or f.unit in ("points", "x") or _MARGIN.match(text, f.end)
            other = margin or faced
            for role, labels, before, after in _BESIDE:
                if (f.start, role) in out or (role == "method" and other):
                    continue
                if entity := _beside(text, here, f, labels, before, after):
                    out[f.start, role] = entity
        out |= _respectively(text, here, found, end)
    return out


_BESIDE = (
    ("method", ("Method",), re.compile(r"\s?\(\$?|\s(?:achiev|reach|obtain|attain|scor)\w*\s(?:an?\s)?(?:[\w\-@]+\s){0,3}(?:of\s)?\$?"), re.compile(r"(?!)")),
    ("dataset", ("Dataset", "Benchmark"), re.compile(r"\s?[(:]\s?\$?"), re.compile(r"\$?\s(?:(?:on|in)\s(?:the\s)?|\()")),
    ("metric", ("Metric",), re.compile(r"\s?(?:=|\(|of|by|from|score of|scores of)\s?\$?|\s"), re.compile(r"\$?\s(?:(?:improvement |increase |reduction |gain )?in\s)?")),
)  # fmt: skip
"""For a role and its labels, what stands between a name and a figure that is about it, where the name comes first, and
where the figure does. On annotated papers with annotated names, 0.94 and more are right; "X reaches 3" was right 84 times of
94 with names that a model found."""
_OWNER = re.compile(r"\$?\)?\s(?:of|for|by|with|in|(?:[\w@-]+\s){1,3}(?:of|for|by))\s(?:the\s)?", re.IGNORECASE)
"""Between the second of two figures that are compared and the method whose it is: "5.1 compared with 6.3 of X"."""
_DO = re.compile(r"\s?(?:\([^()]*\)\s)?(?:models?\s)?(?:only\s)?(?:achiev|reach|obtain|attain|scor|get|record|yield)\w*\s[^.;:]{0,60}?", re.IGNORECASE)
"""Between the methods and the figures of "A and B reach 1 and 2"; right 9 times of 10 on annotated papers with annotated names."""
_FROM = re.compile(r"\bfrom\s(?:about\s|around\s)?\$?$", re.IGNORECASE)
_UP_TO = re.compile(r"\$?\s?to\s(?:about\s|around\s|only\s)?\$?", re.IGNORECASE)
# after a number: it is how far one method is from another
_MARGIN = re.compile(r"\$?\s(?:[\w-]+\s)?(?:better|higher|lower|more|less|fewer|faster|slower|smaller|larger|gain|improvement|increase|reduction)", re.IGNORECASE)
_STEPS = re.compile(r"[^,;:()\d]{0,24}(?:,|\band\b|&|/)\s*(?:and\s+|an?\s+|by\s+)*\$?", re.IGNORECASE)
"""Between two figures of what is said "respectively"."""


_OPENS = re.compile(r"(?:(?:\w+ly|in particular|for (?:example|instance)),? )?(?:on|for|in) (?:the )?(?:[\w-]+ ){0,2}", re.IGNORECASE)
_CLOSES = re.compile(r"(?: [\w-]+){0,3}(?: \([^()]*\))?,")
_NEXT = re.compile(r";\s+(?:and |while |whereas |but )?")


def _opening(text: str, here: Sequence[Named], f: Figure, sentence: Span) -> str | None:
    """The data set with which a figure's clause opens, where it names no other: "on A, it reaches 1; on B, it reaches 2".
    Right 1,069 of 1,083 times on annotated papers with annotated names."""
    cuts = [sentence[0], *(m.end() for m in _NEXT.finditer(text, *sentence)), sentence[1]]
    first, last = max(c for c in cuts if c <= f.start), min(c for c in cuts if c > f.start)
    data = [m for m in here if m.label in ("Dataset", "Benchmark") and first <= m.start < last]
    if len({m.entity for m in data}) != 1 or data[0].end > f.start:
        return None
    opens = _OPENS.fullmatch(text, first, data[0].start) and _CLOSES.match(text, data[0].end)
    return data[0].entity if opens else None


def _subject(text: str, here: Sequence[Named], found: Sequence[Figure], i: int) -> str | None:
    """The method at a figure's place where as many methods are the subject as it has peers: "A and B reach 1 and 2"."""
    peers = _peers(text, found, i)
    start = found[peers[0]].start
    lead = [m for m in here if m.label == "Method" and m.end <= start]
    if len(lead) < 2 or not _DO.fullmatch(text[lead[-1].end : start]) or not re.search(r"\band\b|&", text[lead[-2].end : lead[-1].start]):
        return None
    return _zipped(text, lead, ("Method",), peers, i)


def _beside(
    text: str, here: Sequence[Named], f: Figure, labels: tuple[str, ...], before: re.Pattern[str], after: re.Pattern[str]
) -> str | None:
    """The entity whose name stands right beside a figure, joined by words that tie the two; or is its unit."""
    if unit := _unit([m for m in here if m.label in labels], f):
        return unit
    left = [m for m in here if m.end <= f.start and m.label in labels]
    if left and before.fullmatch(text[left[-1].end : f.start]):
        return left[-1].entity
    right = [m for m in here if m.start >= f.end and m.label in labels]
    # "91.7 F1 on SQuAD"
    metric = next((m.end for m in here if m.label == "Metric" and m.start > f.end and text[f.end : m.start].isspace()), f.end)
    ties = right and any(after.fullmatch(text[at : right[0].start]) for at in (f.end, metric) if at <= right[0].start)
    return right[0].entity if ties else None


def _respectively(
    text: str, here: Sequence[Named], found: Sequence[Figure], end: int
) -> dict[tuple[int, str], str]:
    """Of a sentence with "respectively", as many names as there are figures before it, all on one side of them: each to the
    figure at its place."""
    out: dict[tuple[int, str], str] = {}
    if not found:
        return out
    for at in (m.start() for m in _RESPECTIVELY.finditer(text, found[0].end, end)):
        run = [f for f in found if f.end <= at]
        first = len(run) - 1
        while first > 0 and _STEPS.fullmatch(text[run[first - 1].end : run[first].start]):
            first -= 1
        run = run[first:]
        for role, labels in _ROLES:
            names = [m for m in here if m.label in labels and m.start < at]
            beside = names and (names[-1].end <= run[0].start or run[-1].end <= names[0].start)
            if beside and 1 < len(run) == len(names) == len({m.entity for m in names}):
                out |= {(f.start, role): m.entity for f, m in zip(run, names, strict=True)}
    return out


def levels(text: str, known: Sequence[Figure]) -> set[int]:
    """Where figures start of which a change goes from the one to the other: each is a level, no gain.

    "drops from 5.2% to 4.1%"; on annotated papers 8 of 196 are called gains.
    """
    out: set[int] = set()
    for f, g in itertools.pairwise(known):
        if _UP_TO.fullmatch(text[f.end : g.start]) and _FROM.search(text[max(0, f.start - 14) : f.start]):
            out |= {f.start, g.start}
    return out


def of_humans_or_chance(text: str, spans: Sequence[Span], known: Sequence[Figure]) -> set[int]:
    """Where figures start that people reach, or chance, and no method, by plain wordings: "humans reach 91 F1 and 93 accuracy",
    "chance level (25 %)". So it was with 19 of 21 such figures of annotated papers."""
    out: set[int] = set()
    before: Figure | None = None
    for start, end in spans[1:]:
        for f in known:
            if not start <= f.start < end:
                continue
            goes_on = before and before.start in out and before.end >= start and _AND_ITS.fullmatch(text, before.end, f.start)
            found = _HUMAN_OR_CHANCE.search(text, max(start, f.start - 90), f.start)
            if goes_on or (found and not _OF_A_METHOD.search(text, max(start, found.start() - 30), found.start())):
                out.add(f.start)
            before = f
    return out


_HUMAN_OR_CHANCE = re.compile(
    r"(?<![\w-])(?:"
    r"humans?(?: (?:experts?|annotators?|evaluators?|raters?|participants?|readers?))?(?: (?:on|in) (?:the |this )?[\w-]+)? (?:can |still |alone |only )*"
    r"(?:achieved?|reach(?:ed)?|scored?|obtain(?:ed)?|attain(?:ed)?|get) (?:an? (?:[\w-]+ ){1,3}of )?|humans\s?\(|"
    r"(?:human (?:expert )?(?:performance|accuracy|baseline|score|F1)|(?:random )?chance[- ](?:level|performance|accuracy)|random guessing)"
    r"(?: (?:on|in) (?:the |this )?[\w-]+)?(?:\s?[(:=]\s?| (?:is|was|of|achieves|reaches) )"
    r")(?:only |over |up to |around |about |approximately |~)?\$?$",
    re.IGNORECASE,
)
# what a method is like, or does with it: "near human performance of 91", "matches human accuracy (91)", "agents with humans in the loop"
_OF_A_METHOD = re.compile(
    r"\b(?:(?:near(?:ly)?|clos\w*(?: to)?|match\w*|reach\w*|achiev\w*|attain\w*|approach\w*|improv\w*|increas\w*|predict\w*|(?:agree|correlat)\w* with|(?:agreement|correlation) with)"
    r"(?: the| random)*|with|by|of|digital)\s$",
    re.IGNORECASE,
)
_AND_ITS = re.compile(r"\$?(?: [\w@-]+){0,3},? (?:and|/) \$?")
"""Between two figures of one list, a metric with the first: "91.2 F1 and 93.1 accuracy"."""


def rivals(
    text: str, spans: Sequence[Span], mentions: Sequence[Named], known: Sequence[Figure]
) -> set[tuple[int, str]]:
    """Which figures are not those of a method, for they say what another has over it: (start of the figure, entity).

    "outperforms X by 3 and 4 points"; "3 % better than X". Right of 99 in 100 on annotated papers with annotated names.
    """
    out: set[tuple[int, str]] = set()
    for start, end in spans[1:]:
        methods = [m for m in mentions if m.label == "Method" and start <= m.start and m.end <= end]
        found = [f for f in known if start <= f.start < end]
        beaten = [m for m in methods if _BEATEN.search(text[max(start, m.start - 80) : m.start])]
        first = start
        for i, f in enumerate(found):
            gap = text[found[i - 1].end : f.start] if i else ""
            facing = i and _VERSUS.fullmatch(gap)
            first = first if i and _LIST_GAP.fullmatch(gap) else f.start
            before = () if facing else (m for m in beaten if m.end <= first and _BY.fullmatch(text[m.end : first]))
            stop = found[i + 1].start if i + 1 < len(found) else end
            after = (m for m in methods if f.end <= m.start < stop and _OVER.fullmatch(text[f.end : m.start]))
            out |= {(f.start, m.entity) for m in (*before, *after)}
    return out


_BEATEN = re.compile(r"(?:over|than|against|compared (?:to|with)|relative to|outperform\w*|surpass\w*|exceed\w*|beat\w*|improv\w* (?:up)?on|versus)\s+(?:[\w\-/]+\s+){0,4}$", re.IGNORECASE)
_BY = re.compile(r"[^.;:\d]{0,60}\bby\s(?:[\w\- ]{0,30}\s)?\+?\$?", re.IGNORECASE)
_OVER = re.compile(r"[^.;:]{0,80}\b(?:over|than|against|compared (?:to|with)|relative to)\s(?:(?!(?:with|on|in|of|for|by|using|when|training|runs?)\b)[^.;:\s]{1,40}\s){0,8}", re.IGNORECASE)
_ROLES = (("dataset", ("Dataset", "Benchmark")), ("metric", ("Metric",)))
"""Roles that lists in step tell, with their labels. Not the method: "by 3 and 4 points over A and B" tells it of neither."""
_RESPECTIVELY = re.compile(r"\brespectively\b", re.IGNORECASE)
