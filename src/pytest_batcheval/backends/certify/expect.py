"""Expectations of a case, each with what was seen instead."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pytest_batcheval.backends.certify.case import Deviation
from pytest_batcheval.text.sanitize import safe_to_show

_SHOWN = 80


def equal(found: Mapping[str, Any], **expected: object) -> None:
    """Require these members.

    Raises:
        Deviation: the first that is another; 1 is not `true`.
    """
    for name, value in expected.items():
        given = found.get(name)
        if given != value or isinstance(given, bool) is not isinstance(value, bool):
            raise Deviation(f"{name} is {shown(given)}, not {shown(value)}" if name in found else f"no {name}")


def is_one_of(name: str, value: object, allowed: Collection[object]) -> None:
    """Require one of these values.

    Raises:
        Deviation: it is another.
    """
    if value not in allowed:
        raise Deviation(f"{name} is {shown(value)}")


def times_in_order(batch: Mapping[str, Any], *names: str) -> None:
    """Require that each `<name>_at` is a time in Unix seconds, and none before the last.

    Raises:
        Deviation: one is missing, no integer, or too early.
    """
    times = {f"{name}_at": batch.get(f"{name}_at") for name in names}
    whole = [time for time in times.values() if isinstance(time, int)]
    if len(whole) < len(times) or whole != sorted(whole):
        raise Deviation(", ".join(f"{name} {shown(time)}" for name, time in times.items()))


def shown(value: object) -> str:
    """A value of a reply, short and safe."""
    text = safe_to_show(repr(value))
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
