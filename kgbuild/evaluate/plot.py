"""The reliability of confidences as a picture."""

from __future__ import annotations

from collections.abc import Mapping

from kgbuild.evaluate.calibration import Calibration

SIDE, GAP, FRAME = 220, 60, 40
"""Pixels: a panel, what is between two, what is around them."""


def reliability(fits: Mapping[str, Calibration | None]) -> str:
    """An SVG with a panel a kind of statement: precision over mean confidence of each bin, beside the diagonal of
    confidences that are true (the reliability diagram of DeGroot & Fienberg 1983)."""
    panels = [(kind, fit) for kind, fit in fits.items() if fit is not None]
    width, height = 2 * FRAME + len(panels) * (SIDE + GAP) - GAP, 2 * FRAME + SIDE + 20
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for n, (kind, fit) in enumerate(panels):
        left, top = FRAME + n * (SIDE + GAP), FRAME
        out += [
            f'<g transform="translate({left} {top})">',
            f'<text x="{SIDE / 2:g}" y="-14" text-anchor="middle" font-size="13">{kind}s: {fit.n}, error {fit.ece:.3f}</text>',
            f'<rect width="{SIDE}" height="{SIDE}" fill="none" stroke="#888888"/>',
            f'<line x1="0" y1="{SIDE}" x2="{SIDE}" y2="0" stroke="#bbbbbb" stroke-dasharray="4 3"/>',
        ]
        for tick in (0.0, 0.5, 1.0):
            out += [
                f'<text x="{tick * SIDE:g}" y="{SIDE + 14}" text-anchor="middle">{tick:g}</text>',
                f'<text x="-6" y="{SIDE - tick * SIDE + 4:g}" text-anchor="end">{tick:g}</text>',
            ]
        points = [(b.confidence * SIDE, SIDE - b.precision * SIDE) for b in fit.bins]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="#0072B2" stroke-width="1.5"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="#0072B2"/>' for x, y in points]
        out += [f'<text x="{SIDE / 2:g}" y="{SIDE + 30}" text-anchor="middle">confidence; upwards: share that is right</text>', "</g>"]
    return "\n".join([*out, "</svg>", ""])
