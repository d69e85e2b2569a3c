"""The Claude models that the simulator pretends to serve.

Names are those of the official SDK 2.14, sizes those of the provider's model pages in November 2026.
"""

from __future__ import annotations

import re
from typing import Any

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.ids import EPOCH, iso
from pytest_batcheval.simulator.inference.models import Model, find_model
from pytest_batcheval.wire.origin import MODEL_PREFIX

_LARGE = (
    "claude-fable-5-2",
    "claude-opus-5-5",
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
    "claude-opus-5",
    "claude-sonnet-5",
    "claude-opus-4-6",
    "claude-sonnet-4-6",
)
_KNOWN = (
    *(Model(name, name, 1_000_000, 128_000) for name in _LARGE),
    Model("claude-opus-4-5", "claude-opus-4-5-20251101", 200_000, 64_000),
    Model("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", 200_000, 64_000),
    Model("claude-haiku-4-5", "claude-haiku-4-5-20251001", 200_000, 64_000),
)
_BY_NAME = {name: model for model in _KNOWN for name in (model.id, model.snapshot)}
_NO_SAMPLING = re.compile(r"claude-(?:[a-z]+-[5-9]|opus-4-[7-9])")


def find_claude(name: object, behaviour: Behaviour) -> Model | None:
    """The model of that name, a respondent's (`sim-…`) included; `None` if there is none."""
    if not isinstance(name, str) or name.startswith(MODEL_PREFIX):
        return find_model(name, behaviour)
    known = behaviour.models
    exists = name in known if isinstance(known, tuple) else name.startswith("claude-") or (known == "any" and name)
    return _BY_NAME.get(name, Model(name, name, 200_000, 64_000)) if exists else None


def takes_sampling(model: Model) -> bool:
    """Whether a model takes another temperature than the default, which later ones do not."""
    return _NO_SAMPLING.match(model.id) is None


def claude_list(behaviour: Behaviour) -> list[dict[str, Any]]:
    """The API's ModelInfo objects."""
    names = behaviour.models if isinstance(behaviour.models, tuple) else [model.id for model in _KNOWN]
    return [claude_object(model) for name in names if (model := find_claude(name, behaviour))]


def claude_object(model: Model) -> dict[str, Any]:
    """The API's ModelInfo object."""
    return {
        "type": "model",
        "id": model.snapshot,
        "display_name": " ".join(part.capitalize() for part in model.id.split("-")),
        "created_at": iso(EPOCH),
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "line": None,
        "capabilities": None,
        "max_input_tokens": model.window,
        "max_tokens": model.most_output,
    }
