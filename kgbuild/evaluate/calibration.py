"""Whether a confidence means what it says: of what is 0.8 sure, four in five should be right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

BINS = 10

Pair = tuple[float, bool]
"""Confidence of a prediction, and whether it is right."""


@dataclass(frozen=True, slots=True)
class Bin:
    """A row of the reliability table: predictions of neighbouring confidence."""

    low: float
    high: float
    n: int
    confidence: float
    """Mean."""
    precision: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well confidences fit, over ``n`` predictions.

    ``ece`` is the expected calibration error over bins of equal count (Nguyen & O'Connor 2015): the mean distance
    of a bin's confidence and precision. ``brier`` is the mean squared error (Brier 1950), ``skill`` the share of it
    that is saved against always saying ``precision`` (null where all or none are right, so nothing can be saved).
    ``surer_half`` is the precision of the surer half, ``gain`` what it is above the whole.
    """

    n: int
    confidence: float
    precision: float
    ece: float
    brier: float
    skill: float | None
    surer_half: float
    gain: float
    bins: tuple[Bin, ...]


def calibrate(pairs: Sequence[Pair], bins: int = BINS) -> Calibration | None:
    """The fit of confidences and outcomes, whatever their order; ``None`` where there are none."""
    if not pairs:
        return None
    n = len(pairs)
    precision = sum(right for _, right in pairs) / n
    brier = sum((confidence - right) ** 2 for confidence, right in sorted(pairs)) / n
    guess = precision * (1 - precision)
    table = _bins(pairs, bins)
    half = _surest(pairs, n / 2)
    return Calibration(
        n=n,
        confidence=sum(sorted(confidence for confidence, _ in pairs)) / n,
        precision=precision,
        ece=sum(b.n * abs(b.confidence - b.precision) for b in table) / n,
        brier=brier,
        skill=1 - brier / guess if guess else None,
        surer_half=half,
        gain=half - precision,
        bins=table,
    )


def _bins(pairs: Sequence[Pair], bins: int) -> tuple[Bin, ...]:
    """About equal counts; predictions of one confidence stay together, so the order of ties changes nothing."""
    out: list[Bin] = []
    pending: list[Pair] = []
    for _, equal in groupby(sorted(pairs), key=lambda pair: pair[0]):
        pending += equal
        if len(pending) >= len(pairs) / bins:
            out.append(_bin(pending))
            pending = []
    return (*out, _bin(pending)) if pending else tuple(out)


def _bin(pairs: Sequence[Pair]) -> Bin:
    n = len(pairs)
    confidence, right = sum(c for c, _ in pairs) / n, sum(right for _, right in pairs)
    return Bin(pairs[0][0], pairs[-1][0], n, confidence, right / n)


def _surest(pairs: Sequence[Pair], n: float) -> float:
    """Precision of the ``n`` surest; of equally sure ones at the edge, their mean counts."""
    hits, left = 0.0, n
    for _, group in groupby(sorted(pairs, reverse=True), key=lambda pair: pair[0]):
        equal = [right for _, right in group]
        taken = min(left, float(len(equal)))
        hits += taken * sum(equal) / len(equal)
        left -= taken
    return hits / n
