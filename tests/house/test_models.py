"""Every model named in this repository is one of `catalogue/models.py`, or stands here with its reason."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pytest_batcheval.catalogue.models import LARGER, MODEL, SNAPSHOT, end_of

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"(?<![\w./-])(?:gpt-\d|chatgpt-\w|o[134]\b)(?:[\w.]|-(?=\w))*")
LEFT = ("CHANGELOG.md", "docs/images/", "src/pytest_batcheval/catalogue/models.py")
EXCEPTIONS = {
    "src/pytest_batcheval/simulator/inference/models.py": "the models that a user's bodies may name",
    "tests/catalogue/test_models.py": "models that are shut down",
    "tests/simulator/respondents/respondent_tables.py": "what a respondent says follows from the body, model included",
    "docs/certificates.md": "as servers of others say it",
    "tests/wire/test_key.py": "golden keys of requests that users have paid for",
    "tests/plugin/test_plan_warnings.py": "models that are shut down, and a small window",
    "tests/engine/test_window.py": "a small window",
    "tests/engine/test_pricing.py": "a model without a price of flex",
    "tests/simulator/conformance/test_lines.py": "the smallest context window there is",
    "tests/simulator/endpoints/test_model_calls.py": "models that nobody knows yet",
    **dict.fromkeys(
        ("fixtures/batchinput.jsonl", "fixtures/make_batchinput.py", "docs/files.md", "tests/cli/test_import.py"),
        "an input file that was made for an older model",
    ),
}


def named() -> dict[str, set[str]]:
    """The other models that each file under version control names; one of ours may begin the id of a test."""
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    found = {}
    for path in files:
        if (ROOT / path).is_file() and not path.startswith(LEFT):
            text = (ROOT / path).read_text(encoding="utf-8", errors="replace")
            others = {
                name.rstrip(".") for name in NAMED.findall(text) if not name.startswith((MODEL, LARGER, SNAPSHOT))
            }
            if others:
                found[path] = others
    return found


@pytest.mark.sampled
def test_models_are_named_in_one_place() -> None:
    found = named()
    assert {path: models for path, models in found.items() if path not in EXCEPTIONS} == {}, "see CONTRIBUTING.md"
    assert EXCEPTIONS.keys() <= found.keys(), "an exception that is none any more"


def test_the_models_of_the_examples_are_served() -> None:
    assert {model: end_of(model, {}) for model in (MODEL, LARGER)} == {MODEL: None, LARGER: None}
