"""Rules are rows of JSON Lines files: read here, with the file and line in every complaint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kgbuild.errors import RuleError

Row = dict[str, Any]


def read_rows(paths: Iterable[Path], fields: Mapping[str, type], required: Iterable[str]) -> list[Row]:
    """The rows of some JSON Lines files, in order; a row with an ``id`` seen before takes that row's place.

    Raises RuleError where a file cannot be read, or a row is no JSON object, lacks a required field,
    or has a field that ``fields`` does not know or of another type.
    """
    rows: dict[str, Row] = {}
    for path in paths:
        for where, row in objects(path):
            if fault := field_fault(row, fields, required):
                raise RuleError(f"{where}: {fault}")
            rows[row["id"]] = row
    return list(rows.values())


def objects(path: Path) -> Iterator[tuple[str, Row]]:
    """The JSON objects of a file, each with its place. Raises RuleError where the file cannot be read or holds others."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise RuleError(f"cannot read {path}: {e}") from e
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{path}, line {number}"
            try:
                row = json.loads(line)
            except ValueError as e:
                raise RuleError(f"{where}: not JSON: {e}") from e
            if not isinstance(row, dict):
                raise RuleError(f"{where}: a row must be a JSON object")
            yield where, row


def field_fault(row: Row, fields: Mapping[str, type], required: Iterable[str]) -> str | None:
    """What is wrong with the fields of a row: one is missing, unknown, or of another type. Lists hold texts."""
    missing = [name for name in required if name not in row]
    if missing:
        return f"field {missing[0]!r} is missing"
    for name, value in row.items():
        if name not in fields:
            return f"unknown field {name!r}; a row may have {', '.join(fields)}"
        if not isinstance(value, (int, float) if fields[name] is float else fields[name]):
            return f"field {name!r} must be {fields[name].__name__}"
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            return f"field {name!r} must be a list of texts"
    return None
