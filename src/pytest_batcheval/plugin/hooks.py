"""The plugin's pytest hooks; each one calls the module that does the work, imported when it is needed."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import pytest_batcheval.plugin.hookspecs as hookspecs
from pytest_batcheval.plugin.certifying import check_conduct
from pytest_batcheval.plugin.conversation import MARKER as CONVERSATION_MARKER
from pytest_batcheval.plugin.marker import asks_for_answers, is_ours, left_out, may_need_axes
from pytest_batcheval.plugin.options import MARKER as BATCH_MARKER
from pytest_batcheval.plugin.options import RUN, SENDING, add_options, check, lang, mode, root_of
from pytest_batcheval.plugin.stash import LEFT_OUT, PASSED, batch_session, begun_session
from pytest_batcheval.report.display_host import hosts
from pytest_batcheval.wire.default_paths import CASSETTES

if TYPE_CHECKING:
    from pytest_batcheval.plugin.reports import ItemReports
    from pytest_batcheval.report.display import Display

UNUSED = "batcheval_unused"
"""Name under which a worker gives its controller the unused recordings."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks a conftest.py may implement."""
    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and refuse invalid values of options."""
    config.addinivalue_line("markers", BATCH_MARKER)
    config.addinivalue_line("markers", CONVERSATION_MARKER)
    check(config)
    _set_language(config)
    if config.getoption("batch_mutants"):
        from pytest_batcheval.plugin.mutation import Mutation

        config.pluginmanager.register(Mutation(config), Mutation.__qualname__)
    hosts.append(display := partial(_client_display, config))
    config.add_cleanup(lambda: hosts.remove(display))


def _set_language(config: pytest.Config) -> None:
    """Let `explain()` in tests speak the language of the ini key."""
    if (code := lang(config)) == "en":
        return
    from pytest_batcheval.quality.result import Result

    before, Result.lang = Result.lang, code
    config.add_cleanup(lambda: setattr(Result, "lang", before))


def _client_display(config: pytest.Config) -> Display:
    from pytest_batcheval.plugin.progress import client_display

    return client_display(config)


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None]:
    """Add the axes before the author's own parametrize, fill in the free ones after it."""
    if not may_need_axes(metafunc):
        return (yield)
    from pytest_batcheval.plugin.parametrize import Parametrization

    with _collection_error(metafunc):
        parametrization = Parametrization(metafunc, batch_session(metafunc.config).axes.of(metafunc.definition))
    yield
    with _collection_error(metafunc):
        parametrization.fill()
    return None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    """Note whether tests which ask for answers are left out; refuse what only the whole collection shows."""
    collected = list(items)
    yield
    config.stash[LEFT_OUT] = any(map(asks_for_answers, left_out(collected, items)))
    if any(map(is_ours, collected)):
        _complete_reports(config)
        from pytest_batcheval.plugin.refused import refused

        for report in refused(config, collected, items):
            session.ihook.pytest_collectreport(report=report)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the plan of the selected tests."""
    ours = [item.nodeid for item in session.items if is_ours(item)]
    if session.config.option.collectonly or not ours:
        return
    from pytest_batcheval.plugin.safe_output import make_output_safe

    make_output_safe(session.config, ours)
    if any(map(asks_for_answers, session.items)):
        from pytest_batcheval.plugin.plan import make_plan

        batch = batch_session(session.config)
        batch.plan = make_plan(session.items, batch.settings.root, batch.axes, batch.settings.mode != "replay")


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Report the sources of the answers of a replay."""
    batch = begun_session(config)
    if batch is None or batch.settings.mode != "replay" or not batch.plan.items:
        return []
    from pytest_batcheval.plugin.terminal import replay_headline

    batch.headline, lines = replay_headline(batch.plan, batch.stored)
    return lines


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> object | None:
    """In the main process: check recordings, print the plan, or send; then let the tests run."""
    config = session.config
    if hasattr(config, "workerinput") or config.option.collectonly:
        return None
    if begun_session(config) is None and mode(config) == "replay" and not _workers_replay(config):
        return None
    from pytest_batcheval.plugin.runtestloop import before_tests

    return before_tests(session, batch_session(config))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass to each xdist worker the id of the run, and how to ask for answers."""
    from pytest_batcheval.plugin.worker_answers import offer

    if not node.config.pluginmanager.has_plugin(FirstReport.__name__):
        node.config.pluginmanager.register(FirstReport(node.config), FirstReport.__name__)
    offer(node, lambda: batch_session(node.config).stored)
    if mode(node.config) in SENDING:
        node.workerinput[RUN] = batch_session(node.config).run_id


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Fail a test that is set up with other arguments than those its requests were built from."""
    yield
    _check_arguments(item)
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Call a test that judges several samples with each of them."""
    if begun_session(pyfuncitem.config) is None:
        return None
    from pytest_batcheval.plugin.plan import item_plan

    plan = item_plan(pyfuncitem)
    if plan is None or plan.rule is None:
        return None
    from pytest_batcheval.plugin.samples import judge_samples

    return judge_samples(pyfuncitem, plan) or None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Fail a test that was called with such arguments, or whose strict server saw a mistake."""
    yield
    _check_arguments(item)
    check_conduct(item)
    return None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note the outcome of a test; complete the report of one that other plugins have made fail, or added to."""
    report = yield
    if call.when == "call":
        item.stash[PASSED] = report.passed
    if (call.excinfo is not None or report.failed) and is_ours(item):
        from pytest_batcheval.plugin.reports import complete

        complete(item, report)
    return report


def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, Any] | None:
    """Give `unrecorded` a category and a letter of its own."""
    if report.failed and getattr(report, "unrecorded", False):  # a plugin that runs it again has made it a `rerun`
        return "unrecorded", "U", ("UNRECORDED", {"red": True})
    if report.failed and getattr(report, "undecided", False):
        return "failed", "?", ("UNDECIDED", {"red": True})
    return None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Complete the counts."""
    batch = begun_session(session.config)
    if batch is None:
        return
    from pytest_batcheval.plugin.unrecorded import find_difference

    if not hasattr(session.config, "workerinput"):  # the controller has what its workers counted
        find_difference(batch.stats, batch.stored)
    if batch.plan.items and batch.settings.mode in ("replay", "record") and not batch.stored.elsewhere:
        from pytest_batcheval.plugin.unused import find_unused

        batch.stats.unused = find_unused(session, batch.plan, batch.stored, batch.stats.used)
    if batch.stopped:  # pytest writes no summary for a status of ours
        from pytest_batcheval.plugin.ci import report_stop

        report_stop(session, batch)
    if hasattr(session.config, "workeroutput") and batch.stats.unused is not None:
        session.config.workeroutput[UNUSED] = asdict(batch.stats.unused)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the unused recordings from a worker that has finished: every worker collects all tests."""
    found = getattr(node, "workeroutput", {}).get(UNUSED)
    if found is not None:
        from pytest_batcheval.plugin.run_stats import UnusedRecordings

        batch_session(node.config).stats.unused = UnusedRecordings(**found)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Report unrecorded tests and the sources of the answers."""
    batch = begun_session(config)
    if batch is not None:
        from pytest_batcheval.plugin.ci import report
        from pytest_batcheval.plugin.terminal import summary

        stats = batch.stats
        summary(terminalreporter, batch)
        # xdist's controller knows its workers' tests by their counts
        has_batch_tests = batch.plan.items or stats.used or stats.missing or stats.conversations
        here = not hasattr(config, "workerinput")  # a worker whose run is stopped has a summary too
        if has_batch_tests and here and batch.settings.mode != "plan":
            report(terminalreporter, batch)


