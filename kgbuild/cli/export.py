"""Commands that write files for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from kgbuild.cli.options import workspace
from kgbuild.exports.browser_kit import export_browser_kit
from kgbuild.exports.neo4j_admin import export_neo4j_admin
from kgbuild.queries import library
from kgbuild.schema import load_schema
from kgbuild.workspace import Workspace

_folder = click.option("-o", "--output", "target", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write.")


@click.group()
def export() -> None:
    """Write the graph, or what goes with it, as files for other programs."""


@export.command("neo4j-admin")
@_folder
@workspace
def neo4j_admin(target: Path, workspace: Path) -> None:
    """Write files for `neo4j-admin database import full`: for graphs of millions of relationships.

    The folder holds the command (import.sh) and the constraints to run after it (after-import.cypher).
    """
    export_neo4j_admin(Workspace(workspace).tables(), target)
    click.echo(str(target))


@export.command("browser-kit")
@_folder
def browser_kit(target: Path) -> None:
    """Write a style, the questions as favourites, and a guide for Neo4j Browser."""
    export_browser_kit(load_schema(), library(), target)
    click.echo(str(target))
