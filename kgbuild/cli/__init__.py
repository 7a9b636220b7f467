"""The command line. Rows and counts go to standard output, progress and warnings to standard error.

Exit codes: 0 all was read, 3 done but something was quarantined, 1 nothing done, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import click

from kgbuild.cli import ask, build, evaluate, export, rules, server, train
from kgbuild.errors import KGError

INTERRUPTED = 130


class _Commands(click.Group):
    """Turns errors raised on purpose into one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            # names and sentences hold any character, also where the console's own encoding has few
            if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":
                stream.reconfigure(encoding="utf-8")
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


for command in (
    build.demo,
    build.build,
    build.add,
    build.remove,
    build.extract,
    build.stats,
    ask.find,
    ask.list_queries,
    ask.query,
    ask.cypher,
    ask.view,
    evaluate.evaluate,
    rules.rules,
    train.train,
    server.neo4j,
    server.push,
    server.doctor,
    export.export,
):
    main.add_command(command)
