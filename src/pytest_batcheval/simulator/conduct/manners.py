"""The limits and the refusals of the API that a client ran into, and its reaction to them."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator

from pytest_batcheval.simulator.clock import JUMP, PER_POLL
from pytest_batcheval.simulator.conduct.finding import Finding
from pytest_batcheval.simulator.conduct.visits import Visit
from pytest_batcheval.simulator.errors import NO_QUOTA
from pytest_batcheval.simulator.state import State
from pytest_batcheval.text.format import counted

_FINAL = (400, 401, 403, 413, 422)
"""Refusals that the same request gets again."""

_LIMITS = ("too_many_requests", "too_many_inputs", "token_limit_exceeded")
_MINUTE = 60
_EARLY = 0.9
"""The share of a `retry-after` before which a client is too early: clocks and rounding differ."""


def often_polled(state: State) -> Iterator[Finding]:
    """Batches that were polled too often a minute, on the client's clock."""
    limit, recent = state.behaviour.polls_per_minute, defaultdict[str, deque[Visit]](deque)
    most: Counter[str] = Counter()
    for visit in state.visits.latest:
        if visit.call == "batches.retrieve" and not _is_timeless(state, visit):
            polls = recent[visit.name]
            polls.append(visit)
            while visit.since(polls[0]) >= _MINUTE:
                polls.popleft()
            most[visit.name] = max(most[visit.name], len(polls))
    names = tuple(name for name, count in most.items() if count > limit)
    if names:
        text = (
            f"{counted(len(names), 'batch', 'batches')} polled up to {max(most.values()):,} times a minute; "
            f"sane is {limit}"
        )
        yield Finding("polled too often", True, len(names), text, names)


def polls_in_a_minute(state: State, poll: Visit) -> int:
    """The polls of a batch in the minute before one of them, with this one; 0 if their rate says nothing."""
    if _is_timeless(state, poll):
        return 0
    count = 1
    for visit in reversed(state.visits.latest):
        if poll.since(visit) >= _MINUTE:
            break
        count += visit.call == "batches.retrieve" and visit.name == poll.name and visit.status != 429
    return count


def broken_limits(state: State) -> Iterator[Finding]:
    """Limits of the API that were reached: rates, sizes, queues."""
    yield from _refused(state, "limits broken", lambda visit: visit.status in (413, 429) or _is_too_large(state, visit))
    yield from _failed(state, "limits broken", of_limits=True)


def refused_calls(state: State) -> Iterator[Finding]:
    """Calls that the API refused as wrong, and batches whose input it refused."""
    wrong = (400, 401, 403, 405, 415, 416, 422)
    yield from _refused(state, "refused", lambda visit: visit.status in wrong and not _is_too_large(state, visit))
    yield from _refused(state, "not found", lambda visit: visit.status == 404, wrong=False)
    yield from _failed(state, "refused", of_limits=False)


def deaf_retries(state: State) -> Iterator[Finding]:
    """Calls repeated before the time that `retry-after` gave, or although their refusal was final."""
    early, vain = [], []
    last: dict[tuple[str, ...], Visit] = {}
    for visit in state.visits.latest:
        what = (visit.project, visit.call, visit.name, visit.subject)
        before = last.get(what)
        last[what] = visit
        if before is None or not visit.call or (visit.call in _UNNAMED and not visit.subject):
            continue
        if before.status >= 400 and before.wait and visit.since(before) < before.wait * _EARLY:
            early.append(visit)
        elif (before.status in _FINAL or before.code == NO_QUOTA) and visit.received == before.received:
            vain.append(visit)
    if early:
        text = f"{counted(len(early), 'call')} repeated before the time that the reply had given"
        yield Finding("Retry-After ignored", True, len(early), text, tuple(visit.request_id for visit in early))
    if vain:
        text = f"{counted(len(vain), 'call')} repeated unchanged after a final refusal"
        yield Finding("errors ignored", True, len(vain), text, tuple(visit.request_id for visit in vain))


_UNNAMED = ("chat", "responses", "embeddings", "messages")
"""Calls in which two of no id of their own cannot be told apart."""


def _is_timeless(state: State, visit: Visit) -> bool:
    """Whether time waited for this poll, so that the rate of polls says nothing."""
    return state.clock.mode in (JUMP, PER_POLL) and not visit.shared


def _is_too_large(state: State, visit: Visit) -> bool:
    return visit.call == "files.create" and visit.status == 400 and visit.received > state.behaviour.max_file_bytes


def _refused(state: State, kind: str, matches: Callable[[Visit], bool], *, wrong: bool = True) -> Iterator[Finding]:
    groups: defaultdict[tuple[str, int, str], list[str]] = defaultdict(list)
    for visit in state.visits.latest:
        if not visit.struck and matches(visit):
            groups[visit.call or "an unknown path", visit.status, visit.code].append(visit.request_id)
    for (call, status, code), names in groups.items():
        text = f"{call} got {counted(len(names), 'reply', 'replies')} {status}{f' {code}' if code else ''}"
        yield Finding(kind, wrong, len(names), text, tuple(names))


def _failed(state: State, kind: str, *, of_limits: bool) -> Iterator[Finding]:
    """Batches that failed at validation, unless a fault made them fail."""
    planned = {e.with_.get("code") for e in state.faults.entries if e.kind.name == "fail_next_batch" and e.struck}
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for project in state.projects:
        for batch in project.batches.values():
            codes = {str(error["code"]) for error in (batch.fields["errors"] or {}).get("data", ())}
            for code in codes - planned:
                if (code in _LIMITS) is of_limits and batch.id not in state.visits.earlier:
                    groups[code].append(batch.id)
    for code, names in sorted(groups.items()):
        text = f"{counted(len(names), 'batch', 'batches')} failed at validation with {code}"
        yield Finding(kind, True, len(names), text, tuple(names))
