"""The compact mention tagger at run time: onnxruntime, tokenizers and numpy, nothing else.

A text (title, newline, abstract) is cut into words, the words into subwords; the encoder, an int8 ONNX graph,
gives every word a score per tag, and a linear-chain CRF over the tags (BIOES) turns the scores into spans.
One text is one run of the graph, and in sums over several texts each stays a product of its own: no record can depend on another.

    tagger = Tagger.load({name: (folder / name).read_bytes() for name in FILES})
    for start, end, label, confidence in tagger.predict(text): ...
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kgbuild.nlp.text import SURROGATE

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FILES = ("config.json", "model.onnx", "tokenizer.json")
"""What a model folder holds."""

WORD = re.compile(r"[^\W_]+|\S")
"""A word is a run of letters and digits, or one other character that is no space."""
_LINE = re.compile("\n")

FEATURES = (
    "lower",
    "initial capital",
    "capitals",
    "capitals and plural s",
    "mixed case",
    "one capital",
    "letters and digits",
    "digits",
    "symbol",
    "in title",
    "starts a sentence",
    "glued to the word before",
    "glued to the word after",
    "in brackets",
    "twice in the text",
    "more than twice in the text",
    "in title and abstract",
    "elsewhere in lower case",
    "after a backslash",
    "title has headline capitals",
)
"""What the uncased subwords do not show; one 0/1 value a word each, in this order."""

INPUTS = ("ids", "features", "heads", "tails", "firsts", "spelt", "again", "whose", "alike")
"""Inputs of the graph."""

CLS, SEP = 101, 102
MARGIN = 64
"""Subwords of context that a window shares with its neighbour at the least, at both ends."""


class Word(NamedTuple):
    start: int
    end: int
    text: str


class Mention(NamedTuple):
    """A span of the text (code points, end exclusive), its label and the probability that it is right."""

    start: int
    end: int
    label: str
    confidence: float


@dataclass(frozen=True)
class Window:
    """One run of the graph: the words from ``first`` on, of which those in ``keep`` are read out."""

    first: int
    keep: range
    ids: Ints
    features: Floats
    heads: Ints
    tails: Ints
    spellings: Ints
    """For each word the number of its spelling in the text, whatever its case."""

    @property
    def same(self) -> Floats:
        """[words, words] the mean over the words that are spelt alike."""
        share = (1 / np.bincount(self.spellings)[self.spellings]).astype(np.float32)
        alike: Floats = (self.spellings[:, None] == self.spellings) * share
        return alike

    @property
    def twins(self) -> tuple[Ints, Ints, Floats]:
        """``same`` of the words alone that are not the only ones of their spelling, which is all that it says: these words,
        the number of each one's spelling among theirs, and [spellings, these words] the mean over those of a spelling."""
        times = np.bincount(self.spellings)
        several = times > 1
        again = np.flatnonzero(several[self.spellings])
        whose = (several.cumsum() - 1)[self.spellings[again]]
        share = (1 / times[several]).astype(np.float32)
        return again, whose, (np.arange(len(share))[:, None] == whose) * share[:, None]

    @property
    def inputs(self) -> dict[str, npt.NDArray[Any]]:
        """What the graph is fed with, by the names in ``INPUTS``: ``firsts`` are the first word of each spelling, ``spelt``
        tells which of them each word is spelt like."""
        spelt = ((np.bincount(self.spellings) > 0).cumsum() - 1)[self.spellings]
        firsts = np.zeros(spelt.max() + 1, dtype=np.int64)
        firsts[spelt[::-1]] = np.arange(len(spelt))[::-1]  # of a spelling's words the first is written last
        return dict(zip(INPUTS, (self.ids[None], self.features[None], self.heads, self.tails, firsts, spelt, *self.twins), strict=True))


def split_words(text: str) -> list[Word]:
    """The words of a text, in order, with code-point offsets."""
    # past the constructor of named tuples, which is a third of the time that this takes
    return [tuple.__new__(Word, (m.start(), m.end(), m[0])) for m in WORD.finditer(text)]


