"""Places for the names of points, so that none covers another name or a point: near its point, or joined to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot

POINT = 4
"""Pixels from the middle of a point to its edge."""

HIGH = 13
"""Pixels of a line of text, with room between two."""

BESIDE = 4
"""Pixels between two names that are beside each other."""

NEAR, STEP, RINGS = 7.0, 6.0, 50
"""Pixels from a point to the edge of its name, more for each ring that has no room, and the number of rings."""

SPOTS = [
    *((0.0, -1.0), (0.0, 1.0), (1.0, 0.0), (-1.0, 0.0)),
    *((right, down) for down in (-1.0, 1.0) for right in (-0.5, 0.5, -1.0, 1.0)),
    *((right, down) for right in (1.0, -1.0) for down in (-0.5, 0.5)),
]
"""Places around a point, as shares of the way to the right and down: above, below, beside, then between these."""

DOT = 6
"""Pixels between two places at which a joining line is looked at."""

Place = tuple[float, float]


@dataclass(frozen=True)
class PlacedName:
    """The middle of a name, in pixels, and where a line from its point ends that is not beside it."""

    x: float
    y: float
    joins: Place | None = None


def place_labels(points: Sequence[Place], widths: Sequence[float], wide: float) -> list[PlacedName]:
    """A place for the name of each point, the same for the same points.

    First each name takes the first free place beside its point, then the others the nearest free one that a line can
    reach without crossing a name, or else one that a line reaches at all; one that finds none stands below all others.

    Args:
        points: pixels across and down.
        widths: pixels of the names.
        wide: pixels of the picture, which names do not leave on the left, on the right or above.
    """
    names, taken = _Boxes(), _Boxes()
    for x, y in points:
        taken.add(x, y, 2 * POINT, 2 * POINT)
    found: dict[int, PlacedName] = {}
    for rings, crossed in ((range(1), names), (range(1, RINGS), names), (range(1, RINGS), _Boxes())):
        for number, (at, width) in enumerate(zip(points, widths, strict=True)):
            if number not in found and (label := _free(at, width, wide, rings, crossed, taken)):
                found[number] = label
                _take(at, label, width, names, taken)
    low = max([y for _, y in points] + [label.y for label in found.values()], default=0.0)
    for place, number in enumerate(sorted(set(range(len(points))) - found.keys()), 1):
        x, y = max(points[number][0], widths[number] / 2), low + HIGH * (place + 1)
        found[number] = PlacedName(min(x, wide - widths[number] / 2), y, (x, y - HIGH / 2))
    return [found[number] for number in range(len(points))]


def _free(at: Place, width: float, wide: float, rings: range, names: _Boxes, taken: _Boxes) -> PlacedName | None:
    """The first free place in these rings whose line crosses none of the names."""
    for ring in rings:
        away = NEAR + STEP * ring
        for right, down in SPOTS:
            x = at[0] + right * (away + width / 2)
            y = at[1] + down * (away + HIGH / 2)
            if x < width / 2 or x > wide - width / 2 or y < HIGH / 2 or not taken.free(x, y, width + BESIDE, HIGH):
                continue
            joins = (_within(at[0], x, width / 2), _within(at[1], y, HIGH / 2)) if ring else None
            if joins is None or all(names.free(*dot, 1, 1) for dot in _dots(at, joins)):
                return PlacedName(x, y, joins)
    return None


def _take(at: Place, label: PlacedName, width: float, names: _Boxes, taken: _Boxes) -> None:
    for boxes in (names, taken):
        boxes.add(label.x, label.y, width + BESIDE, HIGH)
    for dot in _dots(at, label.joins) if label.joins else ():
        taken.add(*dot, 1, 1)


def _within(value: float, middle: float, half: float) -> float:
    """The nearest to a value within a stretch."""
    return min(max(value, middle - half), middle + half)


def _dots(start: Place, end: Place) -> Iterator[Place]:
    """Places on a line, `DOT` pixels from each other."""
    count = int(hypot(end[0] - start[0], end[1] - start[1]) // DOT) + 1
    for number in range(count):
        share = number / count
        yield start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


class _Boxes:
    """Boxes by their middle and size, which are looked up by the lines of text that they are on."""

    def __init__(self) -> None:
        self._lines: dict[int, list[tuple[float, float, float, float]]] = defaultdict(list)

    def add(self, x: float, y: float, wide: float, high: float) -> None:
        """Add a box."""
        for line in _lines(y, high):
            self._lines[line].append((x, y, wide, high))

    def free(self, x: float, y: float, wide: float, high: float) -> bool:
        """Whether a box covers no other."""
        return not any(
            abs(x - one[0]) * 2 < wide + one[2] and abs(y - one[1]) * 2 < high + one[3]
            for line in _lines(y, high)
            for one in self._lines[line]
        )


def _lines(y: float, high: float) -> range:
    return range(int((y - high / 2) // HIGH), int((y + high / 2) // HIGH) + 1)
