"""Warnings on the requests of a plan: printed by `--batch=plan`, and by a run before it sends them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date

from pytest_batcheval.catalogue.models import ModelEnd, end_of
from pytest_batcheval.engine.pricing import service_tier
from pytest_batcheval.engine.window import excess_of
from pytest_batcheval.plugin.plan import Plan
from pytest_batcheval.prompts.prompt_call import where
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.objects import Request
from pytest_batcheval.wire.origin import describe, is_simulator

Asked = tuple[str, Request]
"""A request with the id of a test that asks for it."""

SOON = 60
"""Days before a shutdown from which it is told: time to compare another model with this one."""

MOST = 10
"""Different entries of one warning that are listed."""


def broken_lines(plan: Plan) -> list[str]:
    """Tests whose prompt or marker fails, with the reason: one line for each function and reason."""
    broken = [(item, (item.nodeid.partition("[")[0], _reason(item.error))) for item in plan.items if item.error]
    if not broken:
        return []
    first, counts = {kind: item for item, kind in reversed(broken)}, Counter(kind for _, kind in broken)
    ask = "it asks" if len(broken) == 1 else "they ask"
    lines = [f"{counted(len(broken), 'test')} with an error in prompt or marker; {ask} for nothing and will fail:"]
    for kind, number in list(counts.items())[:MOST]:
        also = f" and {counted(number - 1, 'more test')}" if number > 1 else ""
        lines += f"  {first[kind].place}{also}: {first[kind].error}".replace("\n", "\n    ").splitlines()
    left = len(counts) - MOST
    return [*lines, *([f"  … and {counted(left, 'more error')}"] if left > 0 else [])]


def simulated_lines(skipped: Mapping[str, Collection[str]], origins: Iterable[str]) -> list[str]:
    """The tests that are skipped at a provider, since they ask for respondents of the simulator."""
    if not skipped:
        return []
    providers = [origin for origin in origins if not is_simulator(origin)]
    names = sorted({name for asked in skipped.values() for name in asked})
    where = " and ".join(map(describe, providers))
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return [
        f"{counted(len(skipped), 'test')} skipped: {', '.join(names[:MOST])}{more} "
        f"{'is a respondent' if len(names) == 1 else 'are respondents'} of the simulator, not of {where}"
    ]


def request_lines(
    asked: Iterable[Asked],
    origin: str,
    today: date,
    batched: bool = True,
    ends: Callable[[], Mapping[str, ModelEnd]] = dict,
) -> list[str]:
    """Reasons against sending these requests to `origin`, which may list the `ends` of its models.

    Nothing at a simulator, whose list is not asked for.
    """
    if is_simulator(origin):
        return []
    every = list(asked)
    requests = [request for _, request in every]
    return [*end_lines(requests, today, ends()), *(tier_lines(requests) if batched else []), *window_lines(every)]


def window_lines(asked: Iterable[Asked]) -> list[str]:
    """Requests that may be too long for their model, by the tests that ask for them, the longest first."""
    found = [(test, request.model, excess) for test, request in asked if (excess := excess_of(request)) is not None]
    if not found:
        return []
    found.sort(key=lambda one: -(one[2].given + one[2].written) / one[2].window)
    lines = [f"{counted(len(found), 'request')} may be too long for the model's context window, by estimated tokens:"]
    for test, model, excess in found[:MOST]:
        sizes = f"about {excess.given:,} tokens in and at most {excess.written:,} out"
        end = "does not fit, and would fail" if excess.clear else "may not fit"
        lines.append(f"  {test}: {sizes}, and {model} has {excess.window:,}: {end}")
    left = len(found) - MOST
    return [*lines, *([f"  … and {counted(left, 'more request')}"] if left > 0 else [])]


def tier_lines(requests: Iterable[Request]) -> list[str]:
    """The service tiers that requests of a batch ask for."""
    counts = Counter(filter(None, (service_tier(request.body) for request in requests)))
    return [
        f"{counted(number, 'request')} with service_tier {tier!r}, which means nothing in a batch: priced as any other"
        for tier, number in sorted(counts.items())
    ]


def end_lines(requests: Iterable[Request], today: date, listed: Mapping[str, ModelEnd]) -> list[str]:
    """The models among them that have been shut down or deprecated, or will be within `SOON` days of today (UTC)."""
    counts = Counter(request.model for request in requests)
    ends = {model: end for model in sorted(counts) if (end := end_of(model, listed)) is not None}
    lines = []
    for model, end in ends.items():
        left, asked, what = (end.day - today).days, counted(counts[model], "request"), f"{end.word} by {end.by}"
        if left <= 0:
            fail = "will fail there" if end.word == "shut down" else "may fail there"
            lines.append(f"{model} was {what} on {end.day}: {asked} {fail}")
        elif left <= SOON:
            lines.append(f"{model} will be {what} on {end.day}, in {counted(left, 'day')}; {asked} for it")
    return lines


def _reason(error: Exception) -> str:
    """The kind and place of what a prompt raised; the text of any other error."""
    cause = error.__cause__
    return str(error) if cause is None else f"{type(cause).__name__}{where(cause)}"
