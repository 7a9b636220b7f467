"""Commands that ask a graph: find, queries, query, cypher, view."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from kgbuild import api, queries
from kgbuild.cli.options import output, workspace
from kgbuild.cli.output import Row, print_rows
from kgbuild.errors import KGError
from kgbuild.queries import Parameter, Query
from kgbuild.resolve import slugify


@click.command()
@click.argument("name")
@workspace
@output
def find(name: str, workspace: Path, form: str) -> None:
    """Find what goes by NAME: an id, a name or an alias."""
    graph = api.open(workspace)
    if not (found := graph.find(name)):
        graph.entity(name)
    print_rows([{"id": f.id, "label": f.label, "name": f.name, "papers": f.papers, "aliases": list(f.aliases)} for f in found], form)


@click.command("queries")
@output
def list_queries(form: str) -> None:
    """List the named questions."""
    library = queries.library()
    if form == "json":
        click.echo(json.dumps([_describe(q) for q in library.values()], ensure_ascii=False, indent=2))
        return
    rows = [{"name": q.name, "question": q.about, "parameters": " ".join(map(_usage, q.parameters))} for q in library.values()]
    print_rows(rows, form)


class _Questions(click.Group):
    """One command a query file, with an option a parameter."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(queries.library())

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        query = queries.library()[name]

        def ask(workspace: Path, form: str, **values: object) -> None:
            given = {k: v for k, v in values.items() if v is not None}
            with api.open(workspace) as graph:
                rows = graph.query(name, **given)
                bound = query.bind(given)
                undated = graph.tables.nodes("Paper")["year"].null_count() if bound.get("since") else 0
            print_rows(rows, form, [c.name for c in query.columns])
            if rows and len(rows) == bound.get("limit"):
                click.echo(f"{len(rows)} rows, as many as --limit lets through; there may be more", err=True)
            if undated:
                click.echo(f"{undated} papers without a year are left out", err=True)

        columns = "\n\n".join(f"{c.name}: {c.about}" for c in query.columns)
        command = click.command(name, help=f"{query.about}\n\nColumns:\n\n{columns}", short_help=query.about)(workspace(output(ask)))
        for p in reversed(query.parameters):
            command.params.insert(0, click.Option([f"--{p.name.replace('_', '-')}", p.name], required=p.required, help=_help(p)))
        return command


@click.group(cls=_Questions)
def query() -> None:
    """Ask a named question."""


@click.command()
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
        print_rows(graph.cypher(text, **values), form)


@click.group()
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
        hidden = write_focus(graph, found.id, target, hops, limit)
    if hidden:
        click.echo(f"{hidden} less supported neighbours are left out; --limit shows more", err=True)
    click.echo(str(target))


def write_focus(graph: api.KnowledgeGraph, entity: str, target: Path, hops: int, limit: int) -> int:
    """Write the page; how many neighbours it leaves out."""
    from kgbuild import views

    shown = graph.neighbourhood(entity, hops=hops, limit=limit)
    ids = [i for _, _, i in shown.edges(data="id")] + [n for n, label in shown.nodes(data="label") if label == "Result"]
    page = views.focus(shown, graph.evidence_of(ids), entity)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page, encoding="utf-8", newline="\n")
    except OSError as e:
        raise KGError(f"cannot write {target}: {e.strerror or e}") from e
    return int(shown.graph["hidden"])


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
