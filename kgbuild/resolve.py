"""From names to entities: the one step that needs the whole corpus.

Extractions group the mentions of one paper; here the groups of all papers become entities. Two passes over the
extractions, which need not be in any order: :meth:`Resolver.observe` counts the names, :meth:`Resolver.resolve`
settles which names are one thing, and :meth:`Resolution.entities` then says what a group stands for.

What joins names: an equal fold (case, dashes, spaces, plural, LaTeX); a lexicon entry; papers that agree in using
both for one thing; a doubled or swapped letter in a rare long name. What never does: another number ("GPT-3",
"GPT-4"; "ImageNet", "ImageNet-100"), another type, two lexicon entries. A short form goes with its long form in the
paper that defines it, and elsewhere only where the corpus agrees on one long form. Dataset and Benchmark are one
kind of thing here: which of the two labels it gets is voted.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from kgbuild.records import Extraction, Mention, Paper

AGREEMENT = 2 / 3
"""Share of the papers that define a short form which must mean one long form, for it to hold in papers that don't."""
TOGETHER = 2
"""Papers that must use two names for one thing before they are one thing everywhere: "classification" is short for
"image classification" in many a paper, and another task in most."""
FUZZY_LENGTH = 10
"""Folded names shorter than this never join by a typing slip."""
FUZZY_RARE = 1
"""A name that more papers use than this is no typing slip."""


