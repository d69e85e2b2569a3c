"""The models the simulator pretends to serve: names, dated snapshots, sizes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from pytest_batcheval.catalogue.models import LARGER, MODEL, SNAPSHOT, end_of
from pytest_batcheval.errors import UsageError
from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.ids import EPOCH
from pytest_batcheval.simulator.respondents.registry import DEFAULT, chosen, make
from pytest_batcheval.wire.origin import MODEL_PREFIX


@dataclass(frozen=True)
class Model:
    """One model, with sizes in tokens as the provider's model pages give them.

    Attributes:
        id: the name in requests.
        snapshot: the name in answers.
        window: limit of prompt and answer together.
        most_output: limit of the answer.
        reasons: whether it reasons before it answers, which is billed.
        dimensions: length of its vectors; 0 for a model that writes text.
    """

    id: str
    snapshot: str
    window: int = 128_000
    most_output: int = 16_384
    reasons: bool = False
    dimensions: int = 0


_KNOWN = (
    Model(MODEL, SNAPSHOT, 1_050_000, 128_000, reasons=True),
    Model(LARGER, LARGER, 1_050_000, 128_000, reasons=True),
    Model("gpt-6.1-sol", "gpt-6.1-sol-2026-09-29", 1_050_000, 128_000, reasons=True),
    Model("gpt-5.6-luna", "gpt-5.6-luna", 1_050_000, 128_000, reasons=True),
    Model("gpt-4.1", "gpt-4.1-2025-04-14", 1_047_576, 32_768),
    Model("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", 1_047_576, 32_768),
    Model("gpt-4o", "gpt-4o-2024-08-06", 128_000, 16_384),
    Model("gpt-4o-mini", "gpt-4o-mini-2024-07-18", 128_000, 16_384),
    Model("gpt-4-turbo-preview", "gpt-4-0125-preview", 128_000, 4_096),
    Model("gpt-3.5-turbo", "gpt-3.5-turbo-0125", 16_385, 4_096),
    Model("text-embedding-3-small", "text-embedding-3-small", 8_191, 0, dimensions=1_536),
    Model("text-embedding-3-large", "text-embedding-3-large", 8_191, 0, dimensions=3_072),
    Model("text-embedding-ada-002", "text-embedding-ada-002-v2", 8_191, 0, dimensions=1_536),
)
_MISTRAL = (
    Model("mistral-small-latest", "mistral-small-latest", 262_144, 262_144),
    Model("mistral-medium-latest", "mistral-medium-latest", 262_144, 262_144),
    Model("mistral-large-latest", "mistral-large-latest", 262_144, 262_144),
    Model("mistral-embed", "mistral-embed", 8_192, 0, dimensions=1_024),
)
"""Mistral's, which exist where any name is a model; no limit of an answer is published."""

_OTHERS = {model.id: model for model in _MISTRAL}
_BY_NAME = {name: model for model in _KNOWN for name in (model.id, model.snapshot)}
_FAMILY = re.compile(r"(?:gpt-\d|chatgpt-|codex-|computer-use-|o\d|ft:|text-embedding-|omni-)[\w.:-]*\Z")
_REASONS = re.compile(r"(?:o\d|gpt-[5-9])")
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_UNKNOWN_DATE = "2025-01-01"


def find_model(name: object, behaviour: Behaviour) -> Model | None:
    """The model of that name; `None` if there is none.

    A name of a known family (`gpt-…`, `o3…`, `text-embedding-…`, `ft:…`) is a model, so that tests of
    future models need no new release; `Behaviour.models` can change that.
    """
    if not isinstance(name, str):
        return None
    if name.startswith(MODEL_PREFIX):
        return _of_respondent(name)
    if isinstance(behaviour.models, tuple):
        exists = name in behaviour.models
    else:
        exists = name in _BY_NAME or _FAMILY.match(name) is not None or (behaviour.models == "any" and name != "")
    return _BY_NAME.get(name) or _OTHERS.get(name) or _of_family(name) if exists else None


def model_list(behaviour: Behaviour) -> list[dict[str, object]]:
    """The API's Model objects."""
    names = behaviour.models if isinstance(behaviour.models, tuple) else [model.id for model in _KNOWN]
    return [model_object(name) for name in names]


def mistral_models() -> list[Model]:
    """Those of Mistral's models whose sizes are known."""
    return list(_OTHERS.values())


def model_object(name: str) -> dict[str, object]:
    """The API's Model object."""
    end = end_of(name, {})
    day = str(end.day) if end else None
    return {"id": name, "object": "model", "created": EPOCH, "owned_by": "simulator", "shutdown_date": day}


@lru_cache(maxsize=256)
def _of_respondent(name: str) -> Model | None:
    try:
        chosen(make(DEFAULT), {"model": name})
    except UsageError:
        return None
    return Model(name, name)


def _of_family(name: str) -> Model:
    """A model of unknown size: with the sizes of a common model, and a date in its served name."""
    if name.startswith("text-embedding"):
        return Model(name, name, 8_191, 0, dimensions=1_536)
    snapshot = name if _DATED.search(name) else f"{name}-{_UNKNOWN_DATE}"
    return Model(name, snapshot, reasons=_REASONS.match(name) is not None)
