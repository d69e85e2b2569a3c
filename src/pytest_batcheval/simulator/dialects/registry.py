"""Dialects by the name of their provider."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_batcheval.errors import UsageError
from pytest_batcheval.simulator.dialects.anthropic import ANTHROPIC
from pytest_batcheval.simulator.dialects.dialect import Dialect
from pytest_batcheval.simulator.dialects.openai import OPENAI

DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (OPENAI, ANTHROPIC)}
"""Every dialect."""


def find_dialect(name: str) -> Dialect:
    """The dialect of that name.

    Raises:
        UsageError: it is unknown; the message lists the others.
    """
    if name not in DIALECTS:
        raise UsageError(f"unknown dialect {name!r}; known: {', '.join(DIALECTS)}")
    return DIALECTS[name]
