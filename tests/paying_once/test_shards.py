"""CI shards that share an account and no journal: each has its own part of the requests."""

from collections import Counter

import pytest
from checker import broken_rules
from forked import context
from kill_client import answered, requests, run
from kill_table import billed_keys

from pytest_batcheval.journal.store import Journal

SHARDS, COUNT = 8, 40


@pytest.mark.sampled
def test_eight_shards_at_once_pay_each_request_once_and_one_run_after_them_pays_nothing(batch_server, tmp_path):
    """None takes another's batch for its own; a journal that begins empty then finds all of them at the provider."""
    given = [
        (batch_server.base_url, str(tmp_path), COUNT, "openai", f"{n}.sqlite", slice(n, None, SHARDS))
        for n in range(SHARDS)
    ]
    processes = [context().Process(target=run, args=each) for each in given]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * SHARDS
    each_once = Counter(request.custom_id for request in requests(COUNT))
    assert billed_keys(batch_server) == each_once
    for n in range(SHARDS):
        with Journal.open(tmp_path / f"{n}.sqlite") as journal:
            keys = {key for row in journal.reader.batches() for key in journal.reader.keys(row.id)}
        assert keys == {request.custom_id for request in requests(COUNT)[n::SHARDS]}
    whole = tmp_path / "whole.sqlite"
    assert answered(batch_server.base_url, whole, requests(COUNT))
    assert billed_keys(batch_server) == each_once
    assert broken_rules(batch_server.ledger.billed(), whole, batch_server.origin) == []