class Name(NamedTuple):
    """A folded name of one kind of thing."""

    kind: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the lexicon says of an entity."""

    id: str
    label: str
    name: str
    aliases: tuple[str, ...] = ()
    variant_of: str | None = None
    better: str | None = None
    """Of a metric: ``higher`` or ``lower``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A canonical thing. ``names`` are the folded names that lead to it."""

    id: str
    label: str
    names: tuple[Name, ...]
    known: Known | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """Ids that earlier builds gave out, so that later ones keep them."""

    ids: Mapping[Name, str] = field(default_factory=dict)
    redirects: Mapping[str, str] = field(default_factory=dict)
    """Id of an entity that was merged away -> the id that holds its names now."""


def fold(surface: str) -> str:
    """The key under which spellings of one name meet: letters and digits alone, case and plural folded.

    >>> fold("Graph Neural Networks") == fold("graph neural-network")
    True
    >>> fold("GPT-4") == fold("GPT-4o"), fold("DPS"), fold("DPs"), fold("Qwen2.5-7B")
    (False, 'dps', 'dp', 'qwen2.5_7b')
    """
    text = _FORMAT.sub(" ", unicodedata.normalize("NFKC", surface))
    words = _WORD.findall(text)
    if not words:
        return " ".join(surface.split()).casefold()
    words[-1] = _singular(words[-1])
    key: str = words[0]
    for word in words[1:]:
        # "3 8B" is not "38B"
        key += ("_" if key[-1].isdigit() and word[0].isdigit() else "") + word
    return key.casefold()


def kind(label: str) -> str:
    """Dataset and Benchmark are one kind; every other label is its own."""
    return "Data" if label in ("Dataset", "Benchmark") else label


class Resolver:
    """Counts the names of a corpus; the result does not depend on the order in which papers are observed."""

    def __init__(self, lexicon: Mapping[str, Known]) -> None:
        self._lexicon = lexicon
        self._papers: Counter[Name] = Counter()
        self._surfaces: dict[Name, Counter[str]] = defaultdict(Counter)
        self._labels: dict[Name, Counter[str]] = defaultdict(Counter)
        self._known: dict[Name, Counter[str]] = defaultdict(Counter)
        self._longs: dict[Name, Counter[Name]] = defaultdict(Counter)
        self._together: Counter[tuple[Name, Name]] = Counter()

    def observe(self, paper: Paper, extraction: Extraction) -> None:
        """Count the names of one paper."""
        longs = {fold(short): fold(long) for short, long in extraction.abbreviations}
        for group in _groups(paper, extraction):
            long = [n for n in group.names if n.key not in longs]
            for name, surfaces in group.names.items():
                self._papers[name] += 1
                self._surfaces[name].update(surfaces)
                self._labels[name][group.label] += 1
                if entry := _entry(group, self._lexicon):
                    self._known[name][entry] += 1
                if name.key in longs:
                    said = Name(name.kind, longs[name.key])
                    self._longs[name].update([said] if said in group.names else long)
            self._together.update((a, b) for a in long for b in long if a < b)

    def resolve(self, memory: Memory = Memory()) -> Resolution:
        """Settle which names are one thing. Ids come from the lexicon, else from ``memory``, else from the name."""
        sets = _Sets(self._sole_entry)
        for name in sorted(self._papers):
            sets.add(name)
        for (a, b), papers in sorted(self._together.items()):
            rarer = min(self._papers[a], self._papers[b])
            if papers >= max(TOGETHER, AGREEMENT * rarer) and _digits(a.key) == _digits(b.key):
                sets.join(a, b)
        for a, b in self._slips():
            sets.join(a, b)
        entries: dict[str, list[Name]] = defaultdict(list)
        for name in sorted(self._papers):
            if entry := self._sole_entry(name):
                entries[entry].append(name)
        for names in entries.values():
            for name in names[1:]:
                sets.join(names[0], name)
        return self._entities(sets.members(), memory)

    def _entities(self, clusters: Iterable[list[Name]], memory: Memory) -> Resolution:
        weighed = sorted(clusters, key=lambda c: (-sum(self._papers[n] for n in c), c))
        entities: dict[Name, Entity] = {}
        taken: set[str] = set(self._lexicon)
        for names in weighed:
            entry = next((e for n in names if (e := self._sole_entry(n))), None)
            known = self._lexicon[entry] if entry else None
            label = known.label if known else self._label(names)
            id_ = known.id if known else self._new_id(names, label, memory, taken)
            taken.add(id_)
            entity = Entity(id=id_, label=label, names=tuple(names), known=known)
            entities.update(dict.fromkeys(names, entity))
        by_entry = {e.known.id: e for e in entities.values() if e.known}
        for known in self._lexicon.values():
            by_entry.setdefault(known.id, Entity(id=known.id, label=known.label, names=(), known=known))
        now = {name: entity.id for name, entity in entities.items()}
        alive = set(now.values())
        moved = {old: now[n] for n, old in sorted(memory.ids.items()) if n in now and old not in alive}
        kept = {old: moved.get(new, new) for old, new in memory.redirects.items() if old not in alive}
        redirects = {old: new for old, new in sorted((kept | moved).items()) if new in alive}
        return Resolution(entities, by_entry, self._lexicon, self._votes(), Memory({**memory.ids, **now}, redirects))

    def _new_id(self, names: list[Name], label: str, memory: Memory, taken: set[str]) -> str:
        remembered: Counter[str] = Counter()
        for name in names:
            if (old := memory.ids.get(name)) and old not in taken:
                remembered[old] += self._papers[name]
        if remembered:
            return min(remembered, key=lambda i: (-remembered[i], i))
        best = min(names, key=lambda n: (-self._papers[n], n))
        surface = min(self._surfaces[best], key=lambda s: (-self._surfaces[best][s], s))
        slug = slugify(surface)
        id_ = f"{label.lower()}:{slug}" if slug else ""
        if not id_ or id_ in taken:
            id_ = f"{label.lower()}:{slug or 'x'}-{hashlib.blake2b(best.key.encode(), digest_size=4).hexdigest()}"
        return id_

    def _label(self, names: list[Name]) -> str:
        votes: Counter[str] = Counter()
        for name in names:
            votes.update(self._labels[name])
        # Dataset before Benchmark on a draw: the weaker claim
        return min(votes, key=lambda label: (-votes[label], label != "Dataset", label))

    def _sole_entry(self, name: Name) -> str | None:
        found = self._known.get(name)
        if not found:
            return None
        best = min(found, key=lambda e: (-found[e], e))
        return best if found[best] >= AGREEMENT * self._papers[name] else None

    def _votes(self) -> dict[Name, Name]:
        """Short form -> long form, where the papers that define the short form agree on one."""
        votes = {}
        for short, longs in self._longs.items():
            if longs:
                best = min(longs, key=lambda n: (-longs[n], n))
                if longs[best] >= AGREEMENT * longs.total():
                    votes[short] = best
        return votes

    def _slips(self) -> Iterator[tuple[Name, Name]]:
        """Pairs (name, rare name one typing slip away), within blocks that share type, digits and start or end."""
        blocks: dict[tuple[str, str, str], list[Name]] = defaultdict(list)
        for name in sorted(self._papers):
            if len(name.key) >= FUZZY_LENGTH:
                half = FUZZY_LENGTH // 2
                blocks[name.kind, _digits(name.key), "^" + name.key[:half]].append(name)
                blocks[name.kind, _digits(name.key), "$" + name.key[-half:]].append(name)
        for block in blocks.values():
            rare = [n for n in block if self._papers[n] <= FUZZY_RARE]
            common = [n for n in block if self._papers[n] > FUZZY_RARE]
            for a in rare:
                for b in common:
                    if _slip(a.key, b.key):
                        yield b, a


@dataclass(frozen=True, slots=True)
class Resolution:
    """What every group of mentions stands for."""

    by_name: Mapping[Name, Entity]
    by_entry: Mapping[str, Entity]
    """Lexicon id -> entity."""
    lexicon: Mapping[str, Known]
    votes: Mapping[Name, Name]
    """Short form -> long form, where the papers that define it agree on one."""
    memory: Memory

    def entities(self, paper: Paper, extraction: Extraction) -> dict[str, Entity]:
        """Mention group of one observed paper -> entity."""
        longs = {fold(short): fold(long) for short, long in extraction.abbreviations}
        return {group.id: self._entity(group, longs) for group in _groups(paper, extraction)}

    def _entity(self, group: _Group, longs: Mapping[str, str]) -> Entity:
        if entry := _entry(group, self.lexicon):
            return self.by_entry[entry]
        weights: Counter[Name] = Counter()
        for name, surfaces in group.names.items():
            long = Name(name.kind, longs.get(name.key, name.key))
            weights[long if long in group.names else name] += surfaces.total()
        best = min(weights, key=lambda n: (-weights[n], -len(n.key), n))
        entity = self.by_name[best]
        voted = self.votes.get(best, best)
        if entity.known or longs.get(best.key, voted.key) != voted.key:
            return entity
        return self.by_name[voted]


def variants(entities: Iterable[Entity], names: Mapping[str, str]) -> list[tuple[Entity, Entity]]:
    """(variant, base) pairs: what the lexicon says, and names that add a version, size or number to another's.

    ``names`` gives the shown name of each entity id.
    """
    entities = sorted(set(entities), key=lambda e: e.id)
    by_id = {e.id: e for e in entities}
    by_name = {(kind(e.label), fold(names[e.id])): e for e in entities}
    pairs = []
    for entity in entities:
        base = by_id.get(entity.known.variant_of) if entity.known and entity.known.variant_of else None
        shown = names[entity.id]
        while base is None and (cut := _VERSION.sub("", shown)) and cut != shown:
            shown = cut
            base = by_name.get((kind(entity.label), fold(cut)))
        if base is not None and base != entity:
            pairs.append((entity, base))
    return pairs


def slugify(text: str) -> str:
    """Lower-case ASCII words joined by dashes; empty where the text has none."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return "-".join(re.findall(r"[a-z0-9]+|\+", plain))[:80].strip("-")


