"""Places for the nodes of a view: pure geometry, the same for the same input.

The focus is the centre. Its neighbours stand around it, a sector to each group, on ellipses that grow until every
caption has room; what is further away stands outside, in the direction of what it hangs on.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import networkx as nx

_INNER = 215.0
"""Radius of the first ellipse, in pixels: room for the label of a relation between its ends."""
_STEP = 26.0
"""From one ellipse to the next."""
_WIDE, _HIGH = 1.1, 1.0
"""Captions are wide and so are screens, so circles are drawn as ellipses."""
_CELL = 120.0
_DIRECTIONS = 720
_TEXT = 6.0
"""Half the height of the label of a relation, and its width to a character."""

Point = tuple[float, float]


class Box(NamedTuple):
    """A rectangle, relative to a node's place or (after :meth:`at`) on the page."""

    left: float
    top: float
    right: float
    bottom: float

    def at(self, x: float, y: float) -> Box:
        return Box(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def meets(self, other: Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


class _Page:
    """Boxes that are taken, found again by cell."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], list[Box]] = defaultdict(list)

    def is_free(self, box: Box) -> bool:
        return not any(box.meets(taken) for cell in self._touched(box) for taken in self._cells[cell])

    def take(self, box: Box) -> None:
        for cell in self._touched(box):
            self._cells[cell].append(box)

    def _touched(self, box: Box) -> Iterator[tuple[int, int]]:
        for i in range(math.floor(box.left / _CELL), math.floor(box.right / _CELL) + 1):
            for j in range(math.floor(box.top / _CELL), math.floor(box.bottom / _CELL) + 1):
                yield i, j


class _Sight:
    """Which directions from the centre are hidden behind a box, and which hold a line to a node."""

    def __init__(self) -> None:
        self._hidden = [False] * _DIRECTIONS
        self._lines = [False] * _DIRECTIONS

    def is_clear(self, x: float, y: float, box: Box) -> bool:
        return not self._hidden[self._direction(x, y)] and not any(self._lines[d] for d in self._span(x, y, box))

    def take(self, x: float, y: float, box: Box) -> None:
        self._lines[self._direction(x, y)] = True
        for d in self._span(x, y, box):
            self._hidden[d] = True

    def _span(self, x: float, y: float, box: Box) -> Iterator[int]:
        middle = math.atan2(y, x)
        corners = [(cx, cy) for cx in (box.left, box.right) for cy in (box.top, box.bottom)]
        turns = [math.remainder(math.atan2(cy, cx) - middle, math.tau) for cx, cy in corners]
        first, last = (round((middle + turn) / math.tau * _DIRECTIONS) for turn in (min(turns), max(turns)))
        return (d % _DIRECTIONS for d in range(first, last + 1))

    def _direction(self, x: float, y: float) -> int:
        return round(math.atan2(y, x) / math.tau * _DIRECTIONS) % _DIRECTIONS


def radial(
    centre: str, groups: Mapping[str, str], boxes: Mapping[str, Box], edges: Iterable[tuple[str, str]]
) -> dict[str, tuple[int, int]]:
    """A place in pixels for every node of ``groups`` (node to group), ``centre`` at the origin.

    Within a group the nodes that come first in ``groups`` stand closest. Boxes never overlap; while there is room,
    no node stands on the line from the centre to another one.
    """
    near: nx.Graph = nx.Graph()
    near.add_nodes_from(groups)
    near.add_edges_from(edges)
    hops: dict[str, int] = nx.single_source_shortest_path_length(near, centre)
    far = max(1, *hops.values()) + 1  # where nothing leads stands outside all else
    page, sight = _Page(), _Sight()
    at: dict[str, tuple[int, int]] = {centre: (0, 0)}
    page.take(boxes[centre])

    def surround(ring: Iterable[tuple[str, float, float]], inner: float, *, in_sight: bool) -> None:
        """Places nodes, each with its direction and how far it may stray from it, outside the ellipse ``inner``."""
        filled: dict[int, float] = defaultdict(lambda: inner)
        for node, angle, spread in ring:
            slice_ = round(angle / math.pi * 16)
            x, y = _place(boxes[node], page, sight if in_sight else None, filled[slice_], angle, spread)
            at[node] = x, y
            page.take(boxes[node].at(x, y))
            sight.take(x, y, boxes[node].at(x, y))
            # Where one node found room only far out, the next need not look again from the start.
            filled[slice_] = max(filled[slice_], _radius(x, y) - 3 * _STEP)

    surround(_sectors([node for node in groups if hops.get(node) == 1], groups, boxes), _INNER, in_sight=True)
    for hop in range(2, far + 1):
        ring = [node for node in groups if hops.get(node, far) == hop]
        angles = {node: _towards([at[other] for other in near[node] if hops.get(other, far) < hop]) for node in ring}
        outside = max(_radius(x, y) for x, y in at.values()) + 2 * _STEP
        surround(
            [(node, angles[node], math.pi / 4) for node in sorted(ring, key=angles.__getitem__)],
            outside,
            in_sight=False,
        )
    return at


def free_labels(
    at: Mapping[str, tuple[int, int]], boxes: Mapping[str, Box], edges: Sequence[tuple[str, str, str, float]]
) -> list[bool]:
    """For every edge (from, to, label, bend) whether its label, written along it, touches no node and no label before it."""
    page = _Page()
    for node, (x, y) in at.items():
        page.take(boxes[node].at(x, y))
    free = []
    for head, tail, label, bend in edges:
        letters = [
            Box(x - _TEXT, y - _TEXT, x + _TEXT, y + _TEXT) for x, y in _along(at[head], at[tail], len(label), bend)
        ]
        free.append(head != tail and all(map(page.is_free, letters)))
        if free[-1]:
            for letter in letters:
                page.take(letter)
    return free


def _sectors(
    nodes: Sequence[str], groups: Mapping[str, str], boxes: Mapping[str, Box]
) -> Iterator[tuple[str, float, float]]:
    """Each node with the middle and half the width of its group's share of the circle, which begins at the left."""
    members: dict[str, list[str]] = defaultdict(list)
    for node in nodes:
        members[groups[node]].append(node)
    need = {group: sum(boxes[n].bottom - boxes[n].top for n in ns) for group, ns in members.items()}
    angle = -math.pi
    for group, ns in members.items():
        half = math.pi * need[group] / sum(need.values())
        for node in ns:
            yield node, angle + half, half
        angle += 2 * half


def _place(box: Box, page: _Page, sight: _Sight | None, inner: float, angle: float, spread: float) -> tuple[int, int]:
    """The closest free place from the ellipse ``inner`` outwards, at most ``spread`` radians from ``angle``.

    With ``sight``, a place without a clear line to the centre is taken only when a few more ellipses offer no other.
    """
    radius, patience = inner, 4
    fallback: tuple[int, int] | None = None
    while fallback is None or patience > 0:
        turns = int(spread * radius / 16)
        for turn in sorted(range(-turns, turns + 1), key=lambda t: (abs(t), t)):
            direction = angle + turn * 16 / radius
            x, y = round(radius * _WIDE * math.cos(direction)), round(radius * _HIGH * math.sin(direction))
            if page.is_free(box.at(x, y)):
                if sight is None or sight.is_clear(x, y, box.at(x, y)):
                    return x, y
                fallback = fallback or (x, y)
        radius += _STEP
        patience -= fallback is not None
    return fallback


def _radius(x: float, y: float) -> float:
    """Of the ellipse around the centre that a point lies on."""
    return math.hypot(x / _WIDE, y / _HIGH)


def _towards(points: Sequence[Point]) -> float:
    """The direction of the middle of some points."""
    return math.atan2(sum(y for _, y in points), sum(x for x, _ in points))


def _along(head: Point, tail: Point, letters: int, bend: float) -> Iterator[Point]:
    """Points along the label in the middle of an edge, a letter apart.

    A bent edge is the quadratic Bézier curve that vis-network 9.1 calls ``curvedCW`` or ``curvedCCW``.
    """
    dx, dy = tail[0] - head[0], tail[1] - head[1]
    length = math.hypot(dx, dy) or 1.0
    reach, angle = (0.5 + abs(bend) / 2) * length, math.atan2(dy, dx) + bend * math.pi / 2
    control = head[0] + reach * math.cos(angle), head[1] + reach * math.sin(angle)
    x, y = ((head[i] + 2 * control[i] + tail[i]) / 4 for i in (0, 1))
    for k in range(letters):
        offset = (k - (letters - 1) / 2) * _TEXT / length
        yield x + dx * offset, y + dy * offset
