"""The simulator's own account of executions and bills, independent of all client code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Execution:
    """One line or individual call that was answered, or that failed when it ran.

    Attributes:
        key: the `custom_id` of the line if it is a request key, else a hash of the body.
        batch_id: the batch it ran for; `None` for an individual call.
        at: Unix seconds of virtual time.
        tokens: billed tokens; 0 for a failure.
        planted: the pole, -1 or 1, of each dimension of which the respondent put a sign into the answer.
        project: the project of the caller's key.
        free: whether an answer is not billed because its batch was cancelled.
    """

    key: str
    custom_id: str
    batch_id: str | None
    at: float
    model: str
    status_code: int
    tokens: int
    planted: Mapping[str, int] = field(default_factory=dict, hash=False)
    project: str = ""
    free: bool = False

    @property
    def billed(self) -> bool:
        """Whether it is billed; only answers are."""
        return self.status_code == 200 and not self.free


def planted_in(answer: Mapping[str, Any]) -> Mapping[str, int]:
    """The signs planted in an answer, as its signature says; equal results are one object, to save memory."""
    signature = answer.get("x_simulator") or {}
    return _shared(tuple(signature.get("planted", {}).items()))


def usage_of(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The token counts of an answer; empty for a failure."""
    return answer.get("usage") or answer.get("usageMetadata") or {}


def billed_tokens(usage: Mapping[str, Any]) -> int:
    """The tokens of an answer's counts; Anthropic's have no sum."""
    parts = usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
    total: int = usage.get("total_tokens", usage.get("totalTokenCount", parts))
    return total


@lru_cache(maxsize=4096)
def _shared(planted: tuple[tuple[str, int], ...]) -> Mapping[str, int]:
    return dict(planted)


class Ledger:
    """Every execution since the last reset, in order.

    Attributes:
        intervals: creation and end of each batch, between which it could run lines, in Unix seconds of virtual
            time; the end is `None` while it is open.
    """

    def __init__(self) -> None:
        self.executions: list[Execution] = []
        self.intervals: dict[str, tuple[float, float | None]] = {}

    def add(self, *executions: Execution) -> None:
        """Record executions."""
        self.executions.extend(executions)

    def executed(self, custom_id: str) -> int:
        """The number of executions of this `custom_id`, answered or failed."""
        return sum(e.custom_id == custom_id for e in self.executions)

    def billed(self) -> Counter[str]:
        """The number of times each key was billed."""
        return Counter(e.key for e in self.executions if e.billed)

    def custom_ids(self) -> set[str]:
        """Every executed `custom_id`."""
        return {e.custom_id for e in self.executions}

    def of_batch(self, batch_id: str) -> list[Execution]:
        """The executions of one batch."""
        return [e for e in self.executions if e.batch_id == batch_id]

    def forgive(self, batch_id: str) -> None:
        """Bill nothing of one batch."""
        self.executions[:] = [replace(e, free=True) if e.batch_id == batch_id else e for e in self.executions]

    def to_data(self) -> list[dict[str, Any]]:
        """Plain data for the control API."""
        return [asdict(execution) | {"billed": execution.billed} for execution in self.executions]

    def restore(self, executions: Iterable[Execution]) -> None:
        """Take over the executions recorded before a restart."""
        self.executions[:] = executions

    def reset(self) -> None:
        """Forget everything."""
        self.executions.clear()
        self.intervals.clear()
