"""A pytest plugin beside the usual one (`-p pytest_batcheval.asked`): runs no test, writes what all of them ask for."""

from __future__ import annotations

import argparse
import json
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

import pytest

from pytest_batcheval.current import batch_session
from pytest_batcheval.gate import asks_for_answers, left_out
from pytest_batcheval.marker import MarkerError
from pytest_batcheval.prompts.call import PromptCall, Turns
from pytest_batcheval.wire.errors import BatchEvalError

_LEFT_OUT = pytest.StashKey[int]()
_MODULES = pytest.StashKey[set[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare where to write."""
    parser.addoption("--batch-asked", metavar="FILE", help=argparse.SUPPRESS)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Count the tests that an option or a conftest.py leaves out and that ask for something: what, is not known."""
    collected = list(items)
    config.stash[_MODULES] = {item.nodeid.partition("::")[0] for item in collected}
    yield
    config.stash[_LEFT_OUT] = sum(map(asks_for_answers, left_out(collected, items)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Write the file; tests that are skipped count, since they will be run another day."""
    if not session.testsfailed:
        modules: set[str] = session.config.stash[_MODULES]
        found = {
            "keys": sorted(_asked(session.config, session.items)),
            "left_out": session.config.stash.get(_LEFT_OUT, 0),
            "modules": sorted(modules),
            "root": str(session.config.rootpath),
        }
        Path(session.config.getoption("batch_asked")).write_text(json.dumps(found), encoding="utf-8")
    return True


def driven(config: pytest.Config, items: Iterable[pytest.Item]) -> Iterator[tuple[PromptCall, Turns]]:
    """The prompt call of every cell of these tests, and how far stored answers bring it.

    Raises:
        pytest.UsageError: a prompt or a marker is broken, so that nobody knows what it would ask.
    """
    from pytest_batcheval.selection import planned_cells
    from pytest_batcheval.session import Lookup

    lookup = Lookup(batch_session(config))
    try:
        for item in filter(asks_for_answers, items):
            for planned in planned_cells(item):
                yield planned.call, planned.call.drive(lookup)
    except (BatchEvalError, MarkerError) as error:
        raise pytest.UsageError(str(error)) from None


def _asked(config: pytest.Config, items: Iterable[pytest.Item]) -> set[str]:
    """The keys of every turn of every cell, as far as answers tell the later turns."""
    return {request.custom_id for _, turns in driven(config, items) for request in turns.requests}
