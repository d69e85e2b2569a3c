"""Memory over two virtual hours of jobs, one after the other."""

import tracemalloc

import pytest

from pytest_batcheval import Request

pytestmark = pytest.mark.batch

JOBS = 12
"""Of 25 requests each, begun every ten minutes."""


def test_memory_stays_flat_over_two_hours_of_jobs(batch_client, batch_conversation, sent, ask):
    once = ask(question=["daily_life"])
    begun, held, peaks = batch_conversation.clock.now(), [], []
    tracemalloc.start()
    try:
        for number in range(JOBS):
            requests = [Request(request.body, request.url, sample=number) for request in once]
            tracemalloc.reset_peak()
            assert len(batch_client.run(requests).answers) == 25
            held.append(tracemalloc.get_traced_memory()[0])
            peaks.append(tracemalloc.get_traced_memory()[1])
            wait = begun + 600 * (number + 1) - batch_conversation.clock.now()
            batch_conversation.clock.sleep(max(wait, 1.0))
    finally:
        tracemalloc.stop()
    assert len(sent.uploads) == JOBS
    job = sum(len(request.line()) for request in once)
    assert max(peaks[2:]) - held[1] < 50 * job + 4 * 2**20
    slope = (held[-1] - held[JOBS // 2]) / (JOBS // 2 - 1)
    # The conversation itself is kept: what was asked and what was answered.
    assert slope < 12 * job + 2**17, f"{slope:.0f} bytes a job of {job} bytes"
