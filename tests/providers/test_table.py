"""Providers, gateways and proxies as bug reports describe them: what each costs, answers, says, and how long it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from dialects import (
    body_of,
    object_of,
    one_file_id,
    own_file_ids,
    refusal,
    statuses,
    strangers,
    together,
)

from pytest_batcheval.simulator.http_exchange import HttpReply


@dataclass(frozen=True)
class Row:
    """One provider: how it bends replies, and what three requests come to.

    Attributes:
        answered: requests with an answer; `billed` lines, each at most once.
        said: part of what the run says; empty for a run that has nothing to say.
        hours: of virtual time at most.
        error: whether the run ends with an error.
        before: what refuses calls before they are applied.
    """

    bends: tuple[Any, ...] = ()
    answered: int = 3
    billed: int = 3
    said: str = ""
    hours: float = 0.2
    error: bool = False
    before: tuple[Any, ...] = ()


def later(count, call, change):
    """Bend only the first replies to a call."""
    left = [count]

    def bend(made, reply, exchange):
        if made == call and left[0]:
            left[0] -= 1
            return change(reply)
        return None

    return bend


def pending_file(times):
    return later(times, "files.create", lambda r: r.body.update(status="pending")), later(
        times, "files.retrieve", lambda r: r.body.update(status="pending")
    )


def refused(times, message):
    """Refuse that many creates before anything happens."""
    left = [times]

    def before(exchange):
        if exchange.call != "batches.create" or not left[0]:
            return None
        left[0] -= 1
        return HttpReply(400, {"error": {"message": message}})

    return before


class NoMetadata:
    """Refuses every create with metadata."""

    def __init__(self):
        self.creates = 0

    def __call__(self, exchange):
        """The client tells no more than that it sends metadata at first, and none after that."""
        if exchange.call != "batches.create":
            return None
        self.creates += 1
        message = "Unknown parameter: 'metadata'."
        return HttpReply(400, {"error": {"message": message, "param": "metadata"}}) if self.creates == 1 else None


def failed_whole(errors, **more):
    """Every batch fails as a whole with this in `errors`."""

    def change(data):
        data |= {"status": "failed", "errors": errors, "output_file_id": None, "failed_at": data["created_at"]} | more

    return (
        object_of("batches.retrieve", change),
        object_of("batches.list", change),
        object_of("batches.create", lambda data: data.update(endpoint="none")),
    )


def lost_create():
    """A create that is applied and answered by a gateway."""
    return refusal("batches.create", 502, {"error": {"message": "bad gateway"}}, first=1)


LOOKS_FAILED = {"status": "failed", "output_file_id": None, "request_counts": None}
"""A batch of which nothing shows that a line ran."""

NULL_ROW = {"id": None, "status": None, "metadata": None, "input_file_id": None, "created_at": None}
STRANGER = {"id": "batch_x", "status": "in_progress", "metadata": {"of": "others"}, "input_file_id": "file-x"}


def rows():
    """Every provider by its name; made anew for each test, since some change after some calls."""
    return {
        # -- dialects -----------------------------------------------------------------------------------------------
        "Together: upper case, ISO times, a bare list, no metadata": Row((together,)),
        "a gateway with its own file ids": Row((own_file_ids,)),
        "a gateway with its own file ids, create unanswered": Row((own_file_ids, lost_create()), hours=0.5),
        "a gateway with one file id for all": Row((one_file_id,)),
        "a gateway with one file id for all, create unanswered": Row((one_file_id, lost_create()), hours=0.5),
        "statuses of a job": Row(
            (
                statuses(
                    {
                        "validating": "JOB_STATE_PENDING",
                        "in_progress": "JOB_STATE_RUNNING",
                        "completed": "JOB_STATE_SUCCEEDED",
                    }
                ),
            ),
            said="'JOB_STATE_SUCCEEDED'; it is taken for completed",
        ),
        "succeeded": Row((statuses({"completed": "succeeded"}),), said="'succeeded'; it is taken for completed"),
        "Ended": Row(
            (statuses({"completed": "Ended", "in_progress": "InProgress"}),), said="it is taken for completed"
        ),
        "a status nobody knows, with completed_at": Row((statuses({"completed": "ripe"}),), said="'ripe'"),
        "replies in an envelope": Row(
            tuple(
                body_of(call, lambda body: {"code": 0, "data": body})
                for call in ("batches.create", "batches.retrieve", "files.create")
            )
        ),
        # -- files --------------------------------------------------------------------------------------------------
        "a file that is pending for a while": Row(pending_file(3)),
        "a file whose status cannot be asked": Row((pending_file(1)[0], refusal("files.retrieve", 404))),
        "a create refused while the file is pending": Row(before=(refused(3, "File is still being processed"),)),
        "a file that could not be processed": Row(
            (
                object_of("files.create", lambda data: data.update(status="pending")),
                object_of(
                    "files.retrieve", lambda data: data.update(status="error", status_details="no JSON in line 2")
                ),
            ),
            answered=0,
            billed=0,
            said="no JSON in line 2",
            error=True,
        ),
        "no list of files, upload unanswered": Row((refusal("files.create", 502, first=1), refusal("files.list", 404))),
        "bytes 0": Row((object_of("files.retrieve", lambda data: data.update(bytes=0)),)),
        "no file object": Row((refusal("files.retrieve", 404),)),
        "a file object that fails": Row((refusal("files.retrieve", 500),)),
        # -- lists --------------------------------------------------------------------------------------------------
        **{
            f"no list of batches: {status}": Row(
                (refusal("batches.list", status),), said="the provider does not list batches"
            )
            for status in (404, 405, 501)
        },
        **{
            f"no list of batches: {status}, create unanswered": Row(
                (refusal("batches.list", status), lost_create()),
                answered=0,
                said="cannot say whether it was applied",
                hours=0.5,
                error=True,
            )
            for status in (404, 405, 501)
        },
        "a list that fails after the create": Row(
            (
                later(
                    10**9,
                    "batches.list",
                    lambda r: HttpReply(500, {"error": {"message": "no"}}) if r.body["data"] else None,
                ),
            )
        ),
        "data null": Row(
            (body_of("batches.list", lambda body: {"object": "list", "data": None}),), said="may be overlooked"
        ),
        "data null, create unanswered": Row(
            (body_of("batches.list", lambda body: {"object": "list", "data": None}), lost_create()),
            answered=0,
            said="cannot say whether it was applied",
            hours=0.5,
            error=True,
        ),
        "an empty page that promises more, create unanswered": Row(
            (body_of("batches.list", lambda body: {**body, "data": [], "has_more": True}), lost_create()),
            answered=0,
            said="cannot say whether it was applied",
            hours=0.5,
            error=True,
        ),
        "no has_more and after ignored": Row((body_of("batches.list", lambda body: {"data": body["data"]}),)),
        "no has_more and after ignored, create unanswered": Row(
            (body_of("batches.list", lambda body: {"data": body["data"]}), lost_create()), hours=0.5
        ),
        "a row of null": Row((strangers(None),), said="may be overlooked"),
        "rows of strangers with null fields": Row((strangers(NULL_ROW, STRANGER),), said="may be overlooked"),
        "rows of strangers with fields of other types": Row((strangers(STRANGER | {"status": 3, "created_at": "x"}),)),
        "rows of strangers with null fields, create unanswered": Row(
            (strangers(NULL_ROW, STRANGER), lost_create()), hours=0.5, said="may be overlooked"
        ),
        # -- creates ------------------------------------------------------------------------------------------------
        "a create that is answered with its id alone": Row(
            (body_of("batches.create", lambda body: {"id": body["id"]}),)
        ),
        "a create unanswered": Row((lost_create(),)),
        "a create answered with 200 and nothing": Row((later(1, "batches.create", lambda r: HttpReply(200, {})),)),
        "metadata dropped": Row(
            tuple(
                object_of(call, lambda data: data.update(metadata=None))
                for call in ("batches.create", "batches.retrieve", "batches.list")
            )
        ),
        "metadata dropped, create unanswered": Row(
            (
                *(
                    object_of(call, lambda data: data.update(metadata=None))
                    for call in ("batches.create", "batches.retrieve", "batches.list")
                ),
                lost_create(),
            ),
            hours=0.5,
        ),
        "metadata and input file dropped, create unanswered": Row(
            (
                *(
                    object_of(call, lambda data: data.update(metadata=None, input_file_id=None))
                    for call in ("batches.create", "batches.retrieve", "batches.list")
                ),
                lost_create(),
            ),
            answered=0,
            said="cannot say whether it was applied",
            hours=0.5,
            error=True,
        ),
        "metadata refused": Row(before=(NoMetadata(),), said="the provider refuses metadata"),
        # -- batches ------------------------------------------------------------------------------------------------
        "a retrieve that shows another id": Row(
            (object_of("batches.retrieve", lambda data: data.update(id="upstream-7")),)
        ),
        "no retrieve": Row((refusal("batches.retrieve", 404),), hours=30),
        "a batch that seems to have failed for a moment": Row(
            (later(2, "batches.retrieve", lambda r: r.body.update(status="failed")),)
        ),
        "a batch that seems to have failed for long": Row(
            (later(9, "batches.retrieve", lambda r: r.body.update(LOOKS_FAILED)),),
            answered=0,
            said="the provider gave no reason",
            error=True,
        ),
        "counts that are wrong": Row(
            (
                object_of(
                    "batches.retrieve",
                    lambda data: data.update(request_counts={"total": 0, "completed": 0, "failed": 0}),
                ),
            )
        ),
        # -- batches that fail as a whole ---------------------------------------------------------------------------
        "a failed batch, errors as in the API": Row(
            failed_whole({"data": [{"code": "model_not_found", "message": "no model m"}]}),
            answered=0,
            billed=0,
            said="no model m",
            error=True,
        ),
        "a failed batch, errors a list": Row(
            failed_whole([{"code": "x", "message": "no model m"}]), answered=0, billed=0, said="no model m", error=True
        ),
        "a failed batch, errors an object": Row(
            failed_whole({"code": "x", "message": "no model m"}), answered=0, billed=0, said="no model m", error=True
        ),
        "a failed batch, errors a text": Row(
            failed_whole("no model m"), answered=0, billed=0, said="no model m", error=True
        ),
        "a failed batch, its reason elsewhere": Row(
            failed_whole(None, error={"message": "no model m"}), answered=0, billed=0, said="no model m", error=True
        ),
        "a failed batch, all lines counted as failed": Row(
            failed_whole([{"message": "no model m"}], request_counts={"total": 3, "completed": 0, "failed": 3}),
            answered=0,
            billed=0,
            said="no model m",
            error=True,
        ),
        "a failed batch without a reason": Row(
            failed_whole(None), answered=0, billed=0, said="the provider gave no reason", error=True
        ),
    }


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", rows())
def test_what_a_provider_costs_and_says(name, provider, ask):
    row, requests = rows()[name], ask(3)
    seen = provider.bend(*row.bends, before=row.before).send(requests)
    answered = sum(answer.error is None for answer in seen.answers.values())
    assert (answered, seen.billed.total(), bool(seen.error)) == (row.answered, row.billed, row.error), seen
    assert row.said in seen.said
    assert bool(seen.said) == bool(row.said), seen.said
    assert seen.hours < row.hours
    if "unpaid" in seen.said:
        assert seen.billed.total() == 0


def test_what_was_taken_for_refused_is_collected_by_the_next_run(provider, ask):
    """A provider that shows a running batch as failed, for so long that it is believed."""
    requests = ask(3)
    seen = provider.bend(later(9, "batches.retrieve", lambda r: r.body.update(LOOKS_FAILED))).send(requests)
    assert "looks at them again before it sends anything" in seen.said
    again = provider.bend().send(requests)
    assert [answer.error for answer in again.answers.values()] == [None] * 3
    assert again.billed.total() == 3
