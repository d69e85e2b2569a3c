"""DeepInfra's API: OpenAI's, for fewer endpoints; all requests of a file name one model (its guide to batches)."""

from __future__ import annotations

from pytest_batcheval.simulator.dialects.dialect import Dialect
from pytest_batcheval.simulator.dialects.openai import ANY_NAME, CALLS

DEEPINFRA = Dialect("deepinfra", CALLS, path="/v1/openai", usual=ANY_NAME)
