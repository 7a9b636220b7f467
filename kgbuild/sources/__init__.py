"""Files of papers in, :class:`~kgbuild.records.Paper` records out, one at a time.

Two kinds of file are read, told apart by content and never by name, gzip or plain: Daily Papers pages saved as
text (:mod:`kgbuild.sources.page`) and JSON Lines or a JSON array (:mod:`kgbuild.sources.jsonl`). No file is held
in memory. What cannot be read is handed to a callback with its place and reason, and reading goes on.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from kgbuild.errors import SourceError
from kgbuild.records import Paper
from kgbuild.sources import jsonl, page
from kgbuild.sources.identity import fold_title, known_id, merge
from kgbuild.sources.lines import MAX_LINE, Line, Parser, open_lines

__all__ = ["Rejected", "fold_title", "known_id", "merge", "read"]

_HEAD_LINES, _HEAD_SIZE = 400, 1 << 16
"""What of a file is looked at to tell its format: lines, and characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """One thing that could not be read."""

    source: str
    """The path as it was given."""
    line: int | None
    """Where the record starts, from 1; null where the file as a whole is meant."""
    reason: str
    text: str
    """Start of the record, at most 200 characters."""


def read(paths: Iterable[str | Path], on_reject: Callable[[Rejected], None] | None = None) -> Iterator[Paper]:
    """The papers of all files, in their order, duplicates included (see :func:`merge`).

    ``-`` is standard input. ``on_reject`` is called for every record, or file, that cannot be read, and reading goes
    on; without it the first one raises SourceError.
    """
    if isinstance(paths, str):
        raise SourceError(f"give a list of paths, not the text {paths!r}")
    for path in paths:
        yield from _read_file(path, on_reject or _refuse)


def _refuse(rejected: Rejected) -> None:
    where = rejected.source if rejected.line is None else f"{rejected.source}:{rejected.line}"
    raise SourceError(f"{where}: {rejected.reason}")


def _read_file(path: str | Path, on_reject: Callable[[Rejected], None]) -> Iterator[Paper]:
    found = False

    def reject(line: int | None, reason: str, text: str = "") -> None:
        nonlocal found
        found = True
        on_reject(Rejected(source=str(path), line=line, reason=reason, text=_printable(text[:200])))

    try:
        with open_lines(path, reject) as lines:
            head = list(_head(lines))
            parse = _format([text for _, text in head])
            for line, paper in parse(itertools.chain(head, lines), "stdin" if path == "-" else Path(path).name, reject):
                if fault := _fault(paper):
                    reject(line, fault, paper.title)
                else:
                    found = True
                    yield paper
    except SourceError as e:
        reject(None, str(e))
    except OSError as e:
        reject(None, f"cannot be read: {e.strerror or e}")
    else:
        if not found:
            reject(None, "holds no paper")


def _head(lines: Iterator[Line]) -> Iterator[Line]:
    size = 0
    for number, text in itertools.islice(lines, _HEAD_LINES):
        yield number, text
        size += len(text)
        if size > _HEAD_SIZE:
            return


def _format(head: list[str]) -> Parser:
    """How to read a file that begins like this. Raises SourceError where it is neither kind."""
    text = "\n".join(head)[:_HEAD_SIZE]
    stripped = text.lstrip()
    if not stripped:
        raise SourceError("is empty")
    if text.startswith(("\udcff\udcfe", "\udcfe\udcff")):
        raise SourceError("is UTF-16 or UTF-32; save it as UTF-8")
    strange = sum(c == "\0" or "\udc80" <= c <= "\udcff" or (c < " " and c not in "\t\n\r\f") for c in text)
    if strange > len(text) * 0.05 or text.startswith(("%PDF-", "PK\x03\x04")):
        raise SourceError("is a binary file, neither JSON nor a page saved as UTF-8 text")
    if re.match(r"\{\s*\n", stripped) and not re.search(r"^\{.*\}\s*$", stripped, re.MULTILINE):
        raise SourceError(
            "is JSON with one object over several lines; papers are wanted as one object a line, or as one list: "
            "`jq -c . FILE > FILE.jsonl` writes them so, or `jq -c '.FIELD[]'` where a field of the object holds them"
        )
    if stripped.startswith("{"):
        return jsonl.parse_lines
    if re.match(r"\[\s*(?:[{\]]|$)", stripped):
        return jsonl.parse_array
    if page.is_page(head):
        return page.parse
    raise SourceError(
        "is neither JSON nor a Daily Papers page saved as text "
        "(no 'Get trending papers' banner, and no author and date lines, in its beginning)"
    )


def _fault(paper: Paper) -> str | None:
    """Why this paper's text must not go on, if so: it could not be written as UTF-8, or stored by a database."""
    values = (getattr(paper, field.name) for field in fields(paper))
    text = "\n".join((*(value for value in values if isinstance(value, str)), *paper.authors))
    if len(text) > MAX_LINE:
        return f"is longer than {MAX_LINE:,} characters"
    if "\0" in text:
        return "holds a NUL character"
    if bad := re.search("[\ud800-\udfff]", text):
        byte = ord(bad[0]) - 0xDC00
        return f"is not UTF-8 (byte 0x{byte:02x}); save the file as UTF-8" if 0x80 <= byte <= 0xFF else "holds half a surrogate pair"
    return None


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
