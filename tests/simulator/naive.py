"""Batch code as it is usually written: upload, create, poll, download, parse. It trusts what it is told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import openai

POLLS = 40
PATIENCE = 2 * 86_400
"""Seconds by the server's clock after which it gives up."""


class GaveUp(Exception):
    """It has waited long enough."""


@dataclass
class Naive:
    """One run of the usual code, and what became of it."""

    base_url: str
    timeout: float = 20.0
    answers: dict[str, str] = field(default_factory=dict)
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.client = openai.OpenAI(base_url=self.base_url, api_key="test-key", timeout=self.timeout)

    def run(self, lines: list[bytes]) -> Naive:
        """Send lines and keep what comes back."""
        try:
            self._run(lines)
        except Exception as error:
            self.error = error
        finally:
            self.client.close()
        return self

    def _run(self, lines: list[bytes]) -> None:
        file = self.client.files.create(file=("batch.jsonl", b"\n".join(lines)), purpose="batch")
        self.client.files.retrieve(file.id)
        batch = self._create(file.id)
        batch = self._wait(batch.id)
        self._read(self.client.files.content(batch.output_file_id).text)
        if batch.error_file_id is not None:
            self.client.files.content(batch.error_file_id)

    def _create(self, file_id: str) -> Any:
        return self.client.batches.create(
            input_file_id=file_id, endpoint="/v1/chat/completions", completion_window="24h"
        )

    def _wait(self, batch_id: str) -> Any:
        started = self.client.batches.retrieve(batch_id).created_at
        for _ in range(POLLS):
            batch = self.client.batches.retrieve(batch_id)
            if batch.status not in ("validating", "in_progress", "finalizing"):
                # the usual second look, for the file's id
                return self.client.batches.retrieve(batch_id)
            if (batch.finalizing_at or started) - started > PATIENCE:
                raise GaveUp("a day is over")
        raise GaveUp("it never ends")

    def _read(self, text: str) -> None:
        for line in text.removesuffix("\n").split("\n"):
            if not line.endswith("}"):
                raise ValueError(f"not a line: {line[:80]!r}")
            result = json.loads(line)
            body = result["response"]["body"]
            self.answers[result["custom_id"]] = body["choices"][0]["message"]["content"]


class Resumer(Naive):
    """It looks for its batch in the list before it creates it again."""

    def _create(self, file_id: str) -> Any:
        try:
            once = self.client.with_options(max_retries=0)
            return once.batches.create(input_file_id=file_id, endpoint="/v1/chat/completions", completion_window="24h")
        except openai.APIError:
            for number, batch in enumerate(self.client.batches.list(limit=1)):
                if number == POLLS:
                    raise GaveUp("the list never ends") from None
                if batch.input_file_id == file_id:
                    return batch
            return super()._create(file_id)


class Canceller(Naive):
    """It stops the batch when it has seen enough."""

    def _wait(self, batch_id: str) -> Any:
        self.client.batches.cancel(batch_id)
        return super()._wait(batch_id)
