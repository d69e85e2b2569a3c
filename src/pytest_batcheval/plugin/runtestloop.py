"""Between collection and the first test, in the main process: check recordings, print the plan, or send."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pytest_batcheval.errors import BatchEvalError, BudgetError, RecordingError, UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.plugin.plan import Plan, item_plan, others_line
from pytest_batcheval.plugin.plan_warnings import broken_lines
from pytest_batcheval.plugin.session import BatchSession
from pytest_batcheval.plugin.stored_answers import AnswerLookup
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.sanitize import safe_to_print

if TYPE_CHECKING:
    from pytest_batcheval.plugin.progress import ProgressDisplay
    from pytest_batcheval.plugin.waves import WaveRunner
    from pytest_batcheval.recordings.answers import NewRecording

STOPPING = "stopping; another Ctrl-C ends this at once, and nothing is lost either way"
STOPPING_CALLS = (
    "stopping when the calls under way are answered; another Ctrl-C ends this at once, and they may be paid twice"
)


def before_tests(session: pytest.Session, batch: BatchSession) -> bool | None:
    """Do the work of the mode before any test runs; `True` to run no test.

    Raises:
        pytest.UsageError, pytest.exit.Exception: with the exit status of the error.
    """
    try:
        if batch.settings.mode == "replay":
            # Stop at a broken recording before any test runs with a part of it; xdist's controller has no plan.
            if batch.plan.items or _is_controller(session):
                batch.stored.sources(batch.plan.requests.values())
            if _in_waves(session, batch):
                _wait_for_verdicts(session, batch, lambda items: _is_recorded(batch, items), lambda _: None)
            return None
        failed = _plan_of_controller(session, batch) if _is_controller(session) else session.testsfailed
        waves = _in_waves(session, batch)
        if failed and not session.config.option.continue_on_collection_errors:
            return None  # pytest reports the errors; nothing is sent for an incomplete selection
        if batch.settings.mode == "plan":
            _print_plan(session, batch)
            return True
        if batch.plan.items:
            _send(session, batch, waves)
        return None
    except BatchEvalError as error:
        if error.exit_status == ExitStatus.USAGE:
            raise pytest.UsageError(safe_to_print(str(error))) from None
        from pytest_batcheval.plugin.ci import skip_all_in_junit

        batch.stopped = safe_to_print(str(error))
        skip_all_in_junit(session, batch)
        pytest.exit(batch.stopped, returncode=int(error.exit_status))


def _is_controller(session: pytest.Session) -> bool:
    return session.config.pluginmanager.has_plugin("dsession")


def _plan_of_controller(session: pytest.Session, batch: BatchSession) -> int:
    """Collect silently in xdist's controller, which has no items of its own; return the number of errors."""
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


def _print_plan(session: pytest.Session, batch: BatchSession) -> None:
    from pytest_batcheval.plugin.plan_report import plan_lines

    others = others_line(batch.plan, session.config)
    lines = (
        plan_lines(batch.plan, batch.stored, batch.settings, others)
        if batch.plan.items
        else ["no selected test asks for answers"]
    )
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.section("batch plan")
        for line in lines:
            reporter.write_line(safe_to_print(line))
    session.testsfailed += sum(item.error is not None for item in batch.plan.items)


def _in_waves(session: pytest.Session, batch: BatchSession) -> bool:
    """Whether samples are sent until verdicts are decided; if so the plan becomes that of the first wave.

    Raises:
        UsageError: with xdist, whose workers run the tests.
    """
    if not batch.settings.until_decided:
        return False
    if _is_controller(session):
        raise UsageError("--batch-until-decided runs tests between its waves, in one process; leave out -n")
    from pytest_batcheval.plugin.until_decided import begin_waves

    begin_waves(session, batch.plan)
    return True


def _wait_for_verdicts(
    session: pytest.Session,
    batch: BatchSession,
    answer: Callable[[Sequence[pytest.Item]], bool],
    say: Callable[[str], None],
) -> None:
    from pytest_batcheval.plugin.until_decided import until_decided

    until_decided(session, batch.plan, answer, say)


