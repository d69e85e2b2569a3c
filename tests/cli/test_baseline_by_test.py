"""`batcheval baseline` of tests without profiles: each test function by the tests that pass, whatever its axes."""

import json

import pytest

from pytest_batcheval.cli import main

TESTS = """
import pytest

def ask(item, model):
    return {"model": model, "messages": [{"role": "user", "content": f"Explain {item}."}]}

@pytest.mark.parametrize("item", [f"item {n}" for n in range(8)])
@pytest.mark.parametrize("model", ["gpt-6.1-terra", "gpt-6-luna"])
@pytest.mark.batch(prompt=ask)
def test_is_said(item, model, answer):
    assert answer.text != WORST

@pytest.mark.parametrize("item", [f"item {n}" for n in range(8)])
@pytest.mark.parametrize("model", ["gpt-6.1-terra", "gpt-6-luna"])
@pytest.mark.batch(prompt=ask)
def test_never(item, model, answer):
    assert len(answer.text) < LIMIT

@pytest.mark.parametrize("model", ["gpt-6.1-terra", "gpt-6-luna"])
@pytest.mark.batch(prompt=ask)
def test_table(model, answers):
    assert len(answers) == 8
"""


@pytest.fixture
def suite(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.chdir(pytester.path)
    pytester.makefile(".ini", pytest="[pytest]\naddopts = -p pytest_batcheval.plugin\nbatch_axes = item=items.csv\n")
    (pytester.path / "items.csv").write_text("id\n" + "".join(f"item {n}\n" for n in range(8)))

    def run(limit, *options):
        pytester.makepyfile(test_it=f"WORST, LIMIT = '', {limit}\n{TESTS}")
        return pytester.runpytest_inprocess("-q", "--tb=no", *options)

    run(10_000, "--batch=record", "--batch-backend=simulator")
    return run


@pytest.mark.sampled
def test_each_test_function_is_measured_by_its_items(suite, capsys):
    capsys.readouterr()
    assert main(["baseline", "save", "main"]) == 0
    saved = capsys.readouterr().out
    assert "test_it.py::test_is_said passed/1 +1.000 in 16 cells" in saved
    assert "test_it.py::test_never passed/1 +1.000 in 16 cells" in saved
    assert "test_it.py::test_table passed/1 +1.000 in 2 cells" in saved
    suite(1)
    capsys.readouterr()
    assert main(["baseline", "compare", "main"]) == 1
    out = capsys.readouterr().out
    assert "test_it.py::test_never:\nworse: 0.0% passed, against 100.0%: -1.000" in out
    assert "test_it.py::test_is_said:\nequivalent" in out or "test_it.py::test_is_said:\nnot decided" in out
    assert main(["baseline", "compare", "main", "--test", "test_is_said"]) == 0
    capsys.readouterr()
    assert main(["baseline", "compare", "main", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["tests"]
    assert [one["verdict"] for one in found if one["test"].endswith("test_never")] == ["worse"]


def test_a_model_is_compared_with_another(suite, capsys):
    assert main(["baseline", "save", "larger", "--model", "gpt-6.1-terra", "--test", "test_is_said"]) == 0
    capsys.readouterr()
    assert main(["baseline", "compare", "larger", "--model", "gpt-6-luna", "--test", "test_is_said"]) == 0
    assert "model: gpt-6.1-terra in the baseline, gpt-6-luna now" in capsys.readouterr().out
    assert main(["baseline", "compare", "larger", "--test", "test_is_said"]) == 4
    assert "the baseline is of gpt-6.1-terra, these answers are of gpt-6-luna, gpt-6.1-terra" in capsys.readouterr().err


def test_what_has_no_items_is_refused_with_what_to_do(suite, capsys):
    assert main(["baseline", "save", "main", "--test", "test_nothing"]) == 4
    assert "no test test_nothing used a recorded answer; tests: test_it.py::test_is_said" in capsys.readouterr().err
    assert main(["baseline", "save", "main", "--journal", "nowhere/journal.sqlite"]) == 4
    assert "run pytest -m batch first, so that it is known which test asked what" in capsys.readouterr().err
