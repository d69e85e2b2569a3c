"""Limits of one's own, in place of those that a measure has."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.scores import real


def limits_of(given: Mapping[str, float] | None, known: Mapping[str, float]) -> dict[str, float]:
    """Return the known limits with those that are given in their place; others that are given are for other measures.

    Raises:
        TableError: one of them is not a number.
    """
    found = {name: (given or {}).get(name, limit) for name, limit in known.items()}
    for name, limit in found.items():
        if (number := real(limit)) is None or not number >= 0:
            raise TableError(f"the limit {name} must be a number, at least 0, not {limit!r}")
    return found


def check_names(given: Mapping[str, float] | None, known: Mapping[str, float]) -> None:
    """Check that every limit that is given is known.

    Raises:
        TableError: one is not.
    """
    if given is not None and not isinstance(given, Mapping):
        raise TableError(f"limits must be given by name: limits={{'vendi': 0.2}}, not {given!r:.80}")
    if unknown := sorted(set(given or {}) - set(known)):
        raise TableError(f"unknown limit {', '.join(map(str, unknown))}; the limits are {', '.join(known)}")
