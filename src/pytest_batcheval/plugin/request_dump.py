"""A second pytest plugin (`-p pytest_batcheval.plugin.request_dump`): runs no test, writes the requests of the tests.

`--batch-dump-asked` writes what all collected tests ask, for `batcheval prune`; `--batch-dump-requests` writes the
requests of the tests that would run, for `batcheval export`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from pytest_batcheval.errors import BatchEvalError
from pytest_batcheval.plugin.cells import planned_cells
from pytest_batcheval.plugin.item_id import module_of
from pytest_batcheval.plugin.marker import MarkerError, asks_for_answers, left_out
from pytest_batcheval.plugin.options import mode, root_of
from pytest_batcheval.plugin.plan import item_plan
from pytest_batcheval.plugin.stash import batch_session
from pytest_batcheval.plugin.stored_answers import AnswerLookup
from pytest_batcheval.plugin.unused import asked_requests
from pytest_batcheval.prompts.prompt_call import PromptCall, Turns
from pytest_batcheval.wire.key import canonical
from pytest_batcheval.wire.objects import Request
from pytest_batcheval.wire.origin import describe

_HERE = {"numprocesses": 0, "looponfail": False}
"""Options of pytest-xdist (which sets `dist` and `tx` by them), where it is installed."""

_WHOLE = {"lf": False, "stepwise": False, "stepwise_skip": False, "stepwise_reset": False}
"""Options that would leave out tests by their last outcome."""

_LEFT_OUT = pytest.StashKey[int]()
_MODULES = pytest.StashKey[set[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options for the files to write."""
    parser.addoption("--batch-dump-asked", metavar="FILE", help=argparse.SUPPRESS)
    parser.addoption("--batch-dump-requests", metavar="FILE", help=argparse.SUPPRESS)


@pytest.hookimpl(wrapper=True)  # pytest-xdist's is called first of all others
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Collect in this process, whatever distributes tests; for `prune` also what passed when it was run last."""
    changed = _HERE | (_WHOLE if config.getoption("batch_dump_asked") else {})
    vars(config.option).update({name: value for name, value in changed.items() if hasattr(config.option, name)})
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse every mode that could send, whichever option or ini key asks for it."""
    if mode(config) != "replay":
        verb = "an export" if config.getoption("batch_dump_requests") else "prune"
        raise pytest.UsageError(f"--batch={mode(config)}: {verb} sends nothing; leave --batch out")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Count the tests that ask for answers and that an option or a conftest.py leaves out: their keys are unknown."""
    collected, root = list(items), root_of(config)
    config.stash[_MODULES] = {module_of(item, root) for item in collected}
    yield
    config.stash[_LEFT_OUT] = sum(map(asks_for_answers, left_out(collected, items)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Write the files that the options name, unless collection failed."""
    asked, requests = (session.config.getoption(name) for name in ("batch_dump_asked", "batch_dump_requests"))
    if asked and not session.testsfailed:
        Path(asked).write_text(json.dumps(_asked(session)), encoding="utf-8")
    if requests and not session.testsfailed:
        Path(requests).write_text(json.dumps(_requests(session)), encoding="utf-8")
    return True


def _asked(session: pytest.Session) -> dict[str, Any]:
    """The requests of every turn of every cell, as far as stored answers determine the later turns.

    Skipped tests count, since a later run may not skip them.
    """
    config = session.config
    modules: set[str] = config.stash[_MODULES]
    batch, root = batch_session(config), root_of(config)
    cells = ((module_of(item, root), planned) for item in session.items
             for planned in planned_cells(item, batch.axes.of(item)))  # fmt: skip
    with _usage_errors():
        asked = [asdict(request) for request in asked_requests(cells, batch.stored)]
    outside = config.args_source is pytest.Config.ArgsSource.INVOCATION_DIR and Path.cwd() != root
    return {
        "asked": asked,
        "left_out": config.stash.get(_LEFT_OUT, 0),
        "modules": sorted(modules),
        "uncollected": [] if not asked else sorted(_uncollected(config, {item.path for item in session.items})),
        "root": str(root),
        "outside": outside,
        "recordings": str(batch.stored.recordings.root),
    }


_ASKS = re.compile(r"\bbatch\([^)]*\bprompt\s*=")


def _uncollected(config: pytest.Config, collected: Collection[Path]) -> Iterator[str]:
    """Files of the suite that look like test modules which ask for answers, and of which pytest has no test."""
    names, skipped = config.getini("python_files"), config.getini("norecursedirs")
    root = root_of(config)
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not _matches(name, skipped)]
        if "pyvenv.cfg" in files:
            folders.clear()
            continue
        paths = (Path(folder, name) for name in files if _matches(name, names))
        for path in paths:
            if path not in collected and _ASKS.search(path.read_text(encoding="utf-8", errors="replace")):
                yield path.relative_to(root).as_posix()


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


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
        if call.is_generator and turns.pending:
            unfinished.add(call.name())
        later = turns.answers if turns.pending else turns.answers[:-1]
        origins |= {describe(answer.origin) for answer in later}
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
    batch = batch_session(config)
    lookup = AnswerLookup(batch.stored)
    with _usage_errors():
        for item in items:
            for planned in planned_cells(item, batch.axes.of(item)):
                yield planned.call, planned.call.drive_twice(lookup)


@contextmanager
def _usage_errors() -> Iterator[None]:
    try:
        yield
    except (BatchEvalError, MarkerError) as error:
        raise pytest.UsageError(str(error)) from None


def _entry(request: Request) -> dict[str, Any]:
    body = json.loads(canonical(request.body))
    return {"body": body, "url": request.url, "method": request.method, "sample": request.sample}
