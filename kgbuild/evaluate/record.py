"""Annotated papers, gold or predicted, as they stand in JSON Lines: what the measures work on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from kgbuild.errors import SourceError
from kgbuild.records import Extraction, Span
from kgbuild.sources.lines import open_lines


class Line(BaseModel):
    """One line of a file. Fields that it does not know are ignored."""

    model_config = ConfigDict(frozen=True, strict=True)


class Mark(Line):
    """A place in the text with a label; offsets are code points, the end exclusive."""

    start: int
    end: int
    label: str


class Surface(Mark):
    """A place, and what the text writes there."""

    text: str


class Said(Line):
    """What a prediction has besides: the rules or model parts that made it, joined by ``+``, and how sure they are."""

    source: str = ""
    confidence: float | None = None


class Entity(Surface, Said):
    """A mention: a place that belongs to a group of mentions of one thing."""

    entity: str


class Relation(Said):
    """``head`` and ``tail`` are groups, or ``paper``."""

    type: str
    head: str
    tail: str
    sentences: tuple[Span, ...] = ()


class Result(Said):
    """A stated figure; its ends are groups, ``method`` may be ``paper``."""

    value: str
    kind: str
    method: str | None = None
    dataset: str | None = None
    task: str | None = None
    metric: str | None = None


class Concept(Line):
    """What gold knows of a group beyond its mentions."""

    id: str
    label: str
    surfaces: tuple[str, ...]


class Record(Line):
    """One paper. ``maybe_…`` is what only one of two annotators saw: it counts neither for nor against."""

    id: str
    text: str
    entities: tuple[Entity, ...] = ()
    relations: tuple[Relation, ...] = ()
    results: tuple[Result, ...] = ()
    concepts: tuple[Concept, ...] = ()
    maybe_entities: tuple[Mark, ...] = ()
    maybe_relations: tuple[Relation, ...] = ()

    @model_validator(mode="after")
    def _offsets(self) -> Record:
        check_offsets(self.text, self.entities)
        return self


def check_offsets(text: str, entities: Iterable[Surface]) -> None:
    """Raises ValueError where the text does not write what an entity says."""
    for e in entities:
        if not 0 <= e.start < e.end <= len(text) or text[e.start : e.end] != e.text:
            raise ValueError(f"the text has no {e.text!r} from {e.start} to {e.end}; offsets are code points, the end excluded")


M = TypeVar("M", bound=Line)


def read_lines(path: str | Path, *models: type[M]) -> list[tuple[int, M]]:
    """Every line of a JSON Lines file, gzip or plain, with its number, as the first of ``models`` that it fits.

    Raises SourceError with file and line for a line that fits none, and for a file that cannot be read or is empty.
    """

    def damaged(number: int | None, reason: str, text: str) -> NoReturn:
        raise SourceError(f"{path}:{number}: {reason}")

    try:
        with open_lines(path, damaged) as lines:
            found = [(number, _parse(f"{path}:{number}", line, models)) for number, line in lines if line.strip()]
    except OSError as e:
        raise SourceError(f"cannot read {path}: {e.strerror or e}") from e
    if not found:
        raise SourceError(f"{path} holds no record; expected one JSON object a line")
    return found


def read_records(path: str | Path) -> list[Record]:
    """The records of a file, by line. Raises SourceError as :func:`read_lines` does, and for an id that comes twice."""
    return unique(path, read_lines(path, Record))


def unique(path: str | Path, records: Iterable[tuple[int, Record]]) -> list[Record]:
    """The records without their lines. Raises SourceError for an id that comes twice."""
    seen: dict[str, int] = {}
    out = []
    for number, record in records:
        if record.id in seen:
            raise SourceError(f"{path}:{number}: the id {record.id!r} stands in line {seen[record.id]} already; keep one of the two")
        seen[record.id] = number
        out.append(record)
    return out


def from_extraction(record_id: str, text: str, extraction: Extraction, before: int = 0) -> Record:
    """What a pipeline read in ``text``, of which it saw ``before`` characters more in front."""
    return Record(
        id=record_id,
        text=text,
        entities=tuple(
            Entity(
                start=m.start - before,
                end=m.end - before,
                label=m.label,
                text=text[m.start - before : m.end - before],
                entity=m.entity,
                source=m.source,
                confidence=m.confidence,
            )
            for m in extraction.mentions
        ),
        relations=tuple(
            Relation(
                type=r.type,
                head=r.head,
                tail=r.tail,
                source=r.source,
                confidence=r.confidence,
                sentences=tuple((s - before, e - before) for s, e in r.sentences),
            )
            for r in extraction.relations
        ),
        results=tuple(
            Result(
                value=r.value,
                kind=r.kind,
                method=r.method,
                dataset=r.dataset,
                metric=r.metric,
                source=r.source,
                confidence=r.confidence,
            )
            for r in extraction.results
        ),
    )


def _parse(where: str, line: str, models: tuple[type[M], ...]) -> M:
    data = line.encode("utf-8", "surrogateescape")
    faults: list[ValidationError] = []
    for model in models:
        try:
            return model.model_validate_json(data)
        except ValidationError as e:
            faults.append(e)
    # the model that the line comes closest to has the fewest faults
    first = min(faults, key=ValidationError.error_count).errors()[0]
    place = "".join(f"{part}: " for part in [".".join(map(str, first["loc"]))] if part)
    raise SourceError(f"{where}: {place}{first['msg']}; `kgbuild eval --help` says which formats there are")
