"""Gemini's generateContent: the check of a body, the form that it asks for, and the response that answers it.

Members are those of the API reference and of the official SDK 3.6; the wording of most refusals is a guess.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.errors import ApiError
from pytest_batcheval.simulator.ids import base62, digest
from pytest_batcheval.simulator.inference.gemini_models import find_gemini
from pytest_batcheval.simulator.inference.models import Model
from pytest_batcheval.simulator.inference.response_bodies import Choice
from pytest_batcheval.simulator.inference.token_count import tokens
from pytest_batcheval.simulator.structured.answer import Form, form_of_schema
from pytest_batcheval.simulator.structured.gemini_schema import (
    asked_function,
    asked_schema,
    functions,
    member,
    settings,
)
from pytest_batcheval.wire.plain import mapping

MAX_CANDIDATES = 8
MEMBERS = (
    *("model", "contents", "tools", "toolConfig", "safetySettings", "systemInstruction", "generationConfig"),
    *("cachedContent", "serviceTier", "store", "labels"),
)
SETTINGS = (
    *("stopSequences", "responseMimeType", "responseSchema", "responseJsonSchema", "responseModalities"),
    *("candidateCount", "maxOutputTokens", "temperature", "topP", "topK", "seed", "presencePenalty"),
    *("frequencyPenalty", "responseLogprobs", "logprobs", "enableEnhancedCivicAnswers", "speechConfig"),
    *("thinkingConfig", "imageConfig", "mediaResolution"),
)
_NUMBERS = {"temperature": (0, 2), "topP": (0, 1), "maxOutputTokens": (1, None), "candidateCount": (1, MAX_CANDIDATES)}
_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}


def check_generate_content(body: Mapping[str, Any], behaviour: Behaviour) -> Model:
    """Check a body, whose `model` stood in the URL, and return its model.

    Raises:
        ApiError: 400 or 404, the endpoint refuses the body.
    """
    model = find_gemini(body.get("model"), behaviour)
    if model is None:
        raise no_such_gemini(str(body.get("model")), "generateContent")
    _check_members(body, MEMBERS, "")
    _check_members(settings(body), SETTINGS, "generation_config")
    _check_contents(body.get("contents"))
    instruction = member(body, "systemInstruction")
    if instruction is not None:
        _check_parts("system_instruction", instruction)
    _check_settings(settings(body))
    for number, function in enumerate(functions(body)):
        if not isinstance(function.get("name"), str):
            raise _invalid(f"tools[0].function_declarations[{number}].name", "[REQUIRED_FIELD_MISSING]")
    return model


def no_such_gemini(name: str, method: str) -> ApiError:
    """404: no model of that name."""
    text = f"models/{name[:200]} is not found for API version v1beta, or is not supported for {method}."
    return ApiError(404, f"{text} Call ListModels to see the list of available models and their supported methods.")


def check_generate_length(prompt_tokens: int, model: Model) -> None:
    """Refuse a prompt that is longer than the model's window, in tokens.

    Raises:
        ApiError: 400.
    """
    if prompt_tokens > model.window:
        text = f"The input token count ({prompt_tokens}) exceeds the maximum number of tokens allowed ({model.window})."
        raise ApiError(400, text)


def gemini_form(body: Mapping[str, Any]) -> Form | None:
    """The form of the answer that a body asks for; `None` for plain text.

    Raises:
        ApiError: 400, the schema cannot be used.
    """
    schema, function = asked_schema(body), asked_function(body)
    if schema is not None:
        where = "generation_config.response_schema" if function is None else "tools[0].function_declarations"
        return form_of_schema(schema, Form("", str((function or {}).get("name", "output")), where, None))
    mime = member(settings(body), "responseMimeType")
    return Form(None, "", "generation_config", None) if mime == "application/json" else None


def generated(
    model: Model,
    seed: int,
    key: str,
    prompt_tokens: int,
    choices: Sequence[Choice],
    body: Mapping[str, Any],
    reasoning: int,
) -> dict[str, Any]:
    """The response with an answer, cut at the first of the body's stop sequences."""
    stops = member(settings(body), "stopSequences") or []
    candidates = [_candidate(number, choice, body, stops, seed, key) for number, choice in enumerate(choices)]
    written = sum(max(tokens(choice.text), 1) for choice in choices if not choice.refused)
    thoughts = {"thoughtsTokenCount": reasoning} if reasoning else {}
    return {
        "candidates": candidates,
        "usageMetadata": {
            "promptTokenCount": prompt_tokens,
            "candidatesTokenCount": written,
            "totalTokenCount": prompt_tokens + written + reasoning,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt_tokens}],
            **thoughts,
        },
        "modelVersion": model.snapshot,
        "responseId": base62("response", seed, key),
    }