def word_features(text: str, words: Sequence[Word]) -> tuple[Floats, Ints]:
    """One row of ``FEATURES`` a word; and the number of its spelling, whatever its case."""
    tokens = [w.text for w in words]
    # what a spelling says by itself is asked once a spelling: a text repeats its words
    number: dict[str, int] = {}
    at = np.array([number.setdefault(token, len(number)) for token in tokens])
    spellings = list(number)
    alike: dict[str, int] = {}
    kinds, low = zip(*map(_shape, spellings), strict=True)
    folded = np.array([alike.setdefault(token, len(alike)) for token in low])
    shapes = np.array(kinds)
    plainly = np.zeros(len(alike), dtype=bool)
    plainly[folded[shapes & PLAINLY > 0]] = True
    shapes = shapes[at]
    mixed, ends_sentence, lower, backslash = (shapes & flag > 0 for flag in (MIXED, ENDS, LOWER, BACKSLASH))
    same = folded[at]
    starts, ends = np.array([w.start for w in words]), np.array([w.end for w in words])
    in_title = starts < text.find("\n")
    titled = int(in_title.sum())
    in_both = np.bincount(same[:titled], minlength=len(alike)).astype(bool) & np.bincount(same[titled:], minlength=len(alike)).astype(bool)
    times = np.bincount(same)[same]
    glued = np.zeros(len(words) + 1, dtype=bool)
    glued[1:-1] = starts[1:] == ends[:-1]
    headline = [t[0].isupper() for t in tokens[:titled] if len(t) > 3 and t.isalpha()]
    out = np.zeros((len(words), len(FEATURES)), dtype=np.float32)
    out[np.arange(len(words)), shapes & KIND] = 1
    out[:, 6] = mixed
    out[:, 9] = in_title
    out[0, 10] = 1
    out[1:, 10] = ends_sentence[:-1]
    lines = np.searchsorted(starts, [m.start() for m in _LINE.finditer(text)])
    out[lines[lines < len(words)], 10] = 1
    out[:, 11], out[:, 12] = glued[:-1], glued[1:]
    out[:, 13] = _inside(tokens, number)
    out[:, 14], out[:, 15] = times == 2, times > 2
    out[:, 16] = in_both[same]
    out[:, 17] = plainly[same] & ~lower
    out[1:, 18] = glued[1:-1] & backslash[:-1]
    out[:titled, 19] = len(headline) > 1 and 2 * sum(headline) > len(headline)
    return out, same


def _low(token: str) -> str:
    """In lower case letter by letter, as subwords are: ``str.lower`` looks at what follows a sigma."""
    return token.lower() if "Σ" not in token else "".join(map(str.lower, token))


def _inside(tokens: Sequence[str], known: Container[str]) -> list[bool]:
    """Whether each word stands in brackets."""
    if "(" not in known:
        return [False] * len(tokens)
    inside, depth = [], 0
    for token in tokens:
        depth = max(0, depth - (token == ")"))
        inside.append(depth > 0)
        depth += token == "("
    return inside


KIND, MIXED, ENDS, LOWER, BACKSLASH, PLAINLY = 15, 16, 32, 64, 128, 256


@lru_cache(1 << 15)
def _shape(token: str) -> tuple[int, str]:
    """Which of the first ``FEATURES`` a word has (``KIND``) with flags: whether it is of letters and digits, ends a
    sentence, is in lower case, is a backslash, has letters and all in lower case; and the word in lower case."""
    if not token[0].isalnum():
        kind = 8
    elif token.isdigit():
        kind = 7
    elif token.islower():
        kind = 0
    elif len(token) == 1:
        kind = 5
    elif token.isupper():
        kind = 2
    elif token[-1] == "s" and token[:-1].isupper():
        kind = 3
    elif token[0].isupper() and token[1:].islower():
        kind = 1
    else:
        kind = 4
    mixed = token[0].isalnum() and not token.isalpha() and not token.isdigit()
    lower = token == token.lower()
    flags = MIXED * mixed + ENDS * (token in ".!?") + LOWER * lower + BACKSLASH * (token == "\\") + PLAINLY * token.islower()
    return kind + flags, _low(token)


