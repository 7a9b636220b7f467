"""The trained model as two spaCy components: one that proposes mentions, one that relates the entities."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import srsly
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch, raise_error

from kgbuild.errors import ModelError
from kgbuild.nlp import figures, pairs
from kgbuild.nlp.components import AHEAD, named, propose, sentence_spans, text_of
from kgbuild.nlp.mentions import MODEL, Candidate
from kgbuild.nlp.relations import Rules as Wordings
from kgbuild.nlp.tagger import FILES, Tagger
from kgbuild.records import Relation, Result, as_row
from kgbuild.schema import load_schema

PACKAGED = {name: Path(__file__).parent / "models" / name for name in ("default", "fast")}
"""The models that come with the package: name -> folder."""

LONGEST = 5_000_000
"""Pairs times words up to which the network reads a text; an abstract has a twentieth of it. Memory grows with it."""

STATES = "kg_states"
"""Key in ``doc.user_data`` under which the tagger leaves its words and their states for ``kg_pairs``, which removes them."""


class Model:
    """Proposes the mentions that a trained tagger sees. The model's files travel with the pipeline when it is saved."""

    def __init__(self, folder: Path) -> None:
        self.set_error_handler(raise_error)
        self._use(read_model(folder), str(folder))

    def __call__(self, doc: Doc) -> Doc:
        self._propose([doc])
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = AHEAD) -> Iterator[Doc]:
        """Reads ``batch_size`` documents at a time, at most ``AHEAD``; what is read in one does not depend on the others."""
        for docs in minibatch(stream, min(batch_size, AHEAD)):  # type: ignore[no-untyped-call]
            try:
                self._propose(docs)
            except Exception:
                # spaCy lets its user say what becomes of a document that fails; the others are none the worse
                docs = [doc for doc in docs if self._alone(doc)]
            yield from docs

    def set_error_handler(self, handler: Callable[[str, Any, list[Doc], Exception], None]) -> None:
        """Takes what is called with a document that could not be read, which is then left out; by default it raises."""
        self._failed = handler

    def _alone(self, doc: Doc) -> bool:
        """Reads one document, and says whether that went well."""
        try:
            self._propose([doc])
        except Exception as e:
            self._failed("kg_model", self, [doc], e)
            return False
        return True

    def _propose(self, docs: Sequence[Doc]) -> None:
        read = [self._tagger.encode(text_of(doc)) for doc in docs]
        found = self._tagger.decode([(text_of(doc), words, scores) for doc, (words, scores, _) in zip(docs, read, strict=True)])
        for doc, (words, _, states), mentions in zip(docs, read, found, strict=True):
            propose(doc, (Candidate(m.start, m.end, m.label, MODEL, m.confidence) for m in mentions))
            if self.pairs:
                doc.user_data[STATES] = words, states

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The model's files."""
        data: bytes = srsly.msgpack_dumps(dict(self._files))
        return data

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> Model:
        """Take over what :meth:`to_bytes` gave."""
        self._use(srsly.msgpack_loads(data), "the serialised pipeline")
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Write the model's files into a folder."""
        Path(path).mkdir(parents=True, exist_ok=True)
        for name, data in self._files.items():
            (Path(path) / name).write_bytes(data)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> Model:
        """Read a model folder. Raises ModelError where it is none."""
        self._use(read_model(Path(path)), str(path))
        return self

    def _use(self, files: Mapping[str, bytes], where: str) -> None:
        self._files = files
        self.pairs: pairs.Pairs | None = None
        """The network for relations, where the model has one."""
        try:
            self._tagger = Tagger.load(files)
            if pairs.FILE in files:
                self.pairs = pairs.Pairs.load(files[pairs.FILE], json.loads(files["config.json"])["pairs"], load_schema())
        except Exception as e:  # onnxruntime and tokenizers raise what they like for a damaged file
            fault = " ".join(str(e).split())[:200]
            raise ModelError(
                f"the model in {where} is damaged, or made for another version of kgbuild ({type(e).__name__}: {fault}); "
                "train it again, or install kgbuild again where it is a packaged one"
            ) from e


def read_model(folder: Path) -> dict[str, bytes]:
    """The files of a model folder. Raises ModelError where one is missing."""
    try:
        files = {name: (folder / name).read_bytes() for name in FILES}
        if (folder / pairs.FILE).exists():
            files[pairs.FILE] = (folder / pairs.FILE).read_bytes()
        return files
    except OSError as e:
        mend = "install kgbuild again" if folder in PACKAGED.values() else "name a folder that kgbuild train wrote"
        raise ModelError(f"{folder} holds no model: cannot read {e.filename}; {mend}") from e


@Language.factory("kg_model", default_config={"path": None}, assigns=["doc.spans"])
def make_model(nlp: Language, name: str, path: str | None) -> Model:
    """The packaged model of this name (``default`` where there is none), or the one in the folder ``path``."""
    model = path or "default"
    return Model(PACKAGED.get(model, Path(model)))


class Relater:
    """States relations and results by the model's network, which sees what the rules have stated.

    It works with the pipeline's ``kg_model``, ``kg_relations`` and ``kg_results``, which must run before it.
    """

    def __init__(self, nlp: Language) -> None:
        self._nlp = nlp

    def __call__(self, doc: Doc) -> Doc:
        if STATES not in doc.user_data:  # kg_model is switched off
            return doc
        words, states = doc.user_data.pop(STATES)
        model: pairs.Pairs = self._nlp.get_pipe("kg_model").pairs  # type: ignore[attr-defined]
        wordings: Wordings = self._nlp.get_pipe("kg_relations").rules  # type: ignore[attr-defined]
        cues: figures.Rules = self._nlp.get_pipe("kg_results").rules  # type: ignore[attr-defined]
        text, mentions = text_of(doc), named(doc)
        spans = sentence_spans(doc)
        known, entities = figures.candidates(text, spans, mentions), len({m.entity for m in mentions})
        if (1 + entities + len(known)) * entities * (1 + len(words)) > LONGEST:
            return doc  # no abstract: what the rules state stands
        stated, told = [Relation(**r) for r in doc._.kg_relations], [Result(**r) for r in doc._.kg_results]
        paper = pairs.sheet(
            text,
            spans,
            words,
            mentions,
            known,
            stated,
            told,
            model.may,
            model.types,
        )
        scores = model.scores(states, paper)
        doc._.kg_relations = [
            as_row(r) for r in pairs.relations(text, spans, words, mentions, stated, paper, scores, model, wordings)
        ]
        doc._.kg_results = [as_row(r) for r in pairs.results(text, spans, mentions, told, paper, scores, model, cues)]
        return doc


@Language.factory(
    "kg_pairs", requires=["doc._.kg_relations", "doc._.kg_results"], assigns=["doc._.kg_relations", "doc._.kg_results"]
)
def make_relater(nlp: Language, name: str) -> Relater:
    """States relations and results by the network of ``kg_model``."""
    return Relater(nlp)