def _candidate(
    number: int, choice: Choice, body: Mapping[str, Any], stops: Sequence[str], seed: int, key: str
) -> dict[str, Any]:
    reason = _REASONS.get(choice.finish_reason, choice.finish_reason)
    if choice.refused:
        return {"finishReason": "SAFETY", "finishMessage": choice.text, "index": number}
    function = asked_function(body)
    end = min((choice.text.index(stop) for stop in stops if stop in choice.text), default=None)
    part: dict[str, Any] = {"text": choice.text[:end]}
    if function is not None and reason == "STOP":
        called = {"name": function["name"], "args": json.loads(choice.text), "id": digest("call", seed, key)[:16]}
        part = {"functionCall": called}
    content = {"parts": [part], "role": "model"} if any(part.values()) else {"role": "model"}
    return {"content": content, "finishReason": reason, "index": number}


def _check_members(given: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    names = {name.lower() for name in known}
    for name in given:
        if name.replace("_", "").lower() not in names:
            at = f" at '{where}'" if where else ""
            text = f'Invalid JSON payload received. Unknown name "{name[:200]}"{at}: Cannot find field.'
            raise ApiError(400, text)


def _check_contents(contents: Any) -> None:
    if not isinstance(contents, list) or not contents:
        raise ApiError(400, "* GenerateContentRequest.contents: contents is not specified")
    for number, content in enumerate(contents):
        where = f"contents[{number}]"
        _check_parts(where, content)
        if content.get("role", "user") not in ("user", "model", "function"):
            raise ApiError(400, "Please use a valid role: user, model.")


def _check_parts(where: str, content: Any) -> None:
    parts = mapping(content).get("parts")
    parts = [parts] if isinstance(parts, Mapping) else parts
    if not isinstance(parts, list) or not parts:
        raise _invalid(f"{where}.parts", "contents.parts must not be empty.")
    for number, part in enumerate(parts):
        if not isinstance(part, Mapping) or not isinstance(part.get("text", ""), str):
            raise ApiError(400, f"Invalid value at '{where}.parts[{number}]' (text), a string is expected")
        if not set(part) - {"thought", "thoughtSignature"}:
            raise _invalid(f"{where}.parts", "contents.parts must not be empty.")


def _check_settings(given: Mapping[str, Any]) -> None:
    for name, (low, high) in _NUMBERS.items():
        value = member(given, name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ApiError(400, f"Invalid value at 'generation_config.{name}' (TYPE_FLOAT), {value!r}")
        if value < low or (high is not None and value > high):
            limits = f"from {low} to {high} (inclusive)" if high else f"at least {low}"
            raise _invalid(f"generation_config.{name}", f"must be {limits}, but it is {value}")
    asks_json = member(given, "responseSchema") is not None or member(given, "responseJsonSchema") is not None
    if asks_json and member(given, "responseMimeType") != "application/json":
        text = "response_schema is only supported with response_mime_type: 'application/json'."
        raise _invalid("generation_config.response_schema", text)


def _invalid(where: str, why: str) -> ApiError:
    return ApiError(400, f"* GenerateContentRequest.{where}: {why}", param=where)
