"""Patterns for names and terms that no lexicon knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kgbuild.errors import RuleError
from kgbuild.nlp.rows import Row
from kgbuild.nlp.text import Word, fold_word, singular

FIELDS: dict[str, type] = {
    "id": str,
    "label": str,
    "pattern": str,
    "heads": list,
    "bare": bool,
    "max": int,
    "precision": float,
    "examples": list,
    "counters": list,
}
"""Fields of a row. ``pattern``: a regular expression whose group ``name`` is the mention, or ``heads``: last words of
terms, whose modifiers are read off to the left, ``max`` of them at most. ``examples`` mark each mention with [ ]."""
REQUIRED = ("id", "label", "precision", "examples", "counters")

_WORD = r"[^\W_]\w*"
_MACROS = {
    # a word with a second capital, or a digit after a letter, and what hyphens tie to it
    "NAME": rf"(?<![\w\-–/.\\$@&;])(?=[\w\-–.+/]*?(?:[^\W\d_][A-Z]|[^\W\d_]-?\d|\d[A-Z]|[A-Z]-[A-Z]))(?!\d+[a-z]{{1,2}}\b){_WORD}(?:[-–/.+'’]{_WORD})*\+{{0,2}}",
    # the same, or any capitalised word
    "CAP": rf"(?<![\w\-–/.\\$@&;])(?=\w*[A-Z]){_WORD}(?:[-–/.+'’]{_WORD})*\+{{0,2}}",
    "VERSION": r"(?:[ \n](?:v?\d+(?:\.\d+)*[A-Za-z]{0,2}|\d+(?:\.\d+)?[BbMK]|Pro|Mini|mini|Flash|Large|Base|Small|Turbo|Ultra|Max|Nano|Plus|XL|Instruct|Chat|Thinking|Opus|Sonnet|Haiku|Lite|Preview))",
}
_TAIL = re.compile(
    r"(?:[-–](?:based|style|like|driven|guided|free|level|aware|trained|tuned|generated|specific|powered|enhanced|augmented|"
    r"inspired|type|only|related|centric|compatible|native|equipped|derived|shot|to|and|of|the|in|as|sized?|scale|scaled|"
    r"family|class|enabled|assisted|finetuned|pretrained|initialized|dependent|induced|oriented|agnostic|hard|distilled|"
    r"integrated|infused|backed|friendly|optimal|regularized|compressed|quantized|annotated|score|scores))+$"
)


@dataclass(frozen=True, slots=True)
class Found:
    """``text[start:end]`` is a name or term by the rule ``row``."""

    start: int
    end: int
    row: Row


def compile_pattern(row: Row) -> re.Pattern[str]:
    """The regular expression of a row, its macros (``{NAME}``, ``{CAP}``, ``{VERSION}``) written out."""
    source: str = row["pattern"]
    for name, macro in _MACROS.items():
        source = source.replace(f"{{{name}}}", macro)
    try:
        pattern = re.compile(source)
    except re.error as e:
        raise RuleError(f"pattern {row['id']!r} is no regular expression: {e}") from e
    if "name" not in pattern.groupindex:
        raise RuleError(f"pattern {row['id']!r} has no group (?P<name>…)")
    return pattern


class Rules:
    """Pattern rows, and the words that end a term on its left (``boundary``) or are no entity (``generic``)."""

    def __init__(self, rows: Iterable[Row], boundary: Iterable[str], generic: Iterable[str]) -> None:
        self.boundary = frozenset(boundary)
        self.generic = frozenset(generic)
        self.patterns: list[tuple[re.Pattern[str], Row]] = []
        self.heads: dict[str, Row] = {}
        for row in rows:
            if "pattern" in row:
                self.patterns.append((compile_pattern(row), row))
            for head in row.get("heads", ()):
                self.heads[head] = row

    def find(self, text: str, text_words: list[Word]) -> Iterator[Found]:
        """Every name or term in the text, overlapping ones included."""
        for pattern, row in self.patterns:
            for m in pattern.finditer(text):
                start, end = m.span("name")
                end = start + len(_TAIL.sub("", text[start:end]))
                if end > start and not self.is_generic(text[start:end]):
                    yield Found(start, end, row)
        for i, word in enumerate(text_words):
            head = self.heads.get(singular(fold_word(word.text)))
            if head is not None:
                start = text_words[self._leftmost(text, text_words, i, head.get("max", 3))].start
                if (start < word.start or head.get("bare")) and not self.is_generic(text[start : word.end]):
                    yield Found(start, word.end, head)

    def is_generic(self, surface: str) -> bool:
        """Whether the surface is on the list of what is no entity."""
        return " ".join(fold_word(w) for w in re.findall(r"\w+", surface)) in self.generic

    def _leftmost(self, text: str, text_words: list[Word], i: int, most: int) -> int:
        """Index of the first word of the term whose last word is ``i``."""
        first, units = i, 0
        while first > 0 and units < most:
            previous = text_words[first - 1]
            gap = text[previous.end : text_words[first].start]
            hyphen = gap in ("-", "–")
            if not hyphen and (gap.strip() or fold_word(previous.text) in self.boundary or not gap):
                break
            if not hyphen and previous.text.isdigit():
                break
            first -= 1
            units += not hyphen
        return first
