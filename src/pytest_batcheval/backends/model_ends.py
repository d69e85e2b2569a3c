"""The days on which a provider ends its models, as its list of models says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from pytest_batcheval.backends.errors import ProviderFailure
from pytest_batcheval.backends.fields import Fields, read_mapping, text
from pytest_batcheval.backends.provider_connection import PROBE_TIMEOUT, ProviderConnection, checked
from pytest_batcheval.backends.reply_readers import Page
from pytest_batcheval.catalogue.models import ModelEnd

if TYPE_CHECKING:
    from pytest_batcheval.backends.protocol import Backend

_DAYS = {"shutdown_date": "shut down", "deprecation": "deprecated"}
"""By the name of the field (OpenAI's and Azure's `shutdown_date`, Mistral's `deprecation`): what happens on its day."""


def model_ends(backend: Backend) -> dict[str, ModelEnd]:
    """The end of each model that has one, by name, in one GET of its models; none where that fails or says nothing."""
    if not isinstance(backend, ProviderConnection):
        return {}
    http = backend.http
    with suppress(ProviderFailure):
        return dict(read_ends(backend.json("list", lambda: checked(http.get("models", timeout=PROBE_TIMEOUT)))))
    return {}


def read_ends(seen: object) -> Iterator[tuple[str, ModelEnd]]:
    """Names and ends in a list of models."""
    for item in Page(seen).items:
        fields = Fields(read_mapping(item))
        name = text(fields.get("id"))
        ends = ((_day(fields.get(field)), word) for field, word in _DAYS.items())
        end = next(((day, word) for day, word in ends if day), None)
        if name and end:
            yield name, ModelEnd(*end, by="its provider")


def _day(value: Any) -> date | None:
    with suppress(TypeError, ValueError):
        return datetime.fromisoformat(value).date()
    return None
