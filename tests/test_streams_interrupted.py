"""Ctrl-C at each stage of a stream of requests: the next run has every answer, and each is paid for once."""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest

from pytest_batcheval import BatchClient, Request
from pytest_batcheval.engine import effect_driver

COUNT = 60


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


class AtCall:
    """Interrupts this process at the first call of a kind; of a list of batches at the first after a create."""

    def __init__(self, call):
        self.call, self.struck, self.created = call, False, False

    async def __call__(self, exchange):
        self.created |= exchange.call == "batches.create"
        if exchange.call == self.call and not self.struck and (self.created or self.call != "batches.list"):
            self.struck = True
            interrupt()
        await exchange.answer()


def requests(at=-1):
    for number in range(COUNT):
        if number == at:
            interrupt()
        yield Request({"model": "m", "messages": [{"role": "user", "content": f"{number} of many"}]})


CALLS = ("files.create", "batches.create", "batches.list", "files.content")


@pytest.mark.parametrize("stage", ["spooling", *CALLS, "settling"])
def test_ctrl_c_at_a_stage_loses_nothing_and_pays_nothing_twice(stage, batch_server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    at_call, read = AtCall(stage), effect_driver.read_results

    def cut(*given):
        for number, row in enumerate(read(*given)):
            if number == 3:
                interrupt()
            yield row

    if stage in CALLS:
        batch_server.intercept(at_call)
    if stage == "settling":
        monkeypatch.setattr(effect_driver, "read_results", cut)
    with pytest.raises(KeyboardInterrupt), BatchClient(batch_server.base_url, journal=tmp_path / "j.sqlite") as client:
        client.run(requests(at=COUNT // 2 if stage == "spooling" else -1), batch_size=25)
    batch_server.intercept(None)
    monkeypatch.setattr(effect_driver, "read_results", read)
    assert at_call.struck == (stage in CALLS)
    with BatchClient(batch_server.base_url, journal=tmp_path / "j.sqlite") as client:
        run = client.run(requests(), batch_size=25)
        assert (len(run), run.finished, run.failed) == (COUNT, True, ())
    paid = Counter(execution.custom_id for execution in batch_server.ledger.executions)
    assert (len(paid), set(paid.values())) == (COUNT, {1})
