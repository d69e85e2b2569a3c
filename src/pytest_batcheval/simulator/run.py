"""The life of a batch on the clock: validated, executed line by line, written out, ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pytest_batcheval.simulator.ids import chance, created_at, digest, hex_id
from pytest_batcheval.simulator.inference import Answering, key_of
from pytest_batcheval.simulator.ledger import Execution
from pytest_batcheval.simulator.state import FILE_LIFE, Project, State, StoredBatch
from pytest_batcheval.simulator.validate import Fault, fault, read_input

OPEN = ("validating", "in_progress", "finalizing", "cancelling")
WINDOW = 86_400
"""Seconds of the only completion window, 24h."""

_EXPIRED = "This request could not be executed before the completion window expired."
_CANCELLED = "This request was not executed because the batch was cancelled."


class BatchRun:
    """Moves one batch through its states; every step is an event of the clock."""

    def __init__(self, state: State, project: Project, batch: StoredBatch) -> None:
        self._state = state
        self._project = project
        self._batch = batch
        self._answering = Answering(state.respondent, state.seed)

    def start(self) -> None:
        """Begin validating; it takes 5 to 57 seconds, as seen on live objects."""
        self._after(self._pace().uniform(5, 57), self._validated)

    def advance(self) -> None:
        """Execute what should be done by now; counts follow."""
        batch = self._batch
        if batch.status != "in_progress":
            return
        span = max(batch.running_until - batch.running_from, 1e-9)
        share = (self._state.clock.now() - batch.running_from) / span
        self._execute(min(int(len(batch.lines) * share), self._most()))

    def cancel(self) -> None:
        """Stop: what is executed stays executed, the rest is not run; it takes about 10 minutes."""
        self.advance()
        self._enter("cancelling")
        self._after(600, self._cancelled)

    def _pace(self) -> Any:
        names = (self._batch.fields["input_file_id"], self._batch.id)
        return chance(self._state.seed, "pace", *names)

    def _after(self, seconds: float, step: Any) -> None:
        self._state.clock.at(self._state.clock.now() + seconds, step)

    def _enter(self, status: str) -> None:
        self._batch.fields["status"] = status
        self._batch.fields[f"{status}_at"] = int(self._state.clock.now())

    def _validated(self) -> None:
        batch = self._batch
        if batch.status != "validating":
            return
        faults = self._faults()
        if faults:
            self._enter("failed")
            batch.fields["errors"] = {"object": "list", "data": faults}
            return
        self._enter("in_progress")
        batch.fields["request_counts"] = {"total": len(batch.lines), "completed": 0, "failed": 0}
        batch.fields["model"] = f"{batch.lines[0][1]['model']}"
        batch.expire_after, self._state.faults.expire_after = self._state.faults.expire_after, None
        now = self._state.clock.now()
        batch.running_from = now
        batch.running_until = min(now + 60 + len(batch.lines) * self._pace().uniform(2, 8), now + WINDOW * 0.9)
        if batch.expire_after is not None:
            batch.running_until = now + 600
            self._state.clock.at(batch.fields["expires_at"], self._expired)
        else:
            self._state.clock.at(batch.running_until, self._ran)

    def _faults(self) -> list[Fault]:
        batch = self._batch
        planned, self._state.faults.fail_batch = self._state.faults.fail_batch, None
        if planned:
            return [planned]
        name = str(batch.fields["input_file_id"])
        file = self._project.files.get(name)
        if file is None:
            text = f"Cannot find file {name}, or organization org-simulator does not have access to it."
            return [fault("invalid_request", text, None, "file_id")]
        lines, faults = read_input(file.path, str(batch.fields["endpoint"]))
        # Answers come back in an order of their own, as they do from the API.
        batch.lines = sorted(lines, key=lambda line: digest(self._state.seed, "order", line[0]))
        return faults

    def _most(self) -> int:
        limit = self._batch.expire_after
        total = len(self._batch.lines)
        if self._state.faults.held:
            return self._batch.executed
        return total if limit is None else min(limit, total)

    def _ran(self) -> None:
        if self._batch.status != "in_progress":
            return
        if self._state.faults.held:
            self._state.faults.when_released(self._ran)
            return
        self._execute(len(self._batch.lines))
        self._enter("finalizing")
        self._after(2 + 0.1 * len(self._batch.lines), self._finalized)

    def _finalized(self) -> None:
        if self._batch.status == "finalizing":
            self._finish("completed")

    def _expired(self) -> None:
        if self._batch.status == "in_progress":
            self._execute(self._most())
            self._give_up("batch_expired", _EXPIRED)
            self._finish("expired")

    def _cancelled(self) -> None:
        self._give_up("batch_cancelled", _CANCELLED)
        self._finish("cancelled")

    def _execute(self, until: int) -> None:
        batch = self._batch
        for custom_id, body in batch.lines[batch.executed : until]:
            status, answer = self._answer(custom_id, body)
            self._write(custom_id, status, answer)
            self._book(custom_id, status, body, answer)
        batch.executed = max(batch.executed, until)
        if batch.fields.get("request_counts"):
            done, failed = len(batch.output), len(batch.errors)
            batch.fields["request_counts"] |= {"completed": done, "failed": failed}

    def _answer(self, custom_id: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        planned = self._state.faults.line_fault(custom_id, body)
        return planned or self._answering.answer(str(self._batch.fields["endpoint"]), body, custom_id)

    def _write(self, custom_id: str, status: int, answer: dict[str, Any]) -> None:
        seed = self._state.seed
        response = {"status_code": status, "request_id": digest("request", seed, custom_id)[:32], "body": answer}
        target = self._batch.output if status == 200 else self._batch.errors
        target.append(self._line(custom_id, response, None))

    def _line(self, custom_id: str, response: object, error: object) -> bytes:
        seed = self._state.seed
        name = hex_id("batch_req_", created_at(seed, custom_id), seed, custom_id)
        fields = {"id": name, "custom_id": custom_id, "response": response, "error": error}
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    def _book(self, custom_id: str, status: int, body: Mapping[str, Any], answer: dict[str, Any]) -> None:
        usage = answer.get("usage", {})
        for ours, names in _USAGE.items():
            self._batch.usage[ours] = self._batch.usage.get(ours, 0) + sum(usage.get(name, 0) for name in names)
        self._state.ledger.add(
            Execution(
                key=key_of(body, custom_id),
                custom_id=custom_id,
                batch_id=self._batch.id,
                at=self._state.clock.now(),
                model=str(body.get("model")),
                status_code=status,
                tokens=usage.get("total_tokens", 0),
            )
        )

    def _give_up(self, code: str, message: str) -> None:
        for custom_id, _ in self._batch.lines[self._batch.executed :]:
            self._batch.errors.append(self._line(custom_id, None, {"code": code, "message": message}))

    def _finish(self, status: str) -> None:
        batch = self._batch
        batch.fields["output_file_id"] = self._result_file("output", batch.output)
        batch.fields["error_file_id"] = self._result_file("error", batch.errors)
        batch.fields["usage"] = {
            **dict.fromkeys(_USAGE, 0),
            **batch.usage,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        }
        self._enter(status)

    def _result_file(self, kind: str, lines: list[bytes]) -> str | None:
        if not lines:
            return None
        file = self._state.new_file(self._project, f"{self._batch.id}_{kind}.jsonl", "batch_output", FILE_LIFE)
        file.path.write_bytes(b"".join(lines))
        file.bytes = sum(map(len, lines))
        self._project.files[file.id] = file
        return file.id


_USAGE = {
    "input_tokens": ("prompt_tokens", "input_tokens"),
    "output_tokens": ("completion_tokens", "output_tokens"),
    "total_tokens": ("total_tokens",),
}
