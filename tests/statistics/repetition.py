"""How often a persona says the same again, and what the gate sees of it: `python tests/statistics/repetition.py 200`.

Faithful caricatures apart from the simulator: for each trait that a question aims at a sentence of the told
pole, or one that shows nothing. The judge sees the signs: 3 + 1.5 x level + noise of 0.7 points, rounded and cut
to 1 to 5; where there is no sign, no score in 85 %, else 3 + noise.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.path.insert(0, str(Path(__file__).parents[1] / "simulator" / "respondents"))

import numpy as np
from respondent_tables import CODES, personas, questions

from pytest_batcheval.catalogue.load import dimensions, openers
from pytest_batcheval.quality import QualityGate, quality_gate
from pytest_batcheval.recordings.answer_table import Answers

REPORTED = 60_000
"""Seed of the first run that is reported; `beside` of 0.15 was chosen on seeds 50,000 to 50,019."""

FILLERS = (
    "글쎄요, 요즘은 그저 그래요.",
    "생각을 좀 해 봐야겠네요.",
    "특별히 드릴 말씀은 없어요.",
    "오늘은 버스를 타고 왔어요.",
    "어제는 비가 왔던 것 같네요.",
    "아침은 밥을 조금 먹었습니다.",
    "병원은 집에서 가까워요.",
    "지난주에도 비슷했어요.",
    "시간이 참 빨리 가네요.",
    "커피는 하루에 한 잔 마셔요.",
    "예전에는 시골에 살았어요.",
    "그건 잘 기억나지 않네요.",
)


@dataclass(frozen=True)
class Habit:
    """How a respondent speaks.

    Attributes:
        sentences: it knows for each pole.
        beside: its chance to show a trait that the question does not aim at, over that to show one it aims at.
        opened: whether it begins with one of the simulator's openers.
    """

    name: str
    sentences: int = 3
    beside: float = 0.0
    opened: bool = False


HABITS = (
    Habit("six sentences a pole", sentences=6),
    Habit("the same, and openers", sentences=6, opened=True),
    Habit("three sentences a pole"),
    Habit("three, and signs of other traits", beside=0.15),
)


def gate(habit: Habit, share: float, seed: int, samples: int = 1) -> QualityGate:
    """The gate on a respondent that shows this share of the signs it has a chance to show."""
    rng = np.random.default_rng([seed, samples])
    known = {
        (d.code, level): d.pole(level).utterances["ko"][: habit.sentences] for d in dimensions() for level in (-1, 1)
    }
    records, planted = [], []
    for person in personas():
        for question in questions():
            for sample in range(samples):
                opening = [str(rng.choice(openers(question.id, "ko")))] if habit.opened else []
                fillers = iter(rng.permutation(FILLERS).tolist())
                signs: dict[str, int] = {}
                spoken = list(opening)
                for code in CODES:
                    aimed = code in question.targets
                    level = person.levels[code]
                    if level and rng.random() < share * (1.0 if aimed else habit.beside):
                        spoken.append(str(rng.choice(known[code, level])))
                        signs[code] = level
                    elif aimed:
                        spoken.append(next(fillers))
                records.append({"persona": person, "question": question, "sample": sample, "text": " ".join(spoken)})
                planted.append([signs.get(code, 0) for code in CODES])
    scores = judged(np.array(planted, dtype=float), rng)
    return quality_gate(Answers.from_records(records), scores=scores, permutations=999, seed=seed)


def judged(planted: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    scores = np.clip(np.rint(3 + 1.5 * planted + rng.normal(0, 0.7, planted.shape)), 1, 5)
    scores[(planted == 0) & (rng.random(planted.shape) < 0.85)] = np.nan
    return {code: scores[:, column] for column, code in enumerate(CODES)}


def most_accurate() -> float:
    """Accuracy of who shows all signs of a question's traits and nothing else: one of those that share their poles."""
    corners = [p for p in personas() if p.id != "average"]
    found = []
    for question in questions():
        poles = [tuple(p.levels[code] for code in question.targets) for p in corners]
        found += [1 / poles.count(own) for own in poles]
    return float(np.mean(found))


def main() -> None:
    """Print the table for so many runs."""
    runs = int(sys.argv[1])
    samples = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    print(f"at most {most_accurate():.3f} accurate without signs of other traits; {samples} samples")
    print("| they draw on | 40 % of the signs passes | faithful passes | icc | accuracy |")
    print("|---|---|---|---|---|")
    for habit in HABITS:
        weak, full = ([gate(habit, s, REPORTED + n, samples) for n in range(runs)] for s in (0.4, 0.75))
        passed = [f"{sum(g.passed for g in gates)} of {runs}" for gates in (weak, full)]
        found = [g["different"].result for g in full]
        icc, accuracy = (np.median([getattr(f, name) for f in found]) for name in ("icc", "accuracy"))
        print(f"| {habit.name} | {passed[0]} | {passed[1]} | {icc:.3f} | {accuracy:.2f} |", flush=True)


if __name__ == "__main__":
    main()
