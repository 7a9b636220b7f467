"""Commands that make a graph: build, add, remove, extract, stats, demo."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from kgbuild import api
from kgbuild.cli.ask import write_focus
from kgbuild.cli.options import files, model, output, workspace
from kgbuild.cli.output import Row, err, print_figures, print_rows, progress_bars
from kgbuild.errors import KGError
from kgbuild.resources import sample

QUARANTINED = 3
"""Exit code of a run that left something out."""


@click.command()
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

    with progress_bars() as progress:
        report = pipeline.build(files, workspace, model=model, progress=progress)
    _report(report, workspace, form)


@click.command()
@files
@workspace
@output
def add(files: tuple[str, ...], workspace: Path, form: str) -> None:
    """Add the papers of FILES to the workspace."""
    from kgbuild import pipeline

    with progress_bars() as progress:
        report = pipeline.add(files, workspace, progress=progress)
    _report(report, workspace, form)


@click.command()
@click.argument("papers", nargs=-1, required=True)
@workspace
@output
def remove(papers: tuple[str, ...], workspace: Path, form: str) -> None:
    """Remove PAPERS, named by id or title, with all that only they supported."""
    from kgbuild import pipeline

    with progress_bars() as progress:
        report = pipeline.remove(papers, workspace, progress=progress)
    _report(report, workspace, form)


@click.command()
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
    with progress_bars() as progress, click.open_file(target, "w", encoding="utf-8", atomic=target != "-") as out:
        for done, (paper, extraction) in enumerate(nlp.extract(nlp.load(model), papers), 1):
            out.write(json.dumps(to_record(paper, extraction), ensure_ascii=False) + "\n")
            progress("extract", done, len(papers))
    _warn_rejects([asdict(r) for r in rejects])
    click.echo(f"{len(papers)} papers, {len(rejects)} quarantined", err=True)
    if rejects:
        sys.exit(QUARANTINED)


@click.command()
@workspace
@output
def stats(workspace: Path, form: str) -> None:
    """Count what the graph holds."""
    print_figures(api.open(workspace).stats(), form)


@click.command()
@click.option("-w", "--workspace", type=click.Path(file_okay=False, path_type=Path), default="kgbuild-demo", show_default=True, help="Folder of the graph.")
@model
def demo(workspace: Path, model: str) -> None:
    """Build the bundled sample, ask it a few questions, and write a page."""
    from kgbuild import pipeline

    with progress_bars() as progress:
        report = pipeline.build(sample(), workspace, model=model, progress=progress)
    _report(report, workspace, "table")
    with api.open(workspace) as graph:
        for name, values in DEMO:
            asked = " ".join(f"--{k} {v!r}" if " " in str(v) else f"--{k} {v}" for k, v in values.items())
            click.echo(f"\n$ kgbuild query {name} {asked} -w {workspace}\n{graph.queries()[name].about}")
            rows = graph.query(name, **values)
            print_rows([{k: v for k, v in row.items() if k != "edge"} for row in rows], "table")
        page = workspace / "squad.html"
        write_focus(graph, graph.entity("SQuAD").id, page, 1, 60)
    click.echo(f"\nOpen {page} in a browser: every line of the picture shows the sentence it came from.")


DEMO: tuple[tuple[str, dict[str, Any]], ...] = (
    ("methods-on-dataset", {"dataset": "SQuAD", "limit": 5}),
    ("leaderboard", {"dataset": "SQuAD", "limit": 5}),
    ("who-beats-whom", {"limit": 5}),
    ("used-together", {"dataset": "ImageNet", "limit": 5}),
)
"""What the demo asks."""


def _report(report: Any, workspace: Path, form: str) -> None:
    rejects = api.open(workspace).quarantine() if report.quarantined else []
    _warn_rejects(rejects)
    if form == "table":
        err.print(f"{report.papers} papers ({report.extracted} new), {report.quarantined} quarantined", highlight=False)
        counts = {**report.nodes, **report.relationships}
        print_rows([{"what": name, "count": n} for name, n in counts.items()], form)
    else:
        print_figures(asdict(report), form)
    if report.quarantined:
        sys.exit(QUARANTINED)


def _warn_rejects(rejects: Sequence[Row]) -> None:
    for r in rejects[:20]:
        where = f"{r['source']}:{r['line']}" if r["line"] else r["source"]
        click.echo(f"quarantined {where}: {r['reason']}", err=True)
    if len(rejects) > 20:
        click.echo(f"quarantined: {len(rejects) - 20} more, see quarantine.jsonl in the workspace", err=True)
