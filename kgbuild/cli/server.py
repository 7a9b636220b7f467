"""Commands for Neo4j: a server of one's own, and the push of a graph to any server."""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kgbuild.cli.options import output, workspace
from kgbuild.cli.output import err, print_figures, print_rows, progress_bars
from kgbuild.errors import KGError, StoreError
from kgbuild.records import Paper
from kgbuild.workspace import Workspace

if TYPE_CHECKING:
    from kgbuild.stores.doctor import Check
    from kgbuild.stores.server import Server

# the Neo4j driver takes half a second to import, which only those who use it should pay

_directory = click.option("--dir", "directory", type=click.Path(file_okay=False, path_type=Path), help="Folder of the server.  [default: the user's cache]")


@click.group()
def neo4j() -> None:
    """Run a Neo4j Community server of your own on this machine."""


@neo4j.command()
@_directory
@click.option("--bolt-port", type=int, default=7687, show_default=True)
@click.option("--http-port", type=int, default=7474, show_default=True)
@output
def start(directory: Path | None, bolt_port: int, http_port: int, form: str) -> None:
    """Start the server and wait until it answers. The first start fetches it from Maven Central."""
    from kgbuild.stores import server

    err.print("starting Neo4j; the first start fetches about 130 MB", highlight=False)
    running = server.start(directory, bolt_port=bolt_port, http_port=http_port)
    _show(running, form)
    if directory is not None:
        # other commands look in the usual folder alone
        password = f'NEO4J_PASSWORD="$(cat {shlex.quote(str(running.password_file))})"' if running.password_file else "NEO4J_PASSWORD"
        err.print(f"to use it: export NEO4J_URI={running.uri} {password}", highlight=False, soft_wrap=True)


@neo4j.command()
@_directory
def stop(directory: Path | None) -> None:
    """Stop the server; its data stays."""
    from kgbuild.stores import server

    click.echo("stopped" if server.stop(directory) else "no server was running", err=True)


@neo4j.command()
@_directory
@output
@click.pass_context
def status(ctx: click.Context, directory: Path | None, form: str) -> None:
    """Say whether the server runs, and where. Exit code 1 where it does not."""
    from kgbuild.stores import server

    running = server.status(directory)
    if running is None:
        click.echo("no server is running; start one with `kgbuild neo4j start`", err=True)
        ctx.exit(1)
    _show(running, form)


def _show(running: Server, form: str) -> None:
    shown = {"uri": running.uri, "browser": running.browser_url, "username": running.username, "password_file": str(running.password_file or "")}
    print_figures(shown, form)


def connection(uri: str | None) -> tuple[str, str]:
    """Address and password of the server to talk to."""
    from kgbuild.stores import server

    running = server.status()
    if uri is None and running is None:
        raise StoreError("no Neo4j server is named: give its address, set NEO4J_URI, or run `kgbuild neo4j start`")
    ours = running is not None and uri in (None, running.uri)
    password = os.environ.get("NEO4J_PASSWORD") or (running.password if running and ours else None)
    if password is None:
        raise StoreError("no password: set NEO4J_PASSWORD to the one of the Neo4j server")
    return uri or (running.uri if running else ""), password


@click.command()
@click.argument("uri", required=False, envvar="NEO4J_URI")
@click.option("--username", envvar="NEO4J_USERNAME", default="neo4j", show_default=True, show_envvar=True)
@click.option("--database", envvar="NEO4J_DATABASE", default="neo4j", show_default=True, show_envvar=True)
@click.option("--dry-run", is_flag=True, help="Only say what would be written.")
@workspace
@output
def push(uri: str | None, username: str, database: str, dry_run: bool, workspace: Path, form: str) -> None:
    """Bring a Neo4j server to the state of the graph, writing only what differs.

    URI is NEO4J_URI where not given, else the server of `kgbuild neo4j start`. The password is NEO4J_PASSWORD, else
    the one made for that server; it is no option, because options show in process lists.
    """
    from kgbuild import stores

    uri, password = connection(uri)
    source = Workspace(workspace)
    tables, earlier = source.tables(), source.earlier()
    with stores.neo4j(uri, username, password, database) as store, progress_bars() as progress:
        synced = store.sync(tables, earlier=earlier, dry_run=dry_run, progress=lambda table, done: progress(table, done, None))
    if not dry_run:
        source.mark_pushed(tables)
    for id_ in synced.kept:
        click.echo(f"kept {id_}: relationships that are not ours hang on it", err=True)
    print_figures(asdict(synced), form)


@click.command()
@click.argument("uri", required=False, envvar="NEO4J_URI")
@click.option("--username", envvar="NEO4J_USERNAME", default="neo4j", show_default=True, show_envvar=True)
@click.option("--database", envvar="NEO4J_DATABASE", default="neo4j", show_default=True, show_envvar=True)
@output
@click.pass_context
def doctor(ctx: click.Context, uri: str | None, username: str, database: str, form: str) -> None:
    """Check Python, the packages, the model, the embedded store and, where there is one, the Neo4j server.

    URI is NEO4J_URI where not given, else the server of `kgbuild neo4j start` if that runs. Exit code 0 only where
    all is well; otherwise each fault comes with the way to mend it.
    """
    from kgbuild.stores import server
    from kgbuild.stores.doctor import check

    address, password = connection(uri) if uri or server.status() else (None, "")
    checks = [_pipeline(), *check(address, username, password, database)]
    print_rows([asdict(c) for c in checks], form)
    if address is None:
        click.echo("no server was checked: give its address, set NEO4J_URI, or run `kgbuild neo4j start`", err=True)
    if not all(c.ok for c in checks):
        ctx.exit(1)


def _pipeline() -> Check:
    """Whether the extraction model loads and finds what it should."""
    from kgbuild import nlp
    from kgbuild.stores.doctor import Check

    try:
        language = nlp.load()
        ((_, extraction),) = nlp.extract(language, [Paper(id="doctor", title="BERT on SQuAD", abstract="We fine-tune BERT on SQuAD.")])
    except (KGError, OSError, ImportError) as e:
        return Check(name="model", ok=False, detail=str(e), remedy="install kgbuild again")
    found = len(extraction.mentions)
    return Check(name="model", ok=found > 0, detail=f"pipeline {nlp.version(language)}", remedy="" if found else "install kgbuild again")
