"""Endpoints that a provider's batches do not have, refused before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_batcheval.catalogue.providers import Capabilities
from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.objects import Request


def check_endpoints(requests: Iterable[Request], provider: Capabilities) -> None:
    """Make sure that a batch of this provider can hold these requests; bodies are never translated.

    Raises:
        UsageError: it cannot; the message names the endpoints.
    """
    if not provider.endpoints:
        return
    others = [request.url for request in requests if request.url not in provider.endpoints]
    if others:
        raise UsageError(
            f"{counted(len(others), 'request')} for {', '.join(sorted(set(others)))}: batches of {provider.title} hold "
            f"requests for {', '.join(provider.endpoints)}; write bodies of that form, and name it in the marker: "
            f"batch(endpoint={provider.endpoints[0]!r}); nothing was sent"
        )
