"""Commands for rules: whether they do what their examples say, and what each brings."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from kgbuild.cli.options import output
from kgbuild.cli.options import rules as own_rules
from kgbuild.cli.output import print_rows, progress_bars

_TRIAL = ("table", "row", "example", "expected", "found")


@click.group()
def rules() -> None:
    """Test and measure the rows of lexicon, patterns, relations and figures, ours and your own."""


@rules.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@output
@click.pass_context
def test(ctx: click.Context, files: tuple[Path, ...], form: str) -> None:
    """Run every example and counter-example of our rules and those of FILES, and print those that fail.

    Exit code 1 where one fails.
    """
    from kgbuild.evaluate.rules import trials
    from kgbuild.nlp.ruleset import read_ruleset

    ruleset = read_ruleset(files)
    tried = list(trials(ruleset))
    failed = [t for t in tried if not t.passed]
    if failed or form != "table":
        print_rows([{**asdict(t), "expected": list(t.expected), "found": list(t.found)} for t in failed], form, _TRIAL)
    click.echo(f"{sum(map(len, ruleset.values()))} rules, {len(tried)} examples, {len(failed)} failed", err=True)
    if failed:
        ctx.exit(1)


@rules.command()
@click.argument("gold", type=click.Path(path_type=Path))
@click.option("--limit", type=click.IntRange(1), help="Read the first papers of GOLD only.")
@own_rules
@output
def profile(gold: Path, limit: int | None, rules: tuple[Path, ...], form: str) -> None:
    """Count how often each rule speaks on the annotated papers of GOLD, how often it is right, and what it costs.

    Lexicon and patterns are judged by their mentions, relations and figures by what they say of GOLD's mentions, each
    row for itself. `ms` is the time of its regular expressions for 1,000 papers. By table, the busiest row first.
    """
    from kgbuild.evaluate import read
    from kgbuild.evaluate.profile import Profiler
    from kgbuild.nlp.ruleset import read_ruleset

    profiler = Profiler(read_ruleset(rules))
    records = read(gold)[:limit]
    with progress_bars() as progress:
        for done, record in enumerate(records, 1):
            profiler.read(record)
            progress("profile", done, len(records))
    rows = [asdict(row) for row in profiler.rows()]
    if form == "table":
        rows = [{k: f"{v:.3f}" if k == "precision" and v is not None else v for k, v in row.items()} for row in rows]
    print_rows(rows, form)
    click.echo(f"{len(records)} papers, {len(rows)} rules", err=True)
