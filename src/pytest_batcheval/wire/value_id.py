"""The id of an axis value."""

from __future__ import annotations


def value_id(value: object) -> str:
    """The id of an axis value: its `id` attribute, or its text."""
    return str(getattr(value, "id", value))
