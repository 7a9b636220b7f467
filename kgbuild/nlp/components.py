"""The spaCy components. Each is a pure function on text from a module beside this one, put on a ``Doc``.

====================  ========================================  ==========================================
component             reads                                     writes
====================  ========================================  ==========================================
``kg_sentences``      text (title, newline, abstract)           ``token.is_sent_start``
``kg_abbreviations``  text                                      ``doc._.kg_abbreviations``
``kg_lexicon``        text                                      ``doc.spans["kg_candidates"]``
``kg_patterns``       text, short forms                         ``doc.spans["kg_hints"]``, ``doc._.kg_never``
``kg_mentions``       all that, entities of other components    ``doc.ents`` and their ``_.kg_…``
``kg_relations``      entities, sentences                       ``doc._.kg_relations``
``kg_results``        entities, sentences                       ``doc._.kg_results``
``kg_polarity``       entities, sentences, results              the results' polarity
====================  ========================================  ==========================================

What is written to ``doc._`` is plain lists and dictionaries, so documents can be saved and sent between processes.

A model joins by proposing spans before ``kg_mentions``, under the labels of the schema: with :func:`propose`, by adding
to ``doc.spans["kg_candidates"]``, or as any component that sets ``doc.ents``. A span's ``id_`` names who proposed it. What
the trained tagger says goes first; where it says nothing, the others do, and where they agree, all are named on the mention.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy
from spacy.attrs import IDX, IS_SPACE, LENGTH, SENT_START  # type: ignore[import-not-found]
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup

from kgbuild.nlp import figures, gazetteer, relations, rules
from kgbuild.nlp.abbreviations import abbreviations
from kgbuild.nlp.groups import group, implied
from kgbuild.nlp.mentions import MODEL, Candidate, defined, resolve, settle, spread, trust
from kgbuild.nlp.rows import Row, read_rows
from kgbuild.nlp.text import sentence_starts, words
from kgbuild.records import Span as Offsets
from kgbuild.records import as_row
from kgbuild.resources import resource
from kgbuild.schema import load_schema

CANDIDATES = "kg_candidates"
"""Key of the span group in which components propose mentions, with ``attrs["scores"]`` as spaCy's spancat has it."""

HINTS = "kg_hints"
"""Key of the span group of what patterns propose: mentions where no trained tagger speaks; where one does, they only agree."""

OTHER_CONFIDENCE = 0.7
"""Confidence of an entity that another component set, which says none of its own."""

_LABELS = frozenset(("", *load_schema().entity_labels))

for _name in ("kg_abbreviations", "kg_never", "kg_relations", "kg_results"):
    if not Doc.has_extension(_name):
        Doc.set_extension(_name, default=())
for _name, _default in (("kg_entity", ""), ("kg_source", ""), ("kg_confidence", 0.0)):
    if not Span.has_extension(_name):
        Span.set_extension(_name, default=_default)

Rules = TypeVar("Rules")


class RowComponent(Generic[Rules]):
    """A component that applies compiled rows of data; the rows travel with the pipeline when it is saved."""

    def __init__(self, rows: Any, build: Callable[[Any], Rules], apply: Callable[[Doc, Rules], None]) -> None:
        self._build = build
        self._apply = apply
        self.use(rows)

    def use(self, rows: Any) -> None:
        """Takes these rows in place of the present ones."""
        self.rows = rows
        self.rules = self._build(rows)

    def __call__(self, doc: Doc) -> Doc:
        self._apply(doc, self.rules)
        return doc

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The rows as JSON."""
        return json.dumps(self.rows, ensure_ascii=False, sort_keys=True).encode()

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> RowComponent[Rules]:
        """Replaces the rows by those that ``to_bytes`` gave."""
        self.use(json.loads(data))
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Writes the rows to the file ``path``."""
        Path(path).write_bytes(self.to_bytes())

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> RowComponent[Rules]:
        """Replaces the rows by those of the file ``path``."""
        return self.from_bytes(Path(path).read_bytes())


AHEAD = 64
"""Documents that ``kg_model`` reads at once at the most, before the components after it see the first of them."""


@lru_cache(maxsize=AHEAD)
def text_of(doc: Doc) -> str:
    """``doc.text``, which spaCy puts together anew each time it is asked."""
    return doc.text


def sentence_spans(doc: Doc) -> list[Offsets]:
    """The sentences as offsets."""
    return [(s.start_char, s.end_char) for s in doc.sents]


def propose(doc: Doc, candidates: Iterable[Candidate], key: str = CANDIDATES) -> None:
    """Adds candidates to a span group; one that does not end at tokens is widened to them."""
    candidates = list(candidates)
    if key in doc.spans and not candidates:
        return
    group = doc.spans[key] if key in doc.spans else SpanGroup(doc, name=key)
    scores = _scores(group)
    for c, span in _spans(doc, candidates):
        group.append(span)
        scores.append(c.confidence)
    group.attrs["scores"] = scores
    doc.spans[key] = group


