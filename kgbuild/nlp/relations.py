"""Relations between the mentions of a paper, by rows of two kinds.

*Wordings* are regular expressions on sentences in which each mention is a slot: ``we propose {Ms}, trained on {Ds}``.
*Attachments* say what an entity usually is to the paper's proposal, by its label and by where it stands.
Both carry the precision that was measured on annotated papers with their annotated mentions; the confidence of a
relation is that times the confidences of its ends.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import NamedTuple

from kgbuild.errors import RuleError
from kgbuild.nlp.literals import Literals, literals, lower
from kgbuild.nlp.rows import Row
from kgbuild.records import PAPER, Relation, Span
from kgbuild.schema import GraphSchema

FIELDS: dict[str, type] = {
    "id": str,
    "type": str,
    "pattern": str,
    "head": str,
    "title": bool,
    "tails": list,
    "heads": list,
    "instead": list,
    "proposal": str,
    "place": str,
    "compared": bool,
    "alone": bool,
    "polarity": str,
    "precision": float,
    "examples": list,
    "counters": list,
}
"""Fields of a row. Wordings have ``pattern`` with a group ``tail`` and mostly ``head`` (none, or one without a slot, is
the proposal; ``"head": "paper"`` the paper itself); ``title`` keeps it to titles; ``instead``: types that it rules out for the same pair, whichever way. Attachments have ``tails`` (labels that
become the tail, the proposal being the head) or ``heads``; ``proposal``: ``method``, ``resource`` or ``unnamed``;
``place``: see :func:`place`. Rows with ``polarity`` and ``pattern`` are cues, searched in the clause of a relation up to
where the relation ends, or, where the pattern names that place by ``»``, in the whole clause. ``examples``: texts with mentions as
``[surface|Label]``, and after a second bar ``head`` or ``tail``."""
REQUIRED = ("id", "examples", "counters")

_CODES = {"M": "Method", "D": "Dataset", "B": "Benchmark", "T": "Task", "R": "Metric"}
_CODE_OF = {label: code for code, label in _CODES.items()}
_SLOT = re.compile(r"<[A-Za-z](\d+)>")
_CODE = re.compile(r"<([A-Za-z])\d+>")
_MACRO_SLOT = re.compile(r"\{!?([MDBTRX]+)s?\}")
_NOUN = (
    r"(?: (?:(?:large|small|public|popular|challenging|standard) )?(?:data ?sets?|benchmarks?|corp(?:us|ora)|tasks?|models?|challenges?|leaderboards?|suites?|"
    r"test sets?|methods?|algorithms?|frameworks?|architectures?|networks?|techniques?|losse?s?|modules?|problems?|settings?|baselines?|scores?|metrics?))?"
)
_MACROS = {
    "WE": r"(?:[Ww]e|[Oo]ur (?:proposed |novel |new |full |final |best |resulting )*[\w\-]+(?: [\w\-]+)?|[Ii]t|[Tt]h(?:is|e) (?:proposed |resulting |new |novel )*"
    r"(?:paper|work|study|article|report|method|approach|model|framework|system|algorithm|network|architecture|module|technique|strategy|pipeline|agent))",
    "ADV": r"(?:(?:\w+ly|also|then|further|thus|therefore|first|here|hence|can|even|often|still|still|both|not only|only) )*",
    "AUX": r"(?:(?:is|are|was|were|has|have|been|be|being|to|that|which|can|could|may|might|will|does|do|not|also|further|significantly|consistently) )*",
    "LEAD": r"(?:(?:the|a|an|our|its|their|new|novel|two|three|four|five|six|several|various|popular|public|publicly|available|standard|common|widely|used|widely-used|"
    r"challenging|large|large-scale|real-world|existing|recent|strong|well-known|state-of-the-art|SOTA|different|multiple|many|both|other|such|first|large-scale|\w+ly|"
    r"open-source|representative|diverse|established|benchmark|original|existing|previous|prior|leading|competitive|pre-trained|pretrained|vanilla|modern|famous|small|full) )*",
    "GAP": r"[^<.;]{0,60}?",
    # the rest of a statement in which a cue before it is heard: no other clause begins
    "REACH": r"(?:\([^()]*\)|(?!,? (?:but|yet|while|whereas|although|though|because|since)\b|, (?:we|it|they|our|this|with|even|in (?:this|our)|by \w+ing|(?:\w+ly )?\w+ing)\b|\bWe\b| [–—] |--|,? and that\b|,? and (?:(?:\w+ly|also|still|then|thus|therefore|hence|even|we|it|they) )*"
    r"(?:is|are|was|were|has|have|can|does|show|demonstrat|reveal|report|releas|shed|find|found|propose|present|introduce|compare|evaluate|appl|outperform|beat|surpass|exceed|achiev|reach|improv|obtain|"
    r"attain|match|use|rel(?:y|ies)|help|solve)\w*\b)[^)])*",
    # what may stand between a statement and a cue that follows it
    "THEN": r"(?:(?!\b(?:which|whose|that|who|where|when|if|and|but|because|since|to)\b)[^<,;:])*?",
    # what may stand before the subject of a clause
    "START": r"\W*(?:(?:[A-Z]\w+ly|[Hh]owever|[Mm]oreover|[Ff]urthermore|[Ii]n particular|[Ff]or example|[Bb]esides|[Ii]ndeed|[Aa]nd|[Mm]ost|[Mm]any|[Ss]ome|[Ss]everal|"
    r"[Aa]ll|[Aa] few|[Ff]ew|[Tt]he|of|[Ii]n|[Bb]y),? )*",
    "WIDE": r"(?:[^<.;]|<[A-Za-z]\d+>){0,120}?",
    "BEATS": r"(?:(?:outperform(?:s|ing|ed)?|surpass(?:es|ing|ed)?|exceed(?:s|ing|ed)?)(?! (?:only |far |\w+ly )?by\b)|beat(?:s|ing)?|(?:better|stronger|higher|faster|larger|smaller|more [\w\-]+)(?: [\w\-]+){0,3} than|"
    r"superior(?:ity)? (?:[\w\-]+ ){0,2}(?:to|over)|improv(?:es?|ing|ements?)(?: [\w\-%.\\]+){0,6} (?:over|upon|compared (?:to|with))|gains?(?: [\w\-%.\\]+){0,4} over|advantages? over|"
    r"on par with or better than|speed-?up (?:over|compared (?:to|with)))",
    # as good as, of two methods: "with" alone also says by what means ("competitive results with Adam")
    "PAR": r"(?:(?:on[ -]par|on a par|comparably|competitively|comparable|competitive)(?: with| to)|(?:comparable|competitive|similar|equivalent|close) (?:[\w\-]+ ){0,2}"
    r"(?:performance|results?|accurac(?:y|ies)|quality|scores?|effectiveness|<[Rr]\d+>)(?: (?:compared )?to| (?:compared )?with (?:that|those) of))(?! (?:or|and)\b)",
    "SUCH": r"(?:that of |those of )?(?:[\w\-/]+ ){0,6}?(?:(?:such as|like|including|e\.g\.,) )?",
}


class Named(NamedTuple):
    """A mention, as the rules see it."""

    start: int
    end: int
    label: str
    entity: str
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with its mentions as slots: ``<M3>`` is mention 3, a Method (``<m3>``: a term, without a capital)."""

    start: int
    end: int
    slots: str
    offsets: tuple[tuple[int, int], ...]
    """(place in ``slots``, place in the text) where a run of text or a slot starts."""

    def origin(self, at: int) -> int:
        """The place in the text of a place in ``slots``."""
        i = bisect_right(self.offsets, (at, 1 << 62)) - 1
        here, there = self.offsets[i]
        return there + at - here

    def place(self, at: int) -> int:
        """The place in ``slots`` of a place in the text; of one inside a slot, the slot's end."""
        i = bisect_right(self.offsets, at, key=itemgetter(1)) - 1
        here, there = self.offsets[i]
        following = self.offsets[i + 1][0] if i + 1 < len(self.offsets) else len(self.slots)
        return min(here + at - there, following)


