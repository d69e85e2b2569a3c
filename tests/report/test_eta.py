import json

import pytest

from pytest_batcheval.engine.snapshot import BatchSnapshot
from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.report.eta import NEWEST, WINDOW, Eta


def row(waited=10, ran=100, requests=50, status="completed", model="m", endpoint="/v1/responses", times=None):
    created = 1_700_000_000
    if times is None:
        times = {"created_at": created, "in_progress_at": created + waited, "completed_at": created + waited + ran}
    return BatchRow(
        origin="o",
        scope="s",
        endpoint=endpoint,
        identity="i",
        attempt=1,
        generation=1,
        requests=requests,
        file_name="f",
        state="settled",
        status=status,
        model=model,
        times=json.dumps(times) if times else "",
    )


def batch(done=0, total=50, attached=False, model="m"):
    return BatchSnapshot(
        1, 1, "b", "in_progress", done, 0, total, 0.0, endpoint="/v1/responses", model=model, attached=attached
    )


@pytest.mark.parametrize(
    ("rows", "requests", "expected"),
    [
        ([], 50, None),
        ([row()], 50, 110),
        ([row()], 25, 60),  # it waits as long, and has half as much to do
        ([row()], 100, 210),
        ([row(ran=100), row(ran=900), row(ran=200)], 50, 210),  # the median
        ([row(ran=100)] * 3 + [row(ran=300)] * NEWEST, 50, 310),  # the newest
        ([row(ran=80_000)], 5000, WINDOW),
        ([row(model="other"), row(endpoint="/v1/embeddings")], 50, None),
        ([row(status="expired"), row(status="failed")], 50, None),
        ([row(times={})], 50, None),
        ([row(times={"created_at": 5, "completed_at": 55})], 50, 50),  # a provider that tells no more
        ([row(times={"created_at": 5, "in_progress_at": 9, "completed_at": 4})], 50, 4),  # nor less than nothing
    ],
)
def test_the_duration_is_that_of_similar_batches(rows, requests, expected):
    found = Eta(rows).duration("/v1/responses", "m", requests)
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("rows", "seen", "elapsed", "rate", "since", "left"),
    [
        ([row()], batch(), 30.0, None, 0.0, 80),
        ([row()], batch(done=10), 30.0, 2.0, 0.0, 80),  # what similar ones took beats its own rate
        ([], batch(done=10), 30.0, 2.0, 0.0, 20),
        ([], batch(done=10), 30.0, 2.0, 5.0, 15),
        ([], batch(done=10), 30.0, 2.0, 99.0, 0),
        ([row()], batch(done=10), 200.0, 2.0, 0.0, 20),  # later than usual: its own rate
        ([row()], batch(), 200.0, None, 0.0, 0),
        ([row()], batch(attached=True), 30.0, None, 0.0, None),  # nobody knows how old it is
        ([], batch(), 30.0, None, 0.0, None),
    ],
)
def test_what_is_left_follows_from_similar_batches_else_from_the_rate(rows, seen, elapsed, rate, since, left):
    found = Eta(rows).left(seen, elapsed, rate, since)
    assert found == (None if left is None else pytest.approx(left))
