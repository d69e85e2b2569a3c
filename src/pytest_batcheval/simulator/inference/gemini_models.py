"""The Gemini models that the simulator pretends to serve, with the sizes of the provider's model pages."""

from __future__ import annotations

from typing import Any

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.inference.models import Model, find_model
from pytest_batcheval.wire.origin import MODEL_PREFIX

_KNOWN = tuple(
    Model(f"gemini-{name}", f"gemini-{name}", 1_048_576, 65_536, reasons=True)
    for name in ("3.8-flash", "3-flash", "3-flash-preview", "2.5-pro", "2.5-flash", "2.5-flash-lite")
)
_BY_NAME = {model.id: model for model in _KNOWN}
_METHODS = ["generateContent", "batchGenerateContent"]


def find_gemini(name: object, behaviour: Behaviour) -> Model | None:
    """The model of that name, a respondent's (`sim-…`) included; `None` if there is none."""
    if not isinstance(name, str) or name.startswith(MODEL_PREFIX):
        return find_model(name, behaviour)
    known = behaviour.models
    exists = name in known if isinstance(known, tuple) else name.startswith("gemini-") or (known == "any" and name)
    return _BY_NAME.get(name, Model(name, name, 1_048_576, 65_536, reasons=True)) if exists else None


def gemini_list(behaviour: Behaviour) -> list[dict[str, Any]]:
    """The API's Model objects."""
    names = behaviour.models if isinstance(behaviour.models, tuple) else [model.id for model in _KNOWN]
    return [gemini_object(model) for name in names if (model := find_gemini(name, behaviour))]


def gemini_object(model: Model) -> dict[str, Any]:
    """The API's Model object."""
    return {
        "name": f"models/{model.id}",
        "version": "001",
        "displayName": " ".join(part.capitalize() for part in model.id.split("-")),
        "inputTokenLimit": model.window,
        "outputTokenLimit": model.most_output,
        "supportedGenerationMethods": _METHODS,
    }
