"""The Korean catalogue has every word of the report, and no other."""

import ast
import json
import re
import string
from decimal import Decimal
from pathlib import Path

import pytest
from test_report_page import judged, matrix

from pytest_batcheval import quality
from pytest_batcheval.engine.retry import Retry
from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.journal.rows import STAGES, StageRow
from pytest_batcheval.quality.result import Result
from pytest_batcheval.report.changes import changes
from pytest_batcheval.report.figures import ErrorFigures, RunFigures
from pytest_batcheval.report.html import html_of
from pytest_batcheval.report.language import Language
from pytest_batcheval.report.page import LOOKS, SIGNS, report_page
from pytest_batcheval.text.phrase import LANGUAGES

REPORT = Path(__file__).parents[2] / "src" / "pytest_batcheval" / "report"
SAID = [*(REPORT / f"{name}.py" for name in ("page", "quality_part", "charts", "svg", *(f"dashboard/{name}" for name in ("pictures", "trend")))),
        *(REPORT.parent / "cli" / f"{name}.py" for name in ("baseline", "compare", "compare_passes", "rates"))]  # fmt: skip
PHRASED = [REPORT / f"{name}.py" for name in ("run_text", "changes", "dashboard/live")]
CLASSES = [value for name in quality.__all__ if isinstance(value := getattr(quality, name), type)]
RESULTS = {"LadderStep", "Estimate", "Recognition", "Contradiction", "Oversharing"} | {
    cls.__name__ for cls in CLASSES if issubclass(cls, Result)
}
LABELS = {"requests", "at", "tokens", "cost", "time", "machine"}
"""Of the lines on a run, which the terminal has too."""


def literals(node):
    """The texts that an argument may be."""
    if isinstance(node, ast.IfExp):
        return literals(node.body) | literals(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) else set()


def used():
    """Every English text that a report may ask for."""
    found = {
        "{number} tests",
        "{number} more characters",
        *SIGNS,
        *LOOKS,
        *LABELS,
        *(f"stage: {name}" for name in STAGES),
        *(f"state: {name}" for name in ("open", "lost", "failed", "refused", "empty", "done")),
        *(r.value for r in Retry),
        *RESULTS,
    }
    for path in SAID:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "words":
                found |= literals(node.args[0])
            elif isinstance(node, ast.Dict) and path.stem == "charts":  # the columns of a chart's figures
                found |= {key.value for key in node.keys if isinstance(key, ast.Constant)} - OTHER_KEYS
    for node in (node for path in PHRASED for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))):
        name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if name == "Phrase":
            found |= {text for text in literals(node.args[0]) if re.search("[A-Za-z]", re.sub("{.*?}", "", text))}
        elif name == "Phrase.counted":
            found.add(f"{{number}} {node.args[2].value if node.args[2:] else f'{node.args[1].value}s'}")
    templates = "".join(path.read_text(encoding="utf-8") for path in REPORT.rglob("*.jinja"))
    app = (REPORT / "dashboard" / "app.py").read_text(encoding="utf-8")
    return found | set(re.findall(r'\b_\("([^"]+)"', templates)) | set(re.findall(r'_words\("([^"]+)"', app))


OTHER_KEYS = {"Comparison", "Differentiation", "Discriminant", "FormatChecks", "JudgeAgreement", "Regression",
              "TraitReflection", "down", "across", "value"}  # fmt: skip


def catalogue(code):
    return json.loads((REPORT / "words" / f"{code}.json").read_text(encoding="utf-8"))


def names(text):
    return sorted(part[1:] for part in string.Formatter().parse(text) if part[1] is not None)


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


@pytest.mark.parametrize("origin", ["simulator:faithful@0", "https://api.openai.com/v1"])
@pytest.mark.parametrize("batches", [{}, {"settled": 2}])
@pytest.mark.parametrize("calls", [0, 3])
def test_what_a_run_sent_is_said_without_english(origin, batches, calls):
    error = ErrorFigures("429", 429, 3, "0123456789ab", "", True, Retry.TRANSIENT.value)
    stages = tuple(StageRow("r", wave, name, 7.0, 0.5, 10**8, 1234, 5678) for wave in (1, 2) for name in STAGES)
    price = {"batch_usd": Decimal(1), "batch_usd_as_calls": Decimal(2), "calls_usd": None}
    sent = RunFigures("r", 0.0, origin, "", (), batches, 9, calls, 2, 5, (error,), 3, 7, 8, **price, stages=stages)
    facts = report_page([], [], sent=sent, words=Language.of("ko")).facts
    assert len(facts) == 8
    assert set(re.findall("[A-Za-z]{2,}", str(facts))) <= {"CPU", "HTTP", "MB", "kB", "ab"}
