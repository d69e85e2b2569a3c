"""What was executed and billed: the simulator's own account, independent of all client code."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Execution:
    """One line or call that a respondent answered, or that failed while it ran.

    Attributes:
        key: the `custom_id` of a line that is a request key, else a hash of the body.
        batch_id: the batch it ran for; `None` for an individual call.
        at: Unix seconds of virtual time.
        tokens: billed tokens; 0 for a failure.
    """

    key: str
    custom_id: str
    batch_id: str | None
    at: float
    model: str
    status_code: int
    tokens: int

    @property
    def billed(self) -> bool:
        """Whether it was paid for: only answers are."""
        return self.status_code == 200


class Ledger:
    """Every execution since the last reset, in order."""

    def __init__(self) -> None:
        self.executions: list[Execution] = []

    def add(self, execution: Execution) -> None:
        """Book an execution."""
        self.executions.append(execution)

    def executed(self, custom_id: str) -> int:
        """How often a line with this `custom_id` was executed, answered or not."""
        return sum(e.custom_id == custom_id for e in self.executions)

    def billed(self) -> Counter[str]:
        """How often each key was paid for."""
        return Counter(e.key for e in self.executions if e.billed)

    def custom_ids(self) -> set[str]:
        """Every `custom_id` that was executed."""
        return {e.custom_id for e in self.executions}

    def to_data(self) -> list[dict[str, Any]]:
        """Plain data for the control API."""
        return [asdict(execution) | {"billed": execution.billed} for execution in self.executions]

    def reset(self) -> None:
        """Forget everything."""
        self.executions.clear()
