"""The fault plan of a simulator: the faults it injects, each with the calls it strikes and how often."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batcheval.errors import UsageError
from pytest_batcheval.simulator.config import check_config, read_config
from pytest_batcheval.simulator.faults.kinds import BATCHES, EXCHANGES, LINES, FaultKind
from pytest_batcheval.simulator.ids import chance
from pytest_batcheval.wire.key import canonical

if TYPE_CHECKING:
    from pytest_batcheval.simulator.http_exchange import Exchange
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
        kept: whether it stays when the plan is replaced, since it was added by itself.
        lines: for `fail_lines`: how often it struck each line.
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
    kept: bool = False
    lines: Counter[str] = field(default_factory=Counter)

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
    """All faults of a simulator, with the random numbers of its seed.

    A plan given as a list replaces the one before; faults added one by one (`fail_lines`, `hold_batches` …) stay
    until the next reset.

    Attributes:
        struck: number of times each fault has struck, by name.
    """

    entries: list[PlannedFault] = field(default_factory=list)
    seed: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    _waiting: list[Callable[[], None]] = field(default_factory=list)

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
        """Put this plan into effect, instead of the one before, until the state's next reset."""
        before = state.faults
        self.entries = [*self.entries, *(entry for entry in before.entries if entry.kept)]
        self._waiting = before._waiting
        state.faults = self
        return self

    def reset(self) -> None:
        """Inject nothing any more; batches that were held are forgotten, as at a reset of the server."""
        self.entries, self._waiting = [], []
        self.struck.clear()

    def add(self, fault: Mapping[str, Any], match: Callable[[Mapping[str, Any]], bool] | None = None) -> None:
        """Add one fault, as a plan writes it; `match` may be a predicate on the body instead of an expression.

        Raises:
            UsageError: the fault or one of its parameters is unknown, or does not match the schema.
        """
        check_config({"faults": [dict(fault)]}, "faults", "fault plan")
        entry = _entry(fault)
        entry.kept = True
        if match is not None:
            entry.with_ = {**entry.with_, "match": match}
        self.entries.append(entry)

    # Shorthands for tests in process; each adds one fault of the plan.

    def fail_lines(
        self, match: str | Callable[[Mapping[str, Any]], bool], *, times: int = 1, **parameters: Any
    ) -> None:
        """The first `times` executions of each matching line fail; see `faults.batches.fail_lines`.

        Args:
            match: a predicate on the body, or a regular expression searched in its JSON text.
            times: how often each line fails before it succeeds.
            parameters: `status_code`, `code` and `message` of the failure.
        """
        fault = {"fault": "fail_lines", "times": times, **parameters}
        self.add(fault, match) if callable(match) else self.add({**fault, "match": match})

    def expire_next_batch(self, after: int) -> None:
        """The next batch ends `expired` after 24 hours with `after` lines done."""
        self.add({"fault": "expire_next_batch", "after": after})

    def fail_next_batch(self, code: str, message: str, line: int | None = None, param: str | None = None) -> None:
        """The next batch ends `failed` at validation, unpaid."""
        self.add({"fault": "fail_next_batch", "code": code, "message": message, "line": line, "param": param})

    def hold_batches(self) -> None:
        """Batches that run stay `in_progress` until `release`."""
        self.add({"fault": "hold_batches"})

    def drop_create_reply(self) -> None:
        """The next create is applied, but its connection is closed without an answer."""
        self.add({"fault": "reset_after"})

    @property
    def held(self) -> bool:
        """Whether batches that run are held."""
        return any(entry.kind.name == "hold_batches" for entry in self.entries)

    def release(self) -> None:
        """Let held batches go on."""
        self.entries = [entry for entry in self.entries if entry.kind.name != "hold_batches"]
        waiting, self._waiting = self._waiting, []
        for resume in waiting:
            resume()

    def when_released(self, resume: Callable[[], None]) -> None:
        """Call back at the next `release`, on the loop that is running now."""
        loop = asyncio.get_running_loop()
        self._waiting.append(lambda: _run_on(loop, resume))

    def strike(self, name: str) -> Any:
        """The result of a fault of a batch, in place of the usual; `None` when none strikes."""
        for entry in self.entries:
            if entry.kind.name == name and entry.strikes(entry.call, self._dice):
                self.struck[name] += 1
                return BATCHES[name].happen(**entry.with_)
        return None

    def line_failure(self, custom_id: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """The failure of this execution of a line: status and body; `None` when it goes well."""
        for entry in self.entries:
            if entry.kind.name == "fail_lines" and entry.lines[custom_id] < entry.times and _matches(entry, body):
                entry.lines[custom_id] += 1
                self.struck[entry.kind.name] += 1
                failure: tuple[int, dict[str, Any]] = BATCHES["fail_lines"].happen(**entry.with_)  # type: ignore[assignment]
                return failure
        return None

    async def intercept(self, exchange: Exchange) -> None:
        """Let the first matching fault strike an exchange, or let it pass."""
        for entry in self.entries:
            if entry.kind.name in EXCHANGES and entry.strikes(exchange.call, self._dice):
                self.struck[entry.kind.name] += 1
                exchange.visit.struck = entry.kind.name
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
    name = fault["fault"]
    kind = (EXCHANGES.get(name) or LINES.get(name) or BATCHES[name]).kind
    given = {name: value for name, value in fault.items() if name not in _MATCHING}
    if not given.keys() <= set(kind.parameters):
        wrong = ", ".join(sorted(given.keys() - set(kind.parameters)))
        raise UsageError(
            f"fault plan: {kind.name} has no parameter {wrong}; it has: {', '.join(kind.parameters) or 'none'}"
        )
    if missing := [name for name in kind.required if name not in given]:
        raise UsageError(f"fault plan: {kind.name} requires {', '.join(missing)}")
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


def _matches(entry: PlannedFault, body: Mapping[str, Any]) -> bool:
    match = entry.with_.get("match", "")
    return bool(match(body)) if callable(match) else re.search(match, canonical(body)) is not None


def _run_on(loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
    loop.call_soon_threadsafe(action)
