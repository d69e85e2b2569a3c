"""Execution of a batch's lines, one by one, each result written to disk at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pytest_batcheval.simulator.batch.form import openai_line
from pytest_batcheval.simulator.batch.inspection import Inspection, parse_line
from pytest_batcheval.simulator.cooperative import CooperativeWork
from pytest_batcheval.simulator.encoding import encode
from pytest_batcheval.simulator.ids import created_at, digest, hex_id
from pytest_batcheval.simulator.inference.answering import Answering, keyless, known_key
from pytest_batcheval.simulator.ledger import Execution, billed_tokens, planted_in, usage_of
from pytest_batcheval.simulator.state import LinePositions, Project, State, StoredBatch
from pytest_batcheval.wire.endpoints import CHAT, EMBEDDINGS, RESPONSES
from pytest_batcheval.wire.key import key_in

ANSWER_SCHEMAS = {CHAT: "chat-completion", RESPONSES: "response", EMBEDDINGS: "embedding-list"}
"""The schema of `wire.schemas` for the answers of each endpoint."""

_USAGE = {
    "input_tokens": ("prompt_tokens", "input_tokens", "promptTokenCount"),
    "output_tokens": ("completion_tokens", "output_tokens", "candidatesTokenCount", "thoughtsTokenCount"),
    "total_tokens": ("total_tokens", "totalTokenCount"),
}


class LineRunner:
    """Runs the lines of one batch, one stretch at a time."""

    def __init__(self, state: State, project: Project, batch: StoredBatch) -> None:
        self._state = state
        self._project = project
        self._batch = batch
        self._endpoint = str(batch.fields["endpoint"])
        self._form = state.form
        self._answering = Answering(state.respondent, state.seed, state.behaviour)
        self._booked: list[Execution] = []

    @property
    def input(self) -> Path:
        """The batch's own link to its input file, since that may be deleted while the batch runs."""
        return self._state.path(f"{self._batch.id}.input")

    @property
    def output(self) -> Path:
        """The path of the answered lines."""
        return self._state.path(f"{self._batch.id}.output")

    @property
    def error(self) -> Path:
        """The path of the failed lines."""
        return self._state.path(f"{self._batch.id}.error")

    async def until(self, count: int) -> None:
        """Run lines until `count` are done, or the batch is stopped."""
        progress = self._batch.progress
        async with self._batch.working:
            lines = await self._lines()
            while progress.executed < min(count, len(lines)) and self._batch.status == "in_progress":
                work = CooperativeWork()
                with self._open() as (source, output, error):
                    while progress.executed < min(count, len(lines)) and not work.due:
                        self._run(lines, progress.executed, source, output, error)
                self._book()
                await work.pause()

    async def give_up(self, code: str | None, message: str) -> None:
        """Write an error for every line that was not run."""
        progress = self._batch.progress
        async with self._batch.working:
            lines = await self._lines()
            place = progress.executed
            while place < len(lines):
                work = CooperativeWork()
                with self._open() as (source, output, error):
                    while place < len(lines) and not work.due:
                        custom_id = self._request(lines, place, source)["custom_id"]
                        line = self._line(custom_id, None, {"code": code, "message": message})
                        if self._form.inline:
                            progress.output_bytes += output.write(line)
                        else:
                            progress.error_bytes += error.write(line)
                        place += 1
                await work.pause()

    def remove(self) -> None:
        """Forget the positions and remove the files; the result files have been moved away before."""
        self._batch.lines = None
        for path in (self.input, self.output, self.error):
            path.unlink(missing_ok=True)

    def cut(self) -> None:
        """Cut off the lines that a killed server wrote and did not count."""
        progress = self._batch.progress
        for path, size in ((self.output, progress.output_bytes), (self.error, progress.error_bytes)):
            if path.exists():
                os.truncate(path, size)

    async def _lines(self) -> LinePositions:
        if self._batch.lines is None:
            behaviour, seed = self._state.behaviour, self._state.seed
            inspection = Inspection(self._endpoint, behaviour, seed, form=self._form)
            self._batch.lines = (await inspection.read(self.input)).lines
        return self._batch.lines

    @contextmanager
    def _open(self) -> Iterator[tuple[int, IO[bytes], IO[bytes]]]:
        with self.input.open("rb") as source, self.output.open("ab") as output, self.error.open("ab") as error:
            yield source.fileno(), output, error

    def _request(self, lines: LinePositions, place: int, source: int) -> dict[str, Any]:
        raw = os.pread(source, lines.lengths[place], lines.offsets[place])
        request = parse_line(raw)
        assert request is not None  # it was read before
        return request

    def _run(self, lines: LinePositions, place: int, source: int, output: IO[bytes], error: IO[bytes]) -> None:
        request = self._request(lines, place, source)
        custom_id, body = request["custom_id"], request["body"]
        planned = self._state.faults.line_failure(key_in(custom_id) or custom_id, body)
        key = known_key(body, custom_id)
        status, answer = planned or self._answering.answer(self._endpoint, body, custom_id, key=key)
        name = digest("request", self._state.seed, custom_id)[:32]
        line = self._line(custom_id, {"status_code": status, "request_id": name, "body": answer}, None)
        progress, good = self._batch.progress, status == 200
        if good or self._form.inline or self._state.behaviour.failed_lines_in_output:
            progress.output_bytes += output.write(line)
        if not good and not self._form.inline:
            progress.error_bytes += error.write(line)
        progress.executed = place + 1
        progress.completed += good
        progress.failed += not good
        self._account(key or keyless(custom_id), request, status, answer, place)

    def _account(self, key: str, request: Mapping[str, Any], status: int, answer: Any, place: int) -> None:
        progress = self._batch.progress
        usage = usage_of(answer)
        for ours, names in _USAGE.items():
            progress.usage[ours] = progress.usage.get(ours, 0) + sum(usage.get(name, 0) for name in names)
        details = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
        progress.usage["reasoning"] = progress.usage.get("reasoning", 0) + details.get("reasoning_tokens", 0)
        progress.snapshot = answer.get("model") or progress.snapshot
        share = (place + 1) / max(progress.total, 1)
        self._booked.append(
            Execution(
                key=key,
                custom_id=request["custom_id"],
                batch_id=self._batch.id,
                at=progress.running_from + (progress.running_until - progress.running_from) * share,
                model=str(request["body"].get("model")),
                status_code=status,
                tokens=billed_tokens(usage),
                planted=planted_in(answer),
                project=self._project.name,
            )
        )

    def _book(self) -> None:
        progress = self._batch.progress
        counts = {"total": progress.total, "completed": progress.completed, "failed": progress.failed}
        self._batch.fields["request_counts"] = counts
        booked, self._booked = self._booked, []
        self._state.book(self._batch, booked)

    def _line(self, custom_id: str, response: dict[str, Any] | None, error: dict[str, Any] | None) -> bytes:
        seed = self._state.seed
        name = hex_id("batch_req_", created_at(seed, custom_id), seed, custom_id)
        if self._state.check is not None and not self._form.inline:
            self._check(openai_line(name, custom_id, response, error))
        return encode(self._form.line(name, custom_id, response, error)) + b"\n"

    def _check(self, line: Mapping[str, Any]) -> None:
        assert self._state.check is not None
        self._state.check("output-line", line)
        if line["response"] is not None:
            good = line["response"]["status_code"] == 200
            self._state.check(ANSWER_SCHEMAS[self._endpoint] if good else "error", line["response"]["body"])