def plan_windows(lengths: Sequence[int], limit: int) -> list[tuple[int, int, int, int]]:
    """Windows over words that are ``lengths`` subwords long: (first, end, first kept, end kept).

    The kept ranges follow one another without gap; every window holds at most ``limit`` subwords.
    """
    n = len(lengths)
    if sum(lengths) <= limit:
        return [(0, n, 0, n)]
    sums = np.concatenate(([0], np.cumsum(np.asarray(lengths, dtype=np.int64))))
    cuts, first = [], 0
    while True:
        end = max(first + 1, int(np.searchsorted(sums, sums[first] + limit, side="right")) - 1)
        cuts.append((first, min(end, n)))
        if end >= n:
            break
        first = max(first + 1, int(np.searchsorted(sums, sums[end] - 2 * MARGIN)))
    out, kept = [], 0
    for i, (first, end) in enumerate(cuts):
        if i + 1 == len(cuts):
            stop = n
        else:
            middle = (sums[end] + sums[cuts[i + 1][0]]) // 2
            stop = min(end, max(kept, int(np.searchsorted(sums, middle))))
        out.append((first, end, kept, stop))
        kept = stop
    return out


class Subwords:
    """Cuts words into subwords; what it has cut it remembers, for a corpus repeats its words."""

    MOST = 1 << 16
    """Words that are remembered."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, list[int]] = {}

    def __call__(self, words: Sequence[str]) -> list[list[int]]:
        """The numbers of each word's subwords."""
        if len(self._known) > self.MOST:
            self._known.clear()
        new = [word for word in dict.fromkeys(words) if word not in self._known]
        if new:
            cut = self._tokenizer.encode([SURROGATE.sub("\ufffd", word) for word in new], is_pretokenized=True, add_special_tokens=False)
            self._known.update((word, []) for word in new)
            for piece, index in zip(cut.ids, cut.word_ids, strict=True):
                self._known[new[index]].append(piece)
        return list(map(self._known.__getitem__, words))


def encode(subwords: Subwords, text: str, limit: int = 510) -> tuple[list[Word], list[Window]]:
    """The words of a text that have subwords, and the windows that cover them."""
    words = split_words(text)
    if not words:
        return [], []
    pieces = subwords([w.text for w in words])
    features, spellings = word_features(text, words)
    some = [i for i, p in enumerate(pieces) if p]
    if len(some) < len(words):
        words, pieces = [words[i] for i in some], [pieces[i] for i in some]
        features, spellings = features[some], spellings[some]
    lengths = [min(len(p), limit) for p in pieces]
    windows = []
    for first, end, kept, stop in plan_windows(lengths, limit) if words else []:
        sizes = np.array(lengths[first:end], dtype=np.int64)
        tails = np.cumsum(sizes)
        ids = np.array([CLS, *chain.from_iterable(p[:limit] for p in pieces[first:end]), SEP], dtype=np.int64)
        shown = np.zeros((len(ids), len(FEATURES)), dtype=np.float32)
        shown[1:-1] = np.repeat(features[first:end], sizes, axis=0)
        windows.append(Window(first, range(kept, stop), ids, shown, tails - sizes + 1, tails, spellings[first:end]))
    return words, windows


def tag_names(labels: Sequence[str]) -> list[str]:
    """O, then B, I, E and S of every label."""
    return ["O", *(f"{p}-{label}" for label in labels for p in "BIES")]


BEGINS, INSIDE, LAST, SINGLE = range(4)
"""Places of a label's tags."""