def expand(pattern: str) -> str:
    """The pattern with its macros written out.

    ``{M}`` is one slot of that label, ``{DB}`` of either, ``{X}`` of any; ``{Ms}`` is a list of them; ``{!M}`` is a
    name (a mention with a capital or digit), ``{M}`` a name or a term.
    """

    def slot(m: re.Match[str]) -> str:
        codes = m[2].replace("X", "MDBTR")
        one = rf"<[{codes if m[1] else codes + codes.lower()}]\d+>"
        link = r"(?:, (?:(?:and|or|as well as) {LEAD}|the )?| (?:and|or|&|as well as) {LEAD}|/| ?\+ ?)"
        return rf"{one}{_NOUN}(?:{link}{one}{_NOUN})*" if m[3] else one

    pattern = re.sub(r"\{(!?)([MDBTRX]+)(s?)\}", slot, pattern)
    for name, macro in _MACROS.items():
        pattern = pattern.replace(f"{{{name}}}", macro)
    return pattern.replace(" ?", r"\s*").replace(" ", r"\s+")


class Wording(NamedTuple):
    """A row with a pattern, and what a sentence must hold for it to fit (see :mod:`kgbuild.nlp.literals`)."""

    pattern: re.Pattern[str]
    literals: frozenset[str]
    row: Row


