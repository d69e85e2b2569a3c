"""Labels are bound to what was labelled: the words, who said them, the rubric, and the judge whose errors they show."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.judging._rubric_request import judged_by
from pytest_batcheval.quality.result import listed
from pytest_batcheval.quality.verdicts import is_verdict
from pytest_batcheval.recordings.answer_table import Row
from pytest_batcheval.text.format import counted

BOUND = ("words", "answered_by", "rubric", "judge")
"""Columns of a file of labels, each of which must fit where both the file and the table know it."""

AS_LETTERS = str.maketrans("0123456789", "ghijklmnop")
"""A spreadsheet would take eight of 1,000 digests for numbers, such as 12345e678901, and write them back as others."""


class StaleLabelsError(TableError):
    """Labels of other words, of another model's answers, by another rubric, or of another judge's errors."""


def bound_to(row: Row) -> dict[str, str]:
    """Return what a label of this answer is bound to, as far as the table knows it, by the names of `BOUND`.

    `words` is a digest of what was said, `answered_by` and `judge` are requested models, `rubric` is a rubric's digest.
    """
    judged = row.answer.error is None and is_verdict(row.answer) and len(row.answer.turns) > 1
    said = row.answer.turns[-2] if judged else row.answer
    if said.error is not None:
        return {}
    words = hashlib.sha256(said.text.encode()).hexdigest()[:12].translate(AS_LETTERS)
    found = {"words": words, "answered_by": said.request.model}
    if judged:
        found |= {"rubric": judged_by(row.answer.request) or "", "judge": row.answer.request.model}
    return {name: value for name, value in found.items() if value}


def check_bound(labels: Mapping[str, tuple[Mapping[str, str], Row]]) -> None:
    """Check what labels are bound to against their answers, both by the label's place in its file.

    Raises:
        StaleLabelsError: names what differs, and the first few labels.
    """
    stale: dict[str, list[str]] = {}
    for where, (bound, row) in labels.items():
        now = bound_to(row) if bound else {}
        for name in BOUND:
            if bound.get(name) and now.get(name) and bound[name] != now[name]:
                stale.setdefault(f"{name} ({bound[name]}, now {now[name]})", []).append(where)
    if stale:
        parts = [f"{what}: {listed(places)}" for what, places in stale.items()]
        number = len({place for places in stale.values() for place in places})
        raise StaleLabelsError(
            f"{counted(number, 'label')} of something else than this table has: {'; '.join(parts)}; label them again"
        )
