"""What was executed and billed: the simulator's own account, independent of all client code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Execution:
    """One line or call that a respondent answered, or that failed while it ran.

    Attributes:
        key: the `custom_id` of a line that is a request key, else a hash of the body.
        batch_id: the batch it ran for; `None` for an individual call.
        at: Unix seconds of virtual time.
        tokens: billed tokens; 0 for a failure.
        planted: the pole, -1 or 1, of each dimension that the respondent put a sign of into the answer.
        project: the project of the caller's key.
        free: not billed although it was answered, because its batch was cancelled.
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
        """Whether it was paid for: only answers are."""
        return self.status_code == 200 and not self.free


def planted_in(answer: Mapping[str, Any]) -> Mapping[str, int]:
    """The signs an answer says were planted in it; equal ones are one object, so that a million take no room."""
    signature = answer.get("x_simulator") or {}
    return _shared(tuple(signature.get("planted", {}).items()))


@lru_cache(maxsize=4096)
def _shared(planted: tuple[tuple[str, int], ...]) -> Mapping[str, int]:
    return dict(planted)


class Ledger:
    """Every execution since the last reset, in order.

    Attributes:
        intervals: when each batch could run lines: from its creation to its end in Unix seconds of virtual
            time; the end is `None` while it is open.
    """

    def __init__(self) -> None:
        self.executions: list[Execution] = []
        self.intervals: dict[str, tuple[float, float | None]] = {}

    def add(self, *executions: Execution) -> None:
        """Book executions."""
        self.executions.extend(executions)

    def executed(self, custom_id: str) -> int:
        """How often a line with this `custom_id` was executed, answered or not."""
        return sum(e.custom_id == custom_id for e in self.executions)

    def billed(self) -> Counter[str]:
        """How often each key was paid for."""
        return Counter(e.key for e in self.executions if e.billed)

    def custom_ids(self) -> set[str]:
        """Every `custom_id` that was executed."""
        return {e.custom_id for e in self.executions}

    def of_batch(self, batch_id: str) -> list[Execution]:
        """What was executed for one batch."""
        return [e for e in self.executions if e.batch_id == batch_id]

    def forgive(self, batch_id: str) -> None:
        """Bill nothing of one batch."""
        self.executions[:] = [replace(e, free=True) if e.batch_id == batch_id else e for e in self.executions]

    def to_data(self) -> list[dict[str, Any]]:
        """Plain data for the control API."""
        return [asdict(execution) | {"billed": execution.billed} for execution in self.executions]

    def restore(self, executions: Iterable[Execution]) -> None:
        """Take over what was booked before a restart."""
        self.executions[:] = executions

    def reset(self) -> None:
        """Forget everything."""
        self.executions.clear()
        self.intervals.clear()
