"""Bytes to numbered lines, and how a reader of lines reports what it cannot read."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from kgbuild.errors import SourceError
from kgbuild.records import Paper

Line = tuple[int, str]
"""Number, from 1, and text without the line end."""

Reject = Callable[[int | None, str, str], None]
"""Takes the line of a record that cannot be read, the reason, and the record's text."""

MAX_LINE = 1 << 24
"""Longest line, in characters, that is read; of a longer one only the beginning is seen, one character too long."""


class Parser(Protocol):
    """Reads lines; gives each paper with the line that it starts at, and calls ``reject`` for everything else."""

    def __call__(self, lines: Iterator[Line], source: str, reject: Reject) -> Iterator[tuple[int, Paper]]: ...


@contextmanager
def open_lines(path: str | Path, reject: Reject) -> Iterator[Iterator[Line]]:
    """The lines of a file of UTF-8 text, gzip or plain, or of standard input for ``-``, whatever their ends.

    Bytes that are no UTF-8 stay as surrogates (``surrogateescape``). Where compressed data is damaged or cut off,
    that is reported and the lines end. Raises OSError, and SourceError for what is no path at all.
    """
    with _open(path) as binary:
        buffered = io.BufferedReader(cast(io.RawIOBase, binary))
        stream = gzip.GzipFile(fileobj=buffered) if buffered.peek(2)[:2] == b"\x1f\x8b" else buffered
        text = io.TextIOWrapper(cast(BinaryIO, stream), encoding="utf-8", errors="surrogateescape", newline=None)
        try:
            yield _numbered(text, reject)
        finally:
            # the file is closed by whoever opened it, and standard input stays open
            text.detach()
            buffered.detach()


def _open(path: str | Path) -> AbstractContextManager[BinaryIO]:
    try:
        return nullcontext(sys.stdin.buffer) if path == "-" else Path(path).open("rb")
    except ValueError as e:
        raise SourceError(f"is no path: {e}") from e


def _numbered(text: io.TextIOWrapper, reject: Reject) -> Iterator[Line]:
    number = 0
    try:
        while line := text.readline(MAX_LINE + 1):
            number += 1
            rest = line
            while len(rest) > MAX_LINE and not rest.endswith("\n"):
                rest = text.readline(MAX_LINE + 1)
            # files that were pasted together keep their byte order marks
            yield number, line.removesuffix("\n").removeprefix("\ufeff")
    except (gzip.BadGzipFile, EOFError, zlib.error) as e:
        reject(number + 1, f"the compressed data is damaged or cut off here ({e}); what came before was read", "")
