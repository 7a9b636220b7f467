"""The command line. Rows and counts go to standard output, progress and warnings to standard error.

Exit codes: 0 all was read, 3 done but something was quarantined, 1 nothing done, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from kgbuild import api, queries, views
from kgbuild.errors import KGError
from kgbuild.queries import Parameter, Query
from kgbuild.resolve import slugify
from kgbuild.resources import sample

F = TypeVar("F", bound=Callable[..., Any])
Row = Mapping[str, Any]

err = Console(stderr=True)

QUARANTINED = 3
INTERRUPTED = 130


class _Commands(click.Group):
    """Turns errors raised on purpose into one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KGError as e:
            click.echo(f"kgbuild: {e}", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            click.echo("kgbuild: interrupted; what was finished is kept, run the same command to go on", err=True)
            ctx.exit(INTERRUPTED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kgbuild")
def main() -> None:
    """Build and ask a knowledge graph of methods, datasets and benchmarks from abstracts of AI papers."""


workspace = click.option(
    "-w",
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    default="kgbuild-workspace",
    envvar="KGBUILD_WORKSPACE",
    show_default=True,
    show_envvar=True,
    help="Folder of the graph.",
)
output = click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True, help="How to print."
)
model = click.option("--model", default="default", show_default=True, help="Extraction model; `rules` is rules and lexicon alone.")
files = click.argument("files", nargs=-1, required=True)


@main.command()
@files
@workspace
@model
@output
def build(files: tuple[str, ...], workspace: Path, model: str, form: str) -> None:
    """Make the workspace hold exactly the papers of FILES.

    Reads Hugging Face "Daily Papers" pages saved as text and JSON Lines with `title` and `abstract`, gzipped or not;
    `-` is standard input. A build that was stopped goes on where it was when the same command is run again.
    """
    from kgbuild import pipeline

    with _progress() as progress:
        report = pipeline.build(files, workspace, model=model, progress=progress)
    _report(report, workspace, form)


@main.command()
@files
@workspace
@output
def add(files: tuple[str, ...], workspace: Path, form: str) -> None:
    """Add the papers of FILES to the workspace."""
    from kgbuild import pipeline

    with _progress() as progress:
        report = pipeline.add(files, workspace, progress=progress)
    _report(report, workspace, form)


@main.command()
@click.argument("papers", nargs=-1, required=True)
@workspace
@output
def remove(papers: tuple[str, ...], workspace: Path, form: str) -> None:
    """Remove PAPERS, named by id or title, with all that only they supported."""
    from kgbuild import pipeline

    with _progress() as progress:
        report = pipeline.remove(papers, workspace, progress=progress)
    _report(report, workspace, form)


@main.command()
@files
@click.option("-o", "--output", "target", type=click.Path(dir_okay=False, allow_dash=True), default="-", help="JSON Lines file to write.")
@model
def extract(files: tuple[str, ...], target: str, model: str) -> None:
    """Write what each paper of FILES says, one JSON record a line, without building a graph."""
    from kgbuild import nlp, sources
    from kgbuild.records import to_record

    rejects: list[sources.Rejected] = []
    papers = sources.merge(sources.read(files, rejects.append))
    if not papers:
        raise KGError(f"no paper could be read: {'; '.join(f'{r.source}: {r.reason}' for r in rejects[:3])}")
    with _progress() as progress, click.open_file(target, "w", encoding="utf-8", atomic=target != "-") as out:
        for done, (paper, extraction) in enumerate(nlp.extract(nlp.load(model), papers), 1):
            out.write(json.dumps(to_record(paper, extraction), ensure_ascii=False) + "\n")
            progress("extract", done, len(papers))
    _warn_rejects([asdict(r) for r in rejects])
    click.echo(f"{len(papers)} papers, {len(rejects)} quarantined", err=True)
    if rejects:
        sys.exit(QUARANTINED)


@main.command()
@workspace
@output
def stats(workspace: Path, form: str) -> None:
    """Count what the graph holds."""
    _print_figures(api.open(workspace).stats(), form)


@main.command()
@click.argument("name")
@workspace
@output
def find(name: str, workspace: Path, form: str) -> None:
    """Find what goes by NAME: an id, a name or an alias."""
    graph = api.open(workspace)
    if not (found := graph.find(name)):
        graph.entity(name)
    _print([{"id": f.id, "label": f.label, "name": f.name, "papers": f.papers, "aliases": list(f.aliases)} for f in found], form)


@main.command("queries")
@output
def list_queries(form: str) -> None:
    """List the named questions."""
    library = queries.library()
    if form == "json":
        click.echo(json.dumps([_describe(q) for q in library.values()], ensure_ascii=False, indent=2))
        return
    rows = [{"name": q.name, "question": q.about, "parameters": " ".join(map(_usage, q.parameters))} for q in library.values()]
    _print(rows, form)


class _Questions(click.Group):
    """One command a query file, with an option a parameter."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(queries.library())

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        query = queries.library()[name]

        def ask(workspace: Path, form: str, **values: object) -> None:
            given = {k: v for k, v in values.items() if v is not None}
            with api.open(workspace) as graph:
                _print(graph.query(name, **given), form, [c.name for c in query.columns])

        columns = "\n\n".join(f"{c.name}: {c.about}" for c in query.columns)
        command = click.command(name, help=f"{query.about}\n\nColumns:\n\n{columns}", short_help=query.about)(workspace(output(ask)))
        for p in reversed(query.parameters):
            command.params.insert(0, click.Option([f"--{p.name.replace('_', '-')}", p.name], required=p.required, help=_help(p)))
        return command


@main.group(cls=_Questions)
def query() -> None:
    """Ask a named question."""


@main.command()
@click.argument("text")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter; a value that is JSON is read as JSON.")
@workspace
@output
def cypher(text: str, params: tuple[str, ...], workspace: Path, form: str) -> None:
    """Run a read-only Cypher query on the embedded store."""
    values = {}
    for param in params:
        name, equals, value = param.partition("=")
        if not equals:
            raise click.UsageError(f"--param {param}: write NAME=VALUE")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    with api.open(workspace) as graph:
        _print(graph.cypher(text, **values), form)


@main.group()
def view() -> None:
    """Write a page to look at, in one file that needs no network."""


@view.command()
@click.argument("entity")
@click.option("-o", "--output", "target", type=click.Path(dir_okay=False, path_type=Path), help="HTML file to write.  [default: the entity's name]")
@click.option("--hops", type=click.IntRange(1, 2), default=1, show_default=True, help="How far to go.")
@click.option("--limit", type=click.IntRange(1), default=60, show_default=True, help="Nodes a hop at most, best supported first.")
@workspace
def focus(entity: str, target: Path | None, hops: int, limit: int, workspace: Path) -> None:
    """Show ENTITY with what is said about it, and who says so."""
    with api.open(workspace) as graph:
        found = graph.entity(entity)
        for other in graph.find(entity)[1:]:
            click.echo(f"{entity!r} is also a {other.label}: {other.id}", err=True)
        target = target or Path(f"{slugify(found.name) or 'view'}.html")
        hidden = _write_focus(graph, found.id, target, hops, limit)
    if hidden:
        click.echo(f"{hidden} less supported neighbours are left out; --limit shows more", err=True)
    click.echo(str(target))


@main.command()
@click.option("-w", "--workspace", type=click.Path(file_okay=False, path_type=Path), default="kgbuild-demo", show_default=True, help="Folder of the graph.")
@model
@click.pass_context
def demo(ctx: click.Context, workspace: Path, model: str) -> None:
    """Build the bundled sample, ask it a few questions, and write a page."""
    from kgbuild import pipeline

    with _progress() as progress:
        report = pipeline.build(sample(), workspace, model=model, progress=progress)
    _report(report, workspace, "table")
    with api.open(workspace) as graph:
        for name, values in DEMO:
            asked = " ".join(f"--{k} {v!r}" if " " in str(v) else f"--{k} {v}" for k, v in values.items())
            click.echo(f"\n$ kgbuild query {name} {asked} -w {workspace}\n{graph.queries()[name].about}")
            rows = graph.query(name, **values)
            _print([{k: v for k, v in row.items() if k != "edge"} for row in rows], "table")
        page = workspace / "squad.html"
        _write_focus(graph, graph.entity("SQuAD").id, page, 1, 60)
    click.echo(f"\nOpen {page} in a browser: every line of the picture shows the sentence it came from.")


DEMO: tuple[tuple[str, dict[str, Any]], ...] = (
    ("methods-on-dataset", {"dataset": "SQuAD", "limit": 5}),
    ("leaderboard", {"dataset": "SQuAD", "limit": 5}),
    ("who-beats-whom", {"limit": 5}),
    ("used-together", {"dataset": "ImageNet", "limit": 5}),
)
"""What the demo asks."""


def _write_focus(graph: api.KnowledgeGraph, entity: str, target: Path, hops: int, limit: int) -> int:
    """Write the page; how many neighbours it leaves out."""
    shown = graph.neighbourhood(entity, hops=hops, limit=limit)
    ids = [i for _, _, i in shown.edges(data="id")] + [n for n, label in shown.nodes(data="label") if label == "Result"]
    page = views.focus(shown, graph.evidence_of(ids), entity)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page, encoding="utf-8", newline="\n")
    except OSError as e:
        raise KGError(f"cannot write {target}: {e.strerror or e}") from e
    return int(shown.graph["hidden"])


def _report(report: Any, workspace: Path, form: str) -> None:
    rejects = api.open(workspace).quarantine() if report.quarantined else []
    _warn_rejects(rejects)
    if form == "table":
        err.print(f"{report.papers} papers ({report.extracted} new), {report.quarantined} quarantined", highlight=False)
        counts = {**report.nodes, **report.relationships}
        _print([{"what": name, "count": n} for name, n in counts.items()], form)
    else:
        _print_figures(asdict(report), form)
    if report.quarantined:
        sys.exit(QUARANTINED)


def _warn_rejects(rejects: Sequence[Row]) -> None:
    for r in rejects[:20]:
        where = f"{r['source']}:{r['line']}" if r["line"] else r["source"]
        click.echo(f"quarantined {where}: {r['reason']}", err=True)
    if len(rejects) > 20:
        click.echo(f"quarantined: {len(rejects) - 20} more, see quarantine.jsonl in the workspace", err=True)


def _describe(query: Query) -> Row:
    parameters = [
        {"name": p.name, "type": p.type, "labels": list(p.labels), "required": p.required, "default": None if p.required else p.default, "about": p.about}
        for p in query.parameters
    ]
    return {"name": query.name, "about": query.about, "parameters": parameters, "columns": [asdict(c) for c in query.columns]}


def _usage(parameter: Parameter) -> str:
    name = f"--{parameter.name.replace('_', '-')} {parameter.type.upper()}"
    return name if parameter.required else f"[{name}]"


def _help(parameter: Parameter) -> str:
    default = "" if parameter.required or parameter.default is None else f"  [default: {parameter.default}]"
    return parameter.about + default


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int | None], None]]:
    columns = (TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def update(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield update


def _print(rows: Sequence[Row], form: str, columns: Sequence[str] | None = None) -> None:
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
        Console(highlight=False, markup=False).print(table)


def _print_figures(figures: Row, form: str) -> None:
    """Counts, some of them by label or reason."""
    if form == "json":
        click.echo(json.dumps(figures, ensure_ascii=False, indent=2))
        return
    entries = [(key, value.items() if isinstance(value, dict) else [("", value)]) for key, value in figures.items()]
    _print([{"what": key, "of": of, "value": n} for key, pairs in entries for of, n in pairs], form)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(_cell, value)) if isinstance(value, list) else str(value)


def _safe(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    text = "; ".join(map(str, value)) if isinstance(value, list) else value
    return f"'{text}" if isinstance(text, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
