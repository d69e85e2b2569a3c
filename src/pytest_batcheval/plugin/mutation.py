"""`--batch-mutants`: tests run on the answers to wrong requests too, and a table says which tests notice."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import pytest

from pytest_batcheval.plugin._pytest_compat import id_parts, terminal_writer
from pytest_batcheval.plugin.item_id import parameters_by_name
from pytest_batcheval.plugin.marker import MUTANT
from pytest_batcheval.plugin.plan import item_plan
from pytest_batcheval.prompts.mutants import ALL, GROUPS, Mutant, mutants_of
from pytest_batcheval.quality.stats.student_t import wilson_interval
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.table import GAP, table

CAUGHT, SURVIVED, NONE = "caught", "survived", "no verdict"
_SHOWN = {CAUGHT: ("c", {"green": True}), SURVIVED: ("v", {"yellow": True})}
_OURS = ("batcheval", "batcheval_results", "batcheval_samples", "unrecorded", "undecided", "request_failed")
"""Attributes of a report by which a test counts in the run; a mutant's doesn't."""


def chosen_mutants(config: pytest.Config, axes: Mapping[str, Sequence[Any]]) -> list[Mutant]:
    """The mutants that the option chooses, by name or group, of those that a prompt with these axes has."""
    names = chosen_names(config)
    return [one for one in mutants_of(axes) if {one.id, one.group, ALL} & names]


def chosen_names(config: pytest.Config) -> set[str]:
    """The names that the option gives; empty without it."""
    return {name.strip() for name in str(config.getoption("batch_mutants") or "").split(",") if name.strip()}


class Mutation:
    """The pytest plugin that turns the failure of a mutant's test into a catch, and counts."""

    def __init__(self, config: pytest.Config) -> None:
        if config.getoption("batch") == "record":
            raise pytest.UsageError(
                "--batch-mutants: the answers of mutants are not those of the cells that would be recorded with them; "
                "with --batch=send they stay in the journal"
            )
        self._names = chosen_names(config)
        self._order: dict[str, tuple[Any, ...]] = {}
        self._passed: set[tuple[str, str]] = set()
        self._verdicts: list[tuple[str, str, str, str]] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Skip the tests of mutants that ask the same as the test itself; refuse names that no test has."""
        mutants = [parameters_by_name(item).get(MUTANT) for item in session.items]
        known = {name for one in mutants if one for name in (one.id, one.group)}
        if session.items and (unknown := sorted(self._names - known - {*GROUPS})):
            raise pytest.UsageError(
                f"--batch-mutants: no selected test has {', '.join(unknown)}; "
                f"known are {', '.join([*GROUPS, *sorted(known - {*GROUPS})])}"
            )
        own = {_place(item): _keys(item) for item, mutant in zip(session.items, mutants, strict=True) if mutant is None}
        for item, mutant in zip(session.items, mutants, strict=True):
            if mutant is not None and _keys(item) == own.get(_place(item)):
                item.add_marker(pytest.mark.skip(reason=f"{mutant.id} changes no request of this test"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note of what a report is; let no failure of a mutant be one of the run."""
        report = yield
        if MUTANT not in parameters_by_name(item):
            return report
        mutant = parameters_by_name(item)[MUTANT]
        verdict = report.outcome if mutant is None else _verdict(report)
        # pytest counts all sets of parameters of a function: the least number of a mutant is its place in their order
        number = item.callspec.indices[MUTANT]  # type: ignore[attr-defined]
        report.batcheval_mutant = [*_place(item), "" if mutant is None else mutant.id, verdict, number]  # type: ignore[attr-defined]
        if mutant is not None and report.when != "teardown":
            _settle(item, report, verdict)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a verdict."""
        function, item, mutant, verdict, number = getattr(report, "batcheval_mutant", ("", "", "", "", 0))
        if not function or report.when == "teardown" or (report.when == "setup" and report.passed):
            return
        self._order[mutant] = min((number,), self._order.get(mutant, (number,)))
        self._order[function] = report.location[:2]
        if mutant:
            self._verdicts.append((function, item, mutant, verdict))
        elif verdict == "passed":
            self._passed.add((function, item))

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, Any] | None:
        """Give a mutant's verdict a category and a letter of its own."""
        verdict = getattr(report, "batcheval_mutant", [""] * 4)[3]
        if report.when != "call" or verdict not in _SHOWN:
            return None
        letter, colour = _SHOWN[verdict]
        return verdict, letter, (verdict.upper(), colour)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """End with the status of failing tests if a mutant survives all of them."""
        if session.exitstatus == pytest.ExitCode.OK and any(not tests for tests in self._caught().values()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the table."""
        if not self._verdicts:
            return
        terminalreporter.write_sep("=", "mutants")
        for line in self._lines(terminal_writer(terminalreporter).fullwidth):
            terminalreporter.write_line(line)

    def _caught(self) -> dict[str, set[str]]:
        """By mutant with any verdict, the test functions that catch it: of items that pass as they are."""
        found: dict[str, set[str]] = {}
        for function, item, mutant, verdict in self._verdicts:
            if verdict != NONE and (function, item) in self._passed:
                found.setdefault(mutant, set()).update({function} if verdict == CAUGHT else ())
        return found

    def _lines(self, width: int) -> Iterator[str]:
        mutants = sorted({one[2] for one in self._verdicts}, key=lambda name: (self._order[name], name))
        caught = self._caught()
        yield from table(self._legend(mutants, caught), width, left={0, 1, 3}, give_way=(3,))
        yield ""
        functions = sorted({one[0] for one in self._verdicts}, key=self._order.__getitem__)
        rows = [("test", *map(str, range(1, len(mutants) + 1)))]
        rows += [(_short(name), *(self._share(name, mutant) for mutant in mutants)) for name in functions]
        for block in _blocks(rows, width):
            yield from table(block, width, left={0}, give_way=(0,))
            yield ""
        if caught:
            yield _score(sum(map(bool, caught.values())), len(caught))
        judged = {one[0] for one in self._verdicts if one[3] != NONE}
        if blind := [name for name in functions if name in judged and not any(name in c for c in caught.values())]:
            yield f"tests that catch none: {', '.join(map(_short, blind))}"
        if without := sum(one[3] == NONE for one in self._verdicts):
            yield f"{counted(without, 'test')} without a verdict: nothing to judge, or no answer; -rs says why"

    def _legend(self, mutants: Sequence[str], caught: Mapping[str, set[str]]) -> list[tuple[str, ...]]:
        """A row for each mutant: its number, name, and how many tests catch it."""
        rows: list[tuple[str, ...]] = [("", "mutant", "tests that catch it", "")]
        for number, mutant in enumerate(mutants, start=1):
            found = caught.get(mutant)
            verdict = "not judged" if found is None else "" if found else "survives"
            rows.append((str(number), mutant, "" if found is None else str(len(found)), verdict))
        return rows

    def _share(self, function: str, mutant: str) -> str:
        """The items of a function that catch a mutant, of those that pass as they are and have a verdict on it."""
        verdicts = [
            verdict
            for name, item, of, verdict in self._verdicts
            if (name, of) == (function, mutant) and verdict != NONE and (name, item) in self._passed
        ]
        if len(verdicts) == 1:
            return "yes" if verdicts == [CAUGHT] else "no"
        return f"{verdicts.count(CAUGHT)}/{len(verdicts)}" if verdicts else "-"


def _place(item: pytest.Item) -> tuple[str, str]:
    """The function of a test, and the ids of its parameters without the mutant's."""
    mutant = parameters_by_name(item).get(MUTANT)
    parts = id_parts(item) if isinstance(item, pytest.Function) and hasattr(item, "callspec") else []
    own = [part for part in parts if mutant is None or part != mutant.id]
    return item.nodeid.partition("[")[0], "-".join(map(str, own))


def _keys(item: pytest.Item) -> list[str]:
    plan = item_plan(item)
    return [] if plan is None else [request.custom_id for request in plan.requests]


def _verdict(report: pytest.TestReport) -> str:
    if report.when != "call" or report.skipped:
        return NONE
    return CAUGHT if report.failed else SURVIVED


def _settle(item: pytest.Item, report: pytest.TestReport, verdict: str) -> None:
    """Make the report one that neither fails the run nor counts in it."""
    for name in _OURS:
        vars(report).pop(name, None)
    if verdict == NONE and not report.passed:
        if report.failed:
            path, line, _ = item.location
            reason = next(iter(report.longreprtext.splitlines()), "")
            report.longrepr = (path, (line or 0) + 1, f"Skipped: the mutant has no answer: {reason}")
        report.outcome = "skipped"
    elif report.failed:
        report.outcome, report.longrepr, report.sections = "passed", None, []


def _blocks(rows: Sequence[tuple[str, ...]], width: int) -> Iterator[list[tuple[str, ...]]]:
    """The rows with as many of their columns as fit beside the first one, and then with the others."""
    widest = max(len(cell) for row in rows for cell in row[1:]) + len(GAP)
    most = max(1, (width - min(max(len(row[0]) for row in rows), width // 2)) // widest)
    for first in range(1, len(rows[0]), most):
        yield [(row[0], *row[first : first + most]) for row in rows]


def _short(function: str) -> str:
    return function.rpartition("::")[2]


def _score(caught: int, judged: int) -> str:
    low, high = wilson_interval(caught, judged)
    return (
        f"the tests catch {caught} of {counted(judged, 'mutant')}: {caught / judged:.0%} (95 %: {low:.0%} to {high:.0%}"
        ", as if they were drawn at random from such mistakes)"
    )
