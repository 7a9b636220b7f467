"""Words, sentences and spellings: everything that is known about text before any entity is."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from spacy.tokenizer import Tokenizer  # type: ignore[import-not-found]
from spacy.vocab import Vocab


class Word(NamedTuple):
    """A run of letters, digits and underscores: what a mention starts and ends with."""

    start: int
    end: int
    text: str


_WORD = re.compile(r"\w+")
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a pair, which no encoding has."""
CACHED = 1 << 15
"""Words and names whose spellings are remembered: a corpus repeats them all the time."""


@lru_cache(maxsize=2)
def words(text: str) -> tuple[Word, ...]:
    """The words of a text with their code point offsets; one component after another asks for those of one text.

    >>> [w.text for w in words("BERT-based F1")]
    ['BERT', 'based', 'F1']
    """
    # past the constructor of named tuples, which is a third of the time that this takes
    return tuple([tuple.__new__(Word, (m.start(), m.end(), m[0])) for m in _WORD.finditer(text)])


def make_tokenizer(vocab: Vocab) -> Tokenizer:
    """A tokenizer whose tokens are words and single other characters, so that every mention ends at a token."""
    return Tokenizer(
        vocab,
        prefix_search=re.compile(r"^[^\w\s]").search,
        suffix_search=re.compile(r"[^\w\s]$").search,
        infix_finditer=re.compile(r"[^\w\s]").finditer,
    )


_SPELLINGS = (
    ("isation", "ization"),
    ("modell", "model"),
    ("labell", "label"),
    ("behaviour", "behavior"),
    ("colour", "color"),
)


@lru_cache(CACHED)
def fold_word(word: str) -> str:
    """One word without case and with American spelling."""
    low = word.casefold()
    for british, american in _SPELLINGS:
        if british in low:
            low = low.replace(british, american)
    return low


@lru_cache(CACHED)
def singular(word: str) -> str:
    """The word without a lower-case plural ending (``LLMs``: ``LLM``; ``AWS`` and ``loss`` stay).

    >>> [singular(w) for w in ("LLMs", "AWS", "losses", "strategies", "analysis")]
    ['LLM', 'AWS', 'loss', 'strategy', 'analysis']
    """
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2:
        return word[:-1]
    return word


def join(parts: list[str]) -> str:
    """Words as one key, so that hyphen, space and nothing between them make no difference.

    >>> join(["gpt", "3", "5"]) == join(["gpt3", "5"]) != join(["gpt35"])
    True
    """
    out = ""
    for part in parts:
        out += f".{part}" if out and out[-1].isdigit() and part[0].isdigit() else part
    return out


@lru_cache(CACHED)
def fold(name: str) -> str:
    """The key under which all spellings of a name meet: no case, plural, hyphen, space or British spelling.

    >>> fold("Fine-Tuning") == fold("finetunings"), fold("C") == fold("C++")
    (True, False)
    """
    parts = _WORD.findall(name)
    if not parts:
        return name.casefold()
    plus = name[len(name.rstrip("+")) :]
    return join([fold_word(p) for p in parts[:-1]] + [fold_word(singular(parts[-1]))]) + plus


_MARKUP = re.compile(r"\\(?:text(?:bf|it|tt|sc|rm|sf)?|emph|underline|math(?:bf|it|rm|cal|bb|sf|tt))\b|[\\{}$*]")


@lru_cache(CACHED)
def plain(name: str) -> str:
    """The name without LaTeX that only says how it looks, in one Unicode form, with single spaces.

    >>> plain("\\\\textbf{W}ing-aware\\n$\\\\mathbf{^2}$Net")
    'Wing-aware ^2Net'
    """
    return " ".join(unicodedata.normalize("NFKC", _MARKUP.sub("", name)).split())


LONGEST = 1000
"""Characters after which a sentence ends at the next space, so that no rule works on an endless one."""

_GAP = re.compile(r"\s+")
_BREAK = re.compile(
    r"(?P<mark>[.!?][\"'”’)\]]*)\s+(?=[\"'“‘(\[$\\{]*(?:[A-Z0-9]|[a-z]+[A-Z0-9{]))|\n\s*\n\s*|\n {2,}(?=\S)"
)
_NO_BREAK = re.compile(
    r"(?:\b(?:e\.g|i\.e|et al|vs|cf|resp|approx|ca|w\.r\.t|a\.k\.a|viz|Figs?|Eqs?|Secs?|Tabs?|Refs?|Nos?|Dr|Prof|Mr|Ms|St|Jr)|(?:^|[\s(])[A-Z])\.$"
)


def sentence_starts(text: str) -> list[int]:
    """Where the sentences of a title, a newline and an abstract start; the title is one sentence.

    >>> sentence_starts("A title. Of two parts\\nWe use X v1.1 (e.g. Y et al. 2020). It works.")
    [0, 22, 58]
    """
    title_end = text.find("\n")
    body = title_end + 1 if title_end >= 0 else 0
    starts = {0, body}
    for m in _BREAK.finditer(text, body):
        if m["mark"] is None or not _NO_BREAK.search(text[max(body, m.start() - 12) : m.start() + 1]):
            starts.add(m.end())
    ordered = sorted(starts)
    for start, end in zip(ordered, [*ordered[1:], len(text)], strict=True):
        while end - start > LONGEST and (gap := _GAP.search(text, start + LONGEST, end)):
            start = gap.end()
            starts.add(start)
    return sorted(s for s in starts if s < len(text) or s == 0)
