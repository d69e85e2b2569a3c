"""Pictures of the dashboard: lines over time."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_batcheval.report import svg
from pytest_batcheval.report.dashboard.live import Machine
from pytest_batcheval.report.dashboard.trend import TrendPoint
from pytest_batcheval.text.format import size


def machine(looks: Sequence[Machine]) -> str:
    """CPU, memory and network over time, one below the other."""
    if len(looks) < 2:
        return ""
    times = [one.at for one in looks]
    return "".join(
        svg.line(title, times, values, shown)
        for title, values, shown in (
            ("CPU of the sending process, % of a core", [one.cpu for one in looks], lambda v: f"{v:.0f} %"),
            ("its memory", [one.memory for one in looks], lambda v: size(int(v))),
            ("sent by this machine a second", [one.sent for one in looks], lambda v: size(int(v))),
            ("received a second", [one.received for one in looks], lambda v: size(int(v))),
        )
    )


def trend(points: Sequence[TrendPoint]) -> str:
    """A figure over runs, with intervals and marks where its level has changed."""
    rows = [
        {"run": f"{'▶ ' if one.changed else ''}{one.when}", "value": one.value, "low": one.low, "high": one.high}
        for one in points
    ]
    return svg.intervals(rows, "run", "value")
