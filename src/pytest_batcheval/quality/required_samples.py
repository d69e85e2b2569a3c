"""What a measure needs of a test that uses it, kept where it can be read before any answer is paid for."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

LEAST_SAMPLES = "least_samples"
"""The attribute that a function with `needs_samples` has."""


def needs_samples(count: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Say of a measure that every cell of its table needs so many samples: a test's collection looks at it."""

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        setattr(function, LEAST_SAMPLES, count)
        return function

    return mark
