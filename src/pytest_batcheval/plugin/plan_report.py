"""The report of `--batch=plan`: per test file the requests, those already answered, those to send and their cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from pytest_batcheval.catalogue.providers import PROMISES
from pytest_batcheval.engine.estimate import estimate_text, price_text, total
from pytest_batcheval.plugin.deadline import by_deadline
from pytest_batcheval.plugin.destinations import expect_origins, planned_backends, planned_files
from pytest_batcheval.plugin.foreseen import USUAL_TOKENS
from pytest_batcheval.plugin.options import Settings
from pytest_batcheval.plugin.outlook import Outlook, outlook
from pytest_batcheval.plugin.plan import Plan
from pytest_batcheval.plugin.plan_warnings import broken_lines, request_lines, simulated_lines
from pytest_batcheval.plugin.stored_answers import StoredAnswers
from pytest_batcheval.text.format import UNKNOWN, counted, dollars
from pytest_batcheval.wire import real_time
from pytest_batcheval.wire.objects import Request
from pytest_batcheval.wire.origin import describe, is_simulator

if TYPE_CHECKING:
    from pytest_batcheval.engine.estimate import PlannedFile

RUNS = 200
"""Simulated runs for the power of a table: each share is within some 7 points."""

_COLUMNS = (
    "test file",
    "tests",
    "requests",
    "duplicate",
    "journal",
    "recorded",
    "failed",
    "skipped",
    "to send",
    "tokens in",
    "cost",
)


@dataclass
class ModulePlan:
    """One test file: every request of its tests is counted in exactly one of the columns.

    Attributes:
        duplicates: requests that an earlier test asks for too.
        answered: those with a stored answer of the backend's origin, by source.
        failed: those with a final failure; they are not sent again.
        skipped: those of tests that are skipped, since only the simulator could answer them.
        fresh: those that would be sent.
    """

    tests: int = 0
    requests: int = 0
    duplicates: int = 0
    answered: dict[str, int] = field(default_factory=lambda: {"journal": 0, "recording": 0})
    failed: int = 0
    skipped: int = 0
    fresh: list[Request] = field(default_factory=list)


def plan_lines(plan: Plan, stored: StoredAnswers, settings: Settings, others: str) -> list[str]:
    """The report, line by line; nothing is sent and no key is needed. `others` is a remark on tests without answers.

    Raises:
        RecordingError, JournalError: stored answers cannot be read.
        UsageError: there is no such backend, a provider's batches hold no such request, or one is asked of two.
    """
    from pytest_batcheval.backends.connect import expected_origin

    asked = expect_origins(settings, stored, plan.foreseen)
    ahead = outlook(plan, stored, settings)
    settings, choice = by_deadline(settings, ahead, stored.journal)
    batched = settings.batched
    now = planned_backends(settings, (request for _, request in ahead.fresh.values()))
    later = planned_backends(settings, (request for _, request in ahead.later))
    backends = list(asked) or [settings.backend]
    origins = {backend: expected_origin(backend) for backend in backends}
    where = " and ".join(dict.fromkeys(map(describe, origins.values())))
    lines = [f"for {where}; nothing is sent"]
    lines += [line for backend, origin in origins.items() for line in _promise(backend, origin, batched)]
    lines += choice
    several = len({*now, *later}) > 1
    files, more = _planned(now, settings, several), _planned(later, settings, several)
    modules = _by_module(plan, ahead)
    rows = [_row(name, module, settings) for name, module in modules.items()]
    lines += ["", *_table([_COLUMNS, *rows, _total(modules.values(), settings)])]
    lines += ["", *_files(files, batched), *_later(files, more, ahead.complete, batched)]
    lines += [*_notes(plan, others, bool(files)), *_power(plan)]
    warnings = _warnings(plan, ahead, stored, batched)
    return lines + (["", *warnings] if warnings else [])


def _planned(
    groups: Mapping[str, Sequence[Request]], settings: Settings, titled: bool = False
) -> list[tuple[str, PlannedFile]]:  # fmt: skip
    """The files of each backend, with its title if wanted.

    Raises:
        UsageError: its batches hold no such request.
    """
    from pytest_batcheval.backends.connect import capabilities_of
    from pytest_batcheval.engine.endpoints import check_endpoints

    for backend, requests in groups.items() if settings.batched else ():
        check_endpoints(Counter(request.url for request in requests), capabilities_of(backend))
    files = planned_files(groups, settings.batched, settings.tier)
    return [(f"{capabilities_of(backend).title}: " if titled else "", file) for backend, file in files]


def _warnings(plan: Plan, ahead: Outlook, stored: StoredAnswers, batched: bool) -> list[str]:
    """The reasons against this plan, for each origin."""
    today, asked = date.fromisoformat(real_time.utc_day()), [*ahead.fresh.values(), *ahead.later]
    origins = dict.fromkeys(stored.origins.values())
    lines = [
        line
        for origin in origins
        for line in request_lines([one for one in asked if stored.origin_of(one[1]) == origin], origin, today, batched)
    ]
    return lines + simulated_lines(ahead.skipped, origins) + broken_lines(plan)


def _promise(backend: str, origin: str, batched: bool) -> list[str]:
    """The class of promise that the provider of batches allows; nothing at a simulator of OpenAI's API."""
    from pytest_batcheval.backends.connect import capabilities_of

    provider = capabilities_of(backend)
    if not batched or (is_simulator(origin) and provider.name == "openai"):
        return []
    return [f"{provider.title}, promise {provider.promise}: {PROMISES[provider.promise]}"]