def _is_recorded(batch: BatchSession, items: Sequence[pytest.Item]) -> bool:
    """Whether all answers of these tests are stored."""
    requests = [request for item in items if (plan := item_plan(item)) is not None for request in plan.requests]
    return len(batch.stored.find(requests)) == len({request.custom_id for request in requests})


def _send(session: pytest.Session, batch: BatchSession, waves: bool) -> None:
    """Send the requests of the plan in waves, and export the answers when recording."""
    from pytest_batcheval.engine.interrupt import Interrupts
    from pytest_batcheval.journal.store import Journal
    from pytest_batcheval.plugin.deadline import by_deadline
    from pytest_batcheval.plugin.destinations import expect_origins
    from pytest_batcheval.plugin.interrupted import left_behind
    from pytest_batcheval.plugin.outlook import outlook
    from pytest_batcheval.plugin.progress import ProgressDisplay
    from pytest_batcheval.plugin.waves import WaveRunner

    with ProgressDisplay(session.config) as progress:
        if session.config.option.setuponly:  # --setup-plan is one too
            return progress.say("nothing is sent, since no test will run")
        for line in broken_lines(batch.plan):
            progress.say(line)
        if batch.plan.others:
            progress.say(others_line(batch.plan, session.config))
        if batch.settings.deadline is not None:
            Journal.open(batch.settings.journal).close()  # one of an older version is brought up to date
            expect_origins(batch.settings, batch.stored, batch.plan.foreseen)
            ahead = outlook(batch.plan, batch.stored, batch.settings)
            batch.settings, choice = by_deadline(batch.settings, ahead, batch.stored.journal)
            for line in choice:
                progress.say(line)
        runner = WaveRunner(batch.settings, batch.stored, batch.run_id, progress)
        stopping = STOPPING if batch.settings.batched else STOPPING_CALLS
        interrupts = Interrupts(lambda: progress.say(stopping))
        session.config.add_cleanup(interrupts.restore)  # after Ctrl-C a second one ends pytest's own clean-up too
        try:
            with interrupts:
                runner.run(batch.plan)
                if waves:
                    again = partial(_send_more, runner, batch, progress.say)
                    _wait_for_verdicts(session, batch, again, progress.say)
        except KeyboardInterrupt:
            progress.leave()
            for line in left_behind(batch.settings, batch.stored, runner.seen):
                progress.say(line)
            raise
        finally:
            batch.sent, batch.collected, batch.seen = runner.sent, runner.collected, runner.seen
        if batch.settings.mode == "record":
            _export(batch, progress)
    return None


def _send_more(
    runner: WaveRunner, batch: BatchSession, say: Callable[[str], None], items: Sequence[pytest.Item]
) -> bool:
    """Send what the plan has in addition; `False` where the budget ends it."""
    try:
        runner.run(batch.plan)
    except BudgetError as error:
        say(f"{counted(len(items), 'test')} stay undecided: {error}")
        return False
    return True


def _export(batch: BatchSession, progress: ProgressDisplay) -> None:
    recorded = list(_recorded(batch, batch.plan))
    try:
        changed = batch.stored.recordings.export(recorded)
    except RecordingError as error:
        raise RecordingError(
            f"{error}\nThe answers are in the journal {batch.settings.journal}: once that is repaired, the same "
            "command records them without paying again"
        ) from None
    names = ", ".join(str(path.relative_to(batch.settings.root)) for path in changed)
    progress.say(f"recorded in {names}" if changed else "the recordings are up to date")


def _recorded(batch: BatchSession, plan: Plan) -> Iterator[NewRecording]:
    """Every turn of every selected test, in an order that does not depend on that of the tests.

    A request of several tests is recorded in the first file by name, with the cell of the fewest axes there.
    """
    from pytest_batcheval.recordings.answers import NewRecording

    lookup = AnswerLookup(batch.stored, tuple(plan.requests.values()))
    planned = [
        ((item.module, len(cell.ids), sorted(cell.ids.items())), cell)
        for item in plan.items
        for cell in item.cells
        if item.error is None
    ]
    for (module, *_), cell in sorted(planned, key=lambda place: place[0]):
        for answer in cell.call.drive(lookup).answers:
            yield NewRecording(answer, cell.ids, module)
