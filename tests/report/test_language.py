"""The Korean catalogue has every word of the report, and no other."""

import ast
import json
import re
import string
from pathlib import Path

import pytest
from test_report_page import judged, matrix

from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.report.changes import changes
from pytest_batcheval.report.html import html_of
from pytest_batcheval.report.language import Language
from pytest_batcheval.report.page import LOOKS, SIGNS, report_page
from pytest_batcheval.text.phrase import LANGUAGES

REPORT = Path(__file__).parents[2] / "src" / "pytest_batcheval" / "report"
LABELS = {"requests", "tokens", "cost", "time", "machine"}
"""Of the lines on a run, which the terminal has too."""


def literals(node):
    """The texts that an argument may be."""
    if isinstance(node, ast.IfExp):
        return literals(node.body) | literals(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) else set()


def used():
    """Every English text that a report may ask for."""
    found = {"{number} tests", *SIGNS, *LOOKS, *LABELS}
    for path in (REPORT / f"{name}.py" for name in ("page", "quality_part", "charts")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "words":
                found |= literals(node.args[0])
            elif isinstance(node, ast.Dict) and path.stem == "charts":  # the columns of a chart's figures
                found |= {key.value for key in node.keys if isinstance(key, ast.Constant)} - OTHER_KEYS
    template = (REPORT / "templates" / "report.html.jinja").read_text(encoding="utf-8")
    return found | set(re.findall(r'\b_\("([^"]+)"', template))


OTHER_KEYS = {"Comparison", "Differentiation", "Discriminant", "FormatChecks", "JudgeAgreement", "Regression",
              "TraitReflection", "down", "across", "value"}  # fmt: skip


def catalogue(code):
    return json.loads((REPORT / "words" / f"{code}.json").read_text(encoding="utf-8"))


def names(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("code", LANGUAGES[1:])
def test_the_catalogue_is_complete_and_has_nothing_else(code):
    known = catalogue(code)
    assert sorted(used() - known.keys()) == []
    assert sorted(known.keys() - used()) == []
    assert [text for text, other in known.items() if names(text) != names(other) or not other.strip()] == []


@pytest.mark.parametrize("code", LANGUAGES[1:])
def test_a_report_in_another_language_has_no_english_of_its_own(code):
    words = Language.of(code)
    outcomes, answers = matrix(lambda p, q: p == q, text="저는 괜찮아요.")
    outcomes = [judged(outcomes[0]), *outcomes[1:], Outcome("t.py::test_missing", "t.py", "unrecorded")]
    page = report_page(outcomes, answers, 0.0, since=changes(0.0, outcomes[:3], outcomes), words=words)
    text = html_of(page)
    assert f'<html lang="{code}">' in text
    assert page.verdict[0] == "테스트 21개 중 4개가 실패했습니다."
    body = text.partition("<main>")[2].partition("<script>")[0]
    seen = re.sub(r"<[^>]+>", "\n", body)
    long = [key for key in catalogue(code) if len(key.split()) > 2 and "{" not in key]
    assert [key for key in long if key in seen] == []
    assert "특성이 드러나는가?" in seen


def test_english_has_its_plurals():
    words = Language.of("en")
    assert words.counted(1, "test") == "1 test"
    assert words.counted(2, "test") == "2 tests"
    assert words("{a} of {b}", a=1, b=2) == "1 of 2"
