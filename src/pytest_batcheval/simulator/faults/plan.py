"""A fault plan: a list of faults, each with the calls it strikes and how often."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_batcheval.errors import UsageError
from pytest_batcheval.simulator.config import check_config, read_config
from pytest_batcheval.simulator.exchange import Exchange
from pytest_batcheval.simulator.faults.kinds import EXCHANGES, LINES, FaultKind
from pytest_batcheval.simulator.ids import chance
from pytest_batcheval.simulator.state import State

ANY = "*"
_MATCHING = ("fault", "call", "nth", "probability", "times", "custom_id")


@dataclass
class PlannedFault:
    """One fault of a plan.

    Attributes:
        kind: the fault itself.
        call: the kind of call it strikes, such as `batches.create`; `*` for any.
        nth: numbers of the calls of that kind, counted from 1; empty for every call.
        probability: chance that it strikes a matching call.
        times: most times that it strikes.
        custom_id: for faults of lines: the lines it may strike, as a regular expression to search for.
        with_: the fault's own parameters.
    """

    kind: FaultKind
    call: str
    nth: tuple[int, ...]
    probability: float
    times: int
    custom_id: re.Pattern[str]
    with_: Mapping[str, Any]
    seen: int = 0
    struck: int = 0

    def strikes(self, call: str, dice: random.Random) -> bool:
        """Count a call of this kind, and return whether the fault strikes it."""
        if self.call not in (ANY, call):
            return False
        self.seen += 1
        if self.struck >= self.times or (self.nth and self.seen not in self.nth):
            return False
        if self.probability < 1 and dice.random() >= self.probability:
            return False
        self.struck += 1
        return True


@dataclass
class FaultPlan:
    """All faults of a plan, with the random numbers of its seed.

    Attributes:
        struck: number of times each fault has struck, by name.
    """

    entries: list[PlannedFault]
    seed: int = 0
    struck: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._dice = chance(self.seed, "faults")

    @classmethod
    def of(cls, faults: Sequence[Mapping[str, Any]], seed: int = 0) -> FaultPlan:
        """Create a plan from plain data.

        Raises:
            UsageError: an entry has an unknown fault or does not match the schema; the message names the place.
        """
        check_config({"faults": list(faults)}, "faults", "fault plan")
        return cls([_entry(fault) for fault in faults], seed)

    @classmethod
    def load(cls, path: Path, seed: int = 0) -> FaultPlan:
        """Read a plan from a YAML or JSON file with a list `faults`.

        Raises:
            UsageError: the file cannot be read, or does not match the schema.
        """
        return cls.of(read_config(path, "faults").get("faults", []), seed)

    def rule(self, state: State) -> FaultPlan:
        """Put this plan into effect, instead of any other, until the state's next reset."""
        state.interceptor, state.rewrite = self.intercept, self.rewrite
        return self

    async def intercept(self, exchange: Exchange) -> None:
        """Let the first matching fault strike an exchange, or let it pass."""
        for entry in self.entries:
            if entry.kind.name in EXCHANGES and entry.strikes(exchange.call, self._dice):
                self.struck[entry.kind.name] += 1
                return await EXCHANGES[entry.kind.name].strike(exchange, **entry.with_)
        return await exchange.answer()

    def rewrite(self, kind: str, path: Path) -> None:
        """Apply the faults to a result file (`output` or `error`) before it gets a size and an id."""
        for entry in self.entries:
            fault = LINES.get(entry.kind.name)
            if fault is None or not path.exists() or not entry.strikes(f"result.{kind}", self._dice):
                continue
            lines = path.read_bytes().splitlines(keepends=True)
            chosen = [i for i, line in enumerate(lines) if entry.custom_id.search(line.decode("utf-8", "replace"))]
            path.write_bytes(b"".join(fault.spoil(lines, chosen, self._dice, **entry.with_)))
            self.struck[entry.kind.name] += 1


def _entry(fault: Mapping[str, Any]) -> PlannedFault:
    kind = (EXCHANGES.get(fault["fault"]) or LINES[fault["fault"]]).kind
    given = {name: value for name, value in fault.items() if name not in _MATCHING}
    if not given.keys() <= set(kind.parameters):
        wrong = ", ".join(sorted(given.keys() - set(kind.parameters)))
        raise UsageError(
            f"fault plan: {kind.name} has no parameter {wrong}; it has: {', '.join(kind.parameters) or 'none'}"
        )
    nth = fault.get("nth", ())
    return PlannedFault(
        kind=kind,
        call=fault.get("call", kind.usual_call),
        nth=tuple(nth) if isinstance(nth, list) else (nth,) if nth else (),
        probability=fault.get("probability", 1.0),
        times=fault.get("times", 1 if "probability" not in fault else 2**31),
        custom_id=re.compile(fault.get("custom_id", "")),
        with_=given,
    )
