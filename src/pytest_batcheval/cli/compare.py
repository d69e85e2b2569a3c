"""`batcheval compare`: whether a cheaper model is as good, by answers in the recordings or the journal."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pytest_batcheval.cli.options import add_journal, say, say_json
from pytest_batcheval.cli.recorded_answers import RecordedTable, Scored, add_recorded
from pytest_batcheval.errors import UsageError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.wire.objects import Request

if TYPE_CHECKING:
    from pytest_batcheval.quality import Comparison, QualityGate
    from pytest_batcheval.wire.answers import Row
    from pytest_batcheval.wire.objects import Answer

DESCRIPTION = """
Compare two models on the same cells: tokens and cost, the quality gate of each, and whether the second is as good as
the first within a margin. The answers are recorded ones; if one model has none for a cell, the other's recorded request
with the model replaced is looked up in the recordings and the journal. Nothing is sent. Status 0 if the second model is
as good (or better) and passes the gate, else 1.
"""


@dataclass(frozen=True)
class Side:
    """One model: its answers, tokens, cost as a batch, and gate."""

    model: str
    answers: int
    input_tokens: int
    output_tokens: int
    usd: Decimal | None
    gate: QualityGate

    @property
    def each(self) -> Decimal | None:
        """US dollars per answer: the models may have different numbers of samples."""
        return None if self.usd is None else self.usd / self.answers

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON data."""
        return {
            "model": self.model,
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
        help="check whether a cheaper model is as good: cost, equivalence, gates",
        description=DESCRIPTION,
        epilog="example: batcheval compare gpt-4.1-mini gpt-4.1-nano",
    )
    parser.add_argument("reference", metavar="MODEL_A", help="the reference model")
    parser.add_argument("candidate", metavar="MODEL_B", help="the model that may be as good")
    parser.add_argument(
        "--margin",
        type=float,
        help="of alignment, which is from -1 to 1; choose it before you look (default: 0.15)",
    )
    parser.add_argument(
        "--leave-out", action="append", default=[], metavar="PART", help="a part of the gate to leave out (repeatable)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    add_journal(parser)
    add_recorded(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare and print.

    Raises:
        UsageError: a model has no answers, or the two have answers to different cells.
        RecordingError, JournalError: something stored cannot be read.
    """
    from pytest_batcheval.quality import compare
    from pytest_batcheval.quality.comparing._compare import MARGIN

    models = (arguments.reference, arguments.candidate)
    if models[0] == models[1]:
        raise UsageError(f"both models are {models[0]}; name two different models")
    recorded = RecordedTable(arguments)
    rows = _rows(recorded, models, arguments)
    scored = [recorded.scored(rows[model]) for model in models]
    margin = MARGIN if arguments.margin is None else arguments.margin
    found = compare(scored[1].values(), scored[0].values(), margin=margin)
    sides = [_side(model, s, rows[model], arguments.leave_out) for model, s in zip(models, scored, strict=True)]
    good = (found.equivalent or found.verdict == "better") and sides[1].gate.passed
    if arguments.json:
        data = {"as_good": good, "comparison": found.to_dict(), "models": [side.to_dict() for side in sides]}
        say_json({**data, "scores": scored[1].source})
    else:
        _print(sides, found, good, scored[1].source)
    return int(ExitStatus.OK if good else ExitStatus.FAILED)


def _rows(recorded: RecordedTable, models: Sequence[str], arguments: argparse.Namespace) -> dict[str, list[Row]]:
    """Return the rows of each model, over all cells that are recorded for either."""
    twins: dict[str, dict[str, Any]] = {model: {} for model in models}
    for line, request in recorded.said:
        if request.model in models:
            for model in models:
                twin = Request({**request.body, "model": model}, request.url, request.method, request.sample)
                twins[model].setdefault(twin.custom_id, (line, twin))
    found: dict[str, list[Row]] = {}
    for model, asked in twins.items():
        answers = _answers(recorded, [twin for _, twin in asked.values()], arguments)
        found[model] = [recorded.row(line, answers[key]) for key, (line, _) in asked.items() if key in answers]
        if not found[model]:
            raise UsageError(
                f"no answers of {model} in the recordings or {arguments.journal}; recorded models: "
                f"{', '.join(recorded.models())}"
            )
    return found


def _answers(recorded: RecordedTable, asked: Sequence[Request], arguments: argparse.Namespace) -> Mapping[str, Answer]:
    from pytest_batcheval.journal.store import Journal

    found = recorded.recordings.find(asked)
    missing = [request for request in asked if request.custom_id not in found]
    if missing and arguments.journal.exists():
        with closing(Journal.read(arguments.journal)) as reader:
            found |= reader.answers(missing)
    return found


def _side(model: str, scored: Scored, rows: Sequence[Row], leave_out: Sequence[str]) -> Side:
    from pytest_batcheval.engine.pricing import price
    from pytest_batcheval.quality import quality_gate, scores_of

    given = scores_of(scored.answers) if scored.rubric else None
    gate = quality_gate(scored.answers, scores=given, leave_out=leave_out)
    used = [row.answer.tokens for row in rows]
    input_tokens, output_tokens = sum(read for read, _ in used), sum(written for _, written in used)
    cost = price(model, input_tokens, output_tokens)
    return Side(model, len(rows), input_tokens, output_tokens, None if cost is None else cost.usd, gate)


def _print(sides: Sequence[Side], found: Comparison, good: bool, source: str) -> None:
    rows = [
        ("", [side.model for side in sides]),
        ("answers", [f"{side.answers:,}" for side in sides]),
        ("input tokens", [f"{side.input_tokens:,}" for side in sides]),
        ("output tokens", [f"{side.output_tokens:,}" for side in sides]),
        ("USD as batches", ["unknown" if side.usd is None else f"{side.usd:.4f}" for side in sides]),
        ("USD per 1,000", ["unknown" if side.each is None else f"{side.each * 1000:.4f}" for side in sides]),
        ("gate", ["passed" if side.gate.passed else f"failed: {', '.join(side.gate.failed)}" for side in sides]),
    ]
    width = max(len(cell) for _, cells in rows for cell in cells) + 2
    for name, cells in rows:
        say(f"{name:<16}" + "".join(f"{cell:>{width}}" for cell in cells))
    say(f"\n{sides[1].model} minus {sides[0].model}, scores by {source}\n{found.explain()}")
    for side in sides:
        if not side.gate.passed:
            say(f"\n{side.model}: {side.gate.explain()}")
    say(f"\n{_conclusion(sides, found, good)}")


def _conclusion(sides: Sequence[Side], found: Comparison, good: bool) -> str:
    reference, candidate = sides
    if not good:
        reason = "does not pass the gate" if not candidate.gate.passed else f"is {found.verdict}"
        return f"{candidate.model} is not shown to be as good as {reference.model}: it {reason}"
    words = f"{candidate.model} is as good as {reference.model} within {found.margin}"
    if reference.each and candidate.each is not None:
        return f"{words}, at {candidate.each / reference.each:.0%} of its cost"
    return f"{words}; the costs are unknown"
