"""A second pytest plugin (`-p pytest_batcheval.plugin.request_dump`): runs no test, writes the requests of the tests.

`--batch-dump-keys` writes the keys of all collected tests, for `batcheval prune`; `--batch-dump-requests` writes the
requests of the tests that would run, for `batcheval export`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_batcheval.errors import BatchEvalError
from pytest_batcheval.plugin.marker import MarkerError, asks_for_answers, left_out
from pytest_batcheval.plugin.options import mode
from pytest_batcheval.plugin.plan import item_plan
from pytest_batcheval.plugin.stash import batch_session
from pytest_batcheval.prompts.prompt_call import PromptCall, Turns
from pytest_batcheval.wire.key import canonical
from pytest_batcheval.wire.objects import Request
from pytest_batcheval.wire.origin import describe

_LEFT_OUT = pytest.StashKey[int]()
_MODULES = pytest.StashKey[set[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options for the files to write."""
    parser.addoption("--batch-dump-keys", metavar="FILE", help=argparse.SUPPRESS)
    parser.addoption("--batch-dump-requests", metavar="FILE", help=argparse.SUPPRESS)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse every mode that could send, whichever option or ini key asks for it."""
    if config.getoption("batch_dump_requests") and mode(config) != "replay":
        raise pytest.UsageError(f"--batch={mode(config)}: an export sends nothing; leave --batch out")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Count the tests that ask for answers and that an option or a conftest.py leaves out: their keys are unknown."""
    collected = list(items)
    config.stash[_MODULES] = {item.nodeid.partition("::")[0] for item in collected}
    yield
    config.stash[_LEFT_OUT] = sum(map(asks_for_answers, left_out(collected, items)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Write the files that the options name, unless collection failed."""
    keys, requests = (session.config.getoption(name) for name in ("batch_dump_keys", "batch_dump_requests"))
    if keys and not session.testsfailed:
        Path(keys).write_text(json.dumps(_keys(session)), encoding="utf-8")
    if requests and not session.testsfailed:
        Path(requests).write_text(json.dumps(_requests(session)), encoding="utf-8")
    return True


def _keys(session: pytest.Session) -> dict[str, Any]:
    """The keys of every turn of every cell, as far as stored answers determine the later turns.

    Skipped tests count, since a later run may not skip them.
    """
    config = session.config
    modules: set[str] = config.stash[_MODULES]
    driven = _driven(config, session.items)
    return {
        "keys": sorted({request.custom_id for _, turns in driven for request in turns.requests}),
        "left_out": config.stash.get(_LEFT_OUT, 0),
        "modules": sorted(modules),
        "root": str(config.rootpath),
    }


def _requests(session: pytest.Session) -> dict[str, Any]:
    """Every request of the selected tests, as far as stored answers determine the later turns.

    `unfinished` counts the prompts that may have more turns after their last request here, `skipped` the tests that
    would not run; `origins` has the origins of the answers that later turns were built from.

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
    for call, turns in _driven(session.config, items):
        requests |= {request.custom_id: request for request in turns.requests}
        if call.is_generator and turns.pending is not None:
            unfinished.add(call.name())
        sent = len(turns.requests)
        origins |= {describe(answer.origin) for answer in turns.answers[: sent - 1]}
    return {
        "requests": [_entry(request) for request in requests.values()],
        "unfinished": len(unfinished),
        "skipped": len(asking) - len(items),
        "origins": sorted(origins),
    }


def _driven(config: pytest.Config, items: Iterable[pytest.Item]) -> Iterator[tuple[PromptCall, Turns]]:
    """The prompt call of every cell of these tests, with its turns as far as there are stored answers.

    Raises:
        pytest.UsageError: a prompt or a marker is broken, so that its requests are unknown.
    """
    from pytest_batcheval.plugin.cells import planned_cells
    from pytest_batcheval.plugin.stored_answers import AnswerLookup

    batch = batch_session(config)
    lookup = AnswerLookup(batch.stored)
    try:
        for item in filter(asks_for_answers, items):
            for planned in planned_cells(item, batch.axes.of(item)):
                yield planned.call, planned.call.drive(lookup)
    except (BatchEvalError, MarkerError) as error:
        raise pytest.UsageError(str(error)) from None


def _entry(request: Request) -> dict[str, Any]:
    body = json.loads(canonical(request.body))
    return {"body": body, "url": request.url, "method": request.method, "sample": request.sample}
