"""How rows, counts and progress are printed: results to standard output, the rest to standard error."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

Row = Mapping[str, Any]

err = Console(stderr=True)

_FIGURE = re.compile(r"[+-]\d+(?:\.\d+)?\s?[%x]?")
"""A signed figure, which a spreadsheet may well take for a number."""

PIPE_WIDTH = 160
"""Columns of a table that goes to no terminal."""


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int | None], None]]:
    """Bars on a terminal, one a stage; nothing where standard error is none."""
    columns = (TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def update(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield update


def print_rows(rows: Sequence[Row], form: str, columns: Sequence[str] | None = None) -> None:
    """Rows as a ``table``, ``json`` (a list of objects) or ``csv``."""
    names = list(columns or dict.fromkeys(k for row in rows for k in row))
    if form == "json":
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2, default=date.isoformat))
    elif form == "csv":
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_safe(row.get(name)) for name in names] for row in rows)
        click.echo(buffer.getvalue(), nl=False)
    elif not rows:
        click.echo("no rows", err=True)
    else:
        table = Table(*names, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*(_cell(row.get(name)) for name in names))
        # a pipe has no width of its own; eighty columns would break every sentence into words
        width = None if sys.stdout.isatty() else PIPE_WIDTH
        Console(highlight=False, markup=False, emoji=False, width=width).print(table)


def print_figures(figures: Row, form: str) -> None:
    """Counts, some of them by label or reason."""
    if form == "json":
        click.echo(json.dumps(figures, ensure_ascii=False, indent=2))
        return
    entries = [(key, value.items() if isinstance(value, dict) else [("", value)]) for key, value in figures.items()]
    print_rows([{"what": key, "of": of, "value": n} for key, pairs in entries for of, n in pairs], form)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    # a text from a paper moves no cursor and sets no colour
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in str(value))


def _safe(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    text = "; ".join(map(str, value)) if isinstance(value, list) else value
    if isinstance(text, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r") and not _FIGURE.fullmatch(text):
        return f"'{text}"
    return text
