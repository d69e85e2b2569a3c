"""Spans of OpenTelemetry: a send, its plans, each batch, and each call to the provider.

Names and attributes follow the semantic conventions for generative AI, which are in development:
https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-spans.md

Spans are made only in a process that has imported OpenTelemetry's API: without that nobody can have asked for them,
and nothing is imported here. Times are the machine's, also where a simulator's clock is virtual. No tracer of anybody
fails a send.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from pytest_batcheval.backends.errors import ProviderFailure
from pytest_batcheval.backends.protocol import Backend
from pytest_batcheval.engine.effects import Create, DownloadResults, Effect, ListBatches, Retrieve, Upload
from pytest_batcheval.journal.rows import OPEN, AnswerRow, BatchRow, FailureRow
from pytest_batcheval.wire.bodies import form_of
from pytest_batcheval.wire.endpoints import CHAT, EMBEDDINGS, RESPONSES
from pytest_batcheval.wire.origin import is_simulator
from pytest_batcheval.wire.plain import mapping

API = "opentelemetry.trace"
"""The module that whoever wants spans has imported."""

CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""The environment variable that asks for the texts of answers: each becomes a span of its own."""

ASKED = ("true", "1", "span_only", "span_and_event")
"""Its values, in lower case, that do so."""

OPERATIONS = {CHAT: "chat", RESPONSES: "chat", EMBEDDINGS: "embeddings", "/v1/completions": "text_completion"}
STAGES: Mapping[type, str] = {
    Upload: "upload",
    Create: "create",
    Retrieve: "poll",
    ListBatches: "poll",
    DownloadResults: "download",
}
"""Names of the calls that have a span; looks for a file, deletions and cancellations have none."""


class Span:
    """A span that has begun, or nothing where nobody traces; no method raises."""

    def __init__(self, name: str, attributes: Mapping[str, Any], parent: Any = None) -> None:
        """Begin it below `parent`, a context of OpenTelemetry; without one below the present span of this thread."""
        self._trace = sys.modules.get(API)
        self._span: Any = None
        if self._trace is not None:
            with suppress(Exception):
                tracer = self._trace.get_tracer("pytest_batcheval")
                kind = self._trace.SpanKind.CLIENT
                self._span = tracer.start_span(name, parent, kind=kind, attributes=attributes)

    @property
    def context(self) -> Any:
        """The context in which it is the present span; `None` without one."""
        if self._trace is not None and self._span is not None:
            with suppress(Exception):
                return self._trace.set_span_in_context(self._span)
        return None

    def set(self, **attributes: Any) -> None:
        """Add attributes of ours, whose names begin with `batcheval.`."""
        with suppress(Exception):
            self._span.set_attributes({f"batcheval.{name}": value for name, value in attributes.items()})

    def used(self, input_tokens: int, output_tokens: int) -> None:
        """Add tokens."""
        with suppress(Exception):
            tokens = {"gen_ai.usage.input_tokens": input_tokens, "gen_ai.usage.output_tokens": output_tokens}
            self._span.set_attributes(tokens)

    def failed(self, error_type: str) -> None:
        """Mark it as failed; the provider's message stays out of it."""
        with suppress(Exception):
            self._span.set_attribute("error.type", error_type)
            self._span.set_status(self._trace.StatusCode.ERROR)  # type: ignore[union-attr]

    def end(self) -> None:
        """End it."""
        with suppress(Exception):
            self._span.end()

    @contextmanager
    def active(self) -> Iterator[Span]:
        """Make it the present span of this thread for a block, and end it then; an error marks it as failed."""
        with ExitStack() as stack:
            if self._trace is not None and self._span is not None:
                with suppress(Exception):
                    stack.enter_context(
                        self._trace.use_span(self._span, record_exception=False, set_status_on_exception=False)
                    )
            try:
                yield self
            except BaseException as error:
                self.failed(error.cause if isinstance(error, ProviderFailure) else type(error).__name__)
                raise
            finally:
                self.end()


def span_of(stage: str, backend: Backend, **attributes: Any) -> Span:
    """The span of a part of a send that belongs to no batch: `send`, `plan` …; `attributes` are ours."""
    ours = {f"batcheval.{name}": value for name, value in attributes.items()}
    return Span(f"batch {stage}", {"gen_ai.operation.name": f"batch.{stage}", **_server(backend), **ours})


