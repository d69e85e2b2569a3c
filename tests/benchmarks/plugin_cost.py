"""What the plugin costs: `python tests/benchmarks/plugin_cost.py [pairs] [--large]`.

Ratios of whole pytest processes, run in turn: of the processor's time and of the wall's, the least of either. A run
with one plain test, with the plugin and without it; 275 recorded evaluation tests, and plain tests with the same
parameters and one fixture that reads a dict; with `--large` the same with 10,000.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

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
import json, pathlib, types, pytest

FOLDER = pathlib.Path(__file__).parent
ANSWERS = json.loads((FOLDER / "answers.json").read_text())
AXES = {name: [types.SimpleNamespace(**value) for value in json.loads((FOLDER / f"{name}.json").read_text())]
        for name in ("persona", "question")}

@pytest.fixture
def answer(persona, question):
    return ANSWERS[f"{persona.id} {question.id}"]

@pytest.mark.parametrize("question", AXES["question"], ids=lambda value: value.id)
@pytest.mark.parametrize("persona", AXES["persona"], ids=lambda value: value.id)
def test_answer(answer, persona, question):
    assert answer["finish_reason"] == "stop"
    assert len(answer["text"]) > 20
"""

INI = f"""
[pytest]
addopts = --import-mode=importlib
batch_axes =
    persona={ROOT}/fixtures/personas.yaml
    question={ROOT}/fixtures/questions.yaml
"""

LARGE = """
[pytest]
addopts = --import-mode=importlib
batch_axes =
    persona=persona.json
    question=question.json
"""
PERSONAS, QUESTIONS = 400, 25


def main() -> None:
    """Measure and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=int, nargs="?", default=PAIRS)
    parser.add_argument("--large", action="store_true", help="also 10,000 tests, in a fifth of the pairs")
    given = parser.parse_args()
    print("| | CPU | wall | CPU s | CPU s |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_one.py").write_text("def test_one(): pass\n")
        report("one plain test, with the plugin : without it", folder, given.pairs, PLUGIN, ())
    for count, ini, pairs in ((275, INI, given.pairs), (10_000, LARGE, max(3, given.pairs // 5)))[: 1 + given.large]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_suite(folder, ini, count)
            one, other = (*PLUGIN, "test_evaluation.py"), (*PLUGIN, "test_plain.py")
            report(f"{count:,} replayed evaluations : {count:,} plain tests", folder, pairs, one, other)


def write_suite(folder: Path, ini: str, count: int) -> None:
    """Evaluation, plain tests and their answers in a folder; record the evaluation from the simulator."""
    (folder / "pytest.ini").write_text(ini)
    (folder / "test_evaluation.py").write_text(EVALUATION)
    (folder / "test_plain.py").write_text(PLAIN)
    axes = usual_axes() if count == 275 else large_axes()
    for name, values in axes.items():
        (folder / f"{name}.json").write_text(json.dumps(values, ensure_ascii=False))
    write_recordings(folder)


def usual_axes() -> dict[str, list[dict[str, object]]]:
    """The personas and questions of this repository, as JSON has them."""
    files = {name: ROOT / "fixtures" / f"{name}s.yaml" for name in ("persona", "question")}
    return {name: yaml.safe_load(path.read_text(encoding="utf-8")) for name, path in files.items()}


def large_axes() -> dict[str, list[dict[str, object]]]:
    """As many personas and questions as make 10,000 tests."""
    usual = usual_axes()
    return {
        "persona": [{**usual["persona"][n % 25], "id": f"persona-{n}", "description": f"{n}: {usual['persona'][n % 25]['description']}"}
                    for n in range(PERSONAS)],
        "question": [{**usual["question"][n % 11], "id": f"question-{n}", "text": f"{n}: {usual['question'][n % 11]['text']}"}
                     for n in range(QUESTIONS)],
    }  # fmt: skip


def write_recordings(folder: Path) -> None:
    """Record the evaluation from the simulator, and write the same answers as the dict of the plain tests."""
    run(folder, (*PLUGIN, "test_evaluation.py", "--batch=record", "--batch-backend=simulator"))
    (recording,) = (folder / "cassettes").rglob("*.jsonl")
    answers = {}
    for line in map(json.loads, recording.read_text(encoding="utf-8").splitlines()):
        choice = line["response"]["body"]["choices"][0]
        text = {"text": choice["message"]["content"], "finish_reason": choice["finish_reason"]}
        answers[f"{line['cell']['persona']} {line['cell']['question']}"] = text
    (folder / "answers.json").write_text(json.dumps(answers))
    shutil.rmtree(folder / ".batcheval")


def report(title: str, folder: Path, pairs: int, one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """Run both in turn, and print the ratios of their least times."""
    times = [(run(folder, one), run(folder, other)) for _ in range(pairs)]
    ours, plain = ([min(each[part] for each in column) for part in (0, 1)] for column in zip(*times, strict=True))
    ratios = " | ".join(f"{a / b:.3f}" for a, b in zip(ours, plain, strict=True))
    print(f"| {title} | {ratios} | {ours[0]:.2f} | {plain[0]:.2f} |", flush=True)


def run(folder: Path, arguments: tuple[str, ...]) -> tuple[float, float]:
    """Seconds of one pytest process without any other plugin, of the processor and on the wall."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiling at each start is nobody's usual case
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


if __name__ == "__main__":
    main()
