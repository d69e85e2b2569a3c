"""Requests that were billed more than once, and the creates that led to it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

from pytest_batcheval.simulator.conduct.finding import Finding
from pytest_batcheval.simulator.conduct.visits import Visit
from pytest_batcheval.simulator.ledger import Execution
from pytest_batcheval.simulator.state import State, StoredBatch
from pytest_batcheval.text.format import counted

_CALLS = "individual calls"
_WORTHLESS = ("failed", "expired", "cancelled")
"""Ends of a batch after which its requests, or some, are rightly sent again."""


def billed_twice(state: State) -> Iterator[Finding]:
    """Requests of one `custom_id` and body that were billed more than once, by the batches in which they were."""
    batches, visits = _batches(state), list(state.visits.latest)
    for names, requests in _repeated(state, batches).items():
        bills = sum(len(bills) for bills in requests)
        own = [name for name in names if name != _CALLS]
        files = {batches[name].fields["input_file_id"] for name in own if name in batches}
        inputs = "one input file" if len(files) == 1 else counted(len(files), "input file")
        whence = f"{counted(len(own), 'batch', 'batches')} from {inputs}"
        if len(own) < 2:
            whence = "individual calls and a batch" if own and len(names) > 1 else "one batch" if own else _CALLS
        times = "twice" if bills == 2 * len(requests) else f"{bills:,} times in all"
        reason = "; ".join(_reasons(own, batches, visits, state)) or "no fault came before"
        text = f"{whence}: {counted(len(requests), 'request')} billed {times} ({reason})"
        yield Finding("billed twice", True, len(requests), text, tuple(names))


def same_bodies(state: State) -> Iterator[Finding]:
    """Equal bodies under several `custom_id`s in several batches: samples, or a client that forgot its ids."""
    seen: defaultdict[tuple[str, str], list[Execution]] = defaultdict(list)
    for execution in state.ledger.executions:
        if execution.billed and execution.batch_id is not None and execution.key != execution.custom_id:
            seen[execution.project, execution.key].append(execution)
    again = [
        bills
        for bills in seen.values()
        if len({bill.batch_id for bill in bills}) > 1 and len({bill.custom_id for bill in bills}) > 1
    ]
    if again:
        names = tuple(dict.fromkeys(str(bill.batch_id) for bills in again for bill in bills))
        text = f"{counted(len(again), 'body', 'bodies')} billed in several batches, each time by another custom_id"
        yield Finding("asked again", False, len(again), text, names)


def repeated_creates(state: State) -> Iterator[Finding]:
    """Creates of an input file whose batch may exist, without a look at the list of batches before."""
    batches, again = _batches(state), []
    last: dict[tuple[str, str], Visit] = {}
    for visit in state.visits.latest:
        if visit.call == "batches.list":
            last = {key: found for key, found in last.items() if key[0] != visit.project}
        if visit.call != "batches.create" or not visit.subject:
            continue
        key = (visit.project, visit.subject)
        before = last.get(key)
        if before is not None and not _is_honoured(state, before, visit) and not _is_over(before, batches):
            again.append(visit)
        if visit.batch or visit.status == 0 or visit.status >= 500:
            last[key] = visit
    if again:
        files = len({visit.subject for visit in again})
        text = (
            f"{counted(len(again), 'create')} of {counted(files, 'input file')} that may have had a batch, "
            f"without a look at the list and without an Idempotency-Key that the server honours"
        )
        yield Finding("repeated creates", True, len(again), text, tuple(visit.request_id for visit in again))


def _is_honoured(state: State, before: Visit, visit: Visit) -> bool:
    honoured = state.behaviour.idempotency_key == "honoured"
    return honoured and visit.idempotency != "" and visit.idempotency == before.idempotency


def _is_over(visit: Visit, batches: dict[str, StoredBatch]) -> bool:
    return visit.batch in batches and batches[visit.batch].status in _WORTHLESS


def _batches(state: State) -> dict[str, StoredBatch]:
    return {batch.id: batch for project in state.projects for batch in project.batches.values()}


def _repeated(state: State, batches: dict[str, StoredBatch]) -> dict[tuple[str, ...], list[list[Execution]]]:
    """The bills of each request that has several, by where they came from, oldest batch first."""
    bills: defaultdict[tuple[str, str, str], list[Execution]] = defaultdict(list)
    for execution in state.ledger.executions:
        if execution.billed and execution.custom_id:
            bills[execution.project, execution.custom_id, execution.key].append(execution)
    groups: defaultdict[tuple[str, ...], list[list[Execution]]] = defaultdict(list)
    for several in bills.values():
        if len(several) > 1:
            names = {bill.batch_id or _CALLS for bill in several}
            order = sorted(names, key=lambda name: batches[name].number if name in batches else 0)
            groups[tuple(order)].append(several)
    return groups


def _reasons(names: list[str], batches: dict[str, StoredBatch], visits: list[Visit], state: State) -> Iterator[str]:
    """The troubles that came between one batch and the next with the same requests."""
    creates = {visit.batch: visit for visit in visits if visit.batch}
    for first, second in pairwise(names):
        create, again = creates.get(first), creates.get(second)
        if create is not None and create.struck:
            yield f"{create.struck} at the create"
        elif create is not None and not 200 <= create.status < 300:
            yield f"the reply to the create was {create.status or 'lost'}"
        if first in batches and batches[first].status in _WORTHLESS:
            yield f"the first batch is {batches[first].status}"
        if again is not None and again.retry:
            yield f"retry {again.retry} of the client's SDK"
        elif again is not None:
            yield "the client created again"
    others = Counter(visit.struck for visit in visits if visit.struck and visit.call != "batches.create")
    if others and names:
        yield "faults besides: " + ", ".join(f"{name} ({count})" for name, count in sorted(others.items()))
    if not names:
        yield from _reasons_of_calls(visits)
    lines = [name for name in state.faults.struck if name.endswith("_line") or name.endswith("_lines")]
    if lines and len(names) > 1:
        yield "faults of result files: " + ", ".join(sorted(lines))


def _reasons_of_calls(visits: list[Visit]) -> Iterator[str]:
    struck = Counter(visit.struck for visit in visits if visit.struck and visit.subject)
    yield from (f"{name} at {counted(count, 'call')}" for name, count in sorted(struck.items()))
