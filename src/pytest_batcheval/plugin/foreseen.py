"""Requests of later waves, foreseen: generator prompts are run with made-up answers of a usual length.

A prompt is pure, so it may be run with anything; one that cannot read a made-up answer ends there.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from pytest_batcheval.engine.pricing import most_output_tokens
from pytest_batcheval.errors import PromptError
from pytest_batcheval.prompts.prompt_call import Known, PromptCall
from pytest_batcheval.wire.endpoints import CHAT, EMBEDDINGS, GENERATE, MESSAGES, RESPONSES
from pytest_batcheval.wire.objects import Answer, Request
from pytest_batcheval.wire.plain import mapping
from pytest_batcheval.wire.usage import TOKENS_A_CHARACTER

USUAL_TOKENS = 200
"""Tokens of a made-up answer, or as many as its request allows, if that is fewer; a convention: ten sentences."""

MOST_WAVES = 20
"""Waves that are foreseen; a prompt may ask until an answer contents it."""

MOST_TURNS = 10_000
"""Turns of one prompt that are foreseen."""

ORIGIN = "foreseen"


@dataclass(frozen=True)
class Foreseen:
    """The requests of a prompt call after those that can be built now.

    Attributes:
        later: the requests, in order.
        waves: the number of waves that they take, after that of what can be built now.
        complete: whether the prompt ran to its end, so that these are all it asks with such answers.
    """

    later: tuple[Request, ...] = ()
    complete: bool = True
    waves: int = 0


Asked = tuple[str, str]
"""The key of a request, and the backend that it chose."""


def _asked(request: Request) -> Asked:
    return request.custom_id, request.backend


def requests_of(call: PromptCall, known: Known) -> tuple[Request, ...]:
    """The requests of a prompt call that can be built with the answers known; none of a prompt that breaks."""
    try:
        return call.drive(known).requests
    except PromptError:
        return ()


def foreseen(call: PromptCall, known: Known = lambda request: None) -> Foreseen:
    """The later requests of a prompt call, with the answers that are known and made-up ones for the others."""
    if not call.is_generator:
        return Foreseen()
    made: dict[Asked, Answer] = {}
    waves: list[Request] = []
    for wave in range(MOST_WAVES):
        try:
            turns = call.drive(_limited(made, known))
        except (PromptError, pytest.fail.Exception, pytest.skip.Exception):
            return Foreseen(tuple(waves), complete=False, waves=max(wave - 1, 0))
        if not turns.pending:
            return Foreseen(tuple(waves), waves=max(wave - 1, 0))
        waves += turns.pending.values() if made else ()
        answers = [_made_up(request) for request in turns.pending.values()]
        made |= {_asked(answer.request): answer for answer in answers if answer is not None}
        if None in answers:
            break
    return Foreseen(tuple(waves), complete=False, waves=MOST_WAVES)


def _limited(made: Mapping[Asked, Answer], known: Known) -> Known:
    """The made-up answers, else the known ones, for a prompt that does not ask without end.

    Raises:
        PromptError: it has had `MOST_TURNS` answers: it repeats a request until its answer is another one.
    """
    turns = count()

    def found(request: Request) -> Answer | None:
        if next(turns) >= MOST_TURNS:
            raise PromptError("a prompt that asks without end")
        return made.get(_asked(request)) or known(request)

    return found


def _made_up(request: Request) -> Answer | None:
    """An answer in the form that a request asks for, different for each; `None` for an endpoint without texts."""
    length = round(min(most_output_tokens(request.body) or USUAL_TOKENS, USUAL_TOKENS) / TOKENS_A_CHARACTER)
    words = f"{request.custom_id}. " + "So it is. " * (length // 10)
    body = _body(request, _in_form(request, words[: max(length, 40)]))
    return None if body is None else Answer(request, ORIGIN, {"status_code": 200, "body": body})


def _body(request: Request, text: str) -> dict[str, Any] | None:
    if request.url == CHAT:
        message = {"role": "assistant", "content": text}
        return {"model": request.model, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    if request.url == RESPONSES:
        content = [{"type": "output_text", "text": text, "annotations": []}]
        output = {"type": "message", "role": "assistant", "status": "completed", "content": content}
        return {"model": request.model, "status": "completed", "output": [output]}
    if request.url == MESSAGES:
        blocks = [{"type": "text", "text": text}]
        return {"type": "message", "model": request.model, "content": blocks, "stop_reason": "end_turn"}
    if request.url == GENERATE:
        candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}
        return {"modelVersion": request.model, "candidates": [candidate]}
    if request.url == EMBEDDINGS:
        given = request.body.get("input")
        number = len(given) if isinstance(given, (list, tuple)) else 1
        return {"model": request.model, "data": [{"index": n, "embedding": [0.0, 1.0]} for n in range(number)]}
    return None


def _in_form(request: Request, text: str) -> str:
    """The text, or an instance of the JSON Schema of the request with the text in it."""
    form = mapping(request.body.get("response_format")) or mapping(mapping(request.body.get("text")).get("format"))
    if form.get("type") == "json_object":
        return json.dumps({"answer": text})
    schema = mapping(form.get("json_schema")).get("schema") or form.get("schema")
    return json.dumps(_instance(schema, text)) if isinstance(schema, Mapping) else text


def _instance(schema: Mapping[str, Any], text: str) -> Any:
    from pytest_batcheval.simulator.structured.instances import Drawing
    from pytest_batcheval.simulator.structured.work_limit import ImpossibleError

    try:
        return Drawing(schema, random.Random(text), text).draw()
    except (ImpossibleError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
        return {}
