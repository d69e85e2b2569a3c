"""Spans of OpenTelemetry: which there are, what is in them, what is not, and that none of them costs a send."""

import json
import sys

import pytest
from send_with import send_with

from pytest_batcheval.backends.errors import Stopped, TransientFailure
from pytest_batcheval.engine.tracing import CONTENT
from pytest_batcheval.errors import ProviderError

SECRET = "가슴이 답답해요"


def body(key):
    choice = {"message": {"content": f"{SECRET} {key}"}, "finish_reason": "stop"}
    return {"object": "chat.completion", "choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 7}}


@pytest.fixture
def trace():
    pytest.importorskip("opentelemetry.sdk.trace", reason="opentelemetry-sdk is not installed")
    from opentelemetry import trace

    return trace


@pytest.fixture
def exporter(trace, monkeypatch):
    """What is exported, by a provider for this test only."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    found, tracers = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(found))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", tracers)  # `set_tracer_provider` works once in a process
    monkeypatch.delenv(CONTENT, raising=False)
    return found


@pytest.fixture
def go(provider, journal, clock, ask):
    def send(count=3, **more):
        provider.line_of = lambda key, run: (200, body(key))
        return send_with(ask(count), backend=provider, journal=journal, clock=clock, **more)

    return send


def below(spans, parent=None):
    """The names of spans below one, the earliest first."""
    identity = parent and parent.context.span_id
    children = [span for span in spans if (span.parent and span.parent.span_id) == identity]
    return sorted(children, key=lambda span: span.start_time)


def test_a_send_is_a_tree_of_spans(exporter, go):
    assert go().answered == 3
    spans = exporter.get_finished_spans()
    [send] = below(spans)
    assert send.name == "batch send"
    parts = below(spans, send)
    assert {"batch plan", "chat gpt-6-luna"} <= {span.name for span in parts}
    [batch] = [span for span in parts if span.name == "chat gpt-6-luna"]
    names = [span.name for span in below(spans, batch)]
    assert names == [
        "batch upload",
        "batch create",
        *["batch poll"] * (len(names) - 4),
        "batch download",
        "batch settle",
    ]
    assert len(names) > 4


def test_a_batch_has_model_provider_and_tokens_by_their_conventional_names(exporter, go, journal):
    go()
    [batch] = [span for span in exporter.get_finished_spans() if span.name == "chat gpt-6-luna"]
    known = dict(batch.attributes)
    assert {name: value for name, value in known.items() if not name.startswith("batcheval.")} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-6-luna",
        "gen_ai.usage.input_tokens": 15,
        "gen_ai.usage.output_tokens": 21,
        "server.address": "memory.test",
        "server.port": 443,
    }
    [row] = journal.reader.batches()
    ours = {name: known[f"batcheval.{name}"] for name in ("batch_id", "run", "requests", "answered", "failed", "state")}
    assert ours == {
        "batch_id": row.batch_id,
        "run": row.run,
        "requests": 3,
        "answered": 3,
        "failed": 0,
        "state": "settled",
    }
    assert batch.status.is_ok
    others = [span for span in exporter.get_finished_spans() if span is not batch]
    assert not any("gen_ai.usage.input_tokens" in span.attributes for span in others)  # a sum counts nothing twice


def test_no_text_leaves_unless_it_is_asked_for(exporter, go, monkeypatch):
    go()
    told = str([(span.name, dict(span.attributes), span.events) for span in exporter.get_finished_spans()])
    assert SECRET not in told
    assert "질문" not in told
    exporter.clear()
    monkeypatch.setenv(CONTENT, "SPAN_ONLY")
    go(refresh=True)
    answers = [span for span in exporter.get_finished_spans() if span.name == "batch answer"]
    assert len(answers) == 3
    for span in answers:
        [message] = json.loads(span.attributes["gen_ai.output.messages"])
        part = {"type": "text", "content": f"{SECRET} {span.attributes['batcheval.custom_id']}"}
        assert message == {"role": "assistant", "parts": [part], "finish_reason": "stop"}


def test_a_failed_call_is_an_error_without_the_providers_message(exporter, trace, go, provider):
    provider.fault = lambda call: Stopped("insufficient_quota", SECRET, 429) if call == "create" else None
    with pytest.raises(ProviderError):
        go()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert spans["batch create"].status.status_code is trace.StatusCode.ERROR
    assert spans["batch create"].attributes["error.type"] == "insufficient_quota"
    assert spans["batch send"].attributes["error.type"] == "ProviderError"
    assert "batch settle" not in spans
    assert not any(span.events or span.status.description for span in spans.values())


def test_the_spans_of_a_batch_that_is_left_open_end_too(exporter, go, provider):
    provider.fault = lambda call: TransientFailure("503", "busy") if call == "content" else None
    with pytest.raises(ProviderError):
        go(patience=10_000.0)
    assert {"chat gpt-6-luna", "batch send"} <= {span.name for span in exporter.get_finished_spans()}


class Broken:
    """A tracer provider of somebody, and its tracer and spans, none of which works."""

    def __getattr__(self, name):
        raise RuntimeError(name)


class HalfBroken:
    """Spans begin, and nothing else works."""

    def get_tracer(self, *arguments, **more):
        return self

    def start_span(self, *arguments, **more):
        return Broken()


@pytest.mark.parametrize("tracers", [Broken(), HalfBroken()], ids=["tracer", "span"])
def test_no_tracer_fails_a_send(trace, go, monkeypatch, tracers):
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", tracers)
    monkeypatch.setenv(CONTENT, "true")
    assert go().answered == 3


def test_nothing_is_imported_for_it(go, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    assert go().answered == 3
    assert not any(name.partition(".")[0] == "opentelemetry" for name in sys.modules)
