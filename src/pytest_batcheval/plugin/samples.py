"""The samples of a test that one verdict judges: the test is called with each of its answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_batcheval.plugin._pytest_compat import id_parts
from pytest_batcheval.plugin.item_id import parameters_by_name
from pytest_batcheval.plugin.marker import SAMPLE
from pytest_batcheval.plugin.plan import ItemPlan
from pytest_batcheval.plugin.unrecorded import FailedByUs
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.key import KEY_SHOWN
from pytest_batcheval.wire.objects import Answer

if TYPE_CHECKING:
    from pytest_batcheval.quality.passing.rule import PassVerdict

MOST_REASONS = 5
"""Different reasons of failed samples that are listed."""

LONGEST_REASON = 200


@dataclass(frozen=True)
class FailedSample:
    """A sample against which the test has raised."""

    answer: Answer
    error: BaseException

    @property
    def reason(self) -> str:
        """The exception, with the first line of its text."""
        text = next(iter(str(self.error).splitlines()), "")
        return f"{type(self.error).__name__}: {text[:LONGEST_REASON]}"


class SamplesFailed(FailedByUs):
    """The verdict on the samples of a test is not `passed`."""

    def __init__(self, verdict: PassVerdict, failed: Sequence[FailedSample]) -> None:
        super().__init__("\n".join([verdict.explain(), *_reasons(failed)]))
        self.verdict, self.failed = verdict, failed


_SAMPLES = pytest.StashKey[list[Answer]]()
_RUNNING = pytest.StashKey[bool]()
_VERDICT = pytest.StashKey["PassVerdict"]()


def keep_samples(item: pytest.Item, answers: list[Answer]) -> None:
    """Keep the answers that a test is called with."""
    item.stash[_SAMPLES] = answers


def show_samples(item: pytest.Item, report: pytest.TestReport, raised: SamplesFailed) -> None:
    """Show the verdict on the samples, and the failure of the first that failed."""
    report.undecided = raised.verdict.outcome == "undecided"  # type: ignore[attr-defined]
    report.longrepr = str(raised)
    if not raised.failed:
        return
    shown: Any = item.repr_failure(pytest.ExceptionInfo.from_exception(raised.failed[0].error))
    crash = getattr(shown, "reprcrash", None)
    if crash is not None:
        crash.message = raised.verdict.explain()
        shown.addsection("samples", str(raised), "-")
        report.longrepr = shown


def judge_samples(item: pytest.Function, plan: ItemPlan) -> bool:
    """Call the test with each of its answers; `False` where it is called with one of them at this moment.

    The calls share what its other fixtures have made.

    Raises:
        SamplesFailed: the verdict is `failed` or `undecided`.
        pytest.skip.Exception, pytest.xfail.Exception: the test has raised it.
    """
    assert plan.rule is not None
    if item.stash.get(_RUNNING, False):
        return False
    answers = item.stash[_SAMPLES]
    item.stash[_RUNNING] = True
    try:
        failed = [sample for answer in answers if (sample := _failed(item, answer)) is not None]
    finally:
        item.stash[_RUNNING] = False
    item.stash[_VERDICT] = verdict = plan.rule.verdict(len(answers) - len(failed), len(failed))
    if failed:
        item.funcargs["answer"] = failed[0].answer  # the report shows it
    if verdict.outcome != "passed":
        raise SamplesFailed(verdict, failed)
    return True


def _failed(item: pytest.Function, answer: Answer) -> FailedSample | None:
    """Call the test with one answer."""
    item.funcargs["answer"] = answer
    try:
        item.ihook.pytest_pyfunc_call(pyfuncitem=item)
    except (pytest.skip.Exception, pytest.xfail.Exception):
        raise
    except (Exception, pytest.fail.Exception) as error:
        return FailedSample(answer, error)
    return None


def take_verdict(item: pytest.Item) -> PassVerdict | None:
    """The verdict on a test's samples for its report, once."""
    found = item.stash.get(_VERDICT, None)
    if found is not None:
        del item.stash[_VERDICT]
    return found


def item_of_samples(item: pytest.Item) -> str:
    """The id of a test without the number of its sample."""
    number = parameters_by_name(item).get(SAMPLE)
    if not isinstance(item, pytest.Function) or number is None or "[" not in item.nodeid:
        return item.nodeid
    parts = id_parts(item)
    if f"s{number}" not in parts:  # the author's own parameter of this name
        return item.nodeid
    place = len(parts) - 1 - parts[::-1].index(f"s{number}")
    left = "-".join(part for at, part in enumerate(parts) if at != place)
    base = item.nodeid.removesuffix(f"[{item.callspec.id}]")
    return f"{base}[{left}]" if left else base


def _reasons(failed: Sequence[FailedSample]) -> list[str]:
    counts = Counter(sample.reason for sample in failed)
    first = {sample.reason: sample.answer.custom_id[:KEY_SHOWN] for sample in reversed(failed)}
    lines = [f"  {number} x {reason} (first: {first[reason]})" for reason, number in counts.most_common(MOST_REASONS)]
    more = len(counts) - MOST_REASONS
    return [*lines, f"  … and {counted(more, 'more reason')}"] if more > 0 else lines