def _workers_replay(config: pytest.Config) -> bool:
    """Whether xdist's workers may read recordings; the controller, which collects no test, checks them first."""
    return config.pluginmanager.has_plugin("dsession") and (root_of(config) / CASSETTES).exists()


def _check_arguments(item: pytest.Item) -> None:
    if begun_session(item.config) is not None:
        from pytest_batcheval.plugin.plan import check_arguments

        check_arguments(item)


class FirstReport:
    """A pytest plugin of xdist's controller that waits for the first report of a test of ours, which few runs have."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Let the plugin that counts take this report and, by itself, all later ones."""
        if hasattr(report, "batcheval"):
            self._config.pluginmanager.unregister(self)
            _complete_reports(self._config).pytest_runtest_logreport(report)


def _complete_reports(config: pytest.Config) -> ItemReports:
    """Complete the reports of our tests from now on, and add up their counts."""
    from pytest_batcheval.plugin.reports import ItemReports

    known: ItemReports | None = config.pluginmanager.get_plugin(ItemReports.__qualname__)
    if known is None:
        from pytest_batcheval.plugin.terminal import FailingSummary

        known = ItemReports(config)
        config.pluginmanager.register(known, ItemReports.__qualname__)
        if not hasattr(config, "workerinput"):
            config.pluginmanager.register(FailingSummary(batch_session(config)), FailingSummary.__qualname__)
    return known


@contextmanager
def _collection_error(metafunc: pytest.Metafunc) -> Generator[None]:
    """Turn our errors into a collection error of one line that names file and line of the test."""
    from pytest_batcheval.errors import MatrixError
    from pytest_batcheval.plugin.marker import MarkerError

    try:
        yield
    except (MarkerError, MatrixError) as error:
        path, line, _ = metafunc.definition.location
        text = f"{path}:{(line or 0) + 1}: {metafunc.function.__name__}: {error}"
        raise pytest.fail.Exception(text, pytrace=False) from None
