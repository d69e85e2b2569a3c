"""Doubleword's API: OpenAI's, with a completion window of an hour besides that of a day (its SDK)."""

from __future__ import annotations

from pytest_batcheval.simulator.dialects.dialect import Dialect
from pytest_batcheval.simulator.dialects.openai import ANY_NAME, CALLS

DOUBLEWORD = Dialect("doubleword", CALLS, usual=ANY_NAME)
