"""Response bodies in the form of each endpoint."""

from __future__ import annotations

import base64
import math
import random
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pytest_batcheval.simulator.ids import created_at, digest
from pytest_batcheval.simulator.inference.models import Model
from pytest_batcheval.simulator.inference.token_count import tokens


@dataclass(frozen=True)
class Choice:
    """One choice of an answer: text, reason for its end, and whether the model marked it as a refusal."""

    text: str
    finish_reason: str
    refused: bool = False


def chat(
    model: Model, seed: int, key: str, prompt_tokens: int, choices: Sequence[Choice], reasoning: int
) -> dict[str, Any]:
    """A chat completion; `prompt_tokens` is the length of the prompt, `reasoning` that of all its reasoning."""
    completion_tokens = sum(tokens(choice.text) for choice in choices) + reasoning
    return {
        "id": f"chatcmpl-{digest('chat', seed, key)[:29]}",
        "object": "chat.completion",
        "created": created_at(seed, key),
        "model": model.snapshot,
        "choices": [_choice(number, choice) for number, choice in enumerate(choices)],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": None,
    }


def response(
    model: Model,
    seed: int,
    key: str,
    prompt_tokens: int,
    choice: Choice,
    body: Mapping[str, Any],
    limit: int | None,
    reasoning: int,
) -> dict[str, Any]:
    """A response; where the model reasoned, with a reasoning item before the message."""
    name = digest("response", seed, key)
    reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(choice.finish_reason)
    status = "completed" if reason is None else "incomplete"
    output_tokens = tokens(choice.text) + reasoning
    thought = {"id": f"rs_{name[:48]}", "type": "reasoning", "summary": []}
    message = {
        "id": f"msg_{name[:48]}",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [_part(choice)],
    }
    return {
        "id": f"resp_{name[:48]}",
        "object": "response",
        "created_at": created_at(seed, key),
        "status": status,
        "error": None,
        "incomplete_details": None if reason is None else {"reason": reason},
        "instructions": body.get("instructions"),
        "max_output_tokens": limit,
        "model": model.snapshot,
        "output": [thought, message] if reasoning else [message],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": output_tokens,
            "output_tokens_details": {"reasoning_tokens": reasoning},
            "total_tokens": prompt_tokens + output_tokens,
        },
        "metadata": body.get("metadata") or {},
    }


def embeddings(model: Model, inputs: Sequence[str | list[int]], dimensions: int, encoding: str) -> dict[str, Any]:
    """Vectors of length 1; texts that share pieces of four letters point in similar directions."""
    data = []
    for index, item in enumerate(inputs):
        vector = _vector(item, dimensions)
        packed = base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode() if encoding == "base64" else None
        data.append({"object": "embedding", "index": index, "embedding": packed or vector})
    used = sum(tokens(item) if isinstance(item, str) else len(item) for item in inputs)
    usage = {"prompt_tokens": used, "total_tokens": used}
    return {"object": "list", "data": data, "model": model.snapshot, "usage": usage}


def _choice(number: int, choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if choice.refused else choice.text,
        "refusal": choice.text if choice.refused else None,
        "annotations": [],
    }
    return {"index": number, "message": message, "logprobs": None, "finish_reason": choice.finish_reason}


def _part(choice: Choice) -> dict[str, Any]:
    if choice.refused:
        return {"type": "refusal", "refusal": choice.text}
    return {"type": "output_text", "text": choice.text, "annotations": [], "logprobs": []}


def _vector(item: str | list[int], dimensions: int) -> list[float]:
    pieces = [item[at : at + 4] for at in range(max(1, len(item) - 3))] if isinstance(item, str) else item
    vector = [0.0] * dimensions
    for piece in pieces:
        for place, sign in _places(piece, dimensions):
            vector[place] += sign
    length = math.sqrt(sum(value * value for value in vector))
    if length == 0:
        vector[0] = length = 1.0
    return [round(value / length, 8) for value in vector]


@lru_cache(maxsize=4096)
def _places(piece: str | int, dimensions: int) -> tuple[tuple[int, float], ...]:
    """The few dimensions that one piece of text changes, each with a sign."""
    rng = random.Random(digest("piece", piece))
    return tuple((rng.randrange(dimensions), rng.choice((-1.0, 1.0))) for _ in range(8))
