"""The trained tagger as a spaCy component."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import srsly
from spacy.language import Language
from spacy.tokens import Doc

from kgbuild.errors import ModelError
from kgbuild.nlp.components import propose
from kgbuild.nlp.mentions import MODEL, Candidate
from kgbuild.nlp.tagger import FILES, Tagger

PACKAGED = Path(__file__).parent / "models" / "default"
"""Folder of the model that comes with the package."""


class Model:
    """Proposes the mentions that a trained tagger sees. The model's files travel with the pipeline when it is saved."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._use(files)

    def __call__(self, doc: Doc) -> Doc:
        propose(doc, (Candidate(m.start, m.end, m.label, MODEL, m.confidence) for m in self._tagger.predict(doc.text)))
        return doc

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The model's files."""
        data: bytes = srsly.msgpack_dumps(dict(self._files))
        return data

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> Model:
        """Take over what :meth:`to_bytes` gave."""
        self._use(srsly.msgpack_loads(data))
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Write the model's files into a folder."""
        Path(path).mkdir(parents=True, exist_ok=True)
        for name, data in self._files.items():
            (Path(path) / name).write_bytes(data)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> Model:
        """Read a model folder. Raises ModelError where it is none."""
        self._use(read_model(Path(path)))
        return self

    def _use(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._tagger = Tagger.load(files)


def read_model(folder: Path) -> dict[str, bytes]:
    """The files of a model folder. Raises ModelError where one is missing."""
    try:
        return {name: (folder / name).read_bytes() for name in FILES}
    except OSError as e:
        raise ModelError(f"{folder} holds no model: cannot read {e.filename}; install kgbuild again") from e


@Language.factory("kg_model", default_config={"path": None}, assigns=["doc.spans"])
def make_model(nlp: Language, name: str, path: str | None) -> Model:
    """The packaged model, or the one in the folder ``path``."""
    return Model(read_model(Path(path) if path else PACKAGED))
