"""What a text must hold for a regular expression to match at all: most texts lack it, so most need not be searched.

The idea is the prefilter of RE2 and of grep; Python's ``re`` has none.
"""

from __future__ import annotations

import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from ahocorasick_rs import AhoCorasick, Implementation

from kgbuild.nlp.text import SURROGATE

if sys.version_info >= (3, 11):
    from re import _constants as ops  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]
else:
    import sre_constants as ops
    import sre_parse as parser

MOST = 40
"""Literals beyond which asking for them costs more than it saves."""
SHORTEST = 3
"""Characters of a literal from which on it tells texts apart."""
LONG = 6
"""Characters from which on a longer one is no rarer, and fewer of them are the better."""


def literals(pattern: str, but: str = "") -> frozenset[str]:
    """Strings in lower case of which a text in lower case holds one wherever the pattern matches; none where the pattern
    does not tell. ``but`` is a character that the pattern is searched with, and the text does not hold.

    >>> sorted(literals(r"\\b(?:gain|[Bb]oost)s?\\b")), sorted(literals(r"\\w+ (?:of|\\d)"))
    (['boost', 'gain'], [])
    """
    try:
        found = _of_sequence(parser.parse(pattern).data, but)
    except RecursionError:
        found = None  # nested too deep to look into, which re itself may still compile
    return found if found and len(found) <= MOST else frozenset()


_FOLDS = str.maketrans({"\u0130": "i", "\u0131": "i", "\u017f": "s"})
"""What ``re.IGNORECASE`` takes for an ASCII letter, and ``str.lower`` does not make one."""


def lower(text: str) -> str:
    """A text as :func:`literals` wants it."""
    return text.lower() if text.isascii() else SURROGATE.sub("\ufffd", text.translate(_FOLDS).lower())


class Literals:
    """Which of many expressions a text may match, by the literals of each, which are looked for at once (Aho and Corasick,
    "Efficient string matching", CACM 1975)."""

    def __init__(self, sets: Iterable[frozenset[str]]) -> None:
        self._sets = tuple(sets)
        self._untold = [n for n, some in enumerate(self._sets) if not some]
        self._whose: dict[str, list[int]] = defaultdict(list)
        for n, some in enumerate(self._sets):
            for literal in some:
                self._whose[literal].append(n)
        self._automaton = AhoCorasick(sorted(self._whose), implementation=Implementation.DFA, store_patterns=True)

    def fitting(self, text: str) -> list[int]:
        """The numbers of the sets that are empty, or of which the text holds a literal; in order."""
        held = set(self._automaton.find_matches_as_strings(text, overlapping=True))
        return sorted(set(self._untold).union(*map(self._whose.__getitem__, held)))

    def __reduce__(self) -> tuple[type[Literals], tuple[tuple[frozenset[str], ...]]]:
        # the automaton itself cannot be sent to another process
        return Literals, (self._sets,)


def _of_sequence(items: Sequence[Any], but: str) -> frozenset[str] | None:
    """The best set that one after another of these parts gives."""
    best: frozenset[str] | None = None
    run: list[Any] = []
    spelt = [""]
    for op, value in [*items, (None, None)]:
        letters = _letters(op, value, but)
        if letters and len(letters) * len(spelt) <= MOST:
            run.append((op, value))
            spelt = [before + letter for before in spelt for letter in letters]
            continue
        best = _better(best, frozenset(spelt) if run else None)
        # what stands before a choice begins each of its ways: "n" of "n(?:or|ever)"
        best = _better(best, _of_part(op, value, but, run))
        run, spelt = ([(op, value)], letters) if letters else ([], [""])
    return best


def _of_part(op: Any, value: Any, but: str, before: Sequence[Any]) -> frozenset[str] | None:
    if op is ops.SUBPATTERN:
        return _of_sequence([*before, *value[3].data] if len(value[3].data) == 1 else value[3].data, but)
    if op is ops.BRANCH:
        parts = [_of_sequence([*before, *branch.data], but) for branch in value[1]]
        return frozenset().union(*(p for p in parts if p)) if all(parts) else None
    if op in (ops.MAX_REPEAT, ops.MIN_REPEAT) and value[0] >= 1:
        return _of_sequence(value[2].data, but)
    if op is ops.ASSERT:
        return _of_sequence(value[1].data, but)
    return None


def _letters(op: Any, value: Any, but: str) -> list[str]:
    """The few characters that a part may stand for, whatever their case; none where they are many or not sure."""
    if op is ops.LITERAL:
        return _low(value, but)
    if op is ops.IN and len(value) <= 4 and all(kind is ops.LITERAL for kind, _ in value):
        found = [_low(code, but) for _, code in value]
        return sorted({letter for letters in found for letter in letters}) if all(found) else []
    return []


def _low(code: int, but: str) -> list[str]:
    """A character in lower case, where that is one character and the text's own is sure to be the same."""
    letter = chr(code)
    return [letter.lower()] if letter != but and (code < 128 or unicodedata.category(letter)[0] in "PS") else []


def _tells(literal: str) -> bool:
    """Whether a text without it is likely: it is long, or of rare signs alone."""
    return len(literal) >= SHORTEST or not (set(literal) & _COMMON or any(map(str.isalnum, literal)))


_COMMON = frozenset(" .,-()")


def _better(a: frozenset[str] | None, b: frozenset[str] | None) -> frozenset[str] | None:
    """The set that tells more: whose shortest literal is longer, then the smaller one."""
    usable = [s for s in (a, b) if s and all(map(_tells, s))]
    return max(usable, key=lambda s: (min(LONG, min(map(len, s))), -len(s), sorted(s)), default=None)
