"""The command that trains a model."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import click

from kgbuild.cli.output import progress_bars
from kgbuild.training import Settings
from kgbuild.training import train as run

DEFAULTS = {f.name: f.default for f in fields(Settings)}


@click.command()
@click.argument("gold", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the run; give it again to go on.",
)
@click.option(
    "--start", metavar="MODEL", help="Go on from this model folder, `default` or `fast`; else from the pretrained encoder."
)
@click.option("--fast", is_flag=True, help="Train the small network of `--model fast`, which finds mentions alone.")
@click.option(
    "--beside",
    metavar="MODEL",
    help="A fast model trained by --start of the same model, whose scores are averaged with the new one's.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    help="A label to learn, may be given more than once.  [default: those of the schema]",
)
@click.option(
    "--hold",
    type=click.IntRange(min=0),
    default=DEFAULTS["hold"],
    show_default=True,
    help="Papers to measure on instead of training on.",
)
@click.option("--held-out", type=click.Path(path_type=Path), metavar="FILE", help="Records to measure on, instead of --hold.")
@click.option(
    "--silver",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Records that a model made (`kgbuild extract`): their mentions alone are learnt too.",
)
@click.option(
    "--found",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The papers of GOLD as a model found them that had not learnt them: relations are learnt on these entities too.",
)
@click.option(
    "--slim",
    type=click.FloatRange(min=0, max=1, min_open=True),
    default=DEFAULTS["slim"],
    show_default=True,
    help="Share of the networks of --start to keep, their most important heads and units, for speed.",
)
@click.option("--epochs", type=click.FloatRange(min=0), default=DEFAULTS["epochs"], show_default=True)
@click.option(
    "--lr", type=click.FloatRange(min=0), default=DEFAULTS["lr"], show_default=True, help="Peak rate of the encoder."
)
@click.option("--seed", type=int, default=DEFAULTS["seed"], show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=DEFAULTS["threads"], show_default=True)
@click.option(
    "--every",
    type=click.IntRange(min=1),
    default=DEFAULTS["every"],
    show_default=True,
    help="Steps between checkpoints.",
)
def train(
    gold: Path,
    out: Path,
    start: str | None,
    fast: bool,
    beside: str | None,
    labels: tuple[str, ...],
    hold: int,
    held_out: Path | None,
    silver: Path | None,
    found: Path | None,
    slim: float,
    epochs: float,
    lr: float,
    seed: int,
    threads: int,
    every: int,
) -> None:
    """Train on the annotated records of GOLD, and package OUT/model, a folder for --model.

    GOLD is JSON Lines as `kgbuild extract` writes them. OUT/figures.json tells how good the model is on the papers that
    were held out. An interrupted run goes on when the same command is run again. Needs `pip install -e '.[train]'`.
    """
    settings = Settings(
        fast=fast, start=start, beside=beside, slim=slim, hold=hold, epochs=epochs, lr=lr, seed=seed, threads=threads, every=every
    )
    if labels:
        settings = replace(settings, labels=labels)
    with progress_bars() as progress:
        figures = run(gold, out, settings, progress, held_out, silver, found)
    click.echo(f"trained: {out / 'model'}")
    for name in ("mention", "concept", "relation", "figure", "result") if figures else ():
        click.echo(f"{name} F1 {figures['scores'][name]['f1']:.3f}")