def _spans(doc: Doc, candidates: Sequence[Candidate]) -> Iterator[tuple[Candidate, Span]]:
    """Each candidate that has some of a token, with the span of the tokens that it has some of."""
    at = doc.to_array([IDX, LENGTH]).astype("int64")
    firsts = numpy.searchsorted(at[:, 0] + at[:, 1], [c.start for c in candidates], side="right").tolist()
    ends = numpy.searchsorted(at[:, 0], [c.end for c in candidates]).tolist()
    for c, first, end in zip(candidates, firsts, ends, strict=True):
        if first < end and 0 <= c.start < c.end:
            yield c, Span(doc, first, end, label=c.label, kb_id=c.lexicon, span_id=c.source)


def proposed(doc: Doc, key: str = CANDIDATES) -> list[Candidate]:
    """What components have proposed in a span group so far; those whose label the schema does not have are left out,
    but not a trained model's: it was trained on labels that its user wants."""
    group = doc.spans[key] if key in doc.spans else SpanGroup(doc, name=key)
    return [_candidate(s, s.id_ or "spans", score) for s, score in zip(group, _scores(group), strict=True) if s.label_ in _LABELS or s.id_ == MODEL]


def entities(doc: Doc) -> list[Candidate]:
    """The entities that other components have set, under labels of the schema."""
    return [_candidate(s, s.id_ or "ents", OTHER_CONFIDENCE) for s in doc.ents if s.label_ in _LABELS]


def _candidate(span: Span, source: str, confidence: float) -> Candidate:
    # sources that agree are joined by a plus
    return Candidate(span.start_char, span.end_char, span.label_, source.replace("+", "-"), confidence, span.kb_id_)


def _scores(group: SpanGroup) -> list[float]:
    """The confidence of each span; other components may have added some without."""
    scores: list[float] = list(group.attrs.get("scores", ()))
    return scores + [OTHER_CONFIDENCE] * (len(group) - len(scores))


@Language.component("kg_sentences", assigns=["token.is_sent_start"])
def sentences(doc: Doc) -> Doc:
    """Sentences fit for a title, a newline and an abstract."""
    marks = numpy.full((len(doc), 1), -1, dtype="int64")
    at = doc.to_array([IDX, IS_SPACE]).astype("int64")
    words = at[at[:, 1] == 0, 0]
    # the first word at or after each start, also of one amid the space that is one token
    first = numpy.searchsorted(words, [s for s in sentence_starts(text_of(doc)) if len(words) and s <= words[-1]])
    marks[numpy.flatnonzero(at[:, 1] == 0)[first]] = 1
    marks[:1] = 1
    return doc.from_array([SENT_START], marks.astype("uint64"))  # type: ignore[arg-type]  # the stub asks for one subclass


@Language.component("kg_abbreviations", assigns=["doc._.kg_abbreviations"])
def find_abbreviations(doc: Doc) -> Doc:
    """Short forms and their long forms, as offsets."""
    doc._.kg_abbreviations = abbreviations(text_of(doc))
    return doc


@Language.factory("kg_lexicon", assigns=["doc.spans"])
def make_lexicon(nlp: Language, name: str) -> RowComponent[gazetteer.Lexicon]:
    """Proposes the names of the lexicon."""
    rows = read_rows([resource("schemas") / "lexicon.jsonl"], gazetteer.FIELDS, gazetteer.REQUIRED)
    return RowComponent(rows, gazetteer.Lexicon, _apply_lexicon)


def _apply_lexicon(doc: Doc, known: gazetteer.Lexicon) -> None:
    text = text_of(doc)
    propose(doc, (Candidate(h.start, h.end, h.row["label"], h.row["id"], h.row.get("precision", 0.8), h.row["id"]) for h in known.find(text, words(text))))


@Language.factory("kg_patterns", requires=["doc._.kg_abbreviations"], assigns=["doc.spans"])
def make_patterns(nlp: Language, name: str) -> RowComponent[rules.Rules]:
    """Proposes names and terms by their shape and their words, and what the text defines a short form for."""
    folder = resource("schemas")
    data = {
        "patterns": read_rows([folder / "patterns.jsonl"], rules.FIELDS, rules.REQUIRED),
        "boundary": (folder / "boundary.txt").read_text(encoding="utf-8").split(),
        "generic": read_rows([folder / "generic.jsonl"], rules.GENERIC, rules.GENERIC_REQUIRED),
    }
    return RowComponent(data, _build_rules, _apply_patterns)


def _build_rules(data: dict[str, Any]) -> rules.Rules:
    return rules.Rules(data["patterns"], data["boundary"], data["generic"])


def _apply_patterns(doc: Doc, compiled: rules.Rules) -> None:
    text = text_of(doc)
    found = list(compiled.find(text, words(text)))
    for key, adds in ((CANDIDATES, True), (HINTS, False)):
        rows = (f for f in found if f.row.get("adds", False) == adds)
        propose(doc, (Candidate(f.start, f.end, f.row["label"], f.row["id"], f.row["precision"]) for f in rows), key)
    pairs = [pair for pair in doc._.kg_abbreviations if not any(compiled.is_generic(text[a:b]) for a, b in pair)]
    if compiled.never:
        doc._.kg_never = sorted(compiled.never)
    if pairs:
        propose(doc, defined([*proposed(doc), *proposed(doc, HINTS), *entities(doc)], pairs), HINTS)