class Rules:
    """The rows, compiled."""

    def __init__(self, rows: Iterable[Row], schema: GraphSchema) -> None:
        self.schema = schema
        self.wordings: list[tuple[Wording, tuple[frozenset[str], ...]]] = []
        self.cues: list[Wording] = []
        self.attachments: dict[tuple[str, str], list[Row]] = defaultdict(list)
        self.added: set[str] = set()
        """Ids of the user's rows: what they state stands, whatever a network makes of it."""
        self.instead: dict[str, tuple[str, ...]] = {}
        """For the ids of wordings the types that they rule out."""
        self._open: dict[tuple[frozenset[str], bool, bool], frozenset[int]] = {}
        self._heard: dict[tuple[str, int, int], tuple[str, str]] = {}
        for row in rows:
            if row.get("adds"):
                self.added.add(row["id"])
            if "instead" in row:
                self.instead[row["id"]] = tuple(row["instead"])
            if "pattern" in row:
                try:
                    pattern = re.compile(expand(row["pattern"]))
                except (re.error, OverflowError, RecursionError) as e:
                    raise RuleError(f"relation rule {row['id']!r} is no regular expression: {e}") from e
                # the mark of where a relation ends is in no sentence
                wording = Wording(pattern, literals(pattern.pattern, but="»"), row)
                if "type" in row:
                    if "tail" not in pattern.groupindex:
                        raise RuleError(f"relation rule {row['id']!r} has no group (?P<tail>…)")
                    needs = tuple(frozenset(codes.replace("X", "MDBTR")) for codes in _MACRO_SLOT.findall(row["pattern"]))
                    self.wordings.append((wording, needs))
                else:
                    self.cues.append(wording)
            else:
                self.attachments[row["proposal"], row["place"]].append(row)
        self._literals = Literals((*(w.literals for w, _ in self.wordings), *(c.literals for c in self.cues), literals(_COMPARES.pattern)))

    @property
    def comparing(self) -> int:
        """The number of what tells that a sentence compares."""
        return len(self.wordings) + len(self.cues)

    def fitting(self, codes: frozenset[str], title: bool, introducing: bool, told: Iterable[int]) -> list[Wording]:
        """The wordings for a sentence with mentions of these labels, of those that its literals tell of."""
        key = codes, title, introducing
        if key not in self._open:
            self._open[key] = frozenset(
                n
                for n, (wording, needs) in enumerate(self.wordings)
                if (wording.row["type"] == "INTRODUCES") == introducing
                and wording.row.get("title", title) == title
                and not any(codes.isdisjoint(need) for need in needs)
            )
        return [self.wordings[n][0] for n in told if n in self._open[key]]

    def polarity(self, part: Sentence, start: int, end: int, kind: str = "") -> str:
        """How a sentence speaks of what its text from ``start`` to ``end`` states (``asserted``, ``negated``, …).

        The first cue that fits in the clause decides; examples of a kind ("X such as Y") are asserted by any clause. A relation of two mentions is stated from where
        the first begins to where the second ends; one whose ends stand in two sentences, by the end in ``part`` alone.
        ``kind`` is the type of the relation: where an outcome is denied or doubted ("A does not beat B on X"), A was
        evaluated on X all the same.
        """
        at = part.slots, part.place(start), part.place(end)
        heard = self._heard.get(at)
        if heard is None:
            if len(self._heard) > 1000:
                self._heard.clear()
            heard = self._heard[at] = self._hear(*at)
        found, said = heard
        outcome = found in ("negated", "hedged") and kind in ("EVALUATED_ON", "FOR_TASK", "PART_OF") and _OUTCOME.search(said)
        return "asserted" if outcome else found

    def _hear(self, slots: str, first: int, last: int) -> tuple[str, str]:
        """The polarity of what a sentence states from one place to another, and the clause up to there."""
        if _EXAMPLES.fullmatch(slots, first, last):
            return "asserted", ""
        opening = _OPENING.match(slots, 0, first)
        breaks = [m.end() for m in _BREAK.finditer(slots, opening.end() if opening else 0, first)]
        left = breaks[-1] if breaks else opening.end() if opening else 0
        closing = _BREAK.search(slots, last)
        said, rest = slots[left:last], slots[last : closing and closing.start()]
        if "\\" in slots:
            said, rest = _MARKUP.sub(r"\1", said), _MARKUP.sub(r"\1", rest)
        whole = f"{said}»{rest}"
        cues = (self.cues[n - len(self.wordings)] for n in self.told(slots) if len(self.wordings) <= n < self.comparing)
        fitting = (c for c in cues if c.pattern.search(whole if "»" in c.row["pattern"] else said))
        return next((c.row["polarity"] for c in fitting), "asserted"), said

    def told(self, slots: str) -> list[int]:
        """The numbers of the wordings, of the cues that follow them, and ``comparing``, of which a sentence holds a literal,
        or which have none: wordings are searched as it stands, cues without markup."""
        return self._literals.fitting(lower("\n".join((slots, _MARKUP.sub(r"\1", slots))) if "\\" in slots else slots))


