"""Short forms: where a text defines one, ``long form (SF)`` and ``SF (long form)``, and which long form one may stand for."""

from __future__ import annotations

import re
from functools import cache, lru_cache

from kgbuild.nlp.text import CACHED, plain
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
            short = outside.group()
            # "VACE (video all-in-one creation and editing)", but "BFV (bird flock voting and its heirs)"
            readings = [long for long in (inside, m[1]) if _long_form(short, long) == 0]
            if readings:
                long = max(readings, key=lambda long: (begun(short, long), -len(long)))
                pairs.append(((end - len(short), end), (m.start(1), m.start(1) + len(long))))
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


_UNIT = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_]")
_LONG_WORD = re.compile(r"[^\W\d_]{3,}")
_HEAD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|.")
_RUN = re.compile(r"([A-Za-z])([2-4])")
_NUMERALS = {"1": ("one",), "2": ("to", "two", "second"), "3": ("three", "triple"), "4": ("for", "four")}


@lru_cache(CACHED)
def letters(name: str) -> str:
    """The letters and digits of a name that is a short form by its looks, without a plural s; else nothing.

    >>> letters("VLMs"), letters("S2-RAG"), letters("$P^2$OT"), letters("Adam"), letters("random forests")
    ('VLM', 'S2RAG', 'P2OT', '', '')
    """
    bare = plain(name)
    out = "".join(c for c in bare if c.isalnum())
    if len(out) > 2 and out[-1] == "s" and (out[-2].isupper() or out[-2].isdigit()):
        out = out[:-1]
    capitals = sum(c.isupper() or c.isdigit() for c in out)
    one_word = " " not in bare and not bare.endswith("+")
    return out if one_word and 2 <= len(out) <= 12 and capitals >= 2 and not out.isdigit() else ""


@lru_cache(CACHED)
def is_long(name: str) -> bool:
    """Whether a name can be a long form: two words or more, and itself no short form."""
    return len(_LONG_WORD.findall(plain(name))) >= 2 and not letters(name)


def begun(short: str, long: str) -> int:
    """How many words of a long form the letters of a short form begin, read in order; 0 where they cannot all be read.

    A letter begins a word or goes on within the word just begun, and the first letter begins the first word. A digit
    stands for itself, for a word, or for a run of words with the letter before it. A form that repeats a word of the
    long form is no short form of it, but another name.

    >>> begun("JD3P", "joint discrete denoising diffusion process"), begun("S2T", "speech-to-text"), begun("GPT-4", "GPT-4 mini model")
    (5, 3, 0)
    """
    form, units = letters(short), _units(long)
    head = _HEAD.match(form)
    if not head or form.lower() in "".join(units) or (len(head.group()) > 2 and head.group().lower() in units):
        return 0
    run = _RUN.sub(lambda m: m[1] * int(m[2]), form)
    return max(_begun(read.lower(), units) for read in (form, run))


def _begun(read: str, units: list[str]) -> int:
    never = -len(units) - 1

    @cache
    def most(i: int, j: int) -> int:
        """The most words that ``read[i:]`` begins within ``units[j:]``."""
        if i == len(read):
            return 0
        if j == len(units):
            return never
        unit, letter = units[j], read[i]
        best = most(i, j + 1) if j else never
        if letter.isdigit():
            width = len(unit) if unit.isdigit() and read.startswith(unit, i) else int(unit in _NUMERALS.get(letter, ()))
            return max(best, 1 + most(i + width, j + 1)) if width else best
        at = int(unit[0] == letter)
        while at:
            i += 1
            best = max(best, 1 + most(i, j + 1))
            at = unit.find(read[i], at) + 1 if i < len(read) else 0
        return best

    return max(0, most(0, 0))


def _units(name: str) -> list[str]:
    """The words of a name in lower case, cut at hyphens and inner capitals too."""
    return [u.lower() for u in _UNIT.findall(plain(name))]


def stands_for(short: str, long: str) -> float:
    """Share of the words of a long form that the letters of a short form begin; 0 where too few to believe it.

    Believed are three words that are half of the long form, and two that are all of it and all that the short form
    has.

    >>> stands_for("RL", "reinforcement learning"), stands_for("ViT", "vision transformer")
    (1.0, 0.0)
    """
    words, hits = sum(not _SMALL.fullmatch(u) for u in _units(long)), begun(short, long)
    believed = hits >= max(3, words / 2) or (hits == len(letters(short)) >= words)
    return hits / max(hits, words) if hits and believed else 0.0
