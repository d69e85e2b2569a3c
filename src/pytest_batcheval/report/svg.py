"""Drawing of simple charts as SVG text: points with intervals, bars, a map of points, a matrix of squares.

Texts and lines take the colour of the page around them, so that a chart is readable on white and on black.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from math import floor, log10

from pytest_batcheval.report.labels import POINT, place_labels
from pytest_batcheval.report.language import ENGLISH, Language
from pytest_batcheval.text.sanitize import safe_to_show
from pytest_batcheval.text.table import columns, cut

BLUE, ORANGE, GREY = "#3b7dd8", "#d9730d", "#7d8590"
"""Of values, of what is amiss or a limit, and of chance: told apart by the colour-blind."""

PLANE = 420
"""Pixels of an axis of numbers."""

MAP = 440
LABEL = 30
"""Columns of a name at most."""

COLUMN, SMALL_COLUMN = 7, 6
"""Pixels of a column of text, and of a small one."""

TICKS = 6

Row = Mapping[str, object]


def intervals(
    rows: Sequence[Row],
    name: str,
    value: str,
    label: str = "",
    *,
    lines: Mapping[str, float] | None = None,
    domain: tuple[float, float] | None = None,
    limit: str = "",
    percent: bool = False,
    bars: bool = False,
) -> str:
    """Points with the intervals `low` to `high` of their rows, or bars from 0, a line each.

    `lines` are compared with, from top to bottom; `limit` is the column with a row's own.
    """
    step = 17 if bars else 24
    left, height = _wide(str(row[name]) for row in rows) + 10, len(rows) * step
    numbers = [_number(row, key) for row in rows for key in (value, "low", "high", limit) if key in row]
    scale = _Scale(left, domain or _domain([*numbers, *(lines or {}).values()], bars))
    drawn = [scale.axis(height, percent)]
    for number, row in enumerate(rows):
        middle = number * step + step / 2
        drawn.append(_text(left - 6, middle + 4, str(row[name]), "end"))
        at = scale.at(_number(row, value))
        if bars:
            zero = scale.at(0)
            drawn.append(_rect(min(zero, at), middle - step / 2 + 2, abs(at - zero), step - 4, BLUE, str(row[value])))
        else:
            drawn.append(_line(scale.at(_number(row, "low")), middle, scale.at(_number(row, "high")), middle, BLUE, 2))
            drawn.append(_circle(at, middle, 5, f"{row[name]}: {row[value]}"))
        if limit:
            place = scale.at(_number(row, limit))
            drawn.append(_line(place, middle - 8, place, middle + 8, ORANGE, 3))
    for number, (title, of) in enumerate((lines or {}).items()):
        drawn.append(_line(scale.at(of), 0, scale.at(of), height, ORANGE if number else GREY, 1.5, title, dashed=True))
    drawn.append(_text(left + PLANE / 2, height + 34, label or value, "middle"))
    return _svg(left + PLANE + 20, height + 42, drawn)


def points(rows: Sequence[Row], name: str) -> str:
    """Named points by their columns `x` and `y`, both in the same unit; no name covers another one or a point."""
    places = [(_number(row, "x"), _number(row, "y")) for row in rows]
    least = [min(place[axis] for place in places) for axis in (0, 1)]
    spread = max(max(place[axis] for place in places) - least[axis] for axis in (0, 1)) or 1.0
    margin = _wide(str(row[name]) for row in rows) / 2 + 10
    pixels = [(margin + (x - least[0]) / spread * MAP, 20 + (y - least[1]) / spread * MAP) for x, y in places]
    names = [cut(safe_to_show(str(row[name])), LABEL) for row in rows]
    labels = place_labels(pixels, [columns(label) * SMALL_COLUMN for label in names], MAP + 2 * margin)
    drawn = [_line(*at, *label.joins, GREY, 0.75) for at, label in zip(pixels, labels, strict=True) if label.joins]
    for label, at, text in zip(labels, pixels, names, strict=True):
        drawn += [_circle(*at, POINT, text), _text(label.x, label.y + 4, text, "middle", small=True)]
    lowest = max(max(down for _, down in pixels), *(label.y for label in labels))
    return _svg(MAP + 2 * margin, lowest + 16, drawn)


def line(
    title: str,
    times: Sequence[float],
    values: Sequence[float | None],
    shown: Callable[[float], str],
    words: Language = ENGLISH,
) -> str:
    """A line of numbers over seconds, broken where there are none; `shown` writes its largest number and its last."""
    known = [value for value in values if value is not None]
    peak = max(known, default=0.0)
    most = peak or 1.0
    spread = (times[-1] - times[0]) or 1.0
    parts: list[list[str]] = [[]]
    for at, value in zip(times, values, strict=True):
        if value is None:
            parts.append([])
        else:
            parts[-1].append(f"{(at - times[0]) / spread * PLANE:.1f},{64 - value / most * 40:.1f}")
    lines = [f'<polyline points="{" ".join(part)}" fill="none" stroke="{BLUE}" stroke-width="1.5"/>'
             for part in parts if part]  # fmt: skip
    if known:
        said = words("{title}: {now} now, {most} at most", title=title, now=shown(known[-1]), most=shown(peak))
    else:
        said = words("{title}: nothing", title=title)
    return _svg(PLANE, 70, [_text(0, 14, said, "start"), _line(0, 64, PLANE, 64, GREY, 0.5), *lines], said)


def squares(
    rows: Sequence[Row],
    fields: tuple[str, str, str],
    names: tuple[Sequence[str], Sequence[str]],
    legend: str,
    *,
    both: bool = False,
) -> str:
    """A matrix of squares, the stronger the colour the larger the number; `both` where it has two signs.

    `fields` are the columns across, down and of the number, `names` the order across and down, `legend` the line
    below, with `{most}` in the place of the largest number.
    """
    across, down, value = fields
    step = 26 if len(names[0]) < 12 else 17
    left = _wide(names[1]) + 10
    top = _wide(names[0]) * 0.85 + 12
    most = max(abs(_number(row, value)) for row in rows) or 1.0
    drawn = [_text(left - 6, top + place * step + step / 2 + 4, name, "end") for place, name in enumerate(names[1])]
    drawn += [_text(left + place * step + step / 2, top - 6, name, "start", -60) for place, name in enumerate(names[0])]
    size = (len(names[0]) * step, len(names[1]) * step)
    drawn.append(f'<rect x="{left:g}" y="{top:g}" width="{size[0]}" height="{size[1]}" fill="none" stroke="{GREY}"/>')
    for row in rows:
        x, y = names[0].index(str(row[across])), names[1].index(str(row[down]))
        number = _number(row, value)
        colour = ORANGE if both and number < 0 else BLUE
        title = f"{row[down]} / {row[across]}: {number:.3g}"
        drawn.append(_rect(left + x * step, top + y * step, step, step, colour, title, abs(number) / most))
    drawn.append(_text(left, top + size[1] + 18, legend.format(most=f"{most:.3g}"), "start"))
    return _svg(max(left + size[0] + top * 0.5, left + 330), top + size[1] + 28, drawn)


class _Scale:
    """Numbers on an axis of `PLANE` pixels that begins at `left`."""

    def __init__(self, left: float, domain: tuple[float, float]) -> None:
        self._left, (self._low, self._high) = left, domain

    def at(self, number: float) -> float:
        """The place of a number; at an end of the axis for one beyond it."""
        inside = min(max(number, self._low), self._high)
        return self._left + (inside - self._low) / (self._high - self._low) * PLANE

    def axis(self, height: float, percent: bool) -> str:
        """Lines and numbers below them."""
        spread = self._high - self._low
        step = _nice(spread / TICKS)
        first = floor(self._low / step + 0.999999)
        ticks = [
            number * step for number in range(first, first + TICKS * 3) if number * step <= self._high + step / 1e6
        ]
        digits = max(0, -floor(log10(step)) - (2 if percent else 0))
        return "".join(
            _line(self.at(tick), 0, self.at(tick), height, GREY, 0.4)
            + _text(self.at(tick), height + 16, f"{tick:.{digits}{'%' if percent else 'f'}}", "middle")
            for tick in ticks
        )


def _domain(numbers: Sequence[float], zero: bool) -> tuple[float, float]:
    low, high = min([*numbers, *([0.0] if zero else [])]), max([*numbers, *([0.0] if zero else [])])
    spare = (high - low) * 0.05 or abs(high) or 1.0
    return (low if zero and low == 0 else low - spare, high + spare)


def _nice(step: float) -> float:
    """The next larger of 1, 2, 5, 10, … times a power of ten."""
    power = 10.0 ** floor(log10(step))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999))


def _number(row: Row, name: str) -> float:
    value = row[name]
    if not isinstance(value, int | float):
        raise TypeError(f"{name} is no number: {value!r}")
    return float(value)


def _wide(names: Iterable[str]) -> float:
    return max((min(columns(safe_to_show(name)), LABEL) for name in names), default=1) * COLUMN


def _text(x: float, y: float, text: str, anchor: str, turned: int = 0, *, small: bool = False) -> str:
    shown = escape(cut(safe_to_show(text), LABEL * 3 if anchor == "start" else LABEL))
    turn = f' transform="rotate({turned} {x:.1f} {y:.1f})"' if turned else ""
    size = 11 if small else 12
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turn}'
    return f'<text {place} font-size="{size}" fill="currentColor">{shown}</text>'


def _line(
    x: float, y: float, x2: float, y2: float, colour: str, width: float, title: str = "", *, dashed: bool = False
) -> str:
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    end = f"><title>{escape(safe_to_show(title))}</title></line>" if title else "/>"
    place = f'x1="{x:.1f}" y1="{y:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {place} stroke="{colour}" stroke-width="{width}"{dash}{end}'


def _circle(x: float, y: float, radius: float, title: str) -> str:
    title = escape(safe_to_show(title))
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{BLUE}"><title>{title}</title></circle>'


def _rect(x: float, y: float, wide: float, high: float, colour: str, title: str, strength: float = 1.0) -> str:
    title = escape(safe_to_show(title))
    place = f'x="{x:.1f}" y="{y:.1f}" width="{max(wide, 0.5):.1f}" height="{high:.1f}"'
    return f'<rect {place} fill="{colour}" fill-opacity="{strength:.2f}"><title>{title}</title></rect>'


def _svg(wide: float, high: float, parts: Sequence[str], name: str = "") -> str:
    """A picture of these parts; with a name it is one image to a screen reader."""
    label = f' role="img" aria-label="{escape(safe_to_show(name))}"' if name else ""
    size = f'width="{wide:.0f}" height="{high:.0f}" viewBox="0 0 {wide:.0f} {high:.0f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}{label}>{"".join(parts)}</svg>'
