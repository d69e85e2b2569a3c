"""Pictures of the dashboard: lines over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_batcheval.report import svg
from pytest_batcheval.report.dashboard.live import Look
from pytest_batcheval.report.dashboard.trend import TrendPoint
from pytest_batcheval.report.language import ENGLISH, Language
from pytest_batcheval.text.format import size


def looks(seen: Sequence[Look], words: Language = ENGLISH) -> str:
    """Error rate, CPU, memory and network over time, one below the other; a line for each that was ever known."""
    if len(seen) < 2:
        return ""
    lines: Sequence[tuple[str, Sequence[float | None], Callable[[float], str]]] = (
        (words("error rate of the requests that have ended"), [one.errors for one in seen], _percent),
        (words("CPU of the sending process, % of a core"), [one.cpu for one in seen], lambda v: f"{v:.0f} %"),
        (words("its memory"), [one.memory for one in seen], lambda v: size(int(v))),
        (words("sent by this machine a second"), [one.sent for one in seen], lambda v: size(int(v))),
        (words("received a second"), [one.received for one in seen], lambda v: size(int(v))),
    )
    times = [one.at for one in seen]
    return "".join(
        svg.line(title, times, values, shown, words)
        for title, values, shown in lines
        if any(value is not None for value in values)
    )


def error_rate(rates: Sequence[tuple[float, float]], words: Language = ENGLISH) -> str:
    """The error rate of a run over the ends of its batches; empty below two of them."""
    if len(rates) < 2:
        return ""
    times, shares = zip(*rates, strict=True)
    return svg.line(words("error rate at the end of each batch"), times, shares, _percent, words)


def _percent(share: float) -> str:
    return f"{share:.1%}"


def trend(points: Sequence[TrendPoint], words: Language = ENGLISH) -> str:
    """A figure over runs, with intervals and marks where its level has changed."""
    rows = [
        {"run": f"{'▶ ' if one.changed else ''}{one.when}", "value": one.value, "low": one.low, "high": one.high}
        for one in points
    ]
    return svg.intervals(rows, "run", "value", words("value"))
