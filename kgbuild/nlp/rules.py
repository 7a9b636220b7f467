"""Patterns for names and terms that no lexicon knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from kgbuild.errors import RuleError
from kgbuild.nlp.literals import Literals, literals, lower
from kgbuild.nlp.rows import Row
from kgbuild.nlp.text import Word, fold_word, singular
from kgbuild.records import Span

FIELDS: dict[str, type] = {
    "id": str,
    "label": str,
    "pattern": str,
    "heads": list,
    "bare": bool,
    "max": int,
    "adds": bool,
    "precision": float,
    "examples": list,
    "counters": list,
}
"""Fields of a row. ``pattern``: a regular expression whose group ``name`` is the mention, or ``heads``: last words of
terms, whose modifiers are read off to the left, ``max`` of them at most. ``adds``: it also speaks where a trained tagger
sees nothing, as a user's row does unless it says no. ``examples`` mark each mention with [ ]."""
REQUIRED = ("id", "label", "precision", "examples", "counters")

GENERIC: dict[str, type] = {"id": str, "words": list, "adds": bool, "examples": list, "counters": list}
"""Fields of a row of ``words`` that are no entity; with ``adds`` (the user's) not even where a model says so.
``examples`` mark with [ ] what patterns find without the row and not with it; of ``counters`` the row takes nothing."""
GENERIC_REQUIRED = ("id", "words", "examples", "counters")

_MACROS = {
    "S": r"(?:[ \n]+)",
    "WORD": r"[^\W_]\w*",
    # a word with a second capital, or a digit after a letter, and what hyphens tie to it
    "NAME": r"{NAMED}{TIED}",
    "NAMED": r"(?<![\w\-–/.\\$@&;])(?=[\w\-–.+/]*?(?:[^\W\d_][A-Z]|[^\W_]-?\d|\d[A-Z]|[A-Z]-[A-Z]))(?=[\d.]*[^\W\d_])(?![\d.]+[a-zA-Z]{1,2}\b|\d+[xX×]\d+\b)",
    # the same, or any capitalised word
    "CAP": r"{CAPITAL}{TIED}",
    "CAPITAL": r"(?<![\w\-–/.\\$@&;])(?=\w*[A-Z])",
    "TIED": r"{WORD}(?:[-–/.+'’]{WORD})*\+{0,2}",
    "VERSION": r"(?:{S}(?:v?\d+(?:\.\d+)*[A-Za-z]{0,2}|\d+(?:\.\d+)?[BbMK]|Pro|Mini|mini|Flash|Large|Base|Small|Turbo|Ultra|Max|Nano|Plus|XL|Instruct|Chat|Thinking|Opus|Sonnet|Haiku|Lite|Preview)\b(?!%))",
    "ITEM": r"(?:{CAP}{VERSION}?)",
    "LIST": r"{ITEM}(?:(?:,{S}(?:and{S}|or{S})?|{S}(?:and|or|&){S}){ITEM})*",
    "DATA": r"(?:data{S}?sets?|corpus|corpora|databases?|treebanks?)\b",
    "BENCH": r"(?:benchmarks?|leaderboards?|challenges?|shared{S}tasks?|test{S}?(?:suite|bed)s?|competitions?|evaluation{S}suites?)\b",
    "METH": r"(?:models?|methods?|approach(?:es)?|frameworks?|algorithms?|networks?|architectures?|systems?|pipelines?|paradigms?|strategy|technique|mechanism|modules?|agents?|loss|optimizers?|toolkit|library|toolbox|tool|engine|encoders?|decoder|polic(?:y|ies)|regularizer|plugin|extension|variants?|solution|scheme|backbones?|family|LLMs?|VLMs?|MLLMs?|transformers?|baselines?|detectors?|generator|codec|tokenizer|platform|operator|layer|procedure|recipe|series)\b",
    # up to eight words that lead to a head noun
    "KIND": r"(?:(?!(?:{DATA}|{BENCH}|{METH}|(?:that|which|for|to|of|with|on|in|from|by|is|are|tasks?|metrics?|stud(?:y|ies))\b))[\w\-/'’]+,?{S}){0,8}",
}
"""What a pattern may name in braces."""


def expand(pattern: str) -> str:
    """The pattern with its macros written out."""
    while (m := re.search(r"\{([A-Z]+)\}", pattern)) and m[1] in _MACROS:
        pattern = pattern.replace(m.group(), _MACROS[m[1]])
    return pattern


_ITEM = re.compile(expand("{ITEM}"))
_STARTS = {name: re.compile(expand(f"{{{name}}}{{WORD}}")) for name in ("NAMED", "CAPITAL")}
"""Where a name, or a capitalised word, may start."""
_LEADS = re.compile(r"\(\?P<names?>\{(NAME|CAP|LIST)\}")
_OPTIONAL = re.compile(r"[?*]|\{[\d,]")
_FIRST_WORD = re.compile(r"(\w+)\s+")
_TAIL = re.compile(
    r"(?:['’]s|[-–](?:based|style|like|driven|guided|free|level|aware|trained|tuned|generated|specific|powered|enhanced|augmented|"
    r"inspired|type|only|related|centric|compatible|native|equipped|derived|shot|to|and|of|the|in|as|sized?|scale|scaled|"
    r"family|class|enabled|assisted|finetuned|pretrained|initialized|dependent|induced|oriented|agnostic|hard|distilled|"
    r"integrated|infused|backed|friendly|optimal|regularized|compressed|quantized|annotated|score|scores))+$"
)


class Found(NamedTuple):
    """``text[start:end]`` is a name or term by the rule ``row``."""

    start: int
    end: int
    row: Row


