"""The fixtures that judge a client or a server: `strict_batch_server` and `certified`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_batcheval.catalogue.models import MODEL

if TYPE_CHECKING:
    from pytest_batcheval.backends.certify.run import Certificate
    from pytest_batcheval.simulator.server import SimulatorServer

STRICT = "strict_batch_server"


@pytest.fixture
def strict_batch_server(batch_server: SimulatorServer) -> SimulatorServer:
    """A strict simulator, empty at the start of each test; the test fails if its clients made a mistake."""
    batch_server.behaviour = replace(batch_server.behaviour, strict=True)
    return batch_server


@pytest.fixture
def certified() -> Callable[..., Certificate]:
    """`certified(url)` fails the test if the server at this base URL does not do what the Batch API does."""
    return _certified


def check_conduct(item: pytest.Item) -> None:
    """Fail a test whose `strict_batch_server` saw a mistake."""
    server = getattr(item, "funcargs", {}).get(STRICT)
    if server is not None and (report := server.conduct()).mistakes:
        pytest.fail(str(report), pytrace=False)


def _certified(
    url: str,
    *,
    key: str = "any-key",
    model: str = MODEL,
    embedding_model: str = "",
    without: Collection[str] = (),
    patience: float = 120.0,
    pays: bool = False,
) -> Certificate:
    """Ask a server all cases but those named in `without`.

    Args:
        url: its base URL, such as `http://127.0.0.1:8000/v1`.
        key: its API key.
        model: the model to ask.
        embedding_model: the model to ask for embeddings; without one that case is skipped.
        without: names of cases, for deviations that are known.
        patience: seconds after which a batch that has not ended is given up.
        pays: ask another host than this machine, which may bill the requests.

    Raises:
        UsageError: the URL is wrong, or of another host without `pays`.
        ValueError: a name in `without` is no case's.
    """
    from pytest_batcheval.backends.base_url import checked_base_url
    from pytest_batcheval.backends.certify.run import CASES, certify, wanted
    from pytest_batcheval.backends.certify.server import Server
    from pytest_batcheval.errors import UsageError

    server = Server(checked_base_url(url), key, model, embedding_model, patience)
    if not server.is_local and not pays:
        raise UsageError(f"{url} may bill the requests of certified(); allow it with pays=True")
    if unknown := set(without) - {case.name for case in CASES}:
        raise ValueError(f"no case has the name {', '.join(sorted(unknown))}")
    certificate = certify(server, [case for case in wanted(large=False) if case.name not in without])
    if not certificate.passed:
        pytest.fail(str(certificate), pytrace=False)
    return certificate