class BatchSpans:
    """The spans of the batches that one driver drives: from a batch's first effect here to its last."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._server = _server(backend)
        self._open: dict[int, Span] = {}
        self._content = os.environ.get(CONTENT, "").lower() in ASKED

    def around(self, effect: Effect, call: Callable[[], object]) -> Callable[[], object]:
        """The call of an effect within a span, on whatever thread it is made."""
        stage = STAGES.get(type(effect))
        if stage is None or API not in sys.modules:
            return call
        row = None if isinstance(effect, ListBatches) else effect.row
        parent = _present() if row is None else self._batch(row).context

        def traced() -> object:
            with self._part(stage, row, parent).active():
                return call()

        return traced

    @contextmanager
    def settling(self, row: BatchRow, results: Iterable[AnswerRow | FailureRow]) -> Iterator[Iterator[Any]]:
        """Yield the results of a batch while they are stored; its span has their numbers and tokens, and ends."""
        if API not in sys.modules:
            yield iter(results)
            return
        batch, used = self._batch(row), [0, 0, 0, 0]
        with self._part("settle", row, batch.context).active():
            yield self._counted(row, results, used, batch)
        answered, failed, given, taken = used
        batch.set(answered=answered, failed=failed)
        batch.used(given, taken)
        self.stored(row)

    def stored(self, row: BatchRow) -> None:
        """End the span of a batch that is finished."""
        if row.state not in OPEN and (batch := self._open.pop(row.id, None)):
            batch.set(state=row.state, batch_id=row.batch_id)
            if row.state != "settled":
                batch.failed(row.state)
            batch.end()

    def end(self) -> None:
        """End the spans of batches that this process leaves open."""
        for batch in self._open.values():
            batch.end()
        self._open.clear()

    def _batch(self, row: BatchRow) -> Span:
        if row.id not in self._open:
            operation = _operation(row)
            known = {"batcheval.requests": row.requests, "batcheval.attempt": row.attempt, "batcheval.run": row.run}
            attributes = {"gen_ai.operation.name": operation, **self._about(row), **known}
            self._open[row.id] = Span(f"{operation} {row.model}".strip(), attributes)
        return self._open[row.id]

    def _part(self, stage: str, row: BatchRow | None, parent: Any) -> Span:
        about = self._server if row is None else self._about(row)
        return Span(f"batch {stage}", {"gen_ai.operation.name": f"batch.{stage}", **about}, parent)

    def _about(self, row: BatchRow) -> dict[str, Any]:
        model = {"gen_ai.request.model": row.model} if row.model else {}
        return {**self._server, **model, "batcheval.file_name": row.file_name}

    def _counted(
        self, row: BatchRow, results: Iterable[AnswerRow | FailureRow], used: list[int], batch: Span
    ) -> Iterator[AnswerRow | FailureRow]:
        for result in results:
            if isinstance(result, AnswerRow):
                used[0] += 1
                used[2] += result.input_tokens
                used[3] += result.output_tokens
                if self._content:
                    self._tell(row, result, batch)
            else:
                used[1] += 1
            yield result

    def _tell(self, row: BatchRow, answer: AnswerRow, batch: Span) -> None:
        """A span with the text of an answer."""
        with suppress(Exception):
            form = form_of(mapping(json.loads(answer.response).get("body")), row.endpoint)
            message = {"role": "assistant", "parts": [{"type": "text", "content": form.text}],
                       "finish_reason": form.finish_reason or ""}  # fmt: skip
            text = json.dumps([message], ensure_ascii=False)
            attributes = {"gen_ai.output.messages": text, "batcheval.custom_id": answer.key, **self._about(row)}
            Span("batch answer", {"gen_ai.operation.name": "batch.answer", **attributes}, batch.context).end()


def _server(backend: Backend) -> dict[str, Any]:
    """Provider and server; a provider that only speaks OpenAI's API is `openai`, as the conventions advise."""
    parts = urlsplit(backend.base_url)
    host = parts.hostname or ""
    name = "azure.ai.openai" if host.endswith(".openai.azure.com") else "openai"
    known: dict[str, Any] = {
        "gen_ai.provider.name": "simulator" if is_simulator(backend.origin) else name,
        "batcheval.origin": backend.origin,
    }
    if host:
        known["server.address"] = host
        with suppress(ValueError):
            known["server.port"] = parts.port or (80 if parts.scheme == "http" else 443)
    return known


def _operation(row: BatchRow) -> str:
    return OPERATIONS.get(row.endpoint, row.endpoint.removeprefix("/v1/"))


def _present() -> Any:
    """The present context of this thread."""
    module = sys.modules.get("opentelemetry.context")
    return None if module is None else module.get_current()
