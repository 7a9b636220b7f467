"""One spaCy pipeline that reads mentions, relations and results off a title and an abstract."""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import spacy
import spacy.about
from spacy.language import Language
from spacy.tokens import Doc

from kgbuild.errors import ModelError
from kgbuild.nlp import components as components  # registers the factories
from kgbuild.nlp import model as _model  # registers its factory
from kgbuild.nlp.components import RowComponent
from kgbuild.nlp.rows import Row
from kgbuild.nlp.rules import Rules
from kgbuild.nlp.ruleset import Ruleset, read_ruleset
from kgbuild.nlp.text import SURROGATE, make_tokenizer
from kgbuild.records import Extraction, Paper, from_json

MODELS = (*_model.PACKAGED, "rules")
"""Names that :func:`load` knows: a trained tagger, or a small one for speed, mended by rules and lexicon; and these alone."""


def load(model: str = "default", *, rules: Iterable[str | Path] = ()) -> Language:
    """The extraction pipeline. Model ``rules`` is lexicon and rules alone; ``default`` has a trained model as well, and
    so has the path of a folder that ``kgbuild train`` wrote, with that model. ``fast`` has a smaller one, which finds
    mentions alone: relations are read by rules, and our own patterns, which only agree with a model, are left out.

    ``rules`` names files of the user's rows, which add to the packaged ones, replace them or switch them off
    (see :mod:`kgbuild.nlp.ruleset`).
    Raises ModelError for an unknown name or a missing model, and RuleError for a malformed file.
    """
    if model not in MODELS and not Path(model).is_dir():
        raise ModelError(f"no model {model!r}; there is {', '.join(MODELS)}, and any folder that kgbuild train wrote")
    nlp = spacy.blank("en")
    nlp.tokenizer = make_tokenizer(nlp.vocab)
    nlp.add_pipe("kg_sentences")
    nlp.add_pipe("kg_abbreviations")
    learned = None if model == "rules" else nlp.add_pipe("kg_model", config={"path": None if model == "default" else model})
    nlp.add_pipe("kg_lexicon")
    nlp.add_pipe("kg_patterns")
    nlp.add_pipe("kg_mentions")
    nlp.add_pipe("kg_relations")
    nlp.add_pipe("kg_results")
    if learned is not None and learned.pairs:  # type: ignore[attr-defined]
        nlp.add_pipe("kg_pairs")
    nlp.add_pipe("kg_polarity")
    if paths := list(rules):
        _use(nlp, read_ruleset(paths))
    if model == "fast":
        # beside a model our own patterns only agree, at a fifth of what this pipeline costs
        patterns: RowComponent[Rules] = nlp.get_pipe("kg_patterns")  # type: ignore[assignment]
        patterns.use({**patterns.rows, "patterns": [row for row in patterns.rows["patterns"] if row.get("adds")]})
    return nlp


def _use(nlp: Language, ruleset: Ruleset) -> None:
    """Puts the rows of a rule set into the components that apply them."""
    held = {name: pipe for name, pipe in nlp.pipeline if isinstance(pipe, RowComponent)}
    held["kg_lexicon"].use(ruleset["lexicon"])
    held["kg_patterns"].use({**held["kg_patterns"].rows, "patterns": ruleset["patterns"], "generic": ruleset["generic"]})
    held["kg_relations"].use(ruleset["relations"])
    held["kg_results"].use(ruleset["figures"])
    held["kg_polarity"].use([row for row in ruleset["relations"] if "polarity" in row])


def version(nlp: Language) -> str:
    """Hash of all that an extraction depends on: code, rule data, models and spaCy (16 hexadecimal digits)."""
    h = hashlib.sha256(spacy.about.__version__.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        h.update(path.read_bytes())
    for name, pipe in nlp.pipeline:
        h.update(name.encode())
        # not where a model lies, only what it is
        config = {k: v for k, v in nlp.get_pipe_config(name).items() if k != "path"}
        h.update(json.dumps(config, sort_keys=True, default=str).encode())
        if hasattr(pipe, "to_bytes"):
            h.update(pipe.to_bytes())
    return h.hexdigest()[:16]


def lexicon(nlp: Language) -> list[Row]:
    """The rows of the names that the pipeline knows."""
    rows: list[Row] = nlp.get_pipe("kg_lexicon").rows  # type: ignore[attr-defined]
    return rows


def extract(
    nlp: Language, papers: Iterable[Paper], *, batch_size: int = 16, n_process: int = 1
) -> Iterator[tuple[Paper, Extraction]]:
    """Each paper with what the pipeline read in it, in order; ``n_process`` processes share the work.

    Raises ModelError where a component of the user's stands where its entities would get lost.
    """
    late = nlp.pipe_names[nlp.pipe_names.index("kg_mentions") + 1 :] if "kg_mentions" in nlp.pipe_names else []
    if lost := [name for name in late if "doc.ents" in nlp.get_pipe_meta(name).assigns]:
        raise ModelError(f"{', '.join(lost)} would set entities after kg_mentions has gathered them; add it by nlp.add_pipe(…, before='kg_mentions')")
    # spaCy refuses half a surrogate pair
    pairs = ((SURROGATE.sub("\ufffd", paper.text), paper) for paper in papers)
    for doc, paper in nlp.pipe(pairs, as_tuples=True, batch_size=batch_size, n_process=n_process):
        yield paper, to_extraction(doc, paper.key)


@contextmanager
def frozen() -> Iterator[None]:
    """Keeps what there is out of the garbage collector's sight, for long work: each full collection would look at the
    pipeline's hundred thousand objects, which is a tenth of the time of the fast model. It is the whole process's setting, so
    it is for programs, and does nothing where the program has frozen objects itself."""
    ours = not gc.get_freeze_count()
    if ours:
        gc.collect()
        gc.freeze()
    try:
        yield
    finally:
        if ours:
            gc.unfreeze()


def to_extraction(doc: Doc, key: str) -> Extraction:
    """The plain record of a document that went through the pipeline."""
    text = components.text_of(doc)
    mentions = [
        {
            "start": e.start_char,
            "end": e.end_char,
            "label": e.label_,
            "entity": own.kg_entity,
            "source": own.kg_source,
            "confidence": own.kg_confidence,
            "lexicon": e.kb_id_ or None,
        }
        for e, own in ((e, e._) for e in doc.ents)
    ]
    return from_json(
        {
            "key": key,
            "entities": mentions,
            "relations": doc._.kg_relations,
            "results": doc._.kg_results,
            "abbreviations": [(text[a:b], text[c:d]) for (a, b), (c, d) in doc._.kg_abbreviations],
        }
    )
