"""Every figure on the page of limits is one that docs/statistics.md or docs/evaluations.md reports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGE, STATISTICS, EVALUATIONS = (
    (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("limits-of-measures", "statistics", "evaluations")
)

BACKED = {
    "Two mute ones of 24 failed in 30 of 30 runs": "| 2 of 24 mute | 1 | 0 of 30 |",
    "9 of 30 passed": "random in two more | -, **9 of 30** |",
    "passes in 30 of 30, with a warning of missing scores in 30 of 30": "sees half of the low poles | 1 | 30 of 30 | none | 1.00 |",
    "1 of 30 passed although traits were random": "a judge that hides what does not fit | 1 | 1 of 30 |",
    "passed in 1 of 200 runs with three samples": "| `partial` | 3 | 1 of 200 |",
    "in 224 of 300 runs": "| `faithful-0.4` | 1 | 76 of 300 |",
    "with three in all 100": "| `faithful-0.4` | 3 | 100 of 100 |",
    "in 0.12 of single answers": "| `faithful` | 1 | 600 of 600 | none | 0.019 | 0.12 |",
    "in 0.16 of runs, and in 0.41": "| 0.2 | 0.16, 0.34, 0.51 | 0.41,",
    "in 0.12 to 0.19 of runs": "lean by 0.3, 0.6 | 0.12, 0.19 |",
    "0.21 in `compare`, 0.065": "0.21, 0.135, 0.065",
    "It is 0.85": "| generalizability | 0.27 | 0.75 | 0.85 | 0.92 |",
    "failed it\n  in 30 of 30 runs": "a judge that scores by liking | 1 | 0 of 30 | discriminant 1.00",
    "1.5 points from its first line": "rises by 1.5 points from the first line",
    "in 0.96 of runs when": "| 0.96 of 100 runs; 0.02; 0.02 |",
    "and in 0.02 as requests": "| 0.96 of 100 runs; 0.02; 0.02 |",
    "off by 0.25 points": "the judge errs by 0.25 points",
    "0.69 was its own": "| 0.965 | 0.69 |",
    "0.57 where judges differed\n  by 0.6 points": "| a strict judge: judges differ by 0.6 | 0.968 | 0.57 |",
    "0.43 where each favoured": "| judges favour other personas: by 0.6 | 0.950 | 0.43 |",
    "in 0.96 of\n  runs": "in 0.94, 0.96, 0.96 of 600 runs",
    "passed in 4 of 10 runs": "The gate passed `oversharer` in 4 of 10 runs",
    "a fall by 0.5 is found in 0.35 of runs": "-0.25, -0.5 found at 0.01; interval holds the change of other questions | 0.048, 0.010; 0.09, 0.35; 0.56",
}
"""A claim of the page, and the words of docs/statistics.md that it stands on."""


@pytest.mark.parametrize("claim", BACKED)
def test_a_claim_stands_on_a_measured_figure(claim: str) -> None:
    assert claim in PAGE
    assert BACKED[claim] in STATISTICS


def test_the_kappa_of_a_judge_that_is_a_point_off_is_measured() -> None:
    assert "weighted kappa of 0.67" in PAGE
    assert "a weighted kappa of 0.67" in EVALUATIONS


def test_no_share_on_the_page_is_without_a_source() -> None:
    shares = set(re.findall(r"\b0\.\d+\b", PAGE))
    stated = " ".join((*BACKED, "weighted kappa of 0.67"))
    known = {"0.05", "0.01", "0.04", "0.2"}  # levels, a chance of 1 in 24, a drop that the table has as its row
    assert {share for share in shares if share not in stated} <= known | {"0.27"}
