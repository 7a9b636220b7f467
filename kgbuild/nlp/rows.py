"""Rules are rows of JSON Lines files: read here, with the file and line in every complaint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
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
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as e:
            raise RuleError(f"cannot read {path}: {e}") from e
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as e:
                raise RuleError(f"{path}, line {number}: not JSON: {e}") from e
            fault = _fault(row, fields, required)
            if fault:
                raise RuleError(f"{path}, line {number}: {fault}")
            rows[row["id"]] = row
    return list(rows.values())


def _fault(row: Any, fields: Mapping[str, type], required: Iterable[str]) -> str | None:
    if not isinstance(row, dict):
        return "a row must be a JSON object"
    missing = [name for name in required if name not in row]
    if missing:
        return f"field {missing[0]!r} is missing"
    for name, value in row.items():
        if name not in fields:
            return f"unknown field {name!r}; a row may have {', '.join(fields)}"
        if not isinstance(value, fields[name]):
            return f"field {name!r} must be {fields[name].__name__}"
    return None
