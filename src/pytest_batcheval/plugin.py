"""The pytest plugin: hooks only; each one hands over to the module that knows."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from pytest_batcheval import hookspecs, outcomes, settings, terminal
from pytest_batcheval.fixtures import _batch_server_of_session, answer, answers, batch_server, persona_matrix
from pytest_batcheval.marker import MarkerError
from pytest_batcheval.planning import make_plan
from pytest_batcheval.selection import Parametrization, may_need_axes
from pytest_batcheval.session import SESSION, BatchSession, batch_session
from pytest_batcheval.wire.errors import MatrixError

__all__ = ["_batch_server_of_session", "answer", "answers", "batch_server", "persona_matrix"]

RUN = "batcheval_run"
TALLY = "batcheval_tally"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    settings.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks a conftest.py may implement."""
    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings and register the marker."""
    config.addinivalue_line("markers", settings.MARKER)
    config.stash[SESSION] = batch = BatchSession(config, settings.read_settings(config))
    if batch.settings.sends and hasattr(config, "workerinput"):
        batch.sources.follow(config.workerinput[RUN])


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None]:
    """Add the axes before the author's own parametrize, fill in the free ones after it."""
    if not may_need_axes(metafunc):
        return (yield)
    with _collection_error(metafunc):
        parametrization = Parametrization(metafunc, batch_session(metafunc.config).axes.of(metafunc.definition))
    yield
    with _collection_error(metafunc):
        parametrization.fill()
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the plan of the selected tests."""
    if not session.config.option.collectonly:
        batch_session(session.config).plan = make_plan(session.items)


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Say where the answers of a replay come from."""
    return terminal.replay_header(batch_session(config))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> object | None:
    """In the main process: check recordings, print the plan, or send; then let the tests run."""
    config = session.config
    if hasattr(config, "workerinput") or config.option.collectonly:
        return None
    from pytest_batcheval import loop

    return loop.before_tests(session, batch_session(config))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each xdist worker which run it belongs to."""
    from pytest_batcheval import loop

    node.workerinput[RUN] = loop.run_id(node.config)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shape the reports of unrecorded and failed requests, after pytest has looked at xfail."""
    report = yield
    if call.excinfo is not None:
        outcomes.shape_report(report, call.excinfo.value)
    return report


def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, Any] | None:
    """Give `unrecorded` a category and a letter of its own."""
    if getattr(report, "unrecorded", False):
        return "unrecorded", "U", ("UNRECORDED", {"red": True})
    return None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand a worker's counts to the controller."""
    batch = batch_session(session.config)
    terminal.find_difference(batch)
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[TALLY] = batch.tally.to_data()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Join the counts of a finished xdist worker."""
    data = getattr(node, "workeroutput", {}).get(TALLY)
    if data is not None:
        batch_session(node.config).tally.add_data(data)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was unrecorded and where the answers came from."""
    terminal.summary(terminalreporter, batch_session(config))


@contextmanager
def _collection_error(metafunc: pytest.Metafunc) -> Generator[None]:
    """Turn our errors into a collection error of one line that names file and line of the test."""
    try:
        yield
    except (MarkerError, MatrixError) as error:
        path, line, _ = metafunc.definition.location
        text = f"{path}:{(line or 0) + 1}: {metafunc.function.__name__}: {error}"
        raise pytest.fail.Exception(text, pytrace=False) from None
