"""From a request body to a response body in the endpoint's own shape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_batcheval.simulator.ids import created_at, digest
from pytest_batcheval.simulator.respondents.protocol import Asked, Reply, Respondent
from pytest_batcheval.wire.key import canonical
from pytest_batcheval.wire.objects import CHAT, RESPONSES

ENDPOINTS = (CHAT, RESPONSES)
SNAPSHOT = "2025-01-01"
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}$")
_KEY = re.compile(r"[0-9a-f]{40}$")
_HANGUL_TOKENS = 0.61
_OTHER_TOKENS = 0.23


@dataclass(frozen=True)
class Answering:
    """Who answers: a respondent and a seed."""

    respondent: Respondent
    seed: int

    def answer(self, url: str, body: Mapping[str, Any], custom_id: str = "") -> tuple[int, dict[str, Any]]:
        """HTTP status and response body; depends on seed, body and sample only."""
        problem = _problem(url, body)
        if problem is not None:
            return 400, problem
        key = key_of(body, custom_id)
        prompt = prompt_text(body)
        reply = self.respondent.reply(Asked(prompt, self.seed, key, body))
        text, cut = _within(reply.text, _output_limit(body))
        shape = _chat if url == CHAT else _response
        answer = shape(body, key, prompt, text, "length" if cut else reply.finish_reason, self.seed)
        return 200, {**answer, "x_simulator": self._signature(reply)}

    def _signature(self, reply: Reply) -> dict[str, Any]:
        return {
            "respondent": self.respondent.name,
            "seed": self.seed,
            "persona": reply.persona,
            "question": reply.question,
            "planted": dict(sorted(reply.planted.items())),
        }


def key_of(body: Mapping[str, Any], custom_id: str = "") -> str:
    """What an answer depends on: a `custom_id` that is a request key (it has the sample in it), else the body."""
    return custom_id if _KEY.match(custom_id) else digest(canonical(body))[:40]


def prompt_text(body: Mapping[str, Any]) -> str:
    """All words of a request, of either endpoint, joined by newlines."""
    if "messages" in body:
        return "\n".join(_texts(message.get("content") for message in body["messages"] if isinstance(message, dict)))
    given = body.get("input")
    items = given if isinstance(given, list) else [{"content": given}]
    contents = [body.get("instructions"), *(item.get("content") for item in items if isinstance(item, dict))]
    return "\n".join(_texts(contents))


def tokens(text: str) -> int:
    """An estimate: 0.61 tokens a Hangul syllable, 0.23 any other character, at least 1."""
    hangul = sum("\uac00" <= character <= "\ud7a3" for character in text)
    return max(1, round(hangul * _HANGUL_TOKENS + (len(text) - hangul) * _OTHER_TOKENS))


def _texts(contents: Iterable[object]) -> Iterable[str]:
    for content in contents:
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            yield from (str(part["text"]) for part in content if isinstance(part, dict) and "text" in part)


def _problem(url: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
    needed = "messages" if url == CHAT else "input"
    value = body.get(needed)
    if not value:
        message, code = f"Missing required parameter: '{needed}'.", "missing_required_parameter"
    elif not isinstance(value, list | str) or (url == CHAT and not isinstance(value, list)):
        message, code = f"Invalid type for '{needed}'.", "invalid_type"
    elif not isinstance(body.get("model"), str):
        message, code, needed = "you must provide a model parameter", "missing_required_parameter", "model"
    else:
        return None
    return {"error": {"message": message, "type": "invalid_request_error", "param": needed, "code": code}}


def _output_limit(body: Mapping[str, Any]) -> int | None:
    limits = (body.get(name) for name in ("max_completion_tokens", "max_output_tokens", "max_tokens"))
    return next((limit for limit in limits if isinstance(limit, int)), None)


def _within(text: str, limit: int | None) -> tuple[str, bool]:
    """The text cut to about `limit` tokens, and whether it was cut."""
    if limit is None or tokens(text) <= limit:
        return text, False
    return text[: max(1, int(len(text) * limit / tokens(text)))], True


def _snapshot(body: Mapping[str, Any]) -> str:
    model = str(body["model"])
    return model if _DATED.search(model) else f"{model}-{SNAPSHOT}"


def _chat(body: Mapping[str, Any], key: str, prompt: str, text: str, reason: str, seed: int) -> dict[str, Any]:
    asked, said = tokens(prompt), tokens(text)
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    return {
        "id": f"chatcmpl-{digest('chat', seed, key)[:29]}",
        "object": "chat.completion",
        "created": created_at(seed, key),
        "model": _snapshot(body),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": said,
            "total_tokens": asked + said,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": None,
    }


def _response(body: Mapping[str, Any], key: str, prompt: str, text: str, reason: str, seed: int) -> dict[str, Any]:
    asked, said = tokens(prompt), tokens(text)
    whole = reason != "length"
    status = "completed" if whole else "incomplete"
    name = digest("response", seed, key)
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    message = {"id": f"msg_{name[:48]}", "type": "message", "role": "assistant", "status": status, "content": [part]}
    return {
        "id": f"resp_{name[:48]}",
        "object": "response",
        "created_at": created_at(seed, key),
        "status": status,
        "error": None,
        "incomplete_details": None if whole else {"reason": "max_output_tokens"},
        "instructions": body.get("instructions"),
        "model": _snapshot(body),
        "output": [message],
        "usage": {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": said,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + said,
        },
        "metadata": body.get("metadata") or {},
    }
