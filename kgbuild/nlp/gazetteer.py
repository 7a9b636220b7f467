"""The lexicon: known names, and where a text writes one of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from kgbuild.nlp.rows import Row
from kgbuild.nlp.text import CACHED, Word, fold, fold_word, singular

FIELDS: dict[str, type] = {
    "id": str,
    "label": str,
    "name": str,
    "aliases": list,
    "case": bool,
    "context": list,
    "unless": list,
    "variant_of": str,
    "better": str,
    "precision": float,
    "examples": list,
    "counters": list,
}
"""Fields of a row. ``case``: only written exactly so (a name that is also a common word); ``context``: one of these
words must stand in the text too, and none of ``unless``; ``variant_of``: id of the family; ``better``: ``higher`` or ``lower``, for metrics.
``examples`` mark the name with [ ], ``counters`` write it where it means something else: for names that are common words."""
REQUIRED = ("id", "label", "name")

_GAP = re.compile(r"\s+|\s?[-‐‑–—/'’@+.:^~&*]\s?|\}?\$?[_^]?\{?|\\_|\s?\(|\)\s?")
_PLUS = re.compile(r"\+{1,2}(?![\w+])")
_MAX_WORDS = 9


class Hit(NamedTuple):
    """``text[start:end]`` is a name of ``row``."""

    start: int
    end: int
    row: Row


class Lexicon:
    """Finds names by hash look-ups of joined words: linear in the text, whatever the number of rows.

    spaCy's PhraseMatcher compares token by token, so every spelling (``fine-tuning``, ``fine tuning``,
    ``finetuning``, a line break within) would be a pattern of its own; here they share one key.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.names: dict[str, list[tuple[str, Row]]] = {}
        for row in rows:
            for name in (row["name"], *row.get("aliases", ())):
                self.names.setdefault(fold(name), []).append((name, row))
        self._goes_on: dict[str, set[str]] = defaultdict(set)
        """For each beginning of a key the characters with which the next word may start."""
        for key in self.names:
            for i in range(1, len(key)):
                # a point stands between the digits of two words, as in ``join``
                self._goes_on[key[:i]].add(key[i + 1 : i + 2] if key[i] == "." else key[i])

    def find(self, text: str, text_words: Sequence[Word]) -> Iterator[Hit]:
        """Every place where the text writes a name, overlapping ones included, by start and then length."""
        forms = [_forms(w.text) for w in text_words]
        lower = text.casefold()
        goes_on, none = self._goes_on, frozenset[str]()
        initials = [folded[0] for folded, _ in forms[1:]] + [""]
        for i, first in enumerate(text_words):
            before, last = forms[i]
            if last not in self.names and initials[i] not in goes_on.get(before, none) and not text.startswith("+", first.end):
                continue
            for j in range(i, min(i + _MAX_WORDS, len(text_words))):
                word = text_words[j]
                end = word.end
                if j > i:
                    folded, last = forms[j]
                    # digits of two words do not run together, as in ``join``
                    before += "." if before[-1].isdigit() and folded[0].isdigit() else ""
                    last, before = before + last, before + folded
                if text.startswith("+", end) and (plus := _PLUS.match(text, end)):
                    end = plus.end()
                for name, row in self.names.get(last + text[word.end : end], ()):
                    if _written_so(text[first.start : end], name, row) and _in_context(lower, row):
                        yield Hit(first.start, end, row)
                        break
                if initials[j] not in goes_on.get(before, none) or not _GAP.fullmatch(text, word.end, text_words[j + 1].start):
                    break


@lru_cache(CACHED)
def _forms(word: str) -> tuple[str, str]:
    """A word as it stands within a name, and as its last word."""
    return fold_word(word), fold_word(singular(word))


def _written_so(surface: str, name: str, row: Row) -> bool:
    """Whether the case of the surface is that of the name: asked of capitals, short names and rows with ``case``.

    A surface that holds one bracket of a pair is none: "(SGD) data set" is no "SGD dataset".
    """
    if surface.count("(") != surface.count(")"):
        return False
    if name == name.lower() or not (row.get("case") or name.isupper() or len(name) <= 4):
        return True
    return _letters(surface) == _letters(name)


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", singular(name))


def _in_context(lower: str, row: Row) -> bool:
    context = row.get("context")
    fits = not context or any(word in lower for word in context)
    return fits and not any(word in lower for word in row.get("unless", ()))
