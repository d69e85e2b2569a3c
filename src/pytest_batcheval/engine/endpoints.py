"""Endpoints that a provider's batches do not have, refused before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_batcheval.catalogue.providers import Capabilities
from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.format import counted


def check_endpoints(urls: Mapping[str, int], provider: Capabilities) -> None:
    """Make sure that a batch of this provider can hold requests of these endpoints; bodies are never translated.

    `urls` has the number of requests of each endpoint.

    Raises:
        UsageError: it cannot; the message names the endpoints.
    """
    if not provider.endpoints:
        return
    others = {url: count for url, count in urls.items() if url not in provider.endpoints}
    if others:
        requests = counted(sum(others.values()), "request")
        raise UsageError(
            f"{requests} for {', '.join(sorted(others))}: batches of {provider.title} hold "
            f"requests for {', '.join(provider.endpoints)}; write bodies of that form, and name it in the marker: "
            f"batch(endpoint={provider.endpoints[0]!r}); nothing was sent"
        )
