"""One batch that gets outcomes: what it asks for next, without I/O and without time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_batcheval.backends.errors import Refused, Stopped, TransientFailure, UnknownOutcome
from pytest_batcheval.backends.protocol import BatchError, RemoteBatch, RemoteFile
from pytest_batcheval.engine import backoff, batch_handlers, batch_outcome, competing, reconcile
from pytest_batcheval.engine.batch_machine import BatchMachine
from pytest_batcheval.engine.effects import (
    Commit,
    Create,
    DeleteFile,
    DownloadResults,
    FindFile,
    ListBatches,
    ResultSummary,
    Retrieve,
    Settle,
    Upload,
)
from pytest_batcheval.engine.metadata import METADATA_NAME, identifying_value, identity, metadata, our_metadata
from pytest_batcheval.engine.scheduler import Scheduler
from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.wire.origin import IN_PROCESS

ROW = BatchRow("o", "s", "/v1/chat/completions", "identity", 1, 1, 3, "batcheval-x.jsonl", id=1)
RUNNING = RemoteBatch("batch_1", "in_progress", input_file_id="file-1")
COMPLETED = RemoteBatch("batch_1", "completed", "file-1", output_file_id="out", completed=3, failed=0, total=3)
BUSY = TransientFailure("503", "busy", 503)
GONE = Refused("not_found", "no such thing", 404)
ALL = ResultSummary(answered=frozenset("abc"))


@pytest.fixture(autouse=True)
def without_rivals(monkeypatch):
    """Only single looks at the batch: what lists show of other machines has tests of its own."""
    monkeypatch.setattr(competing, "LIST_AT", ())


class Script:
    """An engine of one job, driven step by step: `step(outcome)` gives the next effect its outcome."""

    def __init__(self, row, **more):
        self.machine = BatchMachine(row, 0.0, **more)
        self.engine = Scheduler([self.machine])
        self.now = 0.0
        self.given = None

    def next(self):
        """The next effect, when it is due; the same one until it gets its outcome."""
        if self.given is None:
            wake = self.engine.wake()
            self.now = max(self.now, wake if wake is not None else self.now)
            (self.given,) = self.engine.due(self.now)
        return self.given

    def tell(self, outcome=None):
        effect, self.given = self.next(), None
        self.engine.take(effect, outcome, self.now)

    def step(self, outcome=None, expect=None):
        effect = self.next()
        if expect is not None:
            assert isinstance(effect, expect), f"{effect} instead of {expect.__name__}"
        self.tell(outcome)
        return effect

    @property
    def done(self):
        return self.engine.done


def at(state, **more):
    ids = {"created": {"batch_id": "batch_1"}, "ended": {"batch_id": "batch_1", "status": "completed"}}
    file_id = "" if state == "planned" else "file-1"
    return replace(ROW, **{"state": state, "file_id": file_id} | ids.get(state, {}) | more)


# -- the straight road --------------------------------------------------------------------------------------------


def test_each_state_is_committed_before_the_next_call():
    script = Script(ROW)
    script.step(RemoteFile("file-1"), Upload)
    assert script.step(expect=Commit).row.state == "uploaded"
    assert script.step(expect=Commit).row.state == "creating"
    create = script.step(RUNNING, Create)
    assert (create.row.state, create.row.file_id) == ("creating", "file-1")
    assert script.step(expect=Commit).row == replace(create.row, state="created", batch_id="batch_1")
    script.step(RUNNING, Retrieve)
    script.step(COMPLETED, Retrieve)
    ended = script.step(expect=Commit).row
    assert (ended.state, ended.status, ended.completed, ended.output_file_id) == ("ended", "completed", 3, "out")
    script.step(ALL, DownloadResults)
    settle = script.step(expect=Settle)
    assert (settle.row.state, settle.results) == ("settled", ALL)
    assert script.done


@pytest.mark.parametrize(
    ("state", "effect"),
    [
        ("planned", Settle),
        ("uploaded", ListBatches),
        ("creating", ListBatches),
        ("created", Retrieve),
        ("ended", DownloadResults),
    ],
)
def test_where_a_later_process_takes_up_each_state(state, effect):
    assert isinstance(Script(at(state), resumed=True).next(), effect)


def test_what_was_never_created_is_planned_anew_after_a_look_at_other_machines_batches():
    script = Script(ROW, resumed=True)
    assert script.step(expect=Settle).row.state == "void"
    assert script.done


@pytest.mark.parametrize("outcome", [None, BUSY, GONE, Stopped("401", "no key", 401)])
def test_its_file_is_deleted_if_that_is_easy(outcome):
    script = Script(at("uploaded"), resumed=True)
    script.step([], ListBatches)
    script.step(outcome, DeleteFile)
    assert script.step(expect=Settle).row.state == "void"
    assert script.engine.stopped is None


def test_a_batch_that_its_row_is_too_old_to_know_is_collected_and_keeps_its_file():
    """A journal brought back from a backup."""
    script = Script(at("uploaded"), resumed=True)
    script.step([RUNNING], ListBatches)
    assert script.step(expect=Commit).row.batch_id == "batch_1"


# -- uploads ------------------------------------------------------------------------------------------------------


def test_an_upload_without_a_clear_answer_is_looked_for_before_it_is_done_again():
    script = Script(ROW)
    script.step(TransientFailure("ReadTimeout", "no reply"), Upload)
    script.step(None, FindFile)
    script.step(BUSY, Upload)
    assert isinstance(script.next(), Upload)


@pytest.mark.parametrize("fault", [BUSY, TransientFailure("ReadTimeout", "no reply")], ids=["answered", "silent"])
def test_an_upload_that_never_works_is_given_up_after_an_hour(fault):
    script = Script(ROW)
    while script.engine.stopped is None:
        effect = script.next()
        script.tell(None if isinstance(effect, FindFile) else fault)
        assert script.now < 2 * backoff.PATIENCE
    assert script.now > backoff.PATIENCE
    assert script.done


def test_a_file_that_is_too_large_for_the_provider_voids_the_batch_unpaid():
    script = Script(ROW)
    script.step(Refused("too_large", "413", 413), Upload)
    assert script.step(expect=Settle).row.state == "void"
    assert script.machine.errors[0].code == "file_too_large"


@pytest.mark.parametrize("fault", [Refused("bad", "no", 400), Stopped("invalid_api_key", "no", 401)])
def test_a_refused_upload_stops_and_leaves_the_plan(fault):
    script = Script(ROW)
    script.step(fault, Upload)
    assert script.engine.stopped is fault
    assert script.done
    assert script.machine.row.state == "planned"


def test_the_time_a_server_names_is_waited_and_otherwise_longer_each_time():
    script = Script(ROW)
    named = TransientFailure("429", "slow down", 429)
    named.retry_after = 777.0
    script.step(named, Upload)
    assert script.engine.wake() == 777
    pauses = []
    for _ in range(8):
        before = script.now = max(script.now, script.engine.wake())
        script.step(BUSY, Upload)
        pauses.append(script.engine.wake() - before)
    assert pauses == sorted(pauses)
    assert pauses[-1] == 60


# -- creates ------------------------------------------------------------------------------------------------------


def creating():
    script = Script(at("uploaded"))
    script.step(expect=Commit)
    return script


@pytest.mark.parametrize("fault", [Refused("bad", "no", 400), Stopped("insufficient_quota", "no", 429)])
def test_a_refused_create_is_uncommitted_and_stops(fault):
    script = creating()
    script.step(fault, Create)
    assert script.step(expect=Commit).row.state == "uploaded"
    assert script.done
    assert script.engine.stopped is fault


def test_a_create_that_was_surely_not_applied_is_sent_again_after_a_new_intent():
    script = creating()
    script.step(TransientFailure("ConnectError", "refused"), Create)
    assert script.step(expect=Commit).row.state == "uploaded"
    before = script.now
    assert script.step(expect=Commit).row.state == "creating"
    assert script.now > before
    assert isinstance(script.next(), Create)


def test_creates_that_are_turned_away_for_an_hour_stop():
    script = creating()
    while script.engine.stopped is None:
        effect = script.next()
        script.tell(BUSY if isinstance(effect, Create) else None)
        assert script.now < 2 * backoff.PATIENCE
    while not script.done:
        script.step()
    assert script.machine.row.state == "uploaded"


def test_a_create_of_a_file_that_is_gone_uploads_it_again_and_not_for_ever():
    script = creating()
    for number in range(3):
        script.step(GONE, Create)
        row = script.step(expect=Commit).row
        assert (row.state, row.file_id) == ("planned", "")
        script.step(RemoteFile(f"file-{number}"), Upload)
        script.step(expect=Commit)
        script.step(expect=Commit)
    script.step(GONE, Create)
    assert script.engine.stopped is GONE


@pytest.mark.parametrize(
    "outcome",
    [
        UnknownOutcome("ReadTimeout", "no reply"),
        replace(RUNNING, metadata={METADATA_NAME: identifying_value(replace(at("creating"), identity="another"))}),
    ],
    ids=["silent", "another's"],
)
def test_a_create_without_a_clear_answer_is_looked_for(outcome):
    script = creating()
    script.step(outcome, Create)
    assert isinstance(script.next(), ListBatches)


@pytest.mark.parametrize("file_id", [None, "file-9"], ids=["no file", "a file of its own"])
@pytest.mark.parametrize("metadata", [{}, {METADATA_NAME: identifying_value(at("creating"))}, {"mangled": "x"}])
def test_a_reply_to_a_create_is_believed_whatever_input_file_it_names(file_id, metadata):
    script = creating()
    script.step(replace(RUNNING, input_file_id=file_id, metadata=metadata), Create)
    assert script.step(expect=Commit).row.batch_id == "batch_1"


# -- reconciling --------------------------------------------------------------------------------------------------


def looking():
    return Script(at("creating"), resumed=True)


def test_a_batch_of_the_input_file_is_ours_and_one_of_another_is_not():
    script = looking()
    marked = {METADATA_NAME: identifying_value(at("creating"))}
    script.step([replace(RUNNING, id="batch_9", input_file_id="file-9", metadata=marked)], ListBatches)
    script.step([RUNNING], ListBatches)
    assert script.step(expect=Commit).row.batch_id == "batch_1"


def test_a_batch_without_an_input_file_is_recognised_by_its_metadata():
    script = looking()
    marked = replace(at("creating"), identity="another", attempt=2)
    other = RemoteBatch("batch_8", "in_progress", metadata={METADATA_NAME: identifying_value(marked)})
    script.step([other], ListBatches)
    script.step(
        [other, RemoteBatch("batch_1", "in_progress", metadata={METADATA_NAME: identifying_value(at("creating"))})],
        ListBatches,
    )
    assert script.step(expect=Commit).row.batch_id == "batch_1"


def test_looked_for_then_fenced_then_quiet_then_void():
    script = looking()
    while isinstance(script.next(), ListBatches):
        script.tell([])
    assert script.now >= reconcile.LOOK_FOR
    script.tell(None)
    fenced, lists = script.now, 0
    while isinstance(script.next(), ListBatches):
        script.tell([])
        lists += 1
    assert script.now - fenced >= reconcile.QUIET
    assert lists >= reconcile.CLEAN_LISTS
    assert script.machine.effect.row.state == "void"
    script.tell(None)
    assert script.done


def test_a_listing_asked_for_before_the_quiet_time_is_over_proves_nothing():
    """It may take minutes to come back: what counts is when it was asked for."""
    search = reconcile.Search(0.0, fenced=100.0, clean=10)
    assert search.listed(asked=100.0 + reconcile.QUIET - 1, now=10_000.0)[0] is reconcile.SearchStep.LIST
    assert search.listed(asked=100.0 + reconcile.QUIET, now=10_000.0)[0] is reconcile.SearchStep.ABSENT


def test_a_batch_found_after_the_fence_is_taken():
    script = looking()
    while isinstance(script.next(), ListBatches):
        script.tell([])
    script.tell(None)
    script.step([RUNNING], ListBatches)
    assert script.step(expect=Commit).row.state == "created"


def test_a_404_on_the_deletion_counts_only_when_it_stays():
    script = looking()
    while isinstance(script.next(), ListBatches):
        script.tell([])
    first = script.now
    while isinstance(script.next(), DeleteFile):
        script.tell(GONE)
    assert script.now - first >= reconcile.FRESH
    assert isinstance(script.machine.effect, ListBatches)


def test_where_files_cannot_be_deleted_a_longer_wait_is_all_there_is():
    script = looking()
    while isinstance(script.next(), ListBatches):
        script.tell([])
    script.tell(Refused("unsupported", "no", 405))
    lists = 0
    while isinstance(script.next(), ListBatches):
        script.tell([])
        lists += 1
    assert reconcile.UNFENCED <= script.now < reconcile.UNFENCED + 60
    assert lists > 20
    assert script.machine.effect.row.state == "void"


def test_a_key_that_may_not_delete_stops_instead_of_guessing():
    script = looking()
    while isinstance(script.next(), ListBatches):
        script.tell([])
    script.tell(Stopped("forbidden", "scope", 403))
    assert script.engine.stopped is not None
    assert script.machine.row.state == "creating"


def test_failing_lists_are_asked_for_until_patience_ends_and_nothing_is_sent_again():
    script = looking()
    while script.engine.stopped is None:
        script.step(BUSY, ListBatches)
    assert backoff.PATIENCE < script.now < 2 * backoff.PATIENCE
    assert script.machine.row.state == "creating"


# -- looking at a running batch -----------------------------------------------------------------------------------


def created(**more):
    return Script(at("created"), resumed=True, **more)


def test_a_status_never_heard_of_is_waited_out():
    script = created()
    script.step(replace(RUNNING, status="pondering"), Retrieve)
    assert isinstance(script.next(), Retrieve)
    assert script.machine.status == "pondering"


def test_a_batch_that_is_being_cancelled_is_waited_for_since_it_names_no_files_yet():
    script = created()
    script.step(RemoteBatch("batch_1", "cancelling", "file-1"), Retrieve)
    script.step(RemoteBatch("batch_1", "cancelled", "file-1", output_file_id="out", completed=2), Retrieve)
    assert script.step(expect=Commit).row.output_file_id == "out"


def test_a_status_that_goes_backwards_is_an_old_copy():
    script = created()
    script.step(replace(RUNNING, status="finalizing"), Retrieve)
    script.step(replace(RUNNING, status="validating"), Retrieve)
    assert script.machine.status == "finalizing"


def test_looks_fail_for_days_and_nothing_stops():
    script = created()
    while script.now < 200_000:
        script.step(TransientFailure("ConnectError", "offline"), Retrieve)
    script.step(COMPLETED, Retrieve)
    assert script.step(expect=Commit).row.state == "ended"


def test_a_batch_that_cannot_be_found_is_lost_only_after_ten_misses_a_quarter_of_an_hour_and_a_list():
    script = created()
    misses = 0
    while isinstance(script.next(), Retrieve):
        script.tell(GONE)
        misses += 1
    assert misses >= batch_outcome.MISSES
    assert script.now >= batch_outcome.MISSING_FOR
    script.step([], ListBatches)
    settle = script.step(expect=Settle)
    assert (settle.row.state, settle.unaccounted.retryable) == ("lost", False)
    assert "batch_1 is lost" in settle.row.note


def test_a_batch_that_comes_back_is_not_lost():
    script = created()
    for _ in range(8):
        script.step(GONE, Retrieve)
    script.step(RUNNING, Retrieve)
    for _ in range(8):
        script.step(GONE, Retrieve)
    assert isinstance(script.next(), Retrieve)


def test_a_batch_of_a_simulator_in_process_that_is_gone_was_free():
    script = Script(at("created", scope=IN_PROCESS), resumed=True)
    while isinstance(script.next(), Retrieve):
        script.tell(GONE)
    script.step([], ListBatches)
    assert script.step(expect=Settle).row.state == "void"


def test_a_404_under_another_key_stops_and_says_so():
    script = created(foreign=True)
    script.step(GONE, Retrieve)
    assert "another API key or project" in str(script.engine.stopped)
    assert script.done


def test_a_batch_of_a_key_that_is_no_more_is_lost_when_the_user_says_so():
    script = created(foreign=True, assume_lost=True)
    while isinstance(script.next(), Retrieve):
        script.tell(GONE)
    script.step([], ListBatches)
    assert script.step(expect=Settle).row.state == "lost"


@pytest.mark.parametrize("fault", [GONE, Refused("invalid", "no file is deleted here", 400)])
def test_a_create_of_another_key_is_surely_absent_only_where_this_one_deletes_its_file(fault):
    for outcome in (fault, None):
        script = Script(at("creating"), resumed=True, foreign=True)
        while isinstance(script.next(), ListBatches):
            script.tell([])
        script.step(outcome, DeleteFile)
        while not script.done and isinstance(script.next(), ListBatches):
            script.tell([])
        if outcome is fault:
            assert "run once with that key" in str(script.engine.stopped)
        else:
            assert script.step(expect=Settle).row.state == "void"


def test_a_server_that_names_a_thousandth_of_a_second_is_asked_once_a_second():
    script = created()
    hasty = TransientFailure("429", "slow down", 429)
    hasty.retry_after = 0.001
    script.step(hasty, Retrieve)
    assert script.engine.wake() == 1


@pytest.mark.parametrize(
    ("batch", "state"),
    [
        (RemoteBatch("batch_1", "failed"), "void"),
        (RemoteBatch("batch_1", "failed", completed=0, failed=0), "void"),
        (RemoteBatch("batch_1", "failed", completed=1), "ended"),
        (RemoteBatch("batch_1", "failed", completed=0, failed=3), "void"),
        (RemoteBatch("batch_1", "failed", output_file_id="out"), "ended"),
        (RemoteBatch("batch_1", "failed", error_file_id="err"), "ended"),
        (RemoteBatch("batch_1", "expired"), "ended"),
        (RemoteBatch("batch_1", "cancelled"), "ended"),
    ],
)
def test_only_a_batch_that_failed_before_any_line_ran_is_void(batch, state):
    script = created()
    for _ in range(1 + batch_handlers.REFUSALS * (state == "void")):  # a word alone is not believed at once
        script.step(batch, Retrieve)
    assert script.next().row.state == state


def test_why_a_batch_was_refused_is_kept():
    script = created()
    faults = (BatchError("bad", "line two is bad", 2),)
    script.step(RemoteBatch("batch_1", "failed", errors=faults), Retrieve)
    settle = script.step(expect=Settle)
    assert (settle.errors, settle.row.note, script.machine.errors) == (faults, "line two is bad", faults)


# -- harvesting ---------------------------------------------------------------------------------------------------


def harvested(account, **more):
    script = Script(at("ended", **more), resumed=True)
    script.step(account, DownloadResults)
    return script


TWO = ResultSummary(answered=frozenset("a"), failed=frozenset("b"))


@pytest.mark.parametrize(
    ("fields", "account", "doubted", "retryable"),
    [
        ({"completed": 2, "failed": 1}, ALL, False, True),
        ({"completed": 2, "failed": 1, "status": "expired"}, TWO, True, False),
        ({"completed": 1, "failed": 1, "status": "expired"}, TWO, False, True),
        ({"completed": 1, "failed": 1, "status": "cancelled"}, TWO, False, True),
        ({"completed": 1, "failed": 1}, TWO, True, True),
        ({"completed": 0, "failed": 0}, TWO, True, True),
        ({}, TWO, True, True),
        ({"status": "expired"}, TWO, True, True),
        ({}, ALL, False, True),
        ({"completed": 1000, "failed": 0}, ALL, False, True),
        ({"completed": 3}, ResultSummary(), True, False),
        ({}, ResultSummary(), True, False),
        ({"status": "expired"}, ResultSummary(), True, True),
        ({"completed": 0, "failed": 0}, ResultSummary(), True, True),
        ({"completed": 1, "failed": 1, "status": "expired"}, replace(TWO, nameless=1), False, False),
    ],
)
def test_when_files_are_believed_and_whether_the_rest_is_sent_again(fields, account, doubted, retryable):
    """Counts are believed only when they say more than the files; then the rest may have been paid."""
    script = harvested(account, **fields)
    if doubted:
        reads = 0
        while not isinstance(script.next(), Settle):
            effect = script.machine.effect
            outcome = account if isinstance(effect, DownloadResults) else None
            if isinstance(effect, (Retrieve, ListBatches)):
                row = script.machine.row
                batch = RemoteBatch("batch_1", row.status, completed=row.completed, failed=row.failed)
                outcome = batch if isinstance(effect, Retrieve) else [batch]
                reads += 1
            script.tell(outcome)
        assert script.now >= batch_handlers.DOUBT
        assert 3 <= reads <= 10
    else:
        assert isinstance(script.next(), Settle)
        assert script.now == 0
    assert script.machine.effect.unaccounted.retryable is retryable
    assert script.machine.effect.row.state == "settled"


def test_what_an_earlier_look_has_seen_is_not_taken_back():
    script = harvested(TWO, completed=3, failed=0, output_file_id="out", error_file_id="err")
    script.step(RemoteBatch("batch_1", "completed"), Retrieve)
    row = script.step(expect=Commit).row
    assert (row.completed, row.failed, row.output_file_id, row.error_file_id) == (3, 0, "out", "err")
    script.step(TWO, DownloadResults)
    script.step([replace(COMPLETED, output_file_id="better", failed=7)], ListBatches)
    row = script.step(expect=Commit).row
    assert (row.completed, row.failed, row.output_file_id) == (3, 7, "better")


@pytest.mark.parametrize("status", ["in_progress", "failed"])
def test_an_ended_batch_is_not_begun_again_nor_refused(status):
    script = harvested(TWO, completed=3)
    script.step(RemoteBatch("batch_1", status), Retrieve)
    if status == "in_progress":
        script.step(COMPLETED, Retrieve)
    assert script.step(expect=Commit).row.state == "ended"


def test_files_that_fail_for_an_hour_stop_this_run_and_stay_for_the_next():
    script = Script(at("ended"), resumed=True)
    while script.engine.stopped is None:
        script.step(TransientFailure("truncated", "half"), DownloadResults)
        assert script.now < 2 * backoff.PATIENCE
    assert script.done
    assert script.machine.row.state == "ended"


def missing(script):
    """The result files cannot be found, however often the batch is looked at."""
    outcomes = {DownloadResults: GONE, Retrieve: COMPLETED, ListBatches: [COMPLETED], Commit: None}
    while not (isinstance(effect := script.next(), DownloadResults) and effect.partial):
        script.tell(outcomes[type(effect)])
    assert script.now >= batch_outcome.MISSING_FOR


def test_when_one_file_is_gone_the_other_is_harvested(tmp_path):
    script = Script(at("ended", completed=2, failed=0), resumed=True)
    missing(script)
    found = ResultSummary(answered=frozenset("ab"), files=(tmp_path,), broken=("the error file is gone",))
    script.step(found, DownloadResults)
    settle = script.step(expect=Settle)
    assert (settle.row.state, settle.results, settle.unaccounted.retryable) == ("settled", found, False)


def test_when_all_files_are_gone_the_batch_is_lost():
    script = Script(at("ended", completed=3), resumed=True)
    missing(script)
    script.step(ResultSummary(broken=("gone",)), DownloadResults)
    assert script.step(expect=Settle).row.state == "lost"


def test_answers_on_disk_are_not_lost_with_a_batch_that_vanishes(tmp_path):
    script = harvested(replace(TWO, files=(tmp_path,)), completed=3)
    while isinstance(script.next(), Retrieve):
        script.tell(GONE)
    script.step([], ListBatches)
    assert script.next().partial


def test_an_outcome_of_the_wrong_kind_is_a_mistake_of_ours():
    script = created()
    with pytest.raises(TypeError, match="Retrieve cannot end in"):
        script.step([], Retrieve)
    with pytest.raises(TypeError, match="Create cannot end in"):
        creating().step("html", Create)
    with pytest.raises(TypeError, match="ListBatches cannot end in"):
        looking().step(None, ListBatches)


# -- metadata -----------------------------------------------------------------------------------------------------


def test_identity_depends_on_keys_attempt_and_generation_and_not_on_their_order():
    one = identity(["a", "b"], 1, 1)
    assert one == identity(["b", "a"], 1, 1)
    assert len({one, identity(["a"], 1, 1), identity(["a", "b"], 2, 1), identity(["a", "b"], 1, 2)}) == 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "2;identity;1;3;1",
        "3;identity;1;3;1;x",
        "1;identity;1;3",
        "1;identity;1;3;1;1",
        "1;identity;-1;3;1",
        "1;identity;1;x;1",
        "1;identity;1;3;\u0663",
        f"1;identity;{2**63};3;1",
        f"1;identity;1;3;{'9' * 5000}",
    ],
)
def test_a_mark_that_is_none_or_that_no_journal_could_store_is_a_strangers(text):
    assert our_metadata({METADATA_NAME: text}) is None
    assert our_metadata({METADATA_NAME: identifying_value(ROW)}) is not None


@pytest.mark.parametrize(("count", "pairs"), [(1, 2), (64, 2), (65, 3), (960, 16), (961, 1)])
def test_metadata_keep_the_limits_of_the_api(count, pairs):
    keys = [f"{number:040x}" for number in range(count)]
    found = metadata(ROW, keys)
    assert len(found) == pairs
    assert found[METADATA_NAME] == identifying_value(ROW)
    assert all(len(name) <= 64 and len(value) <= 512 for name, value in found.items())
    prefixes = "".join(value for name, value in sorted(found.items()) if name != METADATA_NAME)
    assert len(prefixes) == (8 * count if pairs > 1 else 0)
