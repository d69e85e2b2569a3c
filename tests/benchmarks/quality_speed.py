"""What the statistics cost: `python tests/benchmarks/quality_speed.py [answers ...]`.

The whole gate on 825 and 2,500 answers of about 300 characters, with 9,999 permutations, each in a process of its own
that measures itself; and the permutations of `differentiation` against a bare gather of numpy.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from pytest_batcheval.matrix.axes import Persona, Question
from pytest_batcheval.quality import quality_gate
from pytest_batcheval.quality.stats.persona_effect import null_sums
from pytest_batcheval.quality.stats.resampling import shuffles
from pytest_batcheval.recordings.answer_table import Answers

SIZES = (825, 2500)
PERMUTATIONS = 9999
CODES = ("NS", "HA", "RD", "P", "SD", "CO", "ST")
SPEECH = Path(__file__).parents[2] / "src/pytest_batcheval/catalogue/data/tci.json"


def main() -> None:
    """Print what each size costs, and the ratio to a bare gather."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measured(int(sys.argv[2]))))
        return
    for size in [int(argument) for argument in sys.argv[1:]] or SIZES:
        command = [sys.executable, __file__, "--one", str(size)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        print(
            f"gate on {found['answers']} answers, {PERMUTATIONS} permutations: {found['cpu']:.2f} s CPU, "
            f"{found['wall']:.2f} s, {found['peak']:.0f} MB at most ({found['before']:.0f} MB before)"
        )
    print(f"permutations of differentiation over a bare gather: {gather_ratio():.2f}")


def measured(size: int) -> dict[str, float]:
    """CPU seconds (all threads), wall seconds and peak memory of one gate."""
    answers = written(size)
    before, cpu, wall = peak(), time.process_time(), time.perf_counter()
    quality_gate(answers, permutations=PERMUTATIONS)
    return {
        "answers": len(answers),
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - wall,
        "peak": peak(),
        "before": before,
    }


def peak() -> float:
    """The most memory this program has held, in MB; `getrusage` counts also what its process was before it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def written(size: int) -> Answers:
    """Answers of random words between signs: 25 personas x 11 questions x 3 samples, or 25 x 20 x 5."""
    questions, samples = (20, 5) if size > 1000 else (11, size // 275)
    rng = random.Random(0)
    words = ["".join(chr(rng.randrange(0xAC00, 0xD7A3)) for _ in range(rng.randrange(1, 5))) for _ in range(4000)]
    poles = {d["code"]: [d[pole]["utterances"]["ko"] for pole in ("low", "high")] for d in dimensions()}
    people = [
        Persona(f"p{i:02}", {"description": rng.choice(words) * 3, "profile": levels})
        for i, levels in enumerate(profiles())
    ]
    asked = [Question(f"q{j:02}", {"text": f"질문 {j}?", "targets": rng.sample(CODES, 3)}) for j in range(questions)]

    def text(persona: Persona, question: Question) -> str:
        signs = [rng.choice(poles[code][persona.levels[code] > 0]) for code in question.targets]
        return " ".join([*rng.choices(words, k=30), *signs, *rng.choices(words, k=30)])

    return Answers.from_records(
        {"persona": p, "question": q, "sample": s, "text": text(p, q)}
        for p in people
        for q in asked
        for s in range(samples)
    )


def dimensions() -> list[dict[str, object]]:
    """The catalogue's dimensions as they stand in its file."""
    found: list[dict[str, object]] = json.loads(SPEECH.read_text(encoding="utf-8"))["dimensions"]
    return found


def profiles() -> list[dict[str, str]]:
    """25 profiles that tell seven factors apart."""
    rng = np.random.default_rng(1)
    levels = np.array([rng.permutation(["low"] * 12 + ["high"] * 13) for _ in CODES]).T
    return [dict(zip(CODES, map(str, row), strict=True)) for row in levels]


def gather_ratio(pairs: int = 9) -> float:
    """Median time of the permutations, drawn and summed, over that of plain gathers by permutations at hand.

    24 personas x 11 questions.
    """
    blocks = np.random.default_rng(0).normal(size=(11, 24, 11, 24))
    orders = [np.ascontiguousarray(shuffles(np.random.default_rng(j), PERMUTATIONS, 24).T) for j in range(11)]

    def bare() -> None:
        for j in range(11):
            for q in range(j + 1, 11):
                blocks[j, :, q, :].ravel()[orders[j] * 24 + orders[q]].sum(axis=0)

    def ours() -> None:
        null_sums(blocks, np.random.default_rng(0), PERMUTATIONS)

    return statistics.median(timed(ours) / timed(bare) for _ in range(pairs))


def timed(function: object) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    function()  # type: ignore[operator]
    return time.process_time() - start


if __name__ == "__main__":
    main()
