"""Papers from JSON Lines, or from one JSON array of such objects.

``title`` and ``abstract`` (or ``summary``) are needed. Known beside them: ``id``, ``arxiv_id``, ``doi``, ``url``,
``year``, ``published`` or ``date``, ``venue``, ``authors`` (names, or objects with a ``name``), ``authors_count``,
``upvotes``, ``organisation``, ``source``. Null counts as absent, other fields are ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any, NoReturn

from kgbuild.errors import SourceError
from kgbuild.records import Paper
from kgbuild.sources.identity import paper_id
from kgbuild.sources.lines import MAX_LINE, Line, Reject


def parse_lines(lines: Iterator[Line], source: str, reject: Reject) -> Iterator[tuple[int, Paper]]:
    """Papers from lines of one JSON object each. Blank lines are passed over."""
    for number, line in lines:
        if not line.strip():
            continue
        try:
            if len(line) > MAX_LINE:
                raise SourceError(f"the line is longer than {MAX_LINE:,} characters")
            yield number, _paper(_whole(line), source)
        except SourceError as e:
            reject(number, str(e), line)


def parse_array(lines: Iterator[Line], source: str, reject: Reject) -> Iterator[tuple[int, Paper]]:
    """Papers from one JSON array of objects, object by object. Where its JSON breaks, reading ends."""
    buffer, start, opened = "", 1, False
    for number, line in lines:
        start = start if buffer else number
        buffer = f"{buffer}{line}\n".lstrip()
        if not opened and buffer:
            buffer, opened = buffer[1:].lstrip(), True
        at = 0
        # an object that goes on in the next line cannot be told from a broken one before the file ends
        while line.rstrip().endswith(("}", "},", "]")) and (at := _past(buffer, at)) < len(buffer):
            if buffer[at] == "]":
                if rest := buffer[at + 1 :].strip():
                    reject(number, "text after the end of the JSON array", rest)
                for after, text in lines:
                    if text.strip():
                        reject(after, "text after the end of the JSON array", text)
                return
            try:
                value, end = _DECODER.raw_decode(buffer, at)
            except json.JSONDecodeError:
                break
            except (ValueError, RecursionError) as e:
                reject(start, f"{_why(e)}; nothing after it could be read", buffer[at:])
                return
            try:
                yield start, _paper(value, source)
            except SourceError as e:
                reject(start, str(e), buffer[at:end])
            at, start = end, number
        buffer = buffer[at:]
        if len(buffer) > MAX_LINE:
            break
    reject(start, "the JSON array is broken or cut off here; nothing after it could be read", buffer)


def _past(buffer: str, at: int) -> int:
    """The place after white space and commas."""
    while at < len(buffer) and buffer[at] in " \t\r\n,":
        at += 1
    return at


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a field is given twice")
    return row


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)


def _whole(line: str) -> Any:
    try:
        return _DECODER.decode(line)
    except (ValueError, RecursionError) as e:
        raise SourceError(_why(e)) from e


def _why(error: ValueError | RecursionError) -> str:
    match error:
        case json.JSONDecodeError():
            return f"broken JSON: {error.msg} at character {error.pos + 1}"
        case RecursionError():
            return "JSON that is nested too deeply"
        case _:
            return f"broken JSON: {error}"


def _paper(row: Any, source: str) -> Paper:
    """The paper that a JSON value describes. Raises SourceError naming the field that is missing or ill-typed."""
    if not isinstance(row, dict):
        raise SourceError(f"a JSON {_type(row)}, not an object")
    title = _text(row, "title")
    abstract = _text(row, "abstract", "summary")
    if title is None or abstract is None:
        raise SourceError(f"no {'title' if title is None else 'abstract'}")
    authors = _authors(row.get("authors"))
    published_text = _text(row, "published", "date")
    published, year = _date(published_text)
    url = _text(row, "url")
    given_year = _number(row, "year", 1000, 9999)
    given_count = _number(row, "authors_count", 0)
    return Paper(
        id=paper_id(title, given=_text(row, "id"), arxiv_id=_text(row, "arxiv_id"), doi=_text(row, "doi"), url=url),
        title=title,
        abstract=abstract,
        published=published,
        published_text=published_text,
        year=year if given_year is None else given_year,
        authors=authors,
        authors_count=len(authors) or None if given_count is None else given_count,
        upvotes=_number(row, "upvotes", 0),
        organisation=_text(row, "organisation"),
        venue=_text(row, "venue"),
        url=url,
        source=_text(row, "source") or source,
    )


def _text(row: dict[str, Any], *names: str) -> str | None:
    """The first of these fields that holds more than white space."""
    for name in names:
        value = row.get(name)
        if value is not None and not isinstance(value, str):
            raise SourceError(f"{name} is a {_type(value)}, not a string")
        if value and not value.isspace():
            return value
    return None


def _number(row: dict[str, Any], name: str, least: int, most: int = 2**63 - 1) -> int | None:
    value = row.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise SourceError(f"{name} is a {_type(value)}, not a whole number")
    if not least <= value <= most:
        raise SourceError(f"{name} is {str(value)[:20]}, which no paper can have")
    return value


def _authors(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise SourceError(f"authors is a {_type(value)}, not a list of names")
    names: list[str] = []
    for author in value:
        name = author.get("name") if isinstance(author, dict) else author
        if not isinstance(name, str):
            raise SourceError("authors holds something that is neither a name nor an object with a name")
        names += [name.strip()] if name.strip() else []
    return tuple(names)


def _date(text: str | None) -> tuple[str | None, int | None]:
    """ISO date and year of a date as given: both null unless it begins like an ISO date, year alone where it ends there."""
    m = re.match(r"\s*(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?!\d)", text or "", re.ASCII)
    if not m:
        return None, None
    year, month, day = (int(part or 0) for part in m.groups())
    try:
        checked = date(year, month or 1, day or 1)
    except ValueError as e:
        raise SourceError(f"published is {text!r:.40}, which is no date") from e
    return (checked.isoformat() if day else None), year


def _type(value: Any) -> str:
    names = {dict: "object", list: "list", str: "string", bool: "truth value", int: "number", float: "number"}
    return names.get(type(value), "null")
