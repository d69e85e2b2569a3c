"""How long jobs take on the virtual clock of a simulator, how many calls they make, and what they cost.

The times are those of configured latencies; they show how our schedule changes, not how fast a provider is.
"""

import pytest

from pytest_batcheval import Request
from pytest_batcheval.catalogue.models import MODEL
from pytest_batcheval.engine import polling


def ask(count):
    """Requests of about the size of an intake question."""
    words = "저는 요즘 잠을 잘 이루지 못하고 작은 일에도 마음이 불안해집니다. " * 6
    return [
        Request(
            {
                "model": MODEL,
                "messages": [{"role": "user", "content": f"{number}. {words}"}],
                "max_completion_tokens": 300,
            }
        )
        for number in range(count)
    ]


@pytest.mark.sampled(6)
@pytest.mark.benchmark(group="individual calls or a batch")
@pytest.mark.parametrize("count", [10, 275])
@pytest.mark.parametrize("way", ["individual", "batch"])
def test_individual_calls_or_a_batch(batch_benchmark, count, way):
    run = batch_benchmark(lambda client: client.run(ask(count)), individual=way == "individual")
    assert len(run.answers) == count


@pytest.mark.sampled
@pytest.mark.benchmark(group="275 answers by batch size")
@pytest.mark.parametrize("size", [10, 25, 50, 275])
def test_batch_sizes(batch_benchmark, size):
    run = batch_benchmark(lambda client: client.run(ask(275), batch_size=size))
    assert run.sent.batches == -(-275 // size)


@pytest.mark.sampled(5)
@pytest.mark.benchmark(group="jobs at once")
@pytest.mark.parametrize("jobs", [1, 2, 4, 8])
def test_jobs_at_once(batch_benchmark, jobs):
    run = batch_benchmark(lambda client: client.run(ask(200), batch_size=200 // jobs))
    assert run.sent.batches == jobs


@pytest.mark.sampled(4)
@pytest.mark.benchmark(group="how a job of 275 is looked at")
@pytest.mark.parametrize("every", [None, 15, 60], ids=["ours", "every 15 s", "every 60 s"])
def test_looks(batch_benchmark, monkeypatch, every):
    """`extra_info` has the polls: fixed ticks, as other tools make them, take more or notice the end later."""
    if every is not None:
        monkeypatch.setattr(polling.Pace, "pause", lambda self, now, total, status="": every)
    run = batch_benchmark(lambda client: client.run(ask(275)))
    assert len(run.answers) == 275