def compile_pattern(row: Row) -> re.Pattern[str]:
    """The regular expression of a row, its macros written out."""
    written = expand(row["pattern"])
    if unknown := re.search(r"\{[A-Z]+\}", written):
        raise RuleError(f"pattern {row['id']!r} has {unknown.group()}, which is no macro; there are {', '.join(sorted(_MACROS))}")
    try:
        pattern = re.compile(written)
    except (re.error, OverflowError, RecursionError) as e:
        raise RuleError(f"pattern {row['id']!r} is no regular expression: {e}") from e
    if not {"name", "names"} & pattern.groupindex.keys():
        raise RuleError(f"pattern {row['id']!r} has neither a group (?P<name>…) nor (?P<names>…)")
    return pattern


class Rules:
    """Pattern rows, and the words that end a term on its left (``boundary``) or are no entity (``generic``)."""

    def __init__(self, rows: Iterable[Row], boundary: Iterable[str], generic: Sequence[Row]) -> None:
        self.boundary = frozenset(boundary)
        self.generic = frozenset(plain(word) for row in generic for word in row["words"])
        self.never = frozenset(plain(word) for row in generic if row.get("adds") for word in row["words"])
        """Those of the user's rows, which no one may mark."""
        self.patterns: list[tuple[re.Pattern[str], str, frozenset[str], Row]] = []
        """With what it begins with, a key of ``_STARTS``, or nothing; and what a text must hold (``literals``)."""
        self.heads: dict[str, Row] = {}
        for row in rows:
            if "pattern" in row:
                pattern = compile_pattern(row)
                self.patterns.append((pattern, _lead(row["pattern"]), literals(pattern.pattern), row))
            for head in row.get("heads", ()):
                self.heads.setdefault(head, row)
        self._literals = Literals(some for *_, some, _ in self.patterns)

    def find(self, text: str, text_words: Sequence[Word]) -> Iterator[Found]:
        """Every name or term in the text, overlapping ones included."""
        patterns = [self.patterns[n] for n in self._literals.fitting(lower(text))]
        leads = {lead for _, lead, _, _ in patterns if lead}
        starts = {name: [m.start() for m in _STARTS[name].finditer(text)] for name in sorted(leads)}
        for pattern, lead, _, row in patterns:
            for m in _matches(pattern, text, starts[lead]) if lead else pattern.finditer(text):
                if "name" in pattern.groupindex:
                    spans = [m.span("name")]
                else:
                    spans = [item.span() for item in _ITEM.finditer(text, *m.span("names"))]
                for start, end in spans:
                    start, end = self._trim(text, start, end)
                    if end > start and not self.is_generic(text[start:end]):
                        yield Found(start, end, row)
        for i, word in enumerate(text_words if self.heads else ()):
            head = self.heads.get(singular(fold_word(word.text)))
            if head is not None:
                start = text_words[self._leftmost(text, text_words, i, head.get("max", 3))].start
                if (start < word.start or head.get("bare")) and not self.is_generic(text[start : word.end]):
                    yield Found(start, word.end, head)

    def _trim(self, text: str, start: int, end: int) -> Span:
        """The span without a first word that begins no name (``The``) and without what hyphens add (``-based``)."""
        while (first := _FIRST_WORD.match(text, start, end)) and first[1].casefold() in self.boundary and first[1][1:].islower():
            start = first.end()
        surface = _TAIL.sub("", text[start:end])
        plain = surface[1:].islower() and surface.casefold() in self.boundary
        return start, start if plain else start + len(surface)

    def is_generic(self, surface: str) -> bool:
        """Whether the surface is on the list of what is no entity."""
        return plain(surface) in self.generic

    def _leftmost(self, text: str, text_words: Sequence[Word], i: int, most: int) -> int:
        """Index of the first word of the term whose last word is ``i``: hyphenated words count as one modifier."""
        first, title = _unit(text, text_words, i), text.find("\n")
        for _ in range(most):
            gap = (text_words[first - 1].end, text_words[first].start)
            if not first or text[slice(*gap)].strip() or gap[0] <= title < gap[1]:
                break
            start = _unit(text, text_words, first - 1)
            unit = text[text_words[start].start : text_words[first - 1].end]
            if unit.casefold() in self.boundary or unit.isdigit():
                break
            first = start
        return first


def _lead(pattern: str) -> str:
    """What every match of a pattern begins with, as a key of ``_STARTS``; empty where it may begin otherwise."""
    lead = _LEADS.match(pattern)
    if lead is None:
        return ""
    plain = re.sub(r"\\.|\[[^\]]*\]", lambda m: "." * len(m.group()), pattern)
    depth, first = 0, 0
    for i, c in enumerate(plain):
        depth += (c == "(") - (c == ")")
        # another way to begin, of the whole or within the group that it begins with
        if c == "|" and depth <= (not first):
            return ""
        if not depth and not first:
            first = i
    if _OPTIONAL.match(plain, lead.end()) or _OPTIONAL.match(plain, first + 1):
        return ""
    return "NAMED" if lead[1] == "NAME" else "CAPITAL"


def _matches(pattern: re.Pattern[str], text: str, starts: Iterable[int]) -> Iterator[re.Match[str]]:
    """What ``finditer`` gives of a pattern that can only match at ``starts``: most of a text need not be tried."""
    end = 0
    for start in starts:
        if start >= end and (m := pattern.match(text, start)):
            yield m
            end = m.end()


def plain(surface: str) -> str:
    """The words of a surface, each folded: as lists of what is no entity are compared."""
    return " ".join(fold_word(w) for w in re.findall(r"\w+[+#*]*", surface))


def _unit(text: str, text_words: Sequence[Word], i: int) -> int:
    """Index of the first of the words that hyphens tie to word ``i``."""
    while i > 0 and text[text_words[i - 1].end : text_words[i].start] in ("-", "–"):
        i -= 1
    return i
