"""The number of samples that a measure requires, kept where it can be read before any answer is paid for."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

LEAST_SAMPLES = "least_samples"
"""The attribute that `needs_samples` sets on a function."""


def needs_samples(count: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare how many samples a measure needs in every cell of its table; checked when tests are collected."""

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        setattr(function, LEAST_SAMPLES, count)
        return function

    return mark
