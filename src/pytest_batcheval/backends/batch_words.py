"""The statuses of a batch: the API's own, and the words that other providers have for them."""

from __future__ import annotations

import re
from collections.abc import Collection

TERMINAL = ("completed", "failed", "expired", "cancelled")
"""Statuses after which a batch does not change."""

RUNNING = ("validating", "in_progress", "finalizing", "cancelling")

_WORDS = {
    "completed": "complete succeeded success successful done finished ended processed",
    "failed": "fail failure error errored rejected",
    "expired": "expire timeout timed_out time_out",
    "cancelled": "canceled aborted stopped terminated cancel",
    "validating": "pending queued queueing created submitted accepted scheduled new not_started enqueued waiting",
    "in_progress": "running processing active started executing",
    "finalizing": "finalising completing",
    "cancelling": "canceling cancel_requested stopping",
}
_API_WORD = {word: status for status, words in _WORDS.items() for word in (status, *words.split())}
ENDS = {
    **{"completed_at": "completed", "failed_at": "failed", "expired_at": "expired", "cancelled_at": "cancelled"},
    **{"finished_at": "completed", "ended_at": "completed", "succeeded_at": "completed", "canceled_at": "cancelled"},
}
"""By the name of a time, the status that it proves; those of the API come first."""

_PREFIX = re.compile(r"^(?:batch|job|status|state|batch_job|batch_inference)_(?:state_|status_)?")


def api_status(said: str, times: Collection[str], results: bool, errors: bool) -> str:
    """The API's word for the status that a provider gives; its own word, in lower case, where there is none.

    Another word for an end counts only with something that proves it: a time at which the batch ended (`times` are
    the names of those that are set), result files, or, for a failure, its errors. So does a word that nobody knows
    with such a time. The API's own words are believed.
    """
    word = _snake(said)
    if word in (*TERMINAL, *RUNNING):
        return word
    ends = [status for name, status in ENDS.items() if name in times]
    known = _API_WORD.get(word) or _API_WORD.get(_PREFIX.sub("", word))
    if known in TERMINAL:
        proved = bool(ends) or results or (known == "failed" and errors)
        return known if proved else word
    if known is None and ends:
        return ends[0]
    return known or word


def _snake(said: str) -> str:
    """`InProgress`, `IN-PROGRESS` and `in progress` as `in_progress`."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", said.strip())
    return re.sub(r"[^a-z0-9]+", "_", split.lower()).strip("_")
