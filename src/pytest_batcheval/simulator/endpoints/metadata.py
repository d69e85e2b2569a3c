"""The `metadata` that batches, chat completions and responses can carry."""

from __future__ import annotations

from typing import Any

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.errors import ApiError, invalid_type

MAX_PAIRS, MAX_KEY, MAX_VALUE = 16, 64, 512
"""Limits of `metadata` (published schema)."""


def check_metadata(metadata: Any, behaviour: Behaviour) -> None:
    """Refuse metadata that is not a small object of strings.

    Raises:
        ApiError: 400, names the pair.
    """
    if metadata is None:
        return
    if not isinstance(metadata, dict):
        raise invalid_type("metadata", "an object", metadata)
    if len(metadata) > MAX_PAIRS:
        text = f"Invalid 'metadata': too many properties. Expected at most {MAX_PAIRS}, but got {len(metadata)}."
        raise ApiError(400, text, code=behaviour.code("metadata_pairs"), param="metadata")
    for name, value in metadata.items():
        where = f"metadata.{name[:MAX_KEY]}"
        if not isinstance(value, str):
            raise invalid_type(where, "a string", value)
        if len(name) > MAX_KEY or len(value) > MAX_VALUE:
            text = f"Invalid '{where}': names have at most {MAX_KEY} characters, values {MAX_VALUE}."
            raise ApiError(400, text, code=behaviour.code("metadata_length"), param=where)
