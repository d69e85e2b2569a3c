"""Dialects by the name of their provider."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_batcheval.errors import UsageError
from pytest_batcheval.simulator.dialects.anthropic import ANTHROPIC
from pytest_batcheval.simulator.dialects.azure import AZURE
from pytest_batcheval.simulator.dialects.deepinfra import DEEPINFRA
from pytest_batcheval.simulator.dialects.dialect import Dialect
from pytest_batcheval.simulator.dialects.doubleword import DOUBLEWORD
from pytest_batcheval.simulator.dialects.gemini import GEMINI
from pytest_batcheval.simulator.dialects.groq import GROQ
from pytest_batcheval.simulator.dialects.mistral import MISTRAL
from pytest_batcheval.simulator.dialects.openai import OPENAI
from pytest_batcheval.simulator.dialects.together import TOGETHER

DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect
    for dialect in (OPENAI, AZURE, GROQ, TOGETHER, DOUBLEWORD, DEEPINFRA, MISTRAL, ANTHROPIC, GEMINI)
}
"""Every dialect."""


def find_dialect(name: str) -> Dialect:
    """The dialect of that name.

    Raises:
        UsageError: it is unknown; the message lists the others.
    """
    if name not in DIALECTS:
        raise UsageError(f"unknown dialect {name!r}; known: {', '.join(DIALECTS)}")
    return DIALECTS[name]
