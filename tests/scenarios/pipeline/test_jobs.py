"""Whole jobs: what is sent, in how many batches, and that every answer is there."""

import pytest

from pytest_batcheval.catalogue.models import MODEL

pytestmark = pytest.mark.batch


def test_single_question_to_25_personas(batch_client, sent, ask):
    run = batch_client.run(ask(question=["chief_complaint"]))
    assert [answer.finish_reason for answer in run.answers] == ["stop"] * 25
    assert len(sent.uploads) == sent.calls("POST", "/v1/batches") == 1
    assert set(sent.times.values()) == {1}


def test_all_275_as_one_job(batch_client, sent, ask):
    requests = ask()
    run = batch_client.run(requests)
    assert [answer.request for answer in run.answers] == requests
    assert all(answer.text for answer in run.answers)
    assert [len(keys) for keys in sent.uploads] == [275]
    assert sent.calls("POST", "/v1/batches") == 1
    assert set(sent.times.values()) == {1}


@pytest.mark.parametrize(("size", "batches", "last"), [(10, 28, 5), (25, 11, 25), (50, 6, 25)])
def test_batch_sizes(batch_client, sent, ask, size, batches, last):
    run = batch_client.run(ask(), batch_size=size)
    assert len(run.answers) == 275
    assert sorted(map(len, sent.uploads)) == sorted([size] * (batches - 1) + [last])
    assert sent.calls("POST", "/v1/batches") == run.sent.batches == batches
    assert set(sent.times.values()) == {1}


@pytest.mark.parametrize("jobs", [2, 4, 8])
def test_jobs_at_once_within_the_enqueued_tokens(batch_conversation, tmp_path, sent, ask, jobs):
    """The account takes a quarter of the input tokens at once; the jobs wait for each other."""
    from pytest_batcheval import BatchClient
    from pytest_batcheval.engine.pricing import input_tokens

    requests = ask(question=["chief_complaint", "sudden_change"])
    enqueued = sum(input_tokens(request.body) for request in requests) // 4
    under_way, most = {}, []

    def watch(progress):
        under_way[progress.ordinal] = not progress.ended and bool(progress.batch_id)
        most.append(sum(under_way.values()))

    with BatchClient(
        batch_conversation.backend,
        clock=batch_conversation.clock,
        journal=tmp_path / "journal.sqlite",
        enqueued_tokens={MODEL: enqueued},
        progress=watch,
    ) as client:
        run = client.run(requests, batch_size=-(-len(requests) // jobs))
    assert len(run.answers) == len(requests) == 50
    assert run.sent.batches >= jobs
    assert 1 <= max(most) <= max(jobs // 4 + 1, 1)
    assert set(sent.times.values()) == {1}


def interview_of_age(persona, age, symptom):
    return {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": f"당신은 {age.id}세 환자입니다. 페르소나: {persona.description}"},
            {"role": "user", "content": f"{symptom.text} 때문에 오셨다고 들었습니다. 어떻게 지내세요?"},
        ],
        "reasoning_effort": "none",
        "max_completion_tokens": 300,
    }


def test_prompt_variants_by_age_and_symptom(batch_client, sent, ask):
    requests = ask(interview_of_age)
    assert len({request.custom_id for request in requests}) == 25 * 3 * 3
    run = batch_client.run(requests)
    assert len(run.answers) == 225
    assert len({answer.request.body["messages"][0]["content"][:12] for answer in run.answers}) == 3
    assert set(sent.times.values()) == {1}
