"""What the plugin costs: `python tests/benchmarks/plugin_cost.py [pairs]`.

Two ratios, each the median over pairs of whole pytest processes run side by side: a run with one plain test with
the plugin and without it, and 275 recorded evaluation tests and 275 plain parametrised tests that read a dict.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAIRS = 15
ROOT = Path(__file__).parents[2]
PLUGIN = ("-p", "pytest_batcheval.plugin")

EVALUATION = """
import pytest

def ask(persona, question):
    return {"model": "m", "messages": [
        {"role": "system", "content": persona.description}, {"role": "user", "content": question.text}]}

@pytest.mark.batch(prompt=ask)
def test_answer(answer):
    assert answer.finish_reason == "stop"
    assert len(answer.text) > 20
"""

PLAIN = """
import json, pathlib, pytest

ANSWERS = json.loads(pathlib.Path(__file__).with_name("answers.json").read_text())

@pytest.mark.parametrize("key", list(ANSWERS))
def test_answer(key):
    assert ANSWERS[key]["finish_reason"] == "stop"
    assert len(ANSWERS[key]["text"]) > 20
"""

INI = f"""
[pytest]
addopts = --import-mode=importlib
batch_axes =
    persona={ROOT}/fixtures/personas.yaml
    question={ROOT}/fixtures/questions.yaml
"""


def main() -> None:
    """Measure and print both ratios."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "one").mkdir()
        (folder / "one" / "test_one.py").write_text("def test_one(): pass\n")
        report("one plain test, with the plugin and without", folder / "one", pairs, PLUGIN, ())
        (folder / "pytest.ini").write_text(INI)
        (folder / "test_evaluation.py").write_text(EVALUATION)
        (folder / "test_plain.py").write_text(PLAIN)
        write_recordings(folder)
        evaluation, plain = (*PLUGIN, "test_evaluation.py"), (*PLUGIN, "test_plain.py")
        report("275 recorded evaluations and 275 plain tests", folder, pairs, evaluation, plain)


def write_recordings(folder: Path) -> None:
    """Record the evaluation from the simulator, and write the same answers as the dict of the plain tests."""
    run(folder, (*PLUGIN, "test_evaluation.py", "--batch=record", "--batch-backend=simulator"))
    (recording,) = (folder / "cassettes").rglob("*.jsonl")
    choices = [json.loads(line)["response"]["body"]["choices"][0] for line in recording.read_text().splitlines()]
    answers = {
        f"{number:03d}": {"text": choice["message"]["content"], "finish_reason": choice["finish_reason"]}
        for number, choice in enumerate(choices)
    }
    (folder / "answers.json").write_text(json.dumps(answers))
    for path in (folder / ".batcheval").iterdir():
        path.unlink()
    (folder / ".batcheval").rmdir()


def report(title: str, folder: Path, pairs: int, one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """Time pairs of runs in turn and print the median of their ratios."""
    times = [(run(folder, one), run(folder, other)) for _ in range(pairs)]
    ratio = statistics.median(a / b for a, b in times)
    first, second = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{title}: {ratio:.3f} (median of {pairs} pairs; {first:.3f} s and {second:.3f} s)")


def run(folder: Path, arguments: tuple[str, ...]) -> float:
    """Wall seconds of one pytest process without any other plugin."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiling at each start is nobody's usual case
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
