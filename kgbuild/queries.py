"""The named questions: one ``.cypher`` file each, with a header that says what it asks for and gives back.

    // methods-on-dataset: Which methods were evaluated on a data set, best supported first?
    // param dataset (Dataset, Benchmark): The data set, by name, alias or id.
    // param limit (integer = 20): Rows at most.
    // column method (string): Name of the method.
    MATCH …

A parameter's type is string, integer, float or date; ``label``, a label of entities; ``edge``, the id of a relationship
or result; or one or more labels: then it names an entity. A parameter
without a default must be given; the default ``null`` means that it may be left out. The text below the header is plain Cypher that
runs unchanged in the embedded store and in Neo4j Browser (``:param dataset => 'SQuAD'``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from kgbuild.errors import QueryError
from kgbuild.resources import resource
from kgbuild.schema import GraphSchema, load_schema

_REQUIRED = object()
_SCALARS: Mapping[str, type] = {"string": str, "integer": int, "float": float, "date": date, "label": str, "edge": str}
_TITLE = re.compile(r"// (?P<name>[a-z][a-z0-9-]*): (?P<about>.+)")
_PARAM = re.compile(r"// param (?P<name>[a-z_]+) \((?P<type>[\w, ]+?)(?: = (?P<default>[^)]+))?\): (?P<about>.+)")
_COLUMN = re.compile(r"// column (?P<name>[a-z_]+) \((?P<type>[a-z ]+)\): (?P<about>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a query."""

    name: str
    type: str
    """``string``, ``integer``, ``float``, ``date``, ``label`` or ``edge``; ``entity`` where ``labels`` are given."""
    labels: tuple[str, ...]
    about: str
    default: Any = _REQUIRED

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is _REQUIRED

    def parse(self, value: object) -> Any:
        """The value as the query wants it; text is converted. Raises QueryError for one of another type."""
        if value is None and self.default is None:
            return None
        wanted = _SCALARS.get(self.type, str)
        try:
            if isinstance(value, str) and wanted is not str:
                value = date.fromisoformat(value) if wanted is date else wanted(value)
            elif wanted is float and type(value) is int:
                value = float(value)
        except ValueError:
            pass
        if type(value) is int and not (0 if self.name == "limit" else -(2**63)) <= value < 2**63:
            raise QueryError(f"parameter {self.name} is {value}, which is out of range")
        if self.type == "label" and value not in (labels := load_schema().entity_labels):
            raise QueryError(f"parameter {self.name} is {value!r}, which is no label of entities; there is {', '.join(labels)}")
        if type(value) is wanted:
            return value
        raise QueryError(f"parameter {self.name} must be {_article(self.type)} {self.type}, not {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a query's rows."""

    name: str
    type: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A named question."""

    name: str
    about: str
    parameters: tuple[Parameter, ...]
    columns: tuple[Column, ...]
    text: str
    """The Cypher, without the header."""
    path: Path

    def bind(self, values: Mapping[str, object]) -> dict[str, Any]:
        """The parameters to send: given ones checked, defaults filled in.

        Raises QueryError for an unknown, missing or ill-typed one.
        """
        known = {p.name: p for p in self.parameters}
        for name in values.keys() - known.keys():
            raise QueryError(f"{self.name} has no parameter {name!r}; it has {', '.join(known) or 'none'}")
        bound = {}
        for name, parameter in known.items():
            if name in values:
                bound[name] = parameter.parse(values[name])
            elif parameter.required:
                raise QueryError(f"{self.name} needs the parameter {name} ({parameter.about})")
            else:
                bound[name] = parameter.default
        return bound


class Library(Mapping[str, Query]):
    """Named queries by name, sorted."""

    def __init__(self, queries: Mapping[str, Query]) -> None:
        self._queries = dict(sorted(queries.items()))

    def __getitem__(self, name: str) -> Query:
        if name not in self._queries:
            near = difflib.get_close_matches(name, self._queries, n=3) or list(self._queries)
            raise QueryError(f"no query {name!r}; there is {', '.join(near)}")
        return self._queries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._queries

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)


def library(folder: Path | None = None) -> Library:
    """The packaged queries, or those in ``folder``.

    Raises QueryError with file and line for a malformed header, a parameter that is declared and not used or used
    and not declared, or a label or relationship type that the schema does not have.
    """
    schema = load_schema()
    return Library({q.name: q for q in (_parse(path, schema) for path in sorted((folder or resource("queries")).glob("*.cypher")))})


def _parse(path: Path, schema: GraphSchema) -> Query:
    lines = path.read_text(encoding="utf-8").splitlines()
    title = _TITLE.fullmatch(lines[0]) if lines else None
    if title is None or title["name"] != path.stem:
        raise QueryError(f"{path}:1: the first line must be `// {path.stem}: what it answers`")
    parameters, columns = [], []
    body = 1
    for body, line in enumerate(lines[1:], 2):
        if not line.startswith("//"):
            break
        if found := _PARAM.fullmatch(line):
            parameters.append(_parameter(found, f"{path}:{body}", schema))
        elif found := _COLUMN.fullmatch(line):
            columns.append(Column(name=found["name"], type=found["type"], about=found["about"]))
        elif line.startswith(("// param", "// column")):
            raise QueryError(f"{path}:{body}: not a header line: {line}")
    text = "\n".join(lines[body - 1 :]).strip() + "\n"
    code = re.sub(r"'[^']*'|//[^\n]*", "", text)
    declared, used = {p.name for p in parameters}, set(re.findall(r"\$(\w+)", code))
    if declared != used:
        raise QueryError(f"{path}: parameters declared: {', '.join(sorted(declared))}; used: {', '.join(sorted(used))}")
    if not columns:
        raise QueryError(f"{path}: the header names no column")
    for group in re.findall(r"[(\[]\w*:([\w|:]+)", code):
        for name in re.split(r"[|:]+", group):
            if name not in schema.nodes and name not in schema.relationships:
                raise QueryError(f"{path}: the schema has no label or relationship type {name!r}")
    return Query(name=path.stem, about=title["about"], parameters=tuple(parameters), columns=tuple(columns), text=text, path=path)


def _parameter(found: re.Match[str], where: str, schema: GraphSchema) -> Parameter:
    types = tuple(t.strip() for t in found["type"].split(","))
    labels = () if types[0] in _SCALARS else types
    if any(label not in schema.nodes for label in labels):
        raise QueryError(f"{where}: {found['type']!r} is neither a scalar type nor a list of labels")
    plain = Parameter(name=found["name"], type="entity" if labels else types[0], labels=labels, about=found["about"])
    if found["default"] is None:
        return plain
    default = None if found["default"] == "null" else plain.parse(found["default"].strip("'"))
    return Parameter(name=plain.name, type=plain.type, labels=labels, about=plain.about, default=default)


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
