"""Inspection of a batch's input file after the create: every error with its line, every request with its position."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec

from pytest_batcheval.simulator.batch.form import OPENAI_FORM, BatchForm
from pytest_batcheval.simulator.batch.input_line_check import line_check, shape_problems, unreadable
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.cooperative import CooperativeWork
from pytest_batcheval.simulator.errors import LineProblem, problem
from pytest_batcheval.simulator.ids import digest
from pytest_batcheval.simulator.inference.body_check import count_inputs
from pytest_batcheval.simulator.inference.models import find_model
from pytest_batcheval.simulator.inference.token_count import prompt_text, tokens
from pytest_batcheval.simulator.state import LinePositions
from pytest_batcheval.wire.endpoints import EMBEDDINGS

_decode = msgspec.json.Decoder().decode


@dataclass
class InputFileContents:
    """The contents of an input file.

    Attributes:
        lines: positions of its requests, in the order of their execution.
        problems: the errors, as entries of `errors.data`.
        model: the model of the requests.
        prompt_tokens: an estimate for all prompts; 0 without `count_tokens`.
    """

    lines: LinePositions = field(default_factory=LinePositions)
    problems: list[LineProblem] = field(default_factory=list)
    model: str = ""
    prompt_tokens: int = 0


class Inspection:
    """One reading of an input file."""

    def __init__(
        self,
        endpoint: str,
        behaviour: Behaviour,
        seed: int,
        *,
        form: BatchForm = OPENAI_FORM,
        count_tokens: bool = False,
    ) -> None:
        """Read for an endpoint."""
        self.found = InputFileContents()
        self._endpoint = endpoint
        self._behaviour = behaviour
        self._seed = seed
        self._count_tokens = count_tokens
        self._short_lines = form.short_lines
        self._is_valid = None if form.inline else line_check(endpoint)
        self._seen: set[str] = set()
        self._ranks = array("Q")
        self._inputs = 0

    async def read(self, path: Path) -> InputFileContents:
        """Read the file, letting other tasks run in between.

        Raises:
            FileNotFoundError: the file does not exist.
        """
        work = CooperativeWork()
        with path.open("rb") as stream:
            for number, (offset, raw) in enumerate(_raw_lines(stream, self._behaviour.max_line_bytes), start=1):
                self._add(number, offset, raw)
                if len(self.found.lines) > self._behaviour.max_requests or self._full:
                    break
                if work.due:
                    await work.pause()
        self._conclude()
        return self.found

    @property
    def _full(self) -> bool:
        return len(self.found.problems) >= self._behaviour.max_faults

    def _add(self, number: int, offset: int, raw: bytes | None) -> None:
        if raw is not None and not raw.strip():
            return
        line = parse_line(raw)
        problems = [unreadable(number)] if line is None else [*self._problems(line, number)]
        if problems:
            self.found.problems += problems if self._behaviour.all_faults else problems[:1]
        elif raw is not None and line is not None:
            self.found.lines.offsets.append(offset)
            self.found.lines.lengths.append(len(raw))
            self._ranks.append(int(digest(self._seed, "order", line["custom_id"])[:16], 16))
            if self._count_tokens:
                self.found.prompt_tokens += tokens(prompt_text(line["body"]))

    def _problems(self, line: dict[str, Any], number: int) -> Iterator[LineProblem]:
        if self._is_valid is None:
            return
        if self._short_lines:
            line = {"method": "POST", "url": self._endpoint, **line}
        if not self._is_valid(line):
            shape = list(shape_problems(line, self._endpoint, number, self._behaviour))
            yield from shape or [problem("invalid_request", "This line is not a valid request.", number)]
        custom_id, body = line.get("custom_id"), line.get("body")
        if isinstance(custom_id, str):
            if custom_id in self._seen:
                text = self._behaviour.text("duplicate_custom_id", id=custom_id[:200])
                yield problem(self._behaviour.code("duplicate_custom_id"), text, number, "custom_id")
            self._seen.add(custom_id)
        if isinstance(body, dict):
            yield from self._model_problems(body.get("model"), number)
            self._inputs += count_inputs(body) if self._endpoint == EMBEDDINGS else 0

    def _model_problems(self, model: object, number: int) -> Iterator[LineProblem]:
        if not isinstance(model, str) or not model:
            return
        if model == self.found.model:
            return
        if find_model(model, self._behaviour) is None:
            text = f"The provided model '{model[:200]}' is not supported by the Batch API."
            yield problem("model_not_found", text, number, "body.model")
        elif self.found.model:
            text = self._behaviour.text("mismatched_model", model=model[:200])
            yield problem(self._behaviour.code("mismatched_model"), text, number, "body.model")
        else:
            self.found.model = model

    def _conclude(self) -> None:
        """Add the errors of the file as a whole, and set the order of execution."""
        found, behaviour = self.found, self._behaviour
        if not found.lines and not found.problems:
            text = "The input file is empty. Please ensure that the batch contains at least one request."
            found.problems.append(problem("empty_file", text))
        if len(found.lines) > behaviour.max_requests:
            text = f"The batch has too many requests: at most {behaviour.max_requests} are allowed."
            found.problems.append(problem(behaviour.code("too_many_requests"), text))
        if self._inputs > behaviour.max_inputs:
            text = f"The batch has too many embedding inputs: at most {behaviour.max_inputs} are allowed."
            found.problems.append(problem(behaviour.code("too_many_inputs"), text))
        del found.problems[behaviour.max_faults :]
        if behaviour.shuffle_output:
            order = sorted(range(len(found.lines)), key=self._ranks.__getitem__)
            found.lines.offsets = array("Q", map(found.lines.offsets.__getitem__, order))
            found.lines.lengths = array("I", map(found.lines.lengths.__getitem__, order))


def _raw_lines(stream: IO[bytes], longest: int) -> Iterator[tuple[int, bytes | None]]:
    """Offset and bytes of each line; `None` for a line over `longest` bytes, which is never in memory as a whole."""
    offset = 0
    while raw := stream.readline(longest + 1):
        length, whole = len(raw), len(raw) <= longest or raw.endswith(b"\n")
        while not raw.endswith(b"\n") and length > longest and (raw := stream.readline(longest)):
            length += len(raw)
        yield offset, raw if whole else None
        offset += length


def parse_line(raw: bytes | None) -> dict[str, Any] | None:
    """The JSON object on a line; `None` if it is not one, or too long."""
    if raw is None:
        return None
    try:
        value = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError):
        return None
    return value if isinstance(value, dict) else None
