"""What is said of payments: every sentence is made in one place, and says no more than is proved."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pytest_batcheval.engine
from pytest_batcheval.engine import payment_text
from pytest_batcheval.journal.rows import BatchRow

CLAIMS = ("unpaid", "have been paid", "being paid", "was paid", "not created", "nothing is lost")
ELSEWHERE = {
    "payment_text.py",
    "retry.py",  # advice by class of failure
    "call_outcome.py",  # individual calls
    "call_sender.py",
    "send_result.py",  # counts of what is proved
}
ROW = BatchRow("o", "s", "/v1", "i", 1, 1, 3, "batcheval-00-00000000.jsonl", batch_id="batch_1", note="HTTP 502")


def texts(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        ast.get_docstring(node, clean=False)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    }
    found = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [text for text in found if text not in docs and len(text) < 400]


def test_no_other_module_of_the_engine_says_what_was_paid():
    folder = Path(pytest_batcheval.engine.__file__).parent
    said = {
        (path.name, text)
        for path in folder.glob("*.py")
        if path.name not in ELSEWHERE
        for text in texts(path)
        if any(claim in text for claim in CLAIMS) and not text.startswith(("Seconds", "The ", "Whether"))
    }
    assert said == set()


@pytest.mark.parametrize(
    ("fenced", "given_up", "tried", "part"),
    [
        (True, False, True, "its input file was deleted, and no list since shows it (HTTP 502)"),
        (False, False, True, "no complete list of 20 minutes shows it"),
        (True, True, True, "if it was created, it is paid twice"),
        (False, False, False, "not created (HTTP 502)"),
    ],
)
def test_a_create_that_was_not_applied_is_said_with_its_proof(fenced, given_up, tried, part):
    assert part in payment_text.not_created(ROW, fenced, given_up, tried)


def test_no_sentence_is_sure_of_what_nobody_can_know():
    for text in (payment_text.lost("b", "gone"), payment_text.unaccounted(ROW)):
        assert "may have been paid" in text
    assert "if it was, it is being paid" in payment_text.unknown_create(ROW)
