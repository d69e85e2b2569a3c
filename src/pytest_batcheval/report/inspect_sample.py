"""One answer as a sample of an Inspect log: messages, output, scores and metadata."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.report.answer_list import ListedAnswer
from pytest_batcheval.report.answer_text import answered_text, asked_text
from pytest_batcheval.simulator.respondents.messages import messages
from pytest_batcheval.wire.objects import Answer
from pytest_batcheval.wire.origin import DEFAULT_BASE_URL, is_simulator

VERDICT = "verdict"
"""The name of the score that a judge gave."""

UNSCORED = ("skipped", "unrecorded")
"""Outcomes that say nothing about an answer."""

ROLES = {"system": "system", "developer": "system", "assistant": "assistant", "tool": "tool", "function": "tool"}
STOPS = {"stop": "stop", "length": "max_tokens", "tool_calls": "tool_calls", "content_filter": "content_filter"}

Plain = dict[str, Any]


def sample_of(one: ListedAnswer, identifier: str, names: Mapping[str, str]) -> Plain:
    """An answer as an Inspect sample: its outcomes are scores, named by `names`; its cell and origin are metadata.

    Raises:
        ImportError: it is a judge's verdict, and numpy is not installed.
    """
    answer = one.answer
    asked = [_message(role, text) for role, text in messages(answer.request.body)]
    asked = asked or [_message("user", asked_text(answer.request.body))]
    left_out = ("request", "answer", "sample", "failures")
    metadata = {name: value for name, value in one.record().items() if name not in left_out and value is not None}
    known = {
        "epoch": answer.request.sample + 1,
        "input": asked,
        "messages": asked,
        "scores": _scores(one, names),
        "metadata": metadata,
    }
    if answer.error is not None:
        return _blank(identifier, answer.request.model) | known | _error(str(answer.error))
    output = _output(answer)
    known["messages"] = [*asked, output["choices"][0]["message"]]
    return _blank(identifier) | known | {"output": output, "model_usage": {output["model"]: output["usage"]}}


def sample_without_answer(key: str, cell: Mapping[str, str], identifier: str) -> Plain:
    """A sample for a request of which no answer is stored, nor what it asks."""
    return _blank(identifier) | {"metadata": {**cell, "custom_id": key}} | _error("no answer is stored")


def _blank(identifier: str, model: str = "") -> Plain:
    return {
        "id": identifier,
        "epoch": 1,
        "input": "",
        "target": "",
        "messages": [],
        "output": {"model": model, "choices": [], "completion": ""},
        "scores": {},
        "metadata": {},
        "store": {},
        "events": [],
        "model_usage": {},
        "role_usage": {},
        "attachments": {},
    }


def _message(role: str, text: str) -> Plain:
    return {"role": ROLES.get(role, "user"), "content": text}


def _output(answer: Answer) -> Plain:
    given, taken = answer.tokens
    message: Plain = {"role": "assistant", "content": answer.text or answered_text(answer), "source": "generate",
               "model": model_of(answer)}  # fmt: skip
    if answer.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "function": call.name, "arguments": _arguments(call.arguments), "type": "function"}
            for call in answer.tool_calls
        ]
    return {
        "model": model_of(answer),
        "choices": [{"message": message, "stop_reason": STOPS.get(answer.finish_reason or "", "unknown")}],
        "completion": message["content"],
        "usage": {"input_tokens": given, "output_tokens": taken, "total_tokens": given + taken},
    }


def _arguments(text: str) -> Plain:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        read = None
    return read if isinstance(read, dict) else {"arguments": text}


def _error(text: str) -> Plain:
    return {"error": {"message": text, "traceback": "", "traceback_ansi": ""}}


def _scores(one: ListedAnswer, names: Mapping[str, str]) -> Plain:
    answered = answered_text(one.answer)
    scores: Plain = {}
    for function, tests in by_function(test for test in one.tests if is_of_one_cell(test)).items():
        if tests := [test for test in tests if test.outcome not in UNSCORED]:
            said = "\n".join(test.message for test in tests if test.message)
            scores[names[function]] = {
                "value": "C" if all(test.passed for test in tests) else "I",
                "answer": answered,
                "explanation": said or ", ".join(sorted({test.outcome for test in tests})),
                "metadata": {test.test: test.outcome for test in tests},
                "history": [],
            }
    return scores | dict(_verdict(one.answer))


def _verdict(answer: Answer) -> Iterator[tuple[str, Plain]]:
    from pytest_batcheval.quality.judging._rubric_request import judged_words

    if answer.error is not None or (words := judged_words(answer.request)) is None:
        return
    from pytest_batcheval.quality.axes import TableError
    from pytest_batcheval.quality.verdicts import read_verdict

    try:
        verdict = read_verdict(answer)
    except TableError:  # a rubric without a schema
        return
    said = [f"{dimension}: {quote}" for dimension, quote in (verdict.evidence or {}).items() if quote]
    yield (
        VERDICT,
        {
            "value": dict(verdict.scores) if verdict.scores else "N",
            "answer": words,
            "explanation": verdict.fault or "\n".join([f"role: {verdict.role}", *said]),
            "history": [],
        },
    )


def model_of(answer: Answer) -> str:
    """Origin and requested model: `openai/gpt-6-luna`, `api.example.org/mini`, `simulator:faithful@0/mini`."""
    host = "openai" if answer.origin == DEFAULT_BASE_URL else urlsplit(answer.origin).hostname or answer.origin
    return f"{answer.origin if is_simulator(answer.origin) else host}/{answer.request.model}"


def by_function(tests: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """The tests by the id of their function, in their order."""
    found: dict[str, list[Outcome]] = {}
    for test in tests:
        found.setdefault(test.test.partition("[")[0], []).append(test)
    return found


def is_of_one_cell(test: Outcome) -> bool:
    """Whether all answers of a test, such as its samples, are of one cell."""
    return len({tuple(cell.items()) for cell in test.cells.values()}) == 1
