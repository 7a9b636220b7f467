"""Readers of annotated files: our own format, and public test sets brought to our labels.

A reader has two tables. ``labels`` maps the set's labels to ours; a label that is not in it is dropped from gold.
``relations`` maps (type, label of head, label of tail), labels being ours, to our type, with ``swap`` where head and
tail change places; a relation that is not in it is dropped. Only near equivalents are mapped:

=====================  ===================================================================================
ours                   theirs
=====================  ===================================================================================
APPLIED_TO             Method "used for" Task
BASED_ON               Method "used for" Method, Method "part of" Method, both swapped
EVALUATED_ON           Method "evaluated with" Dataset; in SciERC a Material that is to "evaluate" a Method
TRAINED_ON             Method "trained with" Dataset
FOR_TASK               Dataset "benchmark for" Task; in SciERC a Material that is to "evaluate" a Task
MEASURED_BY            in SciERC a Metric that is to "evaluate" a Task, Method or Material
IS_A, PART_OF          "hyponym of", "subclass of", "subtask of"; Dataset "part of" Dataset
COMPARED_WITH          "compare", which has no direction and also covers what we call OUTPERFORMS
=====================  ===================================================================================

Predictions are brought to what the set can hold as well: a Benchmark counts as a Dataset, OUTPERFORMS as
COMPARED_WITH; mentions of a label, and relations of a kind, that the set does not have are not counted, nor are
relations of the unnamed ``paper``, nor results. The sets mark relations between mentions within a sentence, ours
hold between groups within a text, so a relation of theirs counts once for each pair of groups; groups are the set's
own coreference and synonyms, and equal surfaces of one label.

Files hold one JSON object a line: ``id``, ``text``, ``entities`` (``start``, ``end``, ``label``, ``text`` in code
points), optionally ``relations`` (``head``, ``tail`` as places in that list, ``label``) and ``clusters`` (lists of
such places); SciERC and SciREX also as their authors published them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from pydantic import Field, model_validator

from kgbuild.errors import KGError
from kgbuild.evaluate.record import (
    Entity,
    Line,
    Record,
    Relation,
    Surface,
    check_offsets,
    from_extraction,
    read_lines,
    read_records,
    unique,
)
from kgbuild.evaluate.score import fold
from kgbuild.records import PAPER, Extraction, Paper, Span

Triple = tuple[str, str, str]
Extract = Callable[[Iterable[Paper]], Iterator[tuple[Paper, Extraction]]]
"""Gives each paper with what was read in it, in order."""

GOLD = "gold"
"""The reader of our own format."""


class Link(Line):
    """A relation between two entities, named by their place in the list."""

    head: int
    tail: int
    label: str


class Annotated(Line):
    """A text with the labels of its own set."""

    id: str
    text: str
    entities: tuple[Surface, ...]
    relations: tuple[Link, ...] = ()
    clusters: tuple[tuple[int, ...], ...] = ()

    @model_validator(mode="after")
    def _places(self) -> Annotated:
        check_offsets(self.text, self.entities)
        for i in (i for places in (*((r.head, r.tail) for r in self.relations), *self.clusters) for i in places):
            if not 0 <= i < len(self.entities):
                raise ValueError(f"there is no entity {i}; the record has {len(self.entities)}, counted from 0")
        return self

    def annotated(self) -> Annotated:
        """The record itself."""
        return self


class SciERCDocument(Line):
    """SciERC as published: offsets are words of the document, the end included."""

    doc_key: str
    sentences: tuple[tuple[str, ...], ...]
    ner: tuple[tuple[tuple[int, int, str], ...], ...]
    relations: tuple[tuple[tuple[int, int, int, int, str], ...], ...] = ()
    clusters: tuple[tuple[Span, ...], ...] = ()

    @model_validator(mode="after")
    def _places(self) -> SciERCDocument:
        self.annotated()
        return self

    def annotated(self) -> Annotated:
        """The document as text with character offsets."""
        text, spans = detokenise([word for sentence in self.sentences for word in sentence])
        marks = [(start, end + 1, label) for sentence in self.ner for start, end, label in sentence]
        entities = _surfaces(text, spans, marks)
        place = {mark[:2]: i for i, mark in enumerate(marks)}
        links = [
            Link(head=place[a, b + 1], tail=place[c, d + 1], label=label)
            for sentence in self.relations
            for a, b, c, d, label in sentence
            if (a, b + 1) in place and (c, d + 1) in place
        ]
        clusters = tuple(tuple(place[s, e + 1] for s, e in cluster if (s, e + 1) in place) for cluster in self.clusters)
        return Annotated(id=self.doc_key, text=text, entities=entities, relations=tuple(links), clusters=clusters)


class SciREXDocument(Line):
    """SciREX as published: offsets are words of the document, the end excluded."""

    doc_id: str
    words: tuple[str, ...]
    ner: tuple[tuple[int, int, str], ...]
    coref: dict[str, tuple[Span, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _places(self) -> SciREXDocument:
        self.annotated()
        return self

    def annotated(self) -> Annotated:
        """The document as text with character offsets."""
        text, spans = detokenise(self.words)
        place = {(s, e): i for i, (s, e, _) in enumerate(self.ner)}
        clusters = tuple(tuple(place[span] for span in cluster if span in place) for cluster in self.coref.values())
        return Annotated(id=self.doc_id, text=text, entities=_surfaces(text, spans, self.ner), clusters=clusters)


@dataclass(frozen=True, slots=True)
class Reader:
    """How one public set is read; see the head of this module for ``labels`` and ``relations``."""

    labels: Mapping[str, str]
    relations: Mapping[Triple, tuple[str, bool]] = field(default_factory=dict)
    synonym: str = ""
    """Type of the relation that says that two mentions are one thing."""
    original: tuple[type[SciERCDocument] | type[SciREXDocument], ...] = ()
    """Forms in which the authors published the set."""


READERS: Mapping[str, Reader] = {
    "scierc": Reader(
        labels={"Task": "Task", "Method": "Method", "Metric": "Metric", "Material": "Dataset"},
        relations={
            ("USED-FOR", "Method", "Task"): ("APPLIED_TO", False),
            ("USED-FOR", "Method", "Method"): ("BASED_ON", True),
            ("PART-OF", "Method", "Method"): ("BASED_ON", True),
            ("PART-OF", "Dataset", "Dataset"): ("PART_OF", False),
            ("EVALUATE-FOR", "Dataset", "Method"): ("EVALUATED_ON", True),
            ("EVALUATE-FOR", "Dataset", "Task"): ("FOR_TASK", False),
            ("EVALUATE-FOR", "Metric", "Method"): ("MEASURED_BY", True),
            ("EVALUATE-FOR", "Metric", "Task"): ("MEASURED_BY", True),
            ("EVALUATE-FOR", "Metric", "Dataset"): ("MEASURED_BY", True),
            ("HYPONYM-OF", "Method", "Method"): ("IS_A", False),
            ("HYPONYM-OF", "Task", "Task"): ("IS_A", False),
            ("HYPONYM-OF", "Dataset", "Dataset"): ("IS_A", False),
            ("HYPONYM-OF", "Metric", "Metric"): ("IS_A", False),
            ("COMPARE", "Method", "Method"): ("COMPARED_WITH", False),
        },
        original=(SciERCDocument,),
    ),
    "scier": Reader(
        labels={"Dataset": "Dataset", "Method": "Method", "Task": "Task"},
        relations={
            ("Used-For", "Method", "Task"): ("APPLIED_TO", False),
            ("Used-For", "Method", "Method"): ("BASED_ON", True),
            ("Part-Of", "Method", "Method"): ("BASED_ON", True),
            ("Part-Of", "Dataset", "Dataset"): ("PART_OF", False),
            ("Evaluated-With", "Method", "Dataset"): ("EVALUATED_ON", False),
            ("Trained-With", "Method", "Dataset"): ("TRAINED_ON", False),
            ("Benchmark-For", "Dataset", "Task"): ("FOR_TASK", False),
            ("SubClass-Of", "Method", "Method"): ("IS_A", False),
            ("SubClass-Of", "Dataset", "Dataset"): ("IS_A", False),
            ("SubTask-Of", "Task", "Task"): ("IS_A", False),
            ("Compare-With", "Method", "Method"): ("COMPARED_WITH", False),
        },
        synonym="Synonym-Of",
    ),
    "tdmsci": Reader(labels={"TASK": "Task", "DATASET": "Dataset", "METRIC": "Metric"}),
    # Generic mentions ("our model"), citations and addresses are dropped.
    "gsap": Reader(
        labels={
            "MLModel": "Method",
            "ModelArchitecture": "Method",
            "Method": "Method",
            "Task": "Task",
            "Dataset": "Dataset",
            "Datasource": "Dataset",
        }
    ),
    "scirex": Reader(
        labels={"Task": "Task", "Method": "Method", "Metric": "Metric", "Material": "Dataset"}, original=(SciREXDocument,)
    ),
    # Its fields are no tasks for us, its products are tools, data sets and robots alike.
    "crossner": Reader(labels={"algorithm": "Method", "task": "Task", "metrics": "Metric"}),
}
"""The public sets by name."""

NAMES = (GOLD, *READERS)


def read(path: str | Path, reader: str = GOLD) -> list[Record]:
    """The records of a file of one set, under our labels.

    Raises SourceError with file and line for a malformed line or an id that comes twice, KGError for an unknown reader.
    """
    if reader == GOLD:
        return read_records(path)
    known = _reader(reader)
    return unique(path, ((number, _gold(line.annotated(), known)) for number, line in read_lines(path, Annotated, *known.original)))


def predict(gold: Iterable[Record], extract: Extract, reader: str = GOLD) -> Iterator[Record]:
    """What ``extract`` reads in the texts of ``gold``, in order. Texts of public sets have no title."""
    records = list(gold)
    before = 0 if reader == GOLD else 1

    def papers() -> Iterator[Paper]:
        for r in records:
            title, _, abstract = ("\n" * before + r.text).partition("\n")
            yield Paper(id=r.id, title=title, abstract=abstract)

    for record, (_, extraction) in zip(records, extract(papers()), strict=True):
        yield from_extraction(record.id, record.text, extraction, before)


def comparable(predicted: Record, reader: str = GOLD) -> Record:
    """A prediction without what the set cannot hold, under the labels and types that it can hold."""
    if reader == GOLD:
        return predicted
    known = _reader(reader)
    ours = set(known.labels.values())
    label = {name: name for name in ours} | ({"Benchmark": "Dataset"} if "Dataset" in ours else {})
    kinds = {_ours(triple, known) for triple in known.relations}
    entities = [e.model_copy(update={"label": label[e.label]}) for e in predicted.entities if e.label in label]
    labels = {e.entity: e.label for e in entities}
    relations = []
    for r in predicted.relations:
        if PAPER not in (r.head, r.tail):
            kind = "COMPARED_WITH" if r.type == "OUTPERFORMS" else r.type
            if (kind, labels.get(r.head), labels.get(r.tail)) in kinds:
                relations.append(r.model_copy(update={"type": kind}))
    return Record(id=predicted.id, text=predicted.text, entities=tuple(entities), relations=_directed(relations, entities))


def detokenise(words: Sequence[str]) -> tuple[str, list[Span]]:
    """Words of the Penn Treebank kind as running text, with the place of each word.

    >>> detokenise(["It", "works", "-LRB-", "well", "-RRB-", "."])[0]
    'It works (well).'
    """
    text = ""
    spans: list[Span] = []
    for word in words:
        plain = _ESCAPES.get(word, word)
        if text and plain not in _TIGHT_BEFORE and text[-1] not in "([{":
            text += " "
        spans.append((len(text), len(text) + len(plain)))
        text += plain
    return text, spans


_ESCAPES = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}", "``": '"', "''": '"'}
_TIGHT_BEFORE = frozenset(",.)]}%;:?!")


def _surfaces(text: str, spans: Sequence[Span], marks: Iterable[tuple[int, int, str]]) -> tuple[Surface, ...]:
    out = []
    for start, end, label in marks:
        if not 0 <= start < end <= len(spans):
            raise ValueError(f"there are no words {start} to {end - 1}; the document has {len(spans)}, counted from 0")
        s, e = spans[start][0], spans[end - 1][1]
        out.append(Surface(start=s, end=e, label=label, text=text[s:e]))
    return tuple(out)


def _reader(name: str) -> Reader:
    if name not in READERS:
        raise KGError(f"no reader {name!r}; there is {', '.join(NAMES)}")
    return READERS[name]


def _gold(source: Annotated, reader: Reader) -> Record:
    kept = {i: reader.labels[e.label] for i, e in enumerate(source.entities) if e.label in reader.labels}
    group = _groups(source, kept, reader.synonym)
    entities: dict[tuple[int, int, str], Entity] = {}
    for i, label in kept.items():
        e = source.entities[i]
        entities.setdefault((e.start, e.end, label), Entity(start=e.start, end=e.end, label=label, text=e.text, entity=group[i]))
    relations = []
    for r in source.relations:
        if r.head in kept and r.tail in kept:
            triple = (r.label, kept[r.head], kept[r.tail])
            if triple in reader.relations:
                kind, swap = reader.relations[triple]
                head, tail = (r.tail, r.head) if swap else (r.head, r.tail)
                relations.append(Relation(type=kind, head=group[head], tail=group[tail]))
    marked = list(entities.values())
    return Record(id=source.id, text=source.text, entities=tuple(marked), relations=_directed(relations, marked))


def _groups(source: Annotated, kept: Mapping[int, str], synonym: str) -> dict[int, str]:
    """Group of each kept mention: equal surfaces, coreference and synonyms, each within one label."""
    parent = {i: i for i in kept}

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    first: dict[tuple[str, str], int] = {}
    same = [(i, first.setdefault((label, fold(source.entities[i].text)), i)) for i, label in kept.items()]
    same += [(r.head, r.tail) for r in source.relations if synonym and r.label == synonym]
    same += [pair for cluster in source.clusters for pair in pairwise(cluster)]
    for a, b in same:
        if a in kept and b in kept and kept[a] == kept[b]:
            parent[max(root(a), root(b))] = min(root(a), root(b))
    return {i: f"e{root(i) + 1}" for i in kept}


def _directed(relations: Iterable[Relation], entities: Iterable[Entity]) -> tuple[Relation, ...]:
    """Each relation once; of one without direction the end that the text names first is the head."""
    first: dict[str, int] = {}
    for e in entities:
        first[e.entity] = min(e.start, first.get(e.entity, e.start))
    out: dict[Triple, Relation] = {}
    for r in relations:
        if r.type == "COMPARED_WITH" and first[r.tail] < first[r.head]:
            r = r.model_copy(update={"head": r.tail, "tail": r.head})
        if r.head != r.tail:
            out.setdefault((r.type, r.head, r.tail), r)
    return tuple(out.values())


def _ours(triple: Triple, reader: Reader) -> Triple:
    """Our type of a relation of theirs, with the labels of its head and tail."""
    kind, swap = reader.relations[triple]
    _, head, tail = triple
    return (kind, tail, head) if swap else (kind, head, tail)