def sentences(text: str, spans: Sequence[Span], mentions: Sequence[Named]) -> list[Sentence]:
    """The sentences of a text with slots. A short form in brackets after its long form is one slot with it."""
    out: list[Sentence] = []
    rest = [(i, m) for i, m in enumerate(mentions) if m.label in _CODE_OF]
    for start, end in spans:
        inside = [(i, m) for i, m in rest if start <= m.start and m.end <= end]
        slots, offsets, at = "", [], start
        previous: Named | None = None
        for i, m in inside:
            between = text[at : m.start]
            if previous is not None and previous.entity == m.entity and between.strip() == "(" and text[m.end : m.end + 1] == ")":
                at = m.end + 1
                continue
            offsets += [(len(slots), at), (len(slots) + len(between), m.start)]
            slots += _plain(between) + _slot(text, m, i)
            at, previous = m.end, m
        offsets.append((len(slots), at))
        slots += _plain(text[at:end])
        out.append(Sentence(start, end, slots, tuple(sorted(set(offsets)))))
    return out


def _slot(text: str, m: Named, i: int) -> str:
    code = _CODE_OF[m.label]
    surface = text[m.start : m.end]
    return f"<{code}{i}>" if surface != surface.lower() or any(map(str.isdigit, surface)) else f"<{code.lower()}{i}>"


def _plain(text: str) -> str:
    return re.sub(r"\s", " ", text.replace("<", "‹").replace(">", "›"))


def relations(text: str, spans: Sequence[Span], mentions: Sequence[Named], rules: Rules) -> list[Relation]:
    """What the paper states about its mentions, by position. The first sentence is the title."""
    best: dict[tuple[str, str, str, tuple[Span, ...]], Relation] = {}
    for r in statements(text, spans, mentions, rules):
        key = (r.type, r.head, r.tail, r.sentences)
        if key not in best or best[key].confidence < r.confidence:
            best[key] = r
    placed = [compared(r, text, mentions) for r in best.values()]
    return sorted(placed, key=lambda r: (r.sentences, r.tail_span, r.type, r.head))


