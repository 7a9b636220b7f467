"""How good an extraction is, against annotated papers.

    gold = read("dev.jsonl")
    report = evaluate(gold, read_records("predicted.jsonl"))
    report.scores["mention"].f1

``Report.to_json`` gives the keys that ``kgbuild eval --format json`` prints; they do not change within a major version:

===================================  ==================================================================================
``records``                          gold records
``missing``, ``unknown``             gold records without a prediction; predictions of papers that gold does not have
``other_text``                       predictions read from a text that differs from gold's, so their offsets may not fit
``scores``                           name (``mention``, ``mention:LABEL``, ``span``, ``concept``, ``concept:LABEL``,
                                     ``relation``, ``relation:TYPE``, ``figure``, ``result``) -> ``precision``,
                                     ``recall``, ``f1``, ``hits``, ``predicted``, ``gold``, and ``low`` and ``high``
                                     of F1's 95 % interval, null but for mention, concept, relation and result
``sources``                          ``mention``, ``relation``, ``result`` -> rule or model part -> ``precision``,
                                     ``hits``, ``predicted``
``calibration``                      ``mention``, ``relation``, ``result`` -> null where no prediction has a confidence,
                                     else ``n``, ``confidence``, ``precision``, ``ece``, ``brier``, ``skill``,
                                     ``surer_half``, ``gain`` and ``bins`` (``low``, ``high``, ``n``, ``confidence``,
                                     ``precision``)
``evidence``                         null where no annotated evidence was given, else ``annotated``, ``found``, ``hit``,
                                     ``equal`` (:class:`Evidence`)
===================================  ==================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from kgbuild.errors import KGError
from kgbuild.evaluate.browser import page
from kgbuild.evaluate.calibration import Calibration, calibrate
from kgbuild.evaluate.evidence import Evidence, Stated, judge_evidence, read_evidence
from kgbuild.evaluate.plot import reliability
from kgbuild.evaluate.readers import GOLD, NAMES, comparable, predict, read
from kgbuild.evaluate.record import Record, read_records
from kgbuild.evaluate.score import Judged, Judgement, Score, Spoke, T, by_source, judge, scores

__all__ = ["GOLD", "NAMES", "Calibration", "Evidence", "Record", "Report", "Score", "Stated", "evaluate", "page", "predict", "read", "read_evidence", "read_records", "reliability"]


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of one evaluation, and the judgement of each paper, from which :func:`page` draws the errors."""

    records: int
    missing: int
    unknown: int
    other_text: int
    scores: dict[str, Score]
    sources: dict[str, dict[str, Spoke]]
    calibration: dict[str, Calibration | None]
    judgements: tuple[Judgement, ...]
    evidence: Evidence | None = None

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON values; the keys are listed at the head of this module."""
        return {
            "records": self.records,
            "missing": self.missing,
            "unknown": self.unknown,
            "other_text": self.other_text,
            "scores": {name: asdict(score) for name, score in self.scores.items()},
            "sources": {kind: {s: asdict(spoke) for s, spoke in rows.items()} for kind, rows in self.sources.items()},
            "calibration": {kind: asdict(c) if c else None for kind, c in self.calibration.items()},
            "evidence": asdict(self.evidence) if self.evidence else None,
        }


def evaluate(
    gold: Iterable[Record], predicted: Iterable[Record], reader: str = GOLD, stated: Iterable[Stated] = ()
) -> Report:
    """Compare predicted records with gold records of the same ids; a gold record without a prediction is all missed.

    ``reader`` is the one that ``gold`` was read with, ``stated`` annotated evidence of its relations. Raises KGError
    where no id is in both, and where evidence does not fit gold.
    """
    wanted = {r.id: r for r in gold}
    said = {r.id: r for r in predicted}
    common = wanted.keys() & said.keys()
    if not common:
        raise KGError(f"none of the {len(said)} predicted records has the id of one of the {len(wanted)} gold records")
    judgements = tuple(judge(g, comparable(said.get(g.id, Record(id=g.id, text=g.text)), reader)) for g in wanted.values())
    mentions = [m for j in judgements for m in j.mentions]
    relations = [r for j in judgements for r in j.relations]
    results = [r for j in judgements for r in j.results]
    return Report(
        records=len(wanted),
        missing=len(wanted.keys() - common),
        unknown=len(said.keys() - common),
        other_text=sum(said[i].text != wanted[i].text for i in common),
        scores=scores(judgements),
        sources={"mention": by_source(mentions), "relation": by_source(relations), "result": by_source(results)},
        calibration={
            "mention": calibrate(_pairs(mentions)),
            "relation": calibrate(_pairs(relations)),
            "result": calibrate(_pairs(results)),
        },
        judgements=judgements,
        evidence=judge_evidence(stated, judgements) if stated else None,
    )


def _pairs(judged: Iterable[Judged[T]]) -> list[tuple[float, bool]]:
    return [(j.item.confidence, j.right) for j in judged if j.right is not None and j.item.confidence is not None]
