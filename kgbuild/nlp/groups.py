"""Which mentions of one paper are one thing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache

from kgbuild.nlp.abbreviations import begun, is_long, letters, stands_for
from kgbuild.nlp.mentions import Candidate
from kgbuild.nlp.text import CACHED, fold, fold_word, join, plain, singular
from kgbuild.records import Span

Pair = tuple[Span, Span]
"""A short form and its long form in a text."""

_WORD = re.compile(r"\w+")
_BRACKET = re.compile(r"\s*\(([^()]*)\)")
_NUMBERS = dict(
    zip(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"],
        map(str, range(1, 11)),
        strict=True,
    )
)
_GLUE = re.compile(r"of|the|an?|in|on|for|with|and|from")
_DIRECTED = re.compile(r"\b(?:to|by)\b|→|->")
"""What makes the order of words a part of the name: "text-to-image", "tracking by detection"."""
_LIGHT = frozenset(["automated", "automatic", "based", "level", "model", "rate"])
"""Words with and without which a name means the same, as a rule of nine cases in ten."""
_ENDING = re.compile(
    r"(?<=\w{4})(?:i[sz](?:ation|ing|e)|if(?:ication|ying|y)|ition|at(?:ion|ing|e)|ion|ment|ing|al|e)$"
)
"""What turns "detect" into "detection" and "detecting"."""


def implied(text: str, found: Sequence[Candidate], named: Sequence[Candidate], pairs: Sequence[Pair]) -> list[Pair]:
    """Short forms that the text uses beside their long forms and does not define, as spans of one place of each.

    They are two names of one lexicon row among ``named``, which may stand within longer names; or two mentions
    (``found``) under one label of which each is the best fit of the other. What the text defines (``pairs``) goes
    first, unless its long form is no mention: then it is misread, more often than not.
    """
    used = {fold(text[c.start : c.end]) for c in found}
    done = {fold(text[start:end]) for _, (start, end) in pairs}
    done.update(_key(text[s:e]) for (s, e), (start, end) in pairs if fold(text[start:end]) in used)
    rows = [pair for pair in _in_rows(text, named) if not {_key(text[s:e]) for s, e in pair} & done]
    done.update(_key(text[s:e]) for pair in rows for s, e in pair)
    known = {_key(text[c.start : c.end]) for c in named if c.lexicon}
    left = [c for c in found if _key(text[c.start : c.end]) not in done]
    return [*rows, *_best_fits(text, left, known)]


def _key(name: str) -> str:
    """The letters of a short form, the fold of any other name."""
    return letters(name).lower() or fold(name)


def _in_rows(text: str, named: Iterable[Candidate]) -> Iterator[Pair]:
    """Each short form with the first long form that its lexicon row has in the text."""
    rows: dict[str, dict[str, Span]] = defaultdict(dict)
    for c in named:
        if c.lexicon:
            rows[c.lexicon].setdefault(text[c.start : c.end], (c.start, c.end))
    for names in rows.values():
        for short in filter(letters, names):
            if long := next((name for name in names if is_long(name) and begun(short, name)), None):
                yield names[short], names[long]


def _best_fits(text: str, found: Iterable[Candidate], known: Collection[str]) -> Iterator[Pair]:
    """Each short form and long form under one label that fit each other better than any other.

    Where the lexicon knows a short form, each word of the long form must have its letter.
    """
    shorts: dict[tuple[str, str], Span] = {}
    longs: dict[tuple[str, str], Span] = {}
    for c in found:
        name = text[c.start : c.end]
        if letters(name):
            shorts.setdefault((c.label, _key(name)), (c.start, c.end))
        elif is_long(name):
            longs.setdefault((c.label, _keys(plain(name))[0]), (c.start, c.end))
    fits = {
        (short, long): fit
        for short, (s, e) in shorts.items()
        for long, (start, end) in longs.items()
        if short[0] == long[0]
        and (fit := stands_for(text[s:e], text[start:end])) >= (1.0 if short[1] in known else 0.1)
    }
    of_short: dict[tuple[str, str], list[float]] = defaultdict(list)
    of_long: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (short, long), fit in fits.items():
        of_short[short].append(fit)
        of_long[long].append(fit)
    for (short, long), fit in fits.items():
        if all(max(rivals) == fit and rivals.count(fit) == 1 for rivals in (of_short[short], of_long[long])):
            yield shorts[short], longs[long]


def group(text: str, found: Sequence[Candidate], pairs: Sequence[Pair], unsaid: Sequence[Pair] = ()) -> list[str]:
    """The entity of each mention: ``e1``, ``e2``, … in order of appearance.

    One entity are, under one label, the mentions of one lexicon row and those whose names agree once the short forms
    that the text defines (``pairs``) or implies (``unsaid``) are written out; and a short form and the mention that it
    stands beside.
    """
    parent = list(range(len(found)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    def unite(i: int, j: int) -> None:
        a, b = sorted((root(i), root(j)))
        parent[b] = a

    write_out = _expansion(text, [*pairs, *unsaid])
    first: dict[tuple[str, str], int] = {}
    for i, c in enumerate(found):
        name = plain(text[c.start : c.end])
        for key in (fold(name), *_keys(write_out(name)), *([f"#{c.lexicon}"] if c.lexicon else ())):
            unite(first.setdefault((c.label, key), i), i)
    for i, j in _beside(text, found, pairs):
        unite(i, j)
    ids: dict[int, str] = {}
    return [ids.setdefault(root(i), f"e{len(ids) + 1}") for i in range(len(found))]


def _expansion(text: str, pairs: Iterable[Pair]) -> Callable[[str], str]:
    """What writes out the short forms in a name, and drops those in brackets."""
    forms: dict[str, str] = {}
    for (s, e), (start, end) in pairs:
        forms.setdefault(singular(plain(text[s:e])), plain(text[start:end]))
    if not forms:
        return lambda name: name
    said = {fold(form) for pair in forms.items() for form in pair}
    short = re.compile(rf"(?<!\w)({'|'.join(re.escape(f) for f in sorted(forms, key=lambda f: (-len(f), f)))})s?(?!\w)")

    def write_out(name: str) -> str:
        name = _BRACKET.sub(lambda m: "" if fold(m[1]) in said else m[0], name)
        # twice: a long form may hold another short form
        for _ in range(2):
            name = short.sub(lambda m: forms[m[1]], name)
        return name

    return write_out


@lru_cache(CACHED)
def _keys(name: str) -> tuple[str, ...]:
    """The keys of which names of one thing share one: the words in order; and their stems in any order.

    >>> set(_keys("automatic detection of small birds")) & set(_keys("Small-bird detecting"))
    set()
    >>> set(_keys("automatic detection of small birds")) & set(_keys("small bird detection"))
    {'bird detect small'}
    """
    plus = name[len(name.rstrip("+")) :]
    words = [
        [_fold(part) for part in _WORD.findall(word)] for word in re.split(r"[\s/]+", name) if not _GLUE.fullmatch(word)
    ]
    spelled = join([_fold(part) for part in _WORD.findall(name)]) or name.casefold()
    if _DIRECTED.search(name):
        return (spelled + plus,)
    heavy = [[part for part in word if part not in _LIGHT] for word in words]
    stems = [_ENDING.sub("", join(word)) for word in (heavy if sum(map(len, heavy)) > 1 else words) if word]
    return (spelled + plus, *([" ".join(sorted(stems)) + plus] if sum(map(len, words)) > 1 else ()))


def _fold(word: str) -> str:
    low = fold_word(singular(word))
    return _NUMBERS.get(low, low)


def _beside(text: str, found: Sequence[Candidate], pairs: Iterable[Pair]) -> Iterator[tuple[int, int]]:
    """A short form's mention and the one beside it that is not just its long form: with a modifier more before it,
    or without a noun or two at its end ("the Bird Flock Voting framework (BFV)").

    The modifier is part of what the short form means, unless the lexicon knows that, or the text also writes the long
    form without it or the short form within longer names.
    """
    at = {(c.start, c.end): i for i, c in enumerate(found)}
    names = [text[c.start : c.end] for c in found]
    for short, (start, end) in pairs:
        if short not in at or (start, end) in at:
            continue
        i = at[short]
        form = re.compile(rf"(?<!\w){re.escape(singular(names[i]))}s?(?!\w)")
        bare = fold(text[start:end])
        plainly = any(fold(n) == bare or (form.search(n) and fold(n) != fold(names[i])) for n in names)
        for j, c in enumerate(found):
            longer = c.end == end and c.start < start and not plainly and not found[i].lexicon
            shorter = c.start == start and c.end < end and len(_WORD.findall(text, c.end, end)) <= 2
            if c.label == found[i].label and (longer or shorter):
                yield i, j
