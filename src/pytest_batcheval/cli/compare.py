"""`batcheval compare`: whether a cheaper model is as good, by stored answers and the tests that pass."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pytest_batcheval.catalogue.models import LARGER, MODEL
from pytest_batcheval.cli.options import add_journal, add_lang, language, say, say_json
from pytest_batcheval.cli.recorded_answers import RecordedTable, Scored, add_recorded, in_unit
from pytest_batcheval.errors import MatrixError, UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.phrase import Phrase
from pytest_batcheval.wire.objects import Request
from pytest_batcheval.wire.rounds import checked_round

if TYPE_CHECKING:
    from pytest_batcheval.quality import Comparison, QualityGate
    from pytest_batcheval.quality.passing.paired import PassComparison
    from pytest_batcheval.recordings.answer_table import Row
    from pytest_batcheval.report.language import Language
    from pytest_batcheval.wire.objects import Answer

DESCRIPTION = """
Compare two models on the same cells: tokens and cost, the quality gate of each, and whether the second is as good as
the first within a margin. The answers are recorded ones; if one model has none for a cell, the other's recorded request
with the model replaced is looked up in the recordings and the journal. Nothing is sent. Status 0 if the second model is
as good (or better) and passes the gate, else 1. With --round, two askings of one model can be compared too. Tests
without personas and questions are compared by their newest outcomes: those that pass with either model. Two runs of
tests are compared in the same way, test by test: the beginning of an id, `newest`, or `previous`.
"""


SEEN = 100
"""Answers from which their language is told."""


@dataclass(frozen=True)
class Side:
    """One model, or one round of it: its answers, tokens, cost as a batch, and gate."""

    model: str
    round: str
    answers: int
    input_tokens: int
    output_tokens: int
    usd: Decimal | None
    gate: QualityGate

    @property
    def name(self) -> str:
        """The model, with its round if one was named."""
        return f"{self.model} of {self.round}" if self.round else self.model

    @property
    def each(self) -> Decimal | None:
        """US dollars per answer: the models may have different numbers of samples."""
        return None if self.usd is None else self.usd / self.answers

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON data."""
        return {
            "model": self.model,
            **({"round": self.round} if self.round else {}),
            "answers": self.answers,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "batch_usd": None if self.usd is None else str(self.usd),
            "gate": self.gate.to_dict(),
        }


def add_parser(verbs: Any) -> None:
    """Add the verb to `batcheval`'s parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "compare",
        description=DESCRIPTION,
        epilog=f"example: batcheval compare {LARGER} {MODEL}",
    )
    parser.add_argument("reference", metavar="A", help="the reference: a model or a run of tests")
    parser.add_argument("candidate", metavar="B", help="the model or run that may be as good")
    parser.add_argument(
        "--round",
        action="append",
        default=[],
        metavar="NAME",
        help="only answers of this round; given twice, of the first for MODEL_A and of the second for MODEL_B",
    )
    parser.add_argument(
        "--margin",
        type=float,
        help="of alignment, which is from -1 to 1, or of the pass rate; choose it before you look (default: 0.15; 0.1)",
    )
    parser.add_argument(
        "--leave-out", action="append", default=[], metavar="PART", help="a part of the gate to leave out (repeatable)"
    )
    parser.add_argument("--language", help="of the answers, for the gate (default: by their script, ko, en, ja …)")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    add_lang(parser)
    add_journal(parser)
    add_recorded(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare and print.

    Raises:
        UsageError: a model has no answers, or the two have answers to different cells.
        RecordingError, JournalError: something stored cannot be read.
    """
    from pytest_batcheval.cli.compare_passes import compare_runs, models_compared, names_runs, say_models

    if names_runs(arguments):
        return compare_runs(arguments)
    from pytest_batcheval.quality.axes import NotMeasurable, TooSmall
    from pytest_batcheval.quality.measures._scored_answers import TooFewScores

    try:
        return _compare_scores(arguments, RecordedTable(arguments), models_compared(arguments))
    except TooFewScores:  # tests that pass say nothing of what the answers show
        raise
    except UsageError as error:  # no axes, no answer that has one, or no profiles
        asked = arguments.axis or arguments.where or arguments.module or arguments.judge or arguments.round
        without_scores = isinstance(error, (NotMeasurable, TooSmall)) or not (asked or isinstance(error, MatrixError))
        passes = models_compared(arguments) if without_scores else None
        if passes is None:
            raise
        return say_models(passes, arguments)


def _compare_scores(arguments: argparse.Namespace, recorded: RecordedTable, passes: PassComparison | None) -> int:
    """Compare two models by the scores of their answers."""
    from pytest_batcheval.cli.compare_passes import as_good
    from pytest_batcheval.quality import compare
    from pytest_batcheval.quality.comparing._compare import MARGIN

    sides = _chosen(arguments)
    rows = [_rows(recorded, [model for model, _ in sides], side, arguments) for side in sides]
    scored = [recorded.scored(found) for found in rows]
    values = [one.values() for one in scored]
    margin = in_unit(MARGIN, values[0].metric) if arguments.margin is None else arguments.margin
    found = compare(values[1], values[0], margin=margin)
    measured = [_side(of, s, kept, arguments) for of, s, kept in zip(sides, scored, rows, strict=True)]
    good = as_good(found) and measured[1].gate.passed
    if arguments.json:
        data = {"as_good": good, "comparison": found.to_dict(), "models": [side.to_dict() for side in measured]}
        say_json({**data, "scores": scored[1].source, "passes": None if passes is None else passes.to_dict()})
    else:
        words = language(arguments)
        _print(measured, found, scored[1].source, words)
        if passes is not None:
            say(f"\n{words('tests that pass')}: {passes.explain(words.code)}")
        say(f"\n{_conclusion(measured, found, good, words)}")
    return int(ExitStatus.OK if good else ExitStatus.FAILED)


