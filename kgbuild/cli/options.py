"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

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
model = click.option("--model", default="default", show_default=True, help="Extraction model; `fast` is a smaller one, `rules` is rules and lexicon alone, a folder one of `kgbuild train`.")
rules = click.option(
    "--rules",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Rules of your own, JSON Lines: they add to ours, replace them or switch them off; may be given more than once.",
)
files = click.argument("files", nargs=-1, required=True)
