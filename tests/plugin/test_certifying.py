"""`strict_batch_server` and `certified`, in tests of their own."""

from __future__ import annotations

import pytest

CLIENT = """
import json, openai

def run(server, *, read):
    client = openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0)
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    file = client.files.create(file=("a.jsonl", json.dumps(line).encode()), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    while batch.status != "completed":
        batch = client.batches.retrieve(batch.id)
    if read:
        client.files.content(batch.output_file_id)
"""


def test_a_test_fails_with_the_report_of_its_client(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(client=CLIENT)
    pytester.makepyfile(
        """
        import client, pytest

        @pytest.mark.parametrize("read", [True, False])
        def test_client(strict_batch_server, read):
            client.run(strict_batch_server, read=read)

        def test_plain(batch_server):
            client.run(batch_server, read=False)

        def test_strict(strict_batch_server):
            with pytest.raises(client.openai.BadRequestError, match="Cannot find file"):
                strict = client.openai.OpenAI(base_url=strict_batch_server.base_url, api_key="k", max_retries=0)
                strict.batches.create(input_file_id="file-x", endpoint="/v1/responses", completion_window="24h")
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*the client made 1 mistake:", "*unread results: 1 line of 1 output file never read"])
    result.stdout.fnmatch_lines(["*refused: batches.create got 1 reply 400"])


@pytest.mark.sampled
def test_our_own_client_makes_no_mistake(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_batcheval import BatchClient, Request

        @pytest.mark.parametrize("fault", ["reset_after", "status", "truncated", "expire_next_batch"])
        def test_client(strict_batch_server, tmp_path, monkeypatch, fault):
            monkeypatch.setenv("OPENAI_API_KEY", "k")
            if fault == "expire_next_batch":
                strict_batch_server.faults.expire_next_batch(after=1)
            else:
                strict_batch_server.misbehave({"fault": fault, "nth": 1})
            bodies = [{"model": "m", "messages": [{"role": "user", "content": str(n)}]} for n in range(3)]
            with BatchClient(strict_batch_server.base_url, journal=tmp_path / "j", progress=None) as client:
                assert len(client.run(map(Request, bodies)).answers) == 3
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=4)


@pytest.mark.sampled
def test_a_server_is_certified_or_the_test_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_batcheval.errors import UsageError
        from pytest_batcheval.simulator.behaviour import Behaviour

        def test_good(batch_server, certified):
            batch_server.behaviour = Behaviour()
            assert certified(batch_server.base_url, model="gpt-6-luna").score == 1

        def test_bad(batch_server, certified):
            batch_server.behaviour = Behaviour(usage=False)
            certified(batch_server.base_url, model="gpt-6-luna")

        def test_known(batch_server, certified):
            batch_server.behaviour = Behaviour(usage=False)
            certified(batch_server.base_url, model="gpt-6-luna", without={"usage is the sum of the lines"})

        def test_wrong(certified):
            with pytest.raises(UsageError, match="pays=True"):
                certified("https://api.invalid/v1")
            with pytest.raises(ValueError, match="no case has the name no such case"):
                certified("http://127.0.0.1:9/v1", without={"no such case"})
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*results: usage is the sum of the lines"])