def statements(text: str, spans: Sequence[Span], mentions: Sequence[Named], rules: Rules) -> list[Relation]:
    """What each rule says of a paper, also where another says the same of the same sentence."""
    known = [m for m in mentions if m.label in _CODE_OF]
    reader = _Reader(sentences(text, spans, known), known, rules)
    stated = list(reader.wordings(introducing=True))
    reader.find_proposals(stated)
    stated += reader.wordings(introducing=False)
    barred = ruled_out(stated, rules)
    stated = [r for r in stated if r.sentences not in barred.get((r.type, r.head, r.tail), ()) or r.source in rules.added]
    pairs = {frozenset((r.head, r.tail)) for r in stated}
    return stated + [r for r in reader.attachments() if frozenset((r.head, r.tail)) not in pairs]


def ruled_out(stated: Iterable[Relation], rules: Rules) -> dict[tuple[str, str, str], set[tuple[Span, ...]]]:
    """(type, head, tail) of what does not hold, for wordings say another thing of the two: that they are on par; and the
    sentences that say so. Another sentence may still say that one beats the other, on other data."""
    out: dict[tuple[str, str, str], set[tuple[Span, ...]]] = defaultdict(set)
    for r in stated:
        for kind in rules.instead.get(r.source, ()) if r.polarity == "asserted" else ():
            out[kind, r.head, r.tail].add(r.sentences)
            out[kind, r.tail, r.head].add(r.sentences)
    return out


def compared(comparison: Relation, text: str, mentions: Sequence[Named]) -> Relation:
    """A comparison with the data and the metric that it is stated on: "B on X", else the only ones in its clause,
    which begins or ends at a semicolon, a "but" or a "while" ("A beats B on X, but B beats A on Y").
    A relation of another type stays as it is."""
    if comparison.type not in ("OUTPERFORMS", "COMPARED_WITH"):
        return comparison
    start, end = comparison.tail_span
    first, last = next(s for s in comparison.sentences if s[0] <= start < s[1])
    # a name may go on beyond what is taken for its sentence's end
    cuts = [first, *(m.start() for m in _CLAUSE.finditer(text, first, last)), max(last, end)]
    left, right = max(c for c in cuts if c <= start), min(c for c in cuts if c >= end)
    inside = [m for m in mentions if left <= m.start and m.end <= right]
    data = {m.entity for m in inside if m.label in ("Dataset", "Benchmark")}
    beside = [m for m in inside if m.entity in data and m.start > end and re.fullmatch(r"[^.,]{0,30}\bon (?:the )?", text[end : m.start])]
    if beside:
        data = {min(beside, key=lambda m: m.start).entity}
    metrics = {m.entity for m in inside if m.label == "Metric"}
    return replace(comparison, on=data.pop() if len(data) == 1 else None, metric=metrics.pop() if len(metrics) == 1 else None)


def proposals(introduced: Iterable[str], mentions: Sequence[Named]) -> tuple[str | None, str | None]:
    """The method, and the data set or benchmark, among the introduced entities that the paper names first."""
    first: dict[str, int] = {}
    label = {m.entity: m.label for m in mentions}
    for m in mentions:
        first.setdefault(m.entity, m.start)
    order = sorted(set(introduced), key=first.__getitem__)
    method = next((e for e in order if label[e] == "Method"), None)
    return method, next((e for e in order if label[e] != "Method"), None)


_BODY = re.compile(
    r"\b(?:we|paper|work|study|article|report)\b[^.]{0,60}?\b(?:propos|present|introduc|develop|design|describ|releas|address|tackl|"
    r"explor|investigat|stud|show|demonstrat|fine-tun|build|creat|construct|evaluat|analy|examin|formul|provid|compar)|\bproposed?\b",
    re.IGNORECASE,
)
"""Begins the part of an abstract that speaks of the paper's own work."""

