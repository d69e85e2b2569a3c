from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.engine.estimate import plan
from pytest_batcheval.engine.pricing import input_tokens
from pytest_batcheval.engine.split import Limits, ModelQueue, split
from pytest_batcheval.errors import UsageError
from pytest_batcheval.wire.endpoints import EMBEDDINGS, RESPONSES
from pytest_batcheval.wire.objects import Request


def at_once(batches, limits):
    """The batches that may be under way together, as a round takes them."""
    queue = ModelQueue(limits)
    return [b for b in batches if queue.takes(b[0].model, (input_tokens(request.body) for request in b))]


def chat(text="x", model="m"):
    return Request({"model": model, "messages": [{"role": "user", "content": text}]})


def embed(*texts):
    return Request({"model": "e", "input": list(texts)}, url=EMBEDDINGS)


def size(batch):
    return sum(len(request.line()) + 1 for request in batch)


@given(st.lists(st.integers(0, 400), max_size=30), st.integers(1, 5), st.integers(500, 3000))
def test_every_request_is_in_one_batch_within_the_limits(lengths, most, most_bytes):
    requests = [chat("한" * length) for length in lengths] + [chat("y", model="other")]
    requests = [request for request in requests if size([request]) <= most_bytes]
    batches = list(split(requests, Limits(requests=most, bytes=most_bytes)))
    keys = [request.custom_id for batch in batches for request in batch]
    assert sorted(keys) == sorted({request.custom_id for request in requests})
    assert all(len(batch) <= most and size(batch) <= most_bytes for batch in batches)
    assert all(len({(request.url, request.model) for request in batch}) == 1 for batch in batches)
    for one, two in pairwise(batches):
        if one[0].model == two[0].model:
            assert len(one) == most or size(one) + size(two[:1]) > most_bytes, "a batch was closed too early"


def test_a_file_may_be_full_to_the_last_byte():
    requests = [chat("a"), chat("b")]
    assert len(list(split(requests, Limits(bytes=size(requests))))) == 1
    assert len(list(split(requests, Limits(bytes=size(requests) - 1)))) == 2


def test_the_order_does_not_depend_on_that_of_the_requests():
    requests = [chat(str(n)) for n in range(20)]
    limits = Limits(requests=7)
    assert list(split(requests, limits)) == list(split(reversed(requests), limits))


def test_endpoints_and_models_are_not_mixed():
    requests = [chat(), chat(model="n"), Request({"model": "m", "input": "x"}, url=RESPONSES), embed("x")]
    assert len(list(split(requests, Limits()))) == 4


def test_a_request_that_fits_no_file_is_named():
    request = chat("x" * 1000)
    with pytest.raises(UsageError, match=rf"{request.custom_id} has \d+ bytes; a batch file takes at most 500"):
        list(split([chat(), request], Limits(bytes=500)))


def test_embedding_inputs_of_a_batch_are_counted():
    requests = [embed(*(f"{n}-{i}" for i in range(4))) for n in range(5)]
    assert sorted(len(batch) for batch in split(requests, Limits(inputs=8))) == [1, 2, 2]
    with pytest.raises(UsageError, match="has 9 inputs; a batch takes at most 8"):
        list(split([embed(*map(str, range(9)))], Limits(inputs=8)))


@pytest.mark.parametrize(
    ("given", "inputs"),
    [("one text", 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1, 2], [3]], 2), ([], 1), (("a", "b", "c"), 3)],
)
def test_what_counts_as_an_input(given, inputs):
    requests = [Request({"model": "e", "input": given, "n": n}, url=EMBEDDINGS) for n in range(2)]
    assert len(list(split(requests, Limits(inputs=2 * inputs)))) == 1
    assert len(list(split(requests, Limits(inputs=2 * inputs - 1)))) == 2


def test_inputs_of_other_endpoints_are_no_embeddings():
    requests = [Request({"model": "m", "input": ["a", "b", str(n)]}, url=RESPONSES) for n in range(3)]
    assert len(list(split(requests, Limits(inputs=1)))) == 1


def test_tokens_are_limited_for_the_models_that_have_a_limit():
    requests = [chat("x" * 1000 + str(n), model) for n in range(6) for model in ("limited", "free")]
    tokens = input_tokens(requests[0].body)
    batches = list(split(requests, Limits(tokens={"limited": 2 * tokens})))
    assert [len(batch) for batch in batches if batch[0].model == "free"] == [6]
    assert [len(batch) for batch in batches if batch[0].model == "limited"] == [2, 2, 2]


def test_a_request_over_the_token_limit_goes_alone_since_tokens_are_estimated():
    requests = [chat("x" * 1000), chat("y")]
    assert len(list(split(requests, Limits(tokens={"m": 10})))) == 2


def test_batches_of_a_model_are_under_way_together_as_far_as_its_queue_goes():
    limits = Limits(requests=1, tokens={"limited": 600})
    requests = [chat("x" * 1000 + str(n), model) for n in range(4) for model in ("limited", "free")]
    together = list(at_once(split(requests, limits), limits))
    assert sorted(batch[0].model for batch in together) == ["free"] * 4 + ["limited"] * 2
    narrow = Limits(requests=1, tokens={"limited": 1})
    assert len(list(at_once(split(requests, narrow), narrow))) == 5


def test_halving_keeps_what_it_does_not_halve_and_ends_at_one():
    limits = Limits(requests=3, bytes=100, inputs=7, tokens={"m": 9})
    assert limits.halved() == Limits(requests=1, bytes=50, inputs=7, tokens={"m": 9})
    for _ in range(10):
        limits = limits.halved()
    assert limits == Limits(requests=1, bytes=1, inputs=7, tokens={"m": 9})


def test_the_plan_has_the_files_a_send_would_have():
    requests = [chat("x" * n) for n in range(50)]
    limits = Limits(requests=7, bytes=2000)
    files = plan(requests, limits)
    assert [(file.requests, file.bytes) for file in files] == [(len(b), size(b)) for b in split(requests, limits)]
    assert plan([]) == []
