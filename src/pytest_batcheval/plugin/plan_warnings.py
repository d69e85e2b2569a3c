"""Warnings on the requests of a plan: printed by `--batch=plan`, and by a run before it sends them."""

from __future__ import annotations

from collections import Counter

from pytest_batcheval.plugin.plan import Plan
from pytest_batcheval.prompts.prompt_call import where
from pytest_batcheval.text.format import counted

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


def _reason(error: Exception) -> str:
    """The kind and place of what a prompt raised; the text of any other error."""
    cause = error.__cause__
    return str(error) if cause is None else f"{type(cause).__name__}{where(cause)}"