def _chosen(arguments: argparse.Namespace) -> list[tuple[str, str]]:
    """The two sides, each a model and a round; a round is empty where any will do."""
    if len(arguments.round) > 2:
        raise UsageError("--round is given once for both models, or twice, once for each")
    rounds = [checked_round(name) for name in arguments.round or [""]]
    sides = [(arguments.reference, rounds[0]), (arguments.candidate, rounds[-1])]
    if sides[0] == sides[1]:
        raise UsageError(f"both models are {sides[0][0]}; name two different models, or two rounds with --round")
    return sides


def _rows(
    recorded: RecordedTable, models: Sequence[str], side: tuple[str, str], arguments: argparse.Namespace
) -> list[Row]:
    """Return the rows of one side, over all cells that are recorded for either model."""
    model, round_name = side
    twins: dict[str, Any] = {}
    for line, request in recorded.said:
        if request.model in models:
            twin = Request({**request.body, "model": model}, request.url, request.method, request.sample)
            twins.setdefault(twin.custom_id, (line, twin))
    answers = _answers(recorded, [twin for _, twin in twins.values()], round_name, arguments)
    there = [recorded.row(line, answers[key]) for key, (line, _) in twins.items() if key in answers]
    found = [_named(row, models, model) for row in there]
    if not found:
        of = f"{model} of round {round_name}" if round_name else model
        raise UsageError(
            f"no answers of {of} in the recordings or {arguments.journal}; recorded models: "
            f"{', '.join(recorded.models())}"
        )
    return found


def _named(row: Row, models: Sequence[str], model: str) -> Row:
    """Return the row in the same cell whichever of the models answered: its model may be an axis."""
    cell = {axis: model if row.id(axis) in models else value for axis, value in row.cell.items()}
    return replace(row, cell=cell, answer=replace(row.answer, cell={}))


def _answers(
    recorded: RecordedTable, asked: Sequence[Request], round_name: str, arguments: argparse.Namespace
) -> Mapping[str, Answer]:
    from pytest_batcheval.journal.address import may_exist
    from pytest_batcheval.journal.store import Journal

    found = recorded.recordings.find(asked, round_name=round_name)
    missing = [request for request in asked if request.custom_id not in found]
    if missing and may_exist(arguments.journal):
        with closing(Journal.read(arguments.journal)) as reader:
            found |= reader.answers(missing, round_name=round_name)
    return found


def _side(of: tuple[str, str], scored: Scored, rows: Sequence[Row], arguments: argparse.Namespace) -> Side:
    from pytest_batcheval.engine.pricing import price
    from pytest_batcheval.quality import quality_gate, scores_of
    from pytest_batcheval.quality.measures._format_checks import likely_language
    from pytest_batcheval.quality.scores import spoken

    model, round_name = of
    given = scores_of(scored.answers) if scored.rubric else None
    said = (row.answer.text for row in spoken(scored.answers).rows[:SEEN] if row.answer.error is None)
    language_of = arguments.language or likely_language(said)
    gate = quality_gate(scored.answers, scores=given, leave_out=arguments.leave_out, language=language_of)
    used = [row.answer.tokens for row in rows]
    input_tokens, output_tokens = sum(read for read, _ in used), sum(written for _, written in used)
    cost = price(model, input_tokens, output_tokens)
    return Side(model, round_name, len(rows), input_tokens, output_tokens, None if cost is None else cost.usd, gate)


def _print(sides: Sequence[Side], found: Comparison, source: str, words: Language) -> None:
    from pytest_batcheval.text.table import columns

    unknown, passed = words("unknown"), words("passed")
    rows = [
        ("", [side.name for side in sides]),
        (words("answers"), [f"{side.answers:,}" for side in sides]),
        (words("input tokens"), [f"{side.input_tokens:,}" for side in sides]),
        (words("output tokens"), [f"{side.output_tokens:,}" for side in sides]),
        (words("USD as batches"), [unknown if side.usd is None else f"{side.usd:.4f}" for side in sides]),
        (words("USD per 1,000"), [unknown if side.each is None else f"{side.each * 1000:.4f}" for side in sides]),
        (words("gate"), [passed if side.gate.passed else f"{words('failed')}: {', '.join(side.gate.failed)}"
                         for side in sides]),
    ]  # fmt: skip
    width = max(columns(cell) for _, cells in rows for cell in cells) + 2
    for name, cells in rows:
        say(name + " " * (16 - columns(name)) + "".join(" " * (width - columns(cell)) + cell for cell in cells))
    said = words("{one} minus {other}, scores by {source}", one=sides[1].name, other=sides[0].name, source=source)
    say(f"\n{said}\n{found.explain(words.code)}")
    for side in sides:
        if not side.gate.passed:
            say(f"\n{side.name}: {side.gate.explain(words.code)}")


def _conclusion(sides: Sequence[Side], found: Comparison, good: bool, words: Language) -> str:
    reference, candidate = sides
    names = {"one": candidate.name, "other": reference.name}
    if not good:
        verdict = words(Phrase.known(found.verdict, "verdict"))
        reason = words("is {verdict}", verdict=verdict) if candidate.gate.passed else words("does not pass the gate")
        return words("{one} is not shown to be as good as {other}: it {reason}", reason=reason, **names)
    as_good = words("{one} is as good as {other} within {margin}", margin=found.margin, **names)
    if reference.each and candidate.each is not None:
        share = f"{candidate.each / reference.each:.0%}"
        return words("{as_good}, at {share} of its cost", as_good=as_good, share=share)
    return words("{as_good}; the costs are unknown", as_good=as_good)
