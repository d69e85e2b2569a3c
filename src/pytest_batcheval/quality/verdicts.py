"""A judge's verdicts, checked: their form, and that every quote was said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any, ClassVar

from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.judging._rubric_request import judged_words
from pytest_batcheval.quality.judging._strict_request import was_said
from pytest_batcheval.quality.result import NONE, WIDTH, Result, listed
from pytest_batcheval.recordings.answer_table import Answers, Row
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.phrase import Phrase
from pytest_batcheval.wire.key import KEY_SHOWN
from pytest_batcheval.wire.objects import Answer

INVALID = 0.02
"""Share of verdicts that may be broken, a convention (as for missing cells); above it a judge is not usable."""


@dataclass(frozen=True, repr=False)
class Verdict:
    """One filled rubric.

    Attributes:
        role: the role label of the answer; empty in a broken verdict.
        scores: from 1 to 5 by dimension, in the order asked; `None` where the answer shows nothing.
        evidence: the quotes by dimension.
        dropped: dimensions whose score does not count, because its quote is empty or was not said.
        fault: what is wrong with a broken verdict, else empty. A broken one has no scores.
    """

    role: str = ""
    scores: Mapping[str, float | None] | None = None
    evidence: Mapping[str, str] | None = None
    dropped: tuple[str, ...] = ()
    fault: str = ""

    def __repr__(self) -> str:
        marks = [f"{code}={'none' if score is None else f'{score:g}'}" for code, score in (self.scores or {}).items()]
        words = f"broken: {self.fault}" if self.fault else f"{self.role}: {listed(marks, 10)}"
        return f"<Verdict {shorten(words, WIDTH, placeholder='…')}>"


@dataclass(frozen=True, kw_only=True, repr=False)
class Verdicts(Result):
    """The verdicts on a table of answers, in its order.

    Attributes:
        effect: share of broken verdicts.
        verdicts: one per answer; `None` where a request failed, the judge's or the one before.
        scores: one column per dimension, `None` for no score, for `scores=` of the measures.
        broken: the cells of broken verdicts, with what is wrong.
        dropped: the cells and dimensions of scores that were dropped.
    """

    effect: float
    verdicts: tuple[Verdict | None, ...]
    scores: dict[str, list[float | None]]
    broken: tuple[str, ...]
    dropped: tuple[str, ...]

    COMPARE: ClassVar[str] = "assert result.usable, result.explain()"
    FIGURES: ClassVar[tuple[str, ...]] = ("usable", "given", "roles")

    @property
    def usable(self) -> bool:
        """Whether at most 2 % of the verdicts are broken."""
        return self.effect <= INVALID

    @property
    def given(self) -> int:
        """The number of scores that count, over all answers and dimensions."""
        return sum(score is not None for column in self.scores.values() for score in column)

    @property
    def roles(self) -> list[str]:
        """The role labels, one per answer; empty without a complete verdict."""
        return ["" if verdict is None else verdict.role for verdict in self.verdicts]

    def _words(self) -> Phrase:
        """The numbers of broken verdicts and dropped scores, with the first few of each."""
        broken = Phrase(
            "{verdicts}, {broken} of them broken ({share:.1%}, at most {most:.0%}): {names}",
            verdicts=Phrase.counted(self.n, "verdict"),
            broken=len(self.broken),
            share=self.effect,
            most=INVALID,
            names=listed(self.broken) or NONE,
        )
        dropped = Phrase(
            "{scores}, {dropped} dropped because their quote was not said: {names}",
            scores=Phrase.counted(self.given, "score"),
            dropped=len(self.dropped),
            names=listed(self.dropped) or NONE,
        )
        return Phrase.joined("\n", [broken, dropped])

    def _summary(self) -> Phrase:
        return Phrase(
            "{verdicts}, {broken} broken ({share:.1%}): {usable}",
            verdicts=Phrase.counted(self.n, "verdict"),
            broken=len(self.broken),
            share=self.effect,
            usable=Phrase("usable" if self.usable else "not usable"),
        )


def read_verdict(answer: Answer) -> Verdict:
    """Read the verdict in a judge's answer to `rubric_request` and check it against the requested schema.

    A quote was said if it occurs in the judged words, in NFC and with all white space folded.

    Raises:
        AnswerError: the judge's request failed.
        TableError: the request was not built by `rubric_request`.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    words, schema = judged_words(answer.request), _schema(answer)
    if words is None or schema is None:
        raise TableError(f"{answer.custom_id[:KEY_SHOWN]} does not answer a request built by rubric_request")
    try:
        data = json.loads(answer.text)
    except (ValueError, RecursionError):
        cut = answer.text[:80]
        return Verdict(fault=Phrase("not valid JSON ({reason}): {cut!r}", reason=answer.finish_reason, cut=cut))
    if (fault := best_match(Draft202012Validator(schema).iter_errors(data))) is not None:
        return Verdict(fault=f"{fault.json_path}: {fault.message[:200]}")
    codes = schema["properties"]["scores"]["required"]
    evidence = {code: data["scores"][code]["evidence"] for code in codes}
    scores = {code: data["scores"][code]["score"] for code in codes}
    dropped = tuple(code for code in codes if scores[code] is not None and not was_said(evidence[code], words))
    return Verdict(
        role=data["role"],
        scores={code: None if code in dropped else score for code, score in scores.items()},
        evidence=evidence,
        dropped=dropped,
    )


