"""No wait is silent, and what may be paid twice is told before anything is sent."""

from __future__ import annotations

import pytest

from pytest_batcheval.backends.errors import TransientFailure
from pytest_batcheval.engine.send import SendPolicy, send
from pytest_batcheval.errors import ProviderError
from pytest_batcheval.report.live_line import LiveLines, LogLines

BAD = TransientFailure("BadGateway", "a proxy says no", 502)


@pytest.fixture
def go(provider, journal, clock, ask):
    def run(**policy):
        said = []
        lines = LogLines(LiveLines())

        def show(seen):
            lines._board.take(seen, clock.now())
            said.extend(lines.take(seen, clock.now()))

        def finish():
            send(ask(2), backend=provider, journal=journal, clock=clock, progress=show, policy=SendPolicy(**policy))

        return said, finish

    return run


def test_a_list_that_fails_in_passing_is_told_after_the_first_failure_and_once(provider, clock, go):
    left = [5]

    def fault(call):
        left[0] -= call == "list"
        return BAD if call == "list" and left[0] >= 0 else None

    provider.fault = fault
    said, finish = go()
    finish()
    outages = [line for line in said if "does not answer" in line]
    assert len(outages) == 1
    assert "HTTP 502 BadGateway: a proxy says no" in outages[0]
    assert "for up to 1h 00m" in outages[0]
    assert said.index(outages[0]) == 0
    assert len(said) > 1


@pytest.mark.parametrize(("patience", "least", "most"), [(0, 5, 20), (60, 60, 125), (None, 3600, 3700)])
def test_the_longest_wait_of_a_run_holds_for_its_first_list_too(provider, clock, go, patience, least, most):
    provider.fault = lambda call: BAD if call == "list" else None
    said, finish = go(patience=patience)
    with pytest.raises(ProviderError, match="502"):
        finish()
    assert least <= clock.now() <= most
    assert len(said) == 1


def test_calls_that_may_be_paid_twice_are_told_before_they_are_sent_again(provider, journal, clock, ask, go):
    (first, _) = requests = ask(2)
    said, finish = go()
    journal.add_run("run", provider.origin)
    row = journal.plan(row_of(provider, requests), requests)
    journal.record(row, sent=[first.custom_id])
    clock_at_told = []
    provider.fault = lambda call: clock_at_told.append((call, list(said))) and None
    finish()
    first_call = clock_at_told[0][1]
    assert first_call == [
        "at most 1 call of unknown outcome may be paid twice: an earlier run ended without their answers"
    ]


def row_of(provider, requests):
    from pytest_batcheval.journal.rows import BatchRow

    return BatchRow(
        origin=provider.origin,
        scope=provider.scope,
        endpoint=requests[0].url,
        identity="i",
        attempt=1,
        generation=1,
        requests=len(requests),
        file_name="calls-x",
        run="run",
        state="creating",
        calls="individual",
    )