@Language.component(
    "kg_mentions",
    requires=["doc.spans", "doc._.kg_abbreviations"],
    assigns=["doc.ents", "doc._.kg_abbreviations", "span._.kg_entity", "span._.kg_source", "span._.kg_confidence"],
)
def mentions(doc: Doc) -> Doc:
    """Makes ``doc.ents`` from the candidates, and from the entities that other components have set."""
    text = text_of(doc)
    title = text.find("\n")
    never = set(doc._.kg_never)
    found, hints = (
        [c for c in group if not c.start <= title < c.end and not (never and rules.plain(text[c.start : c.end]) in never)]
        for group in (proposed(doc) + entities(doc), proposed(doc, HINTS))
    )
    pairs = [p for p in doc._.kg_abbreviations if not (never and any(rules.plain(text[a:b]) in never for a, b in p))]
    model = [c for c in found if c.source == MODEL]
    others = [c for c in found if c.source != MODEL]
    kept = spread(text, trust(text, model, others, hints, pairs) if model else resolve(settle(text, others + hints, pairs)))
    unsaid = implied(text, kept, found, pairs)
    doc._.kg_abbreviations = [*pairs, *unsaid]
    ents: list[Span] = []
    for (c, span), entity in zip(_spans(doc, kept), group(text, kept, pairs, unsaid), strict=True):
        # two mentions may share a token ("foo_bar"), of which an entity must be sole owner
        if not (ents and span.start < ents[-1].end):
            own = span._
            own.kg_entity, own.kg_source, own.kg_confidence = entity, c.source, c.confidence
            ents.append(span)
    doc.ents = ents
    return doc


@Language.factory("kg_relations", requires=["doc.ents", "span._.kg_entity", "token.is_sent_start"], assigns=["doc._.kg_relations"])
def make_relations(nlp: Language, name: str) -> RowComponent[relations.Rules]:
    """Finds relations between the entities, whatever component has set them."""
    rows = read_rows([resource("schemas") / "relations.jsonl"], relations.FIELDS, relations.REQUIRED)
    return RowComponent(rows, _build_relations, _apply_relations)


def _build_relations(rows: list[Row]) -> relations.Rules:
    return relations.Rules(rows, load_schema())


def _apply_relations(doc: Doc, compiled: relations.Rules) -> None:
    spans = sentence_spans(doc)
    doc._.kg_relations = [as_row(r) for r in relations.relations(text_of(doc), spans, named(doc), compiled)]


def named(doc: Doc) -> list[relations.Named]:
    """The entities as plain values."""
    said = [(e, e._) for e in doc.ents]
    return [relations.Named(e.start_char, e.end_char, e.label_, own.kg_entity, own.kg_confidence or 1.0) for e, own in said]


@Language.factory("kg_results", requires=["doc.ents", "token.is_sent_start", "doc._.kg_relations"], assigns=["doc._.kg_results"])
def make_results(nlp: Language, name: str) -> RowComponent[figures.Rules]:
    """Finds stated figures and what they are about."""
    return RowComponent(read_rows([resource("schemas") / "figures.jsonl"], figures.FIELDS, figures.REQUIRED), figures.Rules, _apply_results)


def _apply_results(doc: Doc, compiled: figures.Rules) -> None:
    spans = sentence_spans(doc)
    mentions = named(doc)
    introduced = [r["tail"] for r in doc._.kg_relations if r["type"] == "INTRODUCES" and r["polarity"] == "asserted"]
    method, _ = relations.proposals(introduced, mentions)
    doc._.kg_results = [as_row(r) for r in figures.results(text_of(doc), spans, mentions, method, compiled)]


@Language.factory("kg_polarity", requires=["doc._.kg_results", "token.is_sent_start"], assigns=["doc._.kg_results"])
def make_polarity(nlp: Language, name: str) -> RowComponent[relations.Rules]:
    """Marks the results, whatever component has found them, that are denied, doubted, planned or of others."""
    rows = read_rows([resource("schemas") / "relations.jsonl"], relations.FIELDS, relations.REQUIRED)
    return RowComponent([row for row in rows if "polarity" in row], _build_relations, _apply_polarity)


def _apply_polarity(doc: Doc, compiled: relations.Rules) -> None:
    if not doc._.kg_results:
        return
    spans = sentence_spans(doc)
    parts = dict(zip(spans, relations.sentences(text_of(doc), spans, named(doc)), strict=True))
    text = text_of(doc)
    doc._.kg_results = [
        # what a question asks is no result: "What does it take to reach 100 %?"
        r | {"polarity": "hedged" if text[slice(*r["sentence"])].rstrip().endswith("?") else compiled.polarity(parts[r["sentence"]], r["start"], r["end"])}
        for r in doc._.kg_results
    ]
