"""Short forms that a text defines itself: ``long form (SF)`` and ``SF (long form)``."""

from __future__ import annotations

import re

from kgbuild.records import Span

_BRACKET = re.compile(r"\(\s*([^()]{2,90}?)\s*\)")
_SENTENCE_END = re.compile(r"[.!?:;](?:\s|$)|\n\s*\n")
_FIRST_PART = re.compile(r"(?:(?![;,]\s|\s(?:or|and)\s|\s*[=:]).)+", re.DOTALL)
_SHORT = re.compile(r"[^\W_](?:[\w\-–/.&+^$@]{0,14}[^\W_]|\+{1,2})(?: [A-Z][\w\-]{1,8})?")
_NO_SHORT = re.compile(
    r"(?:e\.?g|i\.?e|cf|resp|see|ours?|left|right|top|bottom|both|best|new|\W*|[ivx]+|[\d.,%\s±x×]+\w?|(?:19|20)\d\d\w?"
    r"|(?:fig|sec|eq|tab|app)\w*|v?\d[\d.]*)\.?",
    re.IGNORECASE,
)
_TAIL_WORD = re.compile(r"[\w\-–/.+&]*\w\+*$")
_WORD = re.compile(r"[^\W_]+")
_COMPOUND = re.compile(r"[\w‐‑–-]+$")
_CLOSING = " \t\n\r\f\v}$~*\"'`”’"
"""What may stand between a name and the bracket after it: space, closing quotes and markup."""

_SMALL = re.compile(
    r"an?|and|as|at|between|by|for|from|in|is|of|on|or|over|s|that|the|to|using|via|with", re.IGNORECASE
)
"""Words of which a short form seldom keeps the letter."""


def abbreviations(text: str) -> list[tuple[Span, Span]]:
    """(short form, long form) as spans of ``text``, in order of the brackets.

    The letters are matched as by Schwartz and Hearst, "A simple algorithm for identifying abbreviation
    definitions in biomedical text" (PSB 2003), from right to left; the first letter of the short form must
    begin a word. Where the words of a longer stretch begin with the letters, one each, that stretch is the long
    form. Years, references, percentages and remarks in brackets are no short forms, and a long form stays in its
    sentence.

    >>> text = "We use random forests (RFs) and SVM (support vector machine) (2023)."
    >>> [(text[a:b], text[c:d]) for (a, b), (c, d) in abbreviations(text)]
    [('RFs', 'random forests'), ('SVM', 'support vector machine')]
    """
    pairs: list[tuple[Span, Span]] = []
    for m in _BRACKET.finditer(text):
        end = len(text[: m.start()].rstrip(_CLOSING))
        before = text[max(0, m.start() - 160) : end]
        ends = [e.end() for e in _SENTENCE_END.finditer(before)]
        before = before[ends[-1] :] if ends else before
        first = _FIRST_PART.match(m[1])
        inside = first.group().rstrip() if first else ""
        if _is_short(inside):
            at = _long_form(inside, before)
            if at is not None:
                pairs.append(((m.start(1), m.start(1) + len(inside)), (end - len(before) + at, end)))
        elif (outside := _TAIL_WORD.search(before)) and _is_short(outside.group()):
            at = _long_form(outside.group(), inside)
            if at == 0:
                pairs.append(((end - len(outside.group()), end), (m.start(1), m.start(1) + len(inside))))
    return pairs


def _is_short(form: str) -> bool:
    """Whether a string can be a short form: one word (or two), with a capital or a digit beside letters."""
    return (
        _SHORT.fullmatch(form) is not None
        and _NO_SHORT.fullmatch(form) is None
        and any(c.isupper() for c in form)
        and any(c.isalpha() for c in form)
    )


def _long_form(short: str, before: str) -> int | None:
    """Where in ``before`` the long form of ``short`` starts (it runs to the end), or None."""
    stem = short[:-1] if short.endswith("s") and short[-2:-1].isupper() else short
    letters = [c.lower() for c in stem if c.isalnum()]
    low, at = before.lower(), len(before)
    for i in range(len(letters) - 1, -1, -1):
        at -= 1
        while at >= 0 and not (low[at] == letters[i] and (i > 0 or at == 0 or not low[at - 1].isalnum())):
            at -= 1
        if at < 0:
            return None
    long = before[at:]
    count = len(re.findall(r"\w+", long))
    if (
        len(long) <= len(short)
        or count > min(len(letters) + 5, 2 * len(letters))
        or re.search(rf"(?<!\w){re.escape(short)}(?!\w)", long)
    ):
        return None
    if count < len(letters) and (start := _by_initials(letters, before)) is not None:
        return start
    # "text-to-speech", not "to-speech"
    compound = _COMPOUND.search(before, 0, at) if at and before[at - 1] in "-‐‑–" else None
    return compound.start() if compound and low[compound.start()] == letters[0] else at


def _by_initials(letters: list[str], before: str) -> int | None:
    """Where the shortest stretch at the end of ``before`` starts of which the letters begin the words, one each."""
    left = len(letters)
    for word in reversed(list(_WORD.finditer(before))):
        if not _SMALL.fullmatch(word.group()):
            if word.group()[0].lower() != letters[left - 1]:
                return None
            left -= 1
            if not left:
                return word.start()
    return None
