"""The command that measures extraction against annotated papers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from kgbuild.cli.options import model, output, rules
from kgbuild.cli.output import Row, print_rows, progress_bars
from kgbuild.errors import KGError
from kgbuild.evaluate import GOLD, NAMES, Report, Score, page, predict, read, read_evidence, read_records, reliability
from kgbuild.evaluate import evaluate as measure

SOURCES = 25
"""Rules that a printed table shows; json and csv have all."""


@click.command(name="eval")
@click.argument("gold", type=click.Path(path_type=Path))
@click.argument("predicted", required=False, type=click.Path(path_type=Path))
@model
@rules
@output
@click.option("--errors", type=click.Path(dir_okay=False, path_type=Path), help="HTML page to write: every error in its context.")
@click.option("--reliability", "plot", type=click.Path(dir_okay=False, path_type=Path), help="SVG to write: how far confidences are true.")
@click.option("--evidence", type=click.Path(path_type=Path), help="Annotated sentences of relations of GOLD, to measure ours against.")
@click.option("--reader", type=click.Choice(NAMES), default=GOLD, show_default=True, help="What GOLD holds: our own records, or a public test set.")
@click.pass_context
def evaluate(
    ctx: click.Context,
    gold: Path,
    predicted: Path | None,
    model: str,
    rules: tuple[Path, ...],
    form: str,
    errors: Path | None,
    plot: Path | None,
    evidence: Path | None,
    reader: str,
) -> None:
    """Measure PREDICTED, or what the model reads in the texts of GOLD, against the annotations of GOLD.

    Both are JSON Lines, gzipped or not, one record a paper as `kgbuild extract` writes them, joined on `id`. GOLD may
    hold `maybe_entities` and `maybe_relations`, which count neither for nor against. For other readers GOLD holds `id`,
    `text`, `entities` (`start`, `end`, `label`, `text`) and optionally `relations` (`head`, `tail` as places in that
    list, `label`) and `clusters`; SciERC and SciREX also as published.
    """
    wanted = read(gold, reader)
    if predicted is not None:
        if rules or ctx.get_parameter_source("model") is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError("--model and --rules say what to read GOLD with, so they go without PREDICTED")
        said = read_records(predicted)
    else:
        from kgbuild import nlp

        said = []
        with progress_bars() as progress:
            for done, record in enumerate(predict(wanted, partial(nlp.extract, nlp.load(model, rules=rules)), reader), 1):
                said.append(record)
                progress("extract", done, len(wanted))
    report = measure(wanted, said, reader, read_evidence(evidence) if evidence else ())
    _warn(report)
    if errors is not None:
        _write(errors, page(report.judgements, f"Errors on {gold.name}"))
    if plot is not None:
        _write(plot, reliability(report.calibration))
    _print(report, form)


def _warn(report: Report) -> None:
    for n, what in (
        (report.missing, "gold records have no prediction: all in them counts as missed"),
        (report.unknown, "predictions are of papers that gold does not have: they are left out"),
        (report.other_text, "predictions were read in a text that differs from gold's: their offsets may not fit"),
    ):
        if n:
            click.echo(f"{n} {what}", err=True)


def _write(target: Path, html: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(html, encoding="utf-8", newline="\n")
    except OSError as e:
        raise KGError(f"cannot write {target}: {e.strerror or e}") from e


def _print(report: Report, form: str) -> None:
    if form == "json":
        click.echo(json.dumps(report.to_json(), ensure_ascii=False, indent=2))
        return
    if form == "csv":
        print_rows(list(_tidy(report)), form, ("section", "name", "figure", "value"))
        return
    click.echo(f"{report.records} records\n")
    print_rows([_figures(name, score) for name, score in report.scores.items() if score.gold or score.predicted], form)
    for kind, spoke in report.sources.items():
        if spoke:
            click.echo(f"\nWho found {kind}s")
            print_rows([{"rule or model part": source, **_short(asdict(s))} for source, s in list(spoke.items())[:SOURCES]], form)
        if len(spoke) > SOURCES:
            click.echo(f"and {len(spoke) - SOURCES} more, see --format json")
    for kind, fit in report.calibration.items():
        if fit:
            values = asdict(fit)
            bins = values.pop("bins")
            click.echo(f"\nConfidence of {kind}s")
            print_rows([_short(values)], form)
            click.echo("")
            print_rows([_short(b) for b in bins], form)
    if report.evidence:
        click.echo("\nEvidence of relations")
        print_rows([asdict(report.evidence)], form)


def _figures(name: str, score: Score) -> Row:
    interval = "" if score.low is None or score.high is None else f"{score.low:.3f}-{score.high:.3f}"
    row = {"P": score.precision, "R": score.recall, "F1": score.f1, "95 % of F1": interval}
    return {"figure": name, **_short(row | {"hits": score.hits, "predicted": score.predicted, "gold": score.gold})}


def _short(row: Row) -> Row:
    return {key: f"{value:.3f}" if isinstance(value, float) else value for key, value in row.items()}


def _tidy(report: Report) -> Iterator[Row]:
    """One figure a row."""
    values = report.to_json()
    for name in ("records", "missing", "unknown", "other_text"):
        yield {"section": "records", "name": name, "figure": "count", "value": values[name]}
    tables = {"score": values["scores"]}
    tables |= {f"source of {kind}s": rows for kind, rows in values["sources"].items()}
    fits = {kind: fit for kind, fit in values["calibration"].items() if fit}
    tables |= {f"reliability of {kind}s": {f"bin {i}": b for i, b in enumerate(fit.pop("bins"), 1)} for kind, fit in fits.items()}
    tables["calibration"] = fits
    if report.evidence:
        tables["evidence"] = {"relation": values["evidence"]}
    for section, rows in tables.items():
        for name, figures in rows.items():
            for figure, value in figures.items():
                yield {"section": section, "name": name, "figure": figure, "value": value}