def is_verdict(answer: Answer) -> bool:
    """Whether an answer of a table is a judge's verdict, whole or broken: of `rubric_request`, or JSON with scores."""
    return _asked_by_rubric(answer) or _plain_verdict(answer) is not None


def verdict_in(answer: Answer) -> Verdict | None:
    """Read an answer of a table as a verdict, whoever asked for it; `None` for an answer that is not one.

    A verdict that `rubric_request` asked for is read by `read_verdict`. Any other is JSON such as
    `{"scores": {"NS": 4, "HA": null}}` or `{"scores": {"NS": {"evidence": "…", "score": 4}}}` in a turn after the
    judged one, with a `role` if it likes; where it has quotes, they are checked against the text of that turn.
    """
    if _asked_by_rubric(answer):
        return read_verdict(answer)
    found = _plain_verdict(answer)
    if found is None:
        return None
    marks, role = found["scores"], found.get("role")
    judged = answer.turns[-2]
    said = judged.text if judged.error is None else ""
    scores = {code: mark.get("score") if isinstance(mark, dict) else mark for code, mark in marks.items()}
    evidence = {code: mark["evidence"] for code, mark in marks.items() if _has_quote(mark)}
    dropped = tuple(code for code in evidence if scores[code] is not None and not was_said(evidence[code], said))
    kept = {code: None if code in dropped else score for code, score in scores.items()}
    return Verdict(role if isinstance(role, str) else "", scores=kept, evidence=evidence, dropped=dropped)


def verdicts_of(answers: Answers) -> Verdicts:
    """Read every verdict of a table whose prompt is a generator with the judge's turn last.

    Raises:
        TableError: an answer was not requested by `rubric_request`, or no verdict is complete.
    """
    return gathered(answers, [None if answer.error is not None else read_verdict(answer) for answer in answers])


def gathered(answers: Answers, found: Sequence[Verdict | None]) -> Verdicts:
    """Gather the verdicts of a table, one per answer, `None` where a request failed.

    Raises:
        TableError: no verdict is whole.
    """
    whole = next((verdict for verdict in found if verdict is not None and verdict.scores is not None), None)
    if whole is None or whole.scores is None:
        faults = [verdict.fault for verdict in found if verdict is not None]
        raise TableError(
            f"no verdict of {counted(len(answers), 'answer')} is complete: {listed(faults, 1) or 'all requests failed'}"
        )
    read = sum(verdict is not None for verdict in found)
    broken = tuple(_named(answers, found, lambda verdict: [verdict.fault] if verdict.fault else []))
    return Verdicts(
        effect=len(broken) / read,
        interval=None,
        p_value=None,
        null="none: verdicts are counted",
        n=read,
        seed=None,
        verdicts=tuple(found),
        scores={code: [_score(verdict, code) for verdict in found] for code in sorted(_codes(found))},
        broken=broken,
        dropped=tuple(_named(answers, found, lambda verdict: verdict.dropped)),
    )


