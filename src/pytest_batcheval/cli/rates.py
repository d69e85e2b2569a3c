"""`batcheval rates`: the pass rates of a run, by test, model or axis."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_batcheval.cli.options import add_journal, add_lang, language, say, say_json, width
from pytest_batcheval.cli.stored_run import stored_run
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus

if TYPE_CHECKING:
    from pytest_batcheval.journal.outcomes import Outcome
    from pytest_batcheval.quality.passing.rate import PassRate
    from pytest_batcheval.report.language import Language

DESCRIPTION = """
Print the shares of a run's items whose tests pass, each with a 95 % interval that is clustered by item: the samples of
one item (a test, apart from the number of its sample) count together. Of several samples also pass@k, the chance that
any of k passes, and pass^k, that all do. Tests that end in an error, are skipped or unrecorded are left out.
"""


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "rates", description=DESCRIPTION,
        epilog="example: batcheval rates --by model",
    )  # fmt: skip
    parser.add_argument(
        "run", nargs="?", default="", metavar="RUN", help="the run, or the beginning of its id (default: the newest)"
    )
    parser.add_argument("--by", metavar="WHAT", help="test, model, or an axis (default: test and every axis)")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    add_lang(parser)
    add_journal(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the rates.

    Raises:
        UsageError: there is no such run, no test of it passed or failed, or none has this axis.
        JournalError: the file of outcomes cannot be read.
    """
    identifier, _, tests = stored_run(arguments.journal, arguments.run)
    whole = _rate(tests)
    if whole is None:
        raise UsageError(f"no test of run {identifier[:8]} has passed or failed, so there is no pass rate")
    parts = _parts(tests, arguments.by)
    if arguments.json:
        plain = {by: {name: rate.to_dict() for name, rate in rates.items()} for by, rates in parts.items()}
        say_json({"run": identifier, "all": whole.to_dict(), "by": plain})
        return int(ExitStatus.OK)
    _say(whole, parts, language(arguments))
    return int(ExitStatus.OK)


def _parts(tests: Sequence[Outcome], by: str | None) -> dict[str, dict[str, PassRate]]:
    """The rates by what is wanted, then by name."""
    from pytest_batcheval.report.pass_rates import MODEL, TEST, axes_of, groups
    from pytest_batcheval.text.natural import natural

    known = [TEST, *dict.fromkeys((MODEL, *axes_of(tests)))]
    found = {}
    for name in known if by is None else [by]:
        parts = sorted(groups(tests, name).items(), key=lambda part: natural(part[0]))
        rates = {part: rate for part, ones in parts if (rate := _rate(ones)) is not None}
        if rates and (by is not None or name == TEST or len(rates) > 1):
            found[name] = rates
    if not found:
        raise UsageError(f"no test of this run is of one {by}; there are {', '.join(known)}")
    return found


def _rate(tests: Sequence[Outcome]) -> PassRate | None:
    from pytest_batcheval.quality.passing.rate import pass_rate
    from pytest_batcheval.report.pass_rates import tallies

    found = tallies(tests)
    return pass_rate(found) if found else None


def _say(whole: PassRate, parts: dict[str, dict[str, PassRate]], words: Language) -> None:
    from pytest_batcheval.text.table import table

    several = any(rate.samples > 1 for rates in parts.values() for rate in rates.values())
    head = (words("items"), words("samples"), words("pass rate"), "95 %", "k", "pass@k", "pass^k")
    columns = 1 + len(head) if several else 5
    for by, rates in parts.items():
        rows = [(words(by), *head), *(_row(name, rate, words) for name, rate in rates.items())]
        rows.append(_row(words("all"), whole, words))
        for line in table([row[:columns] for row in rows], width(), left={0}, give_way=(0,)):
            say(line)
        say("")
    say(whole.explain(words.code))


def _row(name: str, rate: PassRate, words: Language) -> tuple[str, ...]:
    low, high = rate.interval
    several = (f"{rate.samples}", f"{rate.at_least_one:.3f}", f"{rate.every_one:.3f}")
    none = ("1", "", "")
    between = words("{low} to {high}", low=f"{low:.1%}", high=f"{high:.1%}")
    counts = (f"{rate.items:,}", f"{rate.n:,}", f"{rate.effect:.1%}", between)
    return (name, *counts, *(several if rate.samples > 1 else none))