def legal(labels: Sequence[str]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """What BIOES allows: tag after tag, first tag, last tag."""
    tags = tag_names(labels)
    opens = np.array([t[0] in "OBS" for t in tags])
    closes = np.array([t[0] in "OES" for t in tags])
    pairs = closes[:, None] & opens[None, :]
    for i, a in enumerate(tags):
        for j, b in enumerate(tags):
            if a[0] in "BI" and b[0] in "IE" and a[2:] == b[2:]:
                pairs[i, j] = True
    return pairs, opens, closes


@dataclass(frozen=True)
class Transitions:
    """Log scores of tag after tag, of the first and of the last tag; -inf where BIOES forbids it."""

    pairs: Floats
    first: Floats
    last: Floats

    @cached_property
    def chances(self) -> tuple[Doubles, Doubles, Doubles]:
        """The same as factors, no logs."""
        pairs, first, last = (np.exp(scores.astype(np.float64)) for scores in (self.pairs, self.first, self.last))
        return pairs, first, last

    @cached_property
    def within(self) -> Doubles:
        """[BIES, BIES, labels] the factors from a tag to another of the same label."""
        size = len(self.first) // 4
        whole = self.chances[0][1:, 1:].reshape(size, 4, size, 4)
        return np.ascontiguousarray(np.einsum("lalb->abl", whole))

    @cached_property
    def both_ways(self) -> Doubles:
        """One step forward and one backward at once: [2 tags, 2 tags], with nothing from one half to the other."""
        pairs, size = self.chances[0], len(self.first)
        both = np.zeros((2 * size, 2 * size))
        both[:size, :size], both[size:, size:] = pairs, pairs.T
        return both


SCALED = 16
"""Words after which forward and backward sums are brought back to a scale that floats have."""
TINY = 1e-100
"""Where the sums have shrunk below this by then, they are scaled at every word: what matters may have vanished."""


class Lattice:
    """Forward and backward sums over all legal tag sequences of a text: the probability of any span.

    ``rows`` [words, 2 tags] are the sums forward from the first word and, beside them, backward from the last; ``norm``
    [words] is by what each forward one was divided.
    """

    def __init__(self, local: Doubles, rows: Doubles, norm: Doubles, transitions: Transitions) -> None:
        n, size = local.shape
        pairs, _, last = transitions.chances
        self._norm = norm
        self._forward = rows[:, :size]
        self._backward = np.concatenate((rows[::-1, size:][1:] @ pairs.T, last[None]))
        self._whole = (self._forward * self._backward).sum(1)
        # [words, labels, BIES], [BIES, BIES, labels]
        self._ahead, self._behind, self._here = (x[:, 1:].reshape(n, -1, 4) for x in (self._forward, self._backward, local))
        self._within = transitions.within
        self._spans: dict[tuple[int, int], list[float]] = {}

    def span(self, first: int, last: int) -> list[float]:
        """For each label the probability that words ``first`` to ``last`` are exactly one mention of it."""
        if (first, last) not in self._spans:
            self._spans[first, last] = self._span(first, last)
        return self._spans[first, last]

    def _span(self, first: int, last: int) -> list[float]:
        if first == last:
            value, end = self._ahead[first, :, SINGLE], SINGLE
        else:
            value, end = self._ahead[first, :, BEGINS], LAST
            tag = BEGINS
            for t in range(first + 1, last + 1):
                after = LAST if t == last else INSIDE
                value = value * self._within[tag, after] * self._here[t, :, after] / self._norm[t]
                tag = after
        spans: list[float] = (value * self._behind[last, :, end] / self._whole[last]).tolist()
        return spans

    def likely(self, least: float, longest: int) -> Iterator[tuple[int, int]]:
        """Spans, as (first word, last word), that under some label may be at least this probable."""
        tags = self._ahead * self._behind / self._whole[:, None, None] >= least
        b, i, e, s = (tags[:, :, tag] for tag in (BEGINS, INSIDE, LAST, SINGLE))
        yield from ((t, t) for t in np.flatnonzero(s.any(1)).tolist())
        for first, label in np.argwhere(b).tolist():
            for last in range(first + 1, min(len(tags), first + longest)):
                if e[last, label] and self.span(first, last)[label] >= least:
                    yield first, last
                if not i[last, label]:
                    break


AT_ONCE = 1 << 15
"""Words, counted as those of the longest text for each, that go through their lattices in step: it bounds the memory."""


def lattices(batch: Sequence[Floats], transitions: Transitions) -> list[Lattice]:
    """The lattice of each text, from its scores [words, tags] of one word or more. Texts go on in step, the longest first:
    a step costs the less the more share it. None sees another, so each is the same whatever stands beside it."""
    # a tag so far below the best is never the one, but must not leave a word without any
    wide = (scores.astype(np.float64) for scores in batch)
    local = [np.exp(np.maximum(scores - scores.max(1, keepdims=True), -300)) for scores in wide]
    left = sorted(range(len(local)), key=lambda i: -len(local[i]))
    out: dict[int, Lattice] = {}
    while left:
        some = max(1, AT_ONCE // len(local[left[0]]))
        now, left = left[:some], left[some:]
        for i, (rows, norm, smallest) in zip(now, _sums([local[i] for i in now], transitions, SCALED), strict=True):
            if smallest <= TINY:
                ((rows, norm, _),) = _sums([local[i]], transitions, 1)
            out[i] = Lattice(local[i], rows, norm, transitions)
    return [out[i] for i in range(len(batch))]


def _sums(local: Sequence[Doubles], transitions: Transitions, every: int) -> list[tuple[Doubles, Doubles, float]]:
    """For each text, longest first, ``rows`` and ``norm`` as in :class:`Lattice`, and the smallest sum that was met.

    Sums are brought back to one at every so many words, and at the last.
    """
    _, first, last = transitions.chances
    both, size = transitions.both_ways, len(first)
    lengths = [len(one) for one in local]
    # a text is a matrix of one row to itself in every product: among the rows of one matrix, its sums could depend on theirs
    rows = np.ones((lengths[0], len(local), 1, 2 * size))
    norm = np.ones((lengths[0], len(local)))
    smallest = np.ones(len(local))
    for k, one in enumerate(local):
        rows[: len(one), k, 0] = np.concatenate((one, one[::-1]), axis=1)
    rows[0] *= np.concatenate((first, last))

    def rescale(t: int, texts: slice) -> None:
        halves = rows[t, texts].reshape(-1, 2, size)
        sums = halves.sum(2)
        smallest[texts] = np.minimum(smallest[texts], sums.min(1))
        sums[sums == 0] = 1
        halves /= sums[:, :, None]
        norm[t, texts] = sums[:, 0]

    product = np.empty(rows.shape[1:])
    # how many of the texts have a word at each place
    for t, going in enumerate(np.searchsorted(np.negative(lengths), -np.arange(lengths[0])).tolist()):
        if t:
            np.multiply(rows[t, :going], np.matmul(rows[t - 1, :going], both, out=product[:going]), out=rows[t, :going])
        if t % every == 0:
            rescale(t, slice(going))
    for k, n in enumerate(lengths):
        if (n - 1) % every:
            rescale(n - 1, slice(k, k + 1))
    return [(rows[:n, k, 0], norm[:n, k], float(smallest[k])) for k, n in enumerate(lengths)]


@dataclass(frozen=True)
class Decoding:
    """How spans are chosen once the tagger has spoken; measured, see README.md."""

    keep: tuple[float, ...]
    """For each label: a surface is marked when the mean probability over its free occurrences reaches this."""
    seed: float = 0.2
    """A surface is weighed when one of its occurrences is at least this probable."""
    longest: int = 16
    """Words that a mention may have."""


def decode(text: str, words: Sequence[Word], lattice: Lattice, labels: Sequence[str], rules: Decoding) -> list[Mention]:
    """The mentions of one text that has words.

    A surface means one thing in one text and is marked wherever it stands as a whole word (so the guidelines), unless
    it stands inside a longer mention. So the choice is made for each surface, by the mean of what the tagger says of
    its occurrences: surfaces in the order of that mean, each taking what is still free.
    """
    starts: dict[str, list[int]] = {}
    for i, word in enumerate(words):
        starts.setdefault(word.text, []).append(i)
    chance: dict[tuple[int, int], list[float]] = {}
    groups: dict[str, list[tuple[int, int]]] = {}
    for a, b in sorted(set(lattice.likely(rules.seed, rules.longest))):
        surface = text[words[a].start : words[b].end]
        if surface in groups:
            continue
        places = {(a, b)}
        for i in starts[words[a].text]:
            j = i + b - a
            if j < len(words) and text[words[i].start : words[j].end] == surface and whole(text, words[i].start, words[j].end):
                places.add((i, j))
        groups[surface] = sorted(places)
        for i, j in places:
            chance[i, j] = lattice.span(i, j)
    taken = [False] * len(words)
    keys: dict[str, tuple[float, int, str, int]] = {}
    changed = set(groups)
    out: list[Mention] = []
    while True:
        for surface in changed:
            groups[surface] = free = [(i, j) for i, j in groups[surface] if not any(taken[i : j + 1])]
            keys.pop(surface, None)
            if free:
                means = [sum(chances) / len(free) for chances in zip(*(chance[p] for p in free), strict=True)]
                mean = max(means)
                label = means.index(mean)
                if mean >= rules.keep[label]:
                    keys[surface] = (mean, len(surface), surface, label)
        if not keys:
            break
        mean_of_best, _, best, label = max(keys.values())
        del keys[best]
        touched: set[int] = set()
        for i, j in groups.pop(best):
            if not any(taken[i : j + 1]):
                taken[i : j + 1] = [True] * (j + 1 - i)
                touched.update(range(i, j + 1))
                confidence = 0.5 * (chance[i, j][label] + mean_of_best)
                out.append(Mention(words[i].start, words[j].end, labels[label], min(1.0, confidence)))
        changed = {s for s, places in groups.items() if any(not touched.isdisjoint(range(i, j + 1)) for i, j in places)}
    return sorted(out)


def whole(text: str, start: int, end: int) -> bool:
    """Whether the stretch is not part of a longer run of word characters."""
    left = start > 0 and (text[start - 1].isalnum() or text[start - 1] == "_") and (text[start].isalnum() or text[start] == "_")
    right = end < len(text) and (text[end].isalnum() or text[end] == "_") and (text[end - 1].isalnum() or text[end - 1] == "_")
    return not left and not right


def open_session(graph: bytes, threads: int = 1) -> Any:
    """An onnxruntime session of a graph; ``threads`` is what one run may use."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # the graph is written fused where that pays; the next level's SkipLayerNormalization is slower (39 against 32 ms a text)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


class Tagger:
    """A loaded model folder: ``model.onnx``, ``tokenizer.json`` and ``config.json``."""

    def __init__(self, session: Any, tokenizer: Any, config: dict[str, Any]) -> None:
        self.labels: tuple[str, ...] = tuple(config["labels"])
        self.config = config
        self._session = session
        self._subwords = Subwords(tokenizer)
        self._limit = int(config["subwords"])
        curve = config["calibration"]
        self._stated, self._true = np.array(curve["stated"], dtype=np.float64), np.array(curve["true"], dtype=np.float64)
        self._rules = Decoding(**{**config["decoding"], "keep": tuple(config["decoding"]["keep"])})
        if {i.name for i in session.get_inputs()} != set(INPUTS):
            raise ValueError("the graph reads other inputs than this code gives")
        if tuple(config["features"]) != FEATURES:
            raise ValueError("the model was trained on other word features than this code computes")
        pairs, first, last = (np.array(config["transitions"][k], dtype=np.float32) for k in ("pairs", "first", "last"))
        may_follow, may_open, may_close = legal(self.labels)
        never = np.float32(-np.inf)
        self._transitions = Transitions(np.where(may_follow, pairs, never), np.where(may_open, first, never), np.where(may_close, last, never))

    @classmethod
    def load(cls, files: Mapping[str, bytes], threads: int = 1) -> Tagger:
        """From the contents of ``FILES``; ``threads`` is what one run of the graph may use."""
        import tokenizers

        session = open_session(files["model.onnx"], threads)
        tokenizer = tokenizers.Tokenizer.from_str(files["tokenizer.json"].decode("utf-8"))
        return cls(session, tokenizer, json.loads(files["config.json"]))

    def encode(self, text: str) -> tuple[list[Word], Floats, Floats]:
        """The words of a text, their tag scores, and the encoder's last state at each (384 values a word)."""
        words, windows = encode(self._subwords, text, self._limit)
        scores, states = [], []
        for w in windows:
            score, state = self._session.run(["scores", "hidden"], w.inputs)
            kept = slice(w.keep.start - w.first, w.keep.stop - w.first)
            scores.append(score[kept])
            states.append(state[kept])
        if not windows:
            tags = len(tag_names(self.labels))
            return [], np.zeros((0, tags), dtype=np.float32), np.zeros((0, 0), dtype=np.float32)
        return words, np.concatenate(scores), np.concatenate(states)

    def predict(self, text: str) -> list[Mention]:
        """The mentions of a text, in order, none overlapping; offsets are code points of ``text`` as given."""
        words, scores, _ = self.encode(text)
        return self.decode([(text, words, scores)])[0]

    def decode(self, batch: Sequence[tuple[str, Sequence[Word], Floats]], rules: Decoding | None = None) -> list[list[Mention]]:
        """For each text, with the words and the tag scores of ``encode``, the mentions that the scores amount to."""
        out: list[list[Mention]] = [[] for _ in batch]
        some = [i for i, (_, words, _) in enumerate(batch) if words]
        for i, lattice in zip(some, lattices([batch[i][2] for i in some], self._transitions), strict=True):
            text, words, _ = batch[i]
            found = decode(text, words, lattice, self.labels, rules or self._rules)
            true = np.interp([m.confidence for m in found], self._stated, self._true).tolist()
            out[i] = [m._replace(confidence=sure) for m, sure in zip(found, true, strict=True)]
        return out
