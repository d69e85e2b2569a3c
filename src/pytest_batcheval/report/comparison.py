"""Comparison of batches and individual calls: the figures of each way of sending."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal

from pytest_batcheval.text.format import UNKNOWN, duration
from pytest_batcheval.text.table import table

COLUMNS = ("way", "answers", "time", "speed-up", "calls", "polls", "tokens", "cost", "saved")


@dataclass(frozen=True)
class Measured:
    """The measurements of one way of sending the same requests.

    Attributes:
        way: its name, such as `batches of 25`.
        seconds: from the first read of the journal to the last answer in it.
        calls: HTTP requests except polls.
        polls: HTTP requests for the status of batches.
        usd: US dollars by the price table; `None` if it does not have the model.
    """

    way: str
    answers: int
    seconds: float
    calls: int
    polls: int
    input_tokens: int
    output_tokens: int
    usd: Decimal | None

    @property
    def tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens


def speed_up(measured: Measured, base: Measured) -> float | None:
    """Return how many times as fast it is as another way; `None` if no time has passed."""
    return base.seconds / measured.seconds if measured.seconds and base.seconds else None


def saved(measured: Measured, base: Measured) -> float | None:
    """Return its saving on another way's cost in percent; negative if it costs more; `None` for an unknown cost."""
    if measured.usd is None or not base.usd:
        return None
    return float(100 * (1 - measured.usd / base.usd))


def comparison_table(ways: Sequence[Measured], width: int) -> list[str]:
    """Return a table at most `width` columns wide; speed-up and saving are relative to the first way."""
    return table([COLUMNS, *(_row(measured, ways[0]) for measured in ways)], width, left={0}, give_way=(0,))


def to_data(ways: Sequence[Measured]) -> list[dict[str, object]]:
    """Return the same as data: numbers, `None` for unknown ones."""
    return [
        asdict(measured)
        | {
            "usd": None if measured.usd is None else float(measured.usd),
            "tokens": measured.tokens,
            "speed_up": speed_up(measured, ways[0]),
            "saved_percent": saved(measured, ways[0]),
        }
        for measured in ways
    ]


def _row(measured: Measured, base: Measured) -> tuple[str, ...]:
    faster, cheaper = speed_up(measured, base), saved(measured, base)
    return (
        measured.way,
        f"{measured.answers:,}",
        duration(measured.seconds),
        UNKNOWN if faster is None else f"{faster:.2f}x",
        f"{measured.calls:,}",
        f"{measured.polls:,}",
        f"{measured.tokens:,}",
        UNKNOWN if measured.usd is None else f"${measured.usd:.4f}",
        UNKNOWN if cheaper is None else f"{cheaper:.0f} %",
    )
