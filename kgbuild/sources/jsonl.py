"""Papers from JSON Lines, or from one JSON array of such objects.

``title`` and ``abstract`` (or ``summary``) are needed. Known beside them: ``id``, ``arxiv_id``, ``doi``, ``url``,
``year``, ``published`` or ``date``, ``venue``, ``authors`` (names, objects with a ``name``, or all names in one string),
``authors_count``, ``upvotes``, ``organisation``, ``source``. Null counts as absent, other fields are ignored. Numbers
may be strings of digits; an id may be a whole number; a date that is none stays as text. An item of the Hugging Face
API for Daily Papers is the paper in its field ``paper``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
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
            reject(start, f"more than {MAX_LINE:,} characters of a JSON array in one line; {_CONVERT}", buffer)
            return
    reject(start, "the JSON array is broken or cut off here; nothing after it could be read", buffer)


_CONVERT = "nothing after it could be read; write one object a line, with `jq -c '.[]' FILE > FILE.jsonl`"
"""What to do with an array that is too long to read."""


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
    if isinstance(inner := row.get("paper"), dict) and "title" in inner:
        row = inner
    title = _text(row, "title")
    abstract = _text(row, "abstract", "summary")
    if title is None or abstract is None:
        raise SourceError(f"no {'title' if title is None else 'abstract'}")
    authors = _authors(row.get("authors"))
    published_text = _label(row, "published", "date", "publishedAt")
    published, year = _date(published_text)
    url = _text(row, "url")
    given_year = _number(row, "year", 1000, 9999)
    given_count = _number(row, "authors_count", 0)
    organisation = row.get("organization")
    if isinstance(organisation, dict):
        organisation = organisation.get("fullname") or organisation.get("name")
    return Paper(
        id=paper_id(title, given=_label(row, "id"), arxiv_id=_text(row, "arxiv_id"), doi=_text(row, "doi"), url=url),
        title=title,
        abstract=abstract,
        published=published,
        published_text=published_text,
        year=year if given_year is None else given_year,
        authors=authors,
        authors_count=len(authors) or None if given_count is None else given_count,
        upvotes=_number(row, "upvotes", 0),
        organisation=_text(row, "organisation") or (organisation if isinstance(organisation, str) else None),
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


def _label(row: dict[str, Any], *names: str) -> str | None:
    """As :func:`_text`, of fields that may be whole numbers too."""
    return _text({name: str(value) if type(value := row.get(name)) is int else value for name in names}, *names)


def _number(row: dict[str, Any], name: str, least: int, most: int = 2**63 - 1) -> int | None:
    value = row.get(name)
    if isinstance(value, str):
        digits = value.strip()
        if not digits:
            return None
        if not re.fullmatch(r"\d{1,19}", digits, re.ASCII):
            raise SourceError(f"{name} is {value!r:.40}, not a whole number")
        value = int(digits)
    if isinstance(value, float) and value.is_integer():
        # what a table with gaps makes of its whole numbers
        value = int(value)
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
    if isinstance(value, str):
        return _names(value)
    if not isinstance(value, list):
        raise SourceError(f"authors is a {_type(value)}, not names")
    names: list[str] = []
    for author in value:
        name = author.get("name") if isinstance(author, dict) else author
        if name is None and isinstance(author, dict) and author.get("hidden"):
            continue
        if not isinstance(name, str):
            raise SourceError("authors holds something that is neither a name nor an object with a name")
        names += [name.strip()] if name.strip() else []
    return tuple(names)


def _names(text: str) -> tuple[str, ...]:
    """The names in one string, between semicolons, else ``and``, else commas; ``Last, First`` stays one name.

    >>> _names("Ada Byron, Alan Turing and Kay Lin"), _names("Byron, Ada and Turing, Alan"), _names("Byron, A., Turing, A.")
    (('Ada Byron', 'Alan Turing', 'Kay Lin'), ('Byron, Ada', 'Turing, Alan'), ('Byron, A.', 'Turing, A.'))
    """
    if ";" in text:
        return _parts(text.split(";"))
    joined = _parts(re.split(r"\s+(?:and|&)\s+|^and\s", text))
    if len(joined) > 1 and all(name.count(",") == 1 for name in joined):
        return joined
    return tuple(name for part in joined for name in _paired(_parts(part.split(","))))


def _paired(names: tuple[str, ...]) -> tuple[str, ...]:
    """The pieces between commas, as pairs where they read ``Last, First, Last, First``."""
    lasts, firsts = names[::2], names[1::2]
    if len(lasts) == len(firsts) and all(map(_is_last_name, lasts)):
        return tuple(f"{last}, {first}" for last, first in zip(lasts, firsts, strict=True))
    return names


def _parts(parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for part in parts if (name := part.strip(", \t\r\n")))


def _is_last_name(name: str) -> bool:
    """Whether this is one word with a capital, after particles (``van den Berg``)."""
    *particles, last = name.split()
    return last[0].isupper() and all(word.islower() for word in particles)


def _date(text: str | None) -> tuple[str | None, int | None]:
    """ISO date and year of a date as given; null what it does not say, or what no calendar has."""
    m = re.match(r"\s*(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?!\d)", text or "", re.ASCII)
    if not m or int(m[1]) < 1000:
        return None, None
    year, month, day = (int(part or 0) for part in m.groups())
    try:
        return date(year, month, day).isoformat(), year
    except ValueError:
        return None, year


def _type(value: Any) -> str:
    names = {dict: "object", list: "list", str: "string", bool: "truth value", int: "number", float: "number"}
    return names.get(type(value), "null")
