"""Commands that make a graph: build, add, remove, extract, stats, demo."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kgbuild import api
from kgbuild.cli.ask import write_focus
from kgbuild.cli.options import files, model, output, rules, workspace
from kgbuild.cli.output import Row, print_figures, print_rows, progress_bars
from kgbuild.errors import SourceError
from kgbuild.resources import sample

if TYPE_CHECKING:
    from kgbuild.pipeline import Report

QUARANTINED = 3
"""Exit code of a run that left something out."""

SHOWN = 20
"""Quarantined records to show one by one; `quarantine.jsonl` in the workspace has all."""


@click.command()
@files
@workspace
@model
@rules
@output
def build(files: tuple[str, ...], workspace: Path, model: str, rules: tuple[Path, ...], form: str) -> None:
    """Make the workspace hold exactly the papers of FILES.

    Reads Hugging Face "Daily Papers" pages saved as text and JSON Lines with `title` and `abstract`, gzipped or not;
    `-` is standard input. A build that was stopped goes on where it was when the same command is run again.
    """
    from kgbuild import pipeline

    with progress_bars() as progress:
        report = pipeline.build(files, workspace, model=model, rules=rules, progress=progress)
    _report(report, form)


@click.command()
@files
@workspace
@rules
@output
def add(files: tuple[str, ...], workspace: Path, rules: tuple[Path, ...], form: str) -> None:
    """Add the papers of FILES to the workspace.

    They are read with the model and the rules of the build; with --rules, all papers are read again with these.
    """
    from kgbuild import pipeline

    with progress_bars() as progress:
        report = pipeline.add(files, workspace, rules=rules or None, progress=progress)
    _report(report, form)


@click.command()
@click.argument("papers", nargs=-1, required=True)
@workspace
@output
def remove(papers: tuple[str, ...], workspace: Path, form: str) -> None:
    """Remove PAPERS, named by id or title, with all that only they supported."""
    from kgbuild import pipeline

    with progress_bars() as progress:
        report = pipeline.remove(papers, workspace, progress=progress)
    _report(report, form)


@click.command()
@files
@click.option("-o", "--output", "target", type=click.Path(dir_okay=False), required=True, help="JSON Lines file to write; `-` is standard output.")
@model
@rules
@output
def extract(files: tuple[str, ...], target: str, model: str, rules: tuple[Path, ...], form: str) -> None:
    """Write what each paper of FILES says, one JSON record a line, without building a graph."""
    from kgbuild import nlp, sources
    from kgbuild.records import to_record

    rejects: list[sources.Rejected] = []
    papers = sources.merge(sources.read(files, rejects.append))
    if not papers:
        raise SourceError(f"no paper could be read: {'; '.join(f'{r.source}: {r.reason}' for r in rejects[:3])}")
    counts = {"papers": len(papers), "quarantined": len(rejects), "entities": 0, "relations": 0, "results": 0}
    if target != "-" and not Path(target).absolute().parent.is_dir():
        raise SourceError(f"cannot write {target}: there is no such folder")
    language = nlp.load(model, rules=rules)
    with progress_bars() as progress, click.open_file(target, "w", encoding="utf-8", atomic=target != "-") as out, nlp.frozen():
        for done, (paper, extraction) in enumerate(nlp.extract(language, papers), 1):
            record = to_record(paper, extraction)
            out.write(json.dumps(record, ensure_ascii=False) + "\n")
            for what in ("entities", "relations", "results"):
                counts[what] += len(record[what])
            progress("extract", done, len(papers))
    if target != "-":
        print_figures(counts, form)
    _close([asdict(r) for r in rejects], f"{len(papers)} papers")


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
    _report(report, "table")
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


def _report(report: Report, form: str) -> None:
    figures = asdict(report)
    if form == "table":
        print_rows([{"what": name, "count": n} for name, n in (report.nodes | report.relationships).items()], form)
    elif form == "csv":
        print_figures({k: v for k, v in figures.items() if k != "quarantine"}, form)
    else:
        print_figures(figures, form)
    _close(report.quarantine, f"{report.papers} {'paper' if report.papers == 1 else 'papers'} ({report.extracted} new)")


def _close(rejects: Sequence[Row], done: str) -> None:
    """The end of a run: what was left out, and the last line that counts it."""
    for r in rejects[:SHOWN]:
        where = f"{r['source']}:{r['line']}" if r["line"] else r["source"]
        click.echo(f"quarantined {where}: {r['reason']}", err=True)
    if len(rejects) > SHOWN:
        click.echo(f"quarantined: {len(rejects) - SHOWN} more", err=True)
    click.echo(f"{done}, {len(rejects)} quarantined", err=True)
    if rejects:
        sys.exit(QUARANTINED)