_OWN = re.compile(r"\b(?:we|our|this (?:paper|work|study|article|report)|the proposed)\b", re.IGNORECASE)
_COMPARES = re.compile(r"outperform|surpass|exceed|superior|compared (?:to|with)|\bthan\b|baseline|\bbeat", re.IGNORECASE)
_OUTCOME = re.compile(rf"{_COMPARES.pattern}|improv|\breach|achiev|attain|obtain", re.IGNORECASE)
"""How well something did, which is denied or doubted of what was evaluated all the same."""
_CLAUSE = re.compile(r"[;:]|,? (?:but|while|although|whereas|however|though)\b")
_BREAK = re.compile(
    r"\((?=[^()]*(?<!\w)(?!(?:19|20)\d\d\b)\d)|,? (?:while|although|whereas|though|since|because|if|when|unlike|despite) [^,;:]*,|"
    + _CLAUSE.pattern
)
"""Begins a clause to which no cue before it reaches: also a subordinate one that a comma ends, and figures in brackets."""

_OPENING = re.compile(
    r"\W*(?:Although|Though|Even though|While|Whereas|Since|Because|As|Unlike|Despite|Without|Rather than|Instead of|Compared|Following|Inspired|Motivated|Based|"
    r"Building|If|When|In contrast|Contrary|Given|To|Not only|Beyond|Apart from|Due to|With|Even with|For|Using|Under|After|Before|Like)\b[^,;:]*,"
)
"""A part of a sentence before its main clause: what is denied or told of others there is not said of the rest."""
_EXAMPLES = re.compile(r"<\w\d+>[^<,;]{0,20},? \(?(?:such as|like|including|e\.g\.),? (?:the )?<\w\d+>(?:(?:,|,? and|,? or) <\w\d+>)*")
"""Holds whatever its clause says: "previous work uses X such as Y"."""
_MARKUP = re.compile(r"\\(?:emph|textit|textbf|underline|text|mathrm)\{([^{}]*)\}")