def _power(plan: Plan) -> list[str]:
    """The power of the largest table of a test; nothing without a table of enough personas and questions."""
    items = [item for item in plan.items if item.error is None and len(item.cells) > 1]
    largest = max(items, key=lambda item: len(item.cells), default=None)
    if largest is None:
        return []
    try:
        from pytest_batcheval.quality.comparing._power import UNASKED, power
        from pytest_batcheval.recordings.answer_table import Answers, Row

        table = Answers(Row(planned.cell, planned.call.sample, UNASKED) for planned in largest.cells)
        found = power(table, samples=1 + max(row.sample for row in table.rows), runs=RUNS)
    except (ImportError, ValueError):  # no numpy; a table that is too small
        return []
    return ["", "what its largest table can show:", *(f"  {line}" for line in found.explain().splitlines())]


def _by_module(plan: Plan, ahead: Outlook) -> dict[str, ModulePlan]:
    modules: dict[str, ModulePlan] = {}
    seen: set[str] = set()
    for item in plan.items:
        module = modules.setdefault(item.module, ModulePlan())
        module.tests += 1
        for request in ahead.asked[item.nodeid]:
            module.requests += 1
            key = request.custom_id
            if item.nodeid in ahead.skipped:
                module.skipped += 1
                continue
            if key in seen:
                module.duplicates += 1
            elif key in ahead.answered:
                module.answered[ahead.answered[key].source] += 1
            elif key in ahead.final:
                module.failed += 1
            else:
                module.fresh.append(request)
            seen.add(key)
    return modules


def _row(name: str, module: ModulePlan, settings: Settings) -> tuple[str, ...]:
    groups = planned_backends(settings, module.fresh)
    files = [file for _, file in planned_files(groups, settings.batched, settings.tier)]
    counts = (
        module.tests,
        module.requests,
        module.duplicates,
        module.answered["journal"],
        module.answered["recording"],
        module.failed,
        module.skipped,
        len(module.fresh),
        sum(file.input_tokens for file in files),
    )
    return (name, *(f"{count:,}" for count in counts), dollars(total(files)))


def _total(modules: Iterable[ModulePlan], settings: Settings) -> tuple[str, ...]:
    whole = ModulePlan()
    for module in modules:
        whole.tests += module.tests
        whole.requests += module.requests
        whole.duplicates += module.duplicates
        whole.failed += module.failed
        whole.skipped += module.skipped
        whole.fresh += module.fresh
        for source, number in module.answered.items():
            whole.answered[source] += number
    return _row("total", whole, settings)


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows in columns; columns that are 0 everywhere are left out."""
    kept = [i for i, column in enumerate(zip(*rows, strict=True)) if i < 3 or set(column[1:]) != {"0"}]
    widths = {i: max(len(row[i]) for row in rows) for i in kept}
    return [
        "  ".join(row[i].ljust(widths[i]) if i == 0 else row[i].rjust(widths[i]) for i in kept).rstrip() for row in rows
    ]


def _files(files: Sequence[tuple[str, PlannedFile]], batched: bool) -> list[str]:
    """The requests to send: a line for each batch, else for each endpoint and model that is called."""
    number_to_send = counted(len(files), "batch", "batches")
    if not batched:
        number_to_send = counted(sum(file.requests for _, file in files), "individual call")
    lines = [f"{number_to_send} to send" + (":" if files else "")]
    return lines + [f"  {number}. {title}{_file(file, batched)}" for number, (title, file) in enumerate(files, 1)]


def _file(file: PlannedFile, batched: bool) -> str:
    most = UNKNOWN if file.output_tokens is None else f"at most {file.output_tokens:,}"
    return (
        f"{file.endpoint}  {file.model}: {counted(file.requests, 'request')}, {file.bytes / 1000:,.0f} kB, "
        f"about {file.input_tokens:,} tokens in, {most} out, {price_text(file, batched)}"
    )


def _later(
    files: Sequence[tuple[str, PlannedFile]], later: Sequence[tuple[str, PlannedFile]], complete: bool, batched: bool
) -> list[str]:
    """The requests of later waves, such as a judge's, and their sum with those of the next."""
    if not later and complete:
        return []
    roughly = "about" if complete else "at least"
    both = [file for _, file in (*files, *later)]
    number, every = sum(file.requests for _, file in later), sum(file.requests for file in both)
    lines = [
        f"{roughly} {counted(number, 'more request')} in later waves, "
        f"built from the answers (here from made-up ones of some {USUAL_TOKENS} tokens):",
        *(f"  {title}{_file(file, batched)}" for title, file in later),
    ]
    if not complete:
        lines.append("  a prompt cannot read a made-up answer, or goes on for long: what it asks then is not counted")
    usd = total(both)
    limited = complete and all(file.output_tokens is not None for file in both)
    cost = "cost unknown" if usd is None else f"{'about' if limited else 'at least'} {dollars(usd)}"
    return [*lines, f"in all {roughly} {counted(every, 'request')}, {cost}"]


def _notes(plan: Plan, others: str, sends: bool) -> list[str]:
    notes = []
    if plan.others:
        notes.append(others)
    if sends:
        notes.append(
            "-x, --stepwise and pytest.skip() inside a test save no money: all requests are sent before any test"
        )
        notes.append(estimate_text())
    return ["", *notes] if notes else []
