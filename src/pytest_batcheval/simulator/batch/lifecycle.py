"""The life of a batch on the clock: inspection, acceptance, execution, result files, end.

A batch waits for one step at a time, which is due at one moment of virtual time; both are stored with
it, so that a restarted server continues where the last one stopped.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from pytest_batcheval.simulator.batch.execution import LineRunner
from pytest_batcheval.simulator.batch.inspection import Inspection
from pytest_batcheval.simulator.batch.result_files import finish_fields, result_files
from pytest_batcheval.simulator.clock import Event
from pytest_batcheval.simulator.errors import LineProblem, problem
from pytest_batcheval.simulator.ids import chance
from pytest_batcheval.simulator.state import Project, State, StoredBatch

OPEN = ("validating", "in_progress", "finalizing", "cancelling")
WINDOW = 86_400
"""Seconds of the usual completion window, 24h."""

_EXPIRED = "This request could not be executed before the completion window expired."
_ROUNDING = 1e-6


class BatchLifecycle:
    """The steps of one batch through its states, each an event of the clock."""

    def __init__(self, state: State, project: Project, batch: StoredBatch) -> None:
        self._state = state
        self._project = project
        self._batch = batch
        self._progress = batch.progress
        self._lines = LineRunner(state, project, batch)

    def start(self) -> None:
        """Begin with the inspection of the input file."""
        self._state.ledger.intervals[self._batch.id] = (self._state.clock.now(), None)
        self._next("inspect", self._state.clock.now())

    def resume(self) -> None:
        """Continue after a restart."""
        created, ended = self._batch.made_at, self._progress.due
        is_open = self._batch.status in OPEN
        self._state.ledger.intervals[self._batch.id] = (created, None if is_open else ended)
        if is_open and self._progress.due is not None:
            self._lines.cut()
            self._state.clock.at(self._progress.due, self._event(self._progress.step, self._progress.due))

    @property
    def due(self) -> float | None:
        """The time of its next step, in Unix seconds of virtual time; `None` if no step is scheduled."""
        waits = self._state.faults.held and self._batch.status == "in_progress"
        return self._progress.due if self._batch.status in OPEN and not waits else None

    @property
    def behind(self) -> bool:
        """Whether some lines that should be done by now are not."""
        now = self._state.clock.now()
        return self._batch.status == "in_progress" and self._share(now) > self._progress.executed

    async def advance(self) -> None:
        """Execute the lines that should be done by now, and update the counts."""
        if self._batch.status == "in_progress":
            await self._lines.until(self._share(self._state.clock.now()))

    async def cancel(self) -> None:
        """Cancel the batch if its status allows it: executed lines stay, the rest is not run.

        Lines that should be done by now are executed first, unless that takes long or is already in progress.
        """
        if self.behind and not self._batch.working.locked():
            await self._state.clock.patiently(self.advance())
        stoppable = ["validating", "in_progress"]
        if self._state.behaviour.cancel_finalizing == "accepted":
            stoppable.append("finalizing")
        if self._batch.status in stoppable:
            now = self._state.clock.now()
            self._enter("cancelling", now)
            self._next("cancelled", now + self._state.behaviour.cancelling_seconds)

    def _next(self, step: str, due: float) -> None:
        self._progress.step, self._progress.due = step, due
        self._state.save_batch(self._project, self._batch)
        self._state.clock.at(due, self._event(step, due))

    def _event(self, step: str, due: float) -> Event:
        """The step as an event, which does nothing if another step has replaced it."""

        def happen() -> Coroutine[Any, Any, None] | None:
            if (self._progress.step, self._progress.due) != (step, due) or self._batch.status not in OPEN:
                return None
            method = getattr(self, f"_{step}")
            return method(due)  # type: ignore[no-any-return]

        return happen

    def _enter(self, status: str, at: float) -> None:
        self._batch.fields["status"] = status
        self._batch.fields[f"{status}_at"] = int(at)

    async def _inspect(self, at: float) -> None:
        batch, behaviour = self._batch, self._state.behaviour
        planned = self._state.faults.strike("fail_next_batch")
        path = self._input_path()
        problems = [planned] if planned else [] if path else [self._no_file()]
        if path is not None and not problems:
            limits = self._state.keys.limits(self._project.name).enqueued_tokens
            inspection = Inspection(
                str(batch.fields["endpoint"]),
                behaviour,
                self._state.seed,
                form=self._state.form,
                count_tokens=bool(limits),
            )
            found = await inspection.read(path)
            problems = found.problems or self._over_queue(limits.get(found.model), found.model, found.prompt_tokens)
            batch.lines = found.lines
            self._progress.model, self._progress.total = found.model, len(found.lines)
            self._progress.prompt_tokens = found.prompt_tokens
            if path != self._lines.input:
                _link(path, self._lines.input)
        if self._batch.status != "validating":
            return  # it was cancelled while it was read
        if problems and not self._state.form.fails:
            await self._lines.give_up(problems[0]["code"], problems[0]["message"])
            self._end("completed", at)
        elif problems:
            self._fail(problems, at)
        else:
            waits = 0.0 if self._inline else self._draw("validating", *behaviour.validating_seconds)
            self._next("accept", at + waits)

    async def _accept(self, at: float) -> None:
        progress, behaviour = self._progress, self._state.behaviour
        if self._input_path() is None:
            self._fail([self._no_file()], at)
            return
        self._enter("in_progress", at)
        self._batch.fields["request_counts"] = {"total": progress.total, "completed": 0, "failed": 0}
        progress.last = self._state.faults.strike("expire_next_batch")
        takes = behaviour.start_seconds + progress.total * self._draw("lines", *behaviour.line_seconds)
        longest = self._window * behaviour.longest_run
        progress.running_from = at
        progress.running_until = at + (600 if progress.last is not None else min(takes, longest))
        expires = float(self._batch.fields["expires_at"])
        if progress.last is not None or (self._state.form.expires and progress.running_until > expires):
            self._next("expire", expires)
        elif progress.total > 1:
            self._next("half", at + (progress.running_until - at) * (progress.total // 2) / progress.total)
        else:
            self._next("run", progress.running_until)

    async def _half(self, at: float) -> None:
        if not self._state.faults.held:
            await self._lines.until(self._progress.total // 2)
        if self._batch.status == "in_progress":
            self._next("run", self._progress.running_until)

    async def _run(self, at: float) -> None:
        if self._state.faults.held:
            again = self._event("run", at)
            self._state.faults.when_released(lambda: self._state.clock.at(self._state.clock.now(), again))
            return
        await self._lines.until(self._progress.total)
        if self._batch.status == "in_progress":
            base, per_line = self._state.behaviour.finalizing_seconds
            self._enter("finalizing", at)
            self._next("finish", at + base + per_line * self._progress.total)

    async def _finish(self, at: float) -> None:
        self._end("completed", at)

    async def _expire(self, at: float) -> None:
        await self._lines.until(self._share(at))
        if self._batch.status == "in_progress":
            await self._lines.give_up("batch_expired", _EXPIRED)
            self._end("expired", at)

    async def _cancelled(self, at: float) -> None:
        behaviour = self._state.behaviour
        ran = self._inline or self._batch.fields["in_progress_at"] is not None
        if ran and behaviour.cancelled_lines == "error_file":
            await self._lines.give_up(behaviour.code("cancelled_line"), behaviour.text("cancelled_line"))
        if not behaviour.bill_cancelled:
            self._state.forgive(self._batch)
            self._progress.usage.clear()
        self._end("cancelled", at)

    def _end(self, status: str, at: float) -> None:
        if status != "completed" and not self._state.form.partial:
            self._withhold(status)
        result_files(self._state, self._project, self._batch, self._lines)
        finish_fields(self._batch, self._state.behaviour, inline=self._inline)
        self._enter(status, at)
        self._close(at)

    def _withhold(self, status: str) -> None:
        """Keep the results of a batch that did not run to its end; one that expired is not billed at all."""
        for path in (self._lines.output, self._lines.error):
            path.unlink(missing_ok=True)
        if status == "expired":
            self._state.forgive(self._batch)
            self._progress.completed = self._progress.failed = 0
            self._progress.usage.clear()

    def _fail(self, problems: list[LineProblem], at: float) -> None:
        self._enter("failed", at)
        self._batch.fields["errors"] = {"object": "list", "data": problems}
        self._batch.fields["request_counts"] = {"total": 0, "completed": 0, "failed": 0}
        self._close(at)

    def _close(self, at: float) -> None:
        self._lines.remove()
        self._progress.step, self._progress.due = "", at
        self._state.ledger.intervals[self._batch.id] = (self._batch.made_at, at)
        self._state.save_batch(self._project, self._batch)

    def _share(self, at: float) -> int:
        """The number of lines done at the time `at`."""
        progress = self._progress
        span = max(progress.running_until - progress.running_from, 1e-9)
        share = min(max(at - progress.running_from, 0.0) / span, 1.0)
        done = int(progress.total * share + _ROUNDING)
        if self._state.faults.held:
            return progress.executed
        return done if progress.last is None else min(done, progress.last)

    def _draw(self, what: str, low: float, high: float) -> float:
        names = (self._batch.fields["input_file_id"], self._batch.id)
        return chance(self._state.seed, "pace", what, *names).uniform(low, high)

    @property
    def _inline(self) -> bool:
        return self._state.form.inline

    @property
    def _window(self) -> int:
        """Seconds of its completion window."""
        return int(self._batch.fields["expires_at"]) - int(self._batch.fields["created_at"])

    def _input_path(self) -> Path | None:
        if self._inline or self._state.form.copies:
            return self._lines.input
        file = self._project.files.get(str(self._batch.fields["input_file_id"]))
        if file is None or file.purpose != "batch" or (file.expires_at or WINDOW**2) <= self._state.clock.now():
            return None
        return self._state.path(file.id)

    def _no_file(self) -> LineProblem:
        name = self._batch.fields["input_file_id"]
        text = f"Cannot find file {name}, or organization org-simulator does not have access to it."
        return problem("invalid_request", text, None, "file_id")

    def _over_queue(self, limit: int | None, model: str, prompt_tokens: int) -> list[LineProblem]:
        waiting = (b for b in self._project.batches.values() if b.status in OPEN and b.progress.model == model)
        if limit is None or sum(b.progress.prompt_tokens for b in waiting) + prompt_tokens <= limit:
            return []
        text = (
            f"Enqueued token limit reached for {model} in organization org-simulator. Limit: {limit:,} enqueued "
            f"tokens. Please try again once some in_progress batches have been completed."
        )
        return [problem("token_limit_exceeded", text)]


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