class _Reader:
    """One paper: its sentences, and what it proposes."""

    def __init__(self, parts: Sequence[Sentence], mentions: Sequence[Named], rules: Rules) -> None:
        self.parts = parts
        self.mentions = mentions
        self.rules = rules
        self.label = {m.entity: m.label for m in mentions}
        self.sure: dict[str, float] = {}
        for m in mentions:
            self.sure[m.entity] = max(m.confidence, self.sure.get(m.entity, 0.0))
        self.method: str | None = None
        self.resource: str | None = None
        self.where: dict[str, list[tuple[int, Named]]] = defaultdict(list)
        for m in mentions:
            i = bisect_right([p.start for p in parts], m.start) - 1
            self.where[m.entity].append((i, m))
        self.body = next((i for i, p in enumerate(parts) if i and _BODY.search(p.slots)), len(parts))
        self.told = [rules.told(p.slots) for p in parts]
        self.own = [_OWN.search(p.slots) is not None for p in parts]
        self.compares = [rules.comparing in told and _COMPARES.search(p.slots) is not None for p, told in zip(parts, self.told, strict=True)]

    def find_proposals(self, introductions: Iterable[Relation]) -> None:
        """Notes the method and the resource that the paper introduces, and where it begins to speak of them."""
        self.method, self.resource = proposals((r.tail for r in introductions if r.polarity == "asserted"), self.mentions)
        first = min((i for e in (self.method, self.resource) if e for i, _ in self.where[e] if i), default=len(self.parts))
        self.body = min(self.body, first)

    def proposal(self, kind: str, tail: str) -> str | None:
        """The proposal that may be the head of such a relation: a named one, else the paper; None where none may."""
        for entity in (self.method, self.resource):
            if entity and entity != tail and self.rules.schema.allows(kind, self.label[entity], self.label[tail]):
                return entity
        return PAPER if self.rules.schema.allows(kind, "Paper", self.label[tail]) else None

    def wordings(self, *, introducing: bool) -> Iterator[Relation]:
        """Relations by the rows with a pattern: those that say what the paper introduces, or all others."""
        for i, part in enumerate(self.parts):
            codes = frozenset(_CODE.findall(part.slots.upper()))
            for wording in self.rules.fitting(codes, i == 0, introducing, self.told[i]):
                for m in wording.pattern.finditer(part.slots):
                    yield from self._matched(part, m, wording.row)

    def _matched(self, part: Sentence, m: re.Match[str], row: Row) -> Iterator[Relation]:
        kind: str = row["type"]
        polarity = self.rules.polarity(part, part.origin(m.start()), part.origin(m.end()), kind)
        tails = [self.mentions[int(n)] for n in _SLOT.findall(m["tail"])]
        has_head = "head" in m.re.groupindex and m["head"] is not None
        heads = [self.mentions[int(n)] for n in _SLOT.findall(m["head"])] if has_head else []
        for tail in tails:
            if heads:
                ends: list[tuple[str, Span | None]] = [(h.entity, (h.start, h.end)) for h in heads]
            else:
                head = PAPER if row.get("head") == PAPER else self.proposal(kind, tail.entity)
                if head is None:
                    continue
                ends = [(head, (part.origin(m.start("head")), part.origin(m.end("head"))) if has_head else None)]
            for head, span in ends:
                label = "Paper" if head == PAPER else self.label[head]
                if head != tail.entity and self.rules.schema.allows(kind, label, tail.label):
                    yield Relation(
                        type=kind,
                        head=head,
                        tail=tail.entity,
                        sentences=((part.start, part.end),),
                        head_span=span,
                        tail_span=(tail.start, tail.end),
                        source=row["id"],
                        confidence=self._confidence(row, head, tail.entity),
                        polarity=polarity,
                    )

    def attachments(self) -> Iterator[Relation]:
        """Relations by the rows without a pattern: of each entity to the proposal, by place."""
        both = self.method is not None and self.resource is not None
        proposals = [(kind, e) for kind, e in (("method", self.method), ("resource", self.resource)) if e is not None]
        for kind, proposal in proposals or [("unnamed", PAPER)]:
            for entity, label in self.label.items():
                if entity == proposal:
                    continue
                i, m = self.place(entity, proposal)
                for row in self.rules.attachments[kind, self._place_name(i, proposal)]:
                    others: list[str] = row["tails"] if "tails" in row else row["heads"]
                    fits = label in others and row.get("compared", False) == self._compared(i, label)
                    if fits and not (both and row.get("alone", False)):
                        yield from self._attach(row, proposal, entity, i, m)

    def place(self, entity: str, proposal: str) -> tuple[int, Named]:
        """The sentence and mention by which an entity is attached: in the title, with the proposal, of own work, any."""
        own = {i for i, _ in self.where.get(proposal, ())}
        return min(
            self.where[entity],
            key=lambda im: (im[0] != 0, im[0] < self.body, im[0] not in own, not self.own[im[0]], im[0], im[1].start),
        )

    def _place_name(self, i: int, proposal: str) -> str:
        if i == 0:
            return "title"
        if i < self.body:
            return "background"
        if any(j == i for j, _ in self.where.get(proposal, ())):
            return "beside"
        return "own" if self.own[i] else "later"

    def _compared(self, i: int, label: str) -> bool:
        return label == "Method" and i >= self.body and self.compares[i]

    def _attach(self, row: Row, proposal: str, entity: str, i: int, m: Named) -> Iterator[Relation]:
        head, tail = (proposal, entity) if "tails" in row else (entity, proposal)
        if tail == PAPER:
            return
        head_label = "Paper" if head == PAPER else self.label[head]
        if not self.rules.schema.allows(row["type"], head_label, self.label[tail]):
            return
        named = self.where.get(proposal, [])
        j, p = next(((j, p) for j, p in named if j == i), named[0] if named else (i, None))
        spans = {entity: (m.start, m.end), proposal: (p.start, p.end) if p else None}
        tail_span = spans[tail]
        if tail_span is None:
            return
        part = self.parts[i]
        yield Relation(
            type=row["type"],
            head=head,
            tail=tail,
            sentences=tuple((self.parts[k].start, self.parts[k].end) for k in sorted({i, j})),
            head_span=spans[head],
            tail_span=tail_span,
            source=row["id"],
            confidence=self._confidence(row, head, tail),
            polarity=self.rules.polarity(part, m.start, m.end, row["type"]),
        )

    def _confidence(self, row: Row, head: str, tail: str) -> float:
        """That the rule is right and both ends are entities."""
        sure: float = row["precision"] * self.sure.get(head, 1.0) * self.sure[tail]
        return round(sure, 3)