_FORMAT = re.compile(r"\\(?:text(?:bf|it|tt|sc|rm|sf)?|emph|underline|math(?:bf|it|rm|cal|bb|sf|tt))\b")
"""LaTeX that only says how a name looks; other macros are part of it ("\\beta-VAE")."""
_WORD = re.compile(r"[^\W_]*\d(?:\.\d+)+[^\W_]*|[^\W_]+|[+*#]")
_SIZE = r"\d+(?:\.\d+)*[kmbt]?|v\d+(?:\.\d+)*|tiny|mini|nano|small|base|medium|large|huge|giant|turbo|pro|x?xl|lite"
_VERSION = re.compile(rf"(?:[\s_-]+(?:{_SIZE})|(?<=\d)o|(?<=[a-z])\d+)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Group:
    id: str
    label: str
    names: dict[Name, Counter[str]]
    entries: tuple[str, ...]


def _groups(paper: Paper, extraction: Extraction) -> list[_Group]:
    text = paper.text
    by_id: dict[str, list[Mention]] = defaultdict(list)
    for mention in extraction.mentions:
        by_id[mention.entity].append(mention)
    groups = []
    for id_, mentions in by_id.items():
        labels = Counter(m.label for m in mentions)
        label = min(labels, key=lambda x: (-labels[x], x))
        names: dict[Name, Counter[str]] = defaultdict(Counter)
        for m in mentions:
            surface = " ".join(text[m.start : m.end].split())
            names[Name(kind(label), fold(surface))][surface] += 1
        groups.append(_Group(id_, label, names, tuple(m.lexicon for m in mentions if m.lexicon)))
    return groups


def _entry(group: _Group, lexicon: Mapping[str, Known]) -> str | None:
    """The lexicon entry that a group names, where its type agrees."""
    found = Counter(e for e in group.entries if e in lexicon and kind(lexicon[e].label) == kind(group.label))
    return min(found, key=lambda e: (-found[e], e)) if found else None


def _singular(word: str) -> str:
    # only a lower-case s is a plural: "DPS" is not several "DP"
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 2 and word.endswith("s") and not word.endswith(("ss", "us", "is", "as")):
        return word[:-1]
    return word


def _slip(one: str, two: str) -> bool:
    """Whether two names differ by a slip that cannot be another word: a letter doubled or not, two letters swapped,
    -our for -or or -ise for -ize. Any other letter makes another thing ("lane", "line"; "macro F1", "micro F1")."""
    short, long = sorted((one, two), key=lambda k: (len(k), k))
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(long) == len(short) + 1 and long[at + 1 :] == short[at:]:
        letter, before = long[at], long[at - 1 : at]
        return letter.isalpha() and (
            letter == before or (letter == "u" and before == "o" and long[at + 1 : at + 2] == "r")
        )
    if len(long) != len(short):
        return False
    rest = short[at + 2 :] == long[at + 2 :]
    swapped = rest and short[at : at + 2] == long[at : at + 2][::-1] and short[at : at + 2].isalpha()
    return swapped or (short[at + 1 :] == long[at + 1 :] and {short[at : at + 1], long[at : at + 1]} == {"s", "z"})


def _digits(key: str) -> str:
    return "".join(c if c.isdigit() else " " for c in key).strip()


class _Sets:
    """Union-find that refuses to join two different lexicon entries."""

    def __init__(self, entry: Callable[[Name], str | None]) -> None:
        self._parent: dict[Name, Name] = {}
        self._entry: dict[Name, str | None] = {}
        self._find_entry = entry

    def add(self, name: Name) -> None:
        self._parent[name] = name
        self._entry[name] = self._find_entry(name)

    def find(self, name: Name) -> Name:
        root = name
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[name] != root:
            self._parent[name], name = root, self._parent[name]
        return root

    def join(self, a: Name, b: Name) -> None:
        a, b = sorted((self.find(a), self.find(b)))
        one, two = self._entry[a], self._entry[b]
        if a != b and not (one and two and one != two):
            self._parent[b] = a
            self._entry[a] = one or two

    def members(self) -> list[list[Name]]:
        out: dict[Name, list[Name]] = defaultdict(list)
        for name in sorted(self._parent):
            out[self.find(name)].append(name)
        return list(out.values())
