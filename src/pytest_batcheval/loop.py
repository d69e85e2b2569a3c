"""Between collection and the first test, in the main process: check, plan or send."""

from __future__ import annotations

import uuid

import pytest

from pytest_batcheval.planning import Plan, cell_ids
from pytest_batcheval.session import BatchSession
from pytest_batcheval.terminal import Progress
from pytest_batcheval.wire.errors import BatchEvalError, ExitStatus

_RUN = pytest.StashKey[str]()


def run_id(config: pytest.Config) -> str:
    """The id under which this pytest run stands in the journal."""
    return config.stash.setdefault(_RUN, uuid.uuid4().hex)


def before_tests(session: pytest.Session, batch: BatchSession) -> object | None:
    """Do what the mode asks before any test runs; a value other than `None` means: run no test.

    Raises:
        pytest.UsageError, pytest.exit.Exception: with the exit status of the error.
    """
    try:
        if batch.settings.mode == "replay":
            return _check_recordings(batch)
        failed = _plan_of_controller(session, batch) if _is_controller(session) else session.testsfailed
        if failed and not session.config.option.continue_on_collection_errors:
            return None  # pytest reports the errors; nothing is sent for a selection that is not whole
        if not batch.plan.items:
            return None
        if batch.settings.mode == "plan":
            return _print_plan(session, batch)
        return _send(session, batch)
    except BatchEvalError as error:
        if error.exit_status == ExitStatus.USAGE:
            raise pytest.UsageError(str(error)) from None
        pytest.exit(str(error), returncode=int(error.exit_status))


def _check_recordings(batch: BatchSession) -> None:
    """Stop at a broken recording before any test runs on half of one."""
    if batch.plan.items:
        batch.sources.find(batch.plan.requests.values())


def _is_controller(session: pytest.Session) -> bool:
    return session.config.pluginmanager.has_plugin("dsession")


def _plan_of_controller(session: pytest.Session, batch: BatchSession) -> int:
    """Xdist's controller has no items: collect them here too, unseen; return the number of errors."""
    plugins = session.config.pluginmanager
    reporter = plugins.get_plugin("terminalreporter")
    if reporter is not None:
        plugins.unregister(reporter)
    try:
        session.perform_collect()
        failed = session.testsfailed
    finally:
        if reporter is not None:
            plugins.register(reporter, "terminalreporter")
    session.items = []
    session.testsfailed = 0
    session.testscollected = len(batch.plan.items) + batch.plan.others if batch.settings.mode == "plan" else 0
    return failed


def _print_plan(session: pytest.Session, batch: BatchSession) -> bool:
    from pytest_batcheval.plan_report import plan_lines
    from pytest_batcheval.runner import planned_origin

    batch.sources.origin = planned_origin(batch.settings)
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.section("batch plan")
        for line in plan_lines(batch):
            reporter.write_line(line)
    return True


def _send(session: pytest.Session, batch: BatchSession) -> None:
    """Send what the plan needs, in waves, and export it when recording."""
    from pytest_batcheval.runner import Runner

    progress = Progress(session.config)
    if batch.plan.others:
        progress.say(f"{batch.plan.others} other tests wait for the answers; -m batch selects only those that ask")
    runner = Runner(batch.settings, batch.sources, progress.say, progress.show, run_id(session.config))
    try:
        batch.sent_keys = runner.run(batch.plan.calls)
    except KeyboardInterrupt:
        progress.finish()
        for line in runner.left_behind():
            progress.say(line)
        raise
    finally:
        progress.finish()
    if batch.settings.mode == "record":
        _export(batch, batch.plan, progress)


def _export(batch: BatchSession, plan: Plan, progress: Progress) -> None:
    from pytest_batcheval.recordings.answers import Recorded
    from pytest_batcheval.session import Lookup

    lookup = Lookup(batch, tuple(plan.requests.values()))
    recorded = []
    for item in sorted(plan.items, key=lambda item: item.module):
        for planned in item.cells if item.error is None else ():
            for answer in planned.call.drive(lookup).answers:
                recorded.append(Recorded(answer, cell_ids(planned), item.module))
    changed = batch.sources.recordings.export(recorded)
    names = ", ".join(str(path.relative_to(batch.settings.root)) for path in changed)
    progress.say(f"recorded in {names}" if changed else "the recordings are up to date")
