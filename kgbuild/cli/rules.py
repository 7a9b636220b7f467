"""Commands for rules: whether they do what their examples say."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from kgbuild.cli.options import output
from kgbuild.cli.output import print_rows

_TRIAL = ("table", "row", "example", "expected", "found")


@click.group()
def rules() -> None:
    """Test the rows of lexicon, patterns, relations and figures, ours and your own."""


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
