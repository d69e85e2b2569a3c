"""The `expires_after` of uploads and creates: how long a file lives."""

from __future__ import annotations

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.errors import ApiError, invalid_value
from pytest_batcheval.simulator.state import FILE_LIFE

LIFE = range(3_600, FILE_LIFE + 1)
"""Seconds that a file may live (API reference: 1 hour to 30 days)."""


def file_life(name: str, anchor: object, seconds: object, behaviour: Behaviour) -> int:
    """The seconds of an `expires_after`; `name` is that of the parameter.

    Raises:
        ApiError: 400, another anchor than `created_at`, or too short or too long a life.
    """
    code = behaviour.code(name)
    if anchor != "created_at":
        raise invalid_value(f"{name}.anchor", anchor, ("created_at",), code)
    if not isinstance(seconds, int) or seconds not in LIFE:
        text = f"Invalid '{name}.seconds': from {LIFE.start} to {LIFE.stop - 1}, not {str(seconds)[:40]}."
        raise ApiError(400, text, code=code, param=f"{name}.seconds")
    return seconds