def usable_scores(verdicts: Verdicts) -> dict[str, list[float | None]]:
    """The scores of these verdicts.

    Raises:
        TableError: more than 2 % of them are broken.
    """
    if not verdicts.usable:
        raise TableError(f"this judge is not usable: {verdicts.explain('en')}")
    return verdicts.scores


def scores_of(answers: Answers) -> dict[str, list[float | None]]:
    """Return the checked scores, for `scores=` of `trait_reflection`, `quality_gate` and the others.

    Raises:
        TableError: as `verdicts_of`, or more than 2 % of the verdicts are broken.
    """
    return usable_scores(verdicts_of(answers))


IN_ROLE = "in_role"
"""The label of an answer by whom the prompt asks for; of a rubric without it, the first of its roles."""


def strange_roles(answers: Answers) -> list[str] | None:
    """Return the judge's label of each answer that is out of its role, empty for the others.

    `None` for a table without any label.
    """
    found = [None if row.answer.error is not None else _label(row.answer) for row in answers.rows]
    if not any(found):
        return None
    return ["" if label is None or label == own else label for label, own in (pair or (None, "") for pair in found)]


def _label(answer: Answer) -> tuple[str, str] | None:
    """Return the role that a verdict has, and the one that the answer should have; `None` without either.

    The rest of the verdict need not be whole.
    """
    found = _plain_verdict(answer)
    role = None if found is None else found.get("role")
    if not isinstance(role, str) or not role:
        return None
    schema = _schema(answer) if _asked_by_rubric(answer) else None
    if schema is None:
        return role, IN_ROLE
    known = schema["properties"]["role"]["enum"]
    return (role, IN_ROLE if IN_ROLE in known else known[0]) if role in known else None


def at_turn(answers: Answers, turn: int) -> Answers:
    """Return the table with another turn of its generator as each answer: one verdict of several.

    The first turn stays in `turns`, as what the persona said. A failed row stays as it is.

    Raises:
        TableError: an answer has no such turn.
    """
    return answers.with_rows(Row(row.cell, row.sample, _turn(row.answer, turn)) for row in answers.rows)


def _turn(answer: Answer, turn: int) -> Answer:
    from dataclasses import replace

    if answer.error is not None:
        return answer
    if not 0 <= turn < len(answer.turns):
        raise TableError(
            f"no turn {turn}: answer {answer.custom_id[:KEY_SHOWN]} has {counted(len(answer.turns), 'turn')}, "
            "numbered from 0"
        )
    chosen = answer.turns[turn]
    return replace(chosen, turns=(answer.turns[0], chosen) if turn else (chosen,))


def _schema(answer: Answer) -> dict[str, Any] | None:
    form = answer.request.body.get("response_format")
    asked = form.get("json_schema") if isinstance(form, Mapping) else None
    schema = asked.get("schema") if isinstance(asked, Mapping) else None
    return schema if isinstance(schema, dict) else None


def _asked_by_rubric(answer: Answer) -> bool:
    judged = answer.error is None and len(answer.turns) > 1
    return judged and judged_words(answer.request) is not None and _schema(answer) is not None


def _plain_verdict(answer: Answer) -> dict[str, Any] | None:
    """Return JSON with `scores` in a turn after the first; `None` for anything else."""
    if answer.error is not None or len(answer.turns) < 2 or not answer.text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(answer.text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("scores"), dict) else None


def _has_quote(mark: object) -> bool:
    return isinstance(mark, dict) and isinstance(mark.get("evidence"), str)


def _codes(found: Sequence[Verdict | None]) -> set[str]:
    return {code for verdict in found if verdict is not None and verdict.scores is not None for code in verdict.scores}


def _score(verdict: Verdict | None, code: str) -> float | None:
    return None if verdict is None or verdict.scores is None else verdict.scores.get(code)


def _named(
    answers: Answers, found: Sequence[Verdict | None], faults: Callable[[Verdict], Sequence[str]]
) -> Iterator[str]:
    """Yield `persona x question: fault (key)` for each fault."""
    for row, verdict in zip(answers.rows, found, strict=True):
        cell = " x ".join(row.id(axis) for axis in row.cell)
        for fault in () if verdict is None else faults(verdict):
            yield Phrase("{}: {} ({})", cell, fault, row.answer.custom_id[:KEY_SHOWN])
