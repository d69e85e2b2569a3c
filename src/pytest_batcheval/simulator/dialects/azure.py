"""Azure OpenAI's API (`…/openai/v1`): deployments as models, files that are pending first, batches that never expire.

From its guide to batches and from reports of its users.
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_batcheval.simulator.dialects.dialect import Dialect
from pytest_batcheval.simulator.dialects.openai import ANY_NAME, CALLS

PENDING_SECONDS = 30.0
"""From an upload until a batch can be created of the file; a guess."""

_CODES = {"mismatched_model": "model_mismatch", "too_many_requests": "too_many_tasks"}


class Azure(Dialect):
    """Azure OpenAI's API, which takes a key in `api-key` too."""

    def authorization(self, headers: Mapping[str, str]) -> str:
        """The key of `api-key`, or of `authorization`."""
        return f"Bearer {headers['api-key']}" if "api-key" in headers else headers.get("authorization", "")


AZURE = Azure(
    "azure",
    CALLS,
    path="/openai/v1",
    usual={**ANY_NAME, "no_error_file": "empty_file", "codes": _CODES},
    expires=False,
    pending_seconds=PENDING_SECONDS,
)
