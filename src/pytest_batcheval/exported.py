"""A pytest plugin beside the usual one (`-p pytest_batcheval.exported`): runs no test, writes what tests ask."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_batcheval.asked import driven
from pytest_batcheval.gate import asks_for_answers
from pytest_batcheval.planning import item_plan
from pytest_batcheval.settings import mode
from pytest_batcheval.wire.key import canonical
from pytest_batcheval.wire.objects import Request
from pytest_batcheval.wire.origin import describe


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare where to write."""
    parser.addoption("--batch-exported", metavar="FILE", help=argparse.SUPPRESS)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse every mode that could send, whichever option or ini key asks for it."""
    if mode(config) != "replay":
        raise pytest.UsageError(f"--batch={mode(config)}: an export sends nothing; leave --batch out")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Write the file, unless collection failed."""
    if not session.testsfailed:
        found = json.dumps(_found(session))
        Path(session.config.getoption("batch_exported")).write_text(found, encoding="utf-8")
    return True


def _found(session: pytest.Session) -> dict[str, Any]:
    """Every request that the selected tests ask, as far as stored answers tell the later turns.

    `unfinished` counts the prompts that may go on after their last request here, `skipped` the tests that no
    run would ask for; `origins` says whose answers later turns were built from.

    Raises:
        pytest.UsageError: a prompt is broken.
    """
    asking = [item for item in session.items if asks_for_answers(item)]
    items = [item for item in asking if item_plan(item) is not None]
    for item in items:
        planned = item_plan(item)
        if planned is not None and planned.error is not None:
            raise pytest.UsageError(f"{item.nodeid}: {planned.error}")
    requests: dict[str, Request] = {}
    unfinished: set[str] = set()
    origins: set[str] = set()
    for call, turns in driven(session.config, items):
        requests |= {request.custom_id: request for request in turns.requests}
        if call.is_generator and turns.pending is not None:
            unfinished.add(call.name())
        asked = len(turns.requests)
        origins |= {describe(answer.origin) for answer in turns.answers[: asked - 1]}
    return {
        "requests": [_entry(request) for request in requests.values()],
        "unfinished": len(unfinished),
        "skipped": len(asking) - len(items),
        "origins": sorted(origins),
    }


def _entry(request: Request) -> dict[str, Any]:
    body = json.loads(canonical(request.body))
    return {"body": body, "url": request.url, "method": request.method, "sample": request.sample}
