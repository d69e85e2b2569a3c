"""The project's goals of speed and memory, each beside what is measured here: `python tests/benchmarks/goals.py [--full]`.

Starts the commands that measure, shows what they print, and ends with a table in Markdown: one row a goal, with its
measured value and whether it holds. Without `--full` sizes are a tenth, and take some ten minutes on two cores; with it
an hour, and 10 GB of disk. Figures are those of this machine, and worth something if it has nothing else to do.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
Numbers = list[float]


@dataclass(frozen=True)
class Goal:
    """A row of the table.

    Attributes:
        name: of the work.
        goal: in words.
        command: the command that measures it, by a name of `COMMANDS`.
        pattern: finds its figures in what that prints; of several lines the last one counts.
        holds: whether the figures reach the goal.
    """

    name: str
    goal: str
    command: str
    pattern: str
    holds: Callable[[Numbers], bool]


NUMBER = r"([\d.,]+)"
CELL = rf" {NUMBER} \|"

COMMANDS: dict[str, tuple[list[str], list[str]]] = {
    "streams": (["scale.py", "--sizes", "10000,30000,100000"], ["scale.py", "--sizes", "100000,300000,1000000"]),
    "plugin": (["plugin_cost.py", "9"], ["plugin_cost.py", "--large"]),
    "calls": (["calls_speed.py", "2000"], ["calls_speed.py", "3000"]),
    "workers": (["calls_speed.py", "1000", "8", "--workers", "4"], ["calls_speed.py", "2000", "8", "--workers", "4"]),
    "claims": (["../paying_once/claim_rate.py", "8", "20000"], ["../paying_once/claim_rate.py", "8", "200000"]),
    "journal": (["journal_size.py", "100000"], ["journal_size.py", "1000000"]),
    "gate": (["quality_speed.py", "825"], ["quality_speed.py", "825"]),
}
"""Arguments of each, at a tenth of the size and at the full one."""

GOALS = [
    Goal("`BatchClient.run`, peak MB of the client", "300", "streams", rf"^\| [\d,]+ \|{CELL}", lambda n: n[0] <= 300),
    Goal("its slope, kB a request", "0.1", "streams", rf"^\| [\d,]+ \| [\d.]+ \|{CELL}", lambda n: n[0] <= 0.1),
    Goal("its CPU, in times of the floor", "2", "streams", rf"^(?:\|[^|]+){{5}}\|{CELL}", lambda n: n[0] <= 2),
    Goal("growth of its CPU, exponent", "1.1", "streams", rf"^(?:\|[^|]+){{6}}\|{CELL}", lambda n: n[0] <= 1.1),
    Goal("a run without batch tests, CPU and wall", "1.03", "plugin", rf"^\| one.*?\|{CELL}{CELL}", lambda n: max(n) <= 1.03),
    Goal("275 replayed tests, CPU and wall", "1.35", "plugin", rf"^\| 275.*?\|{CELL}{CELL}", lambda n: max(n) <= 1.35),
    Goal("10,000 replayed tests", "1.25", "plugin", rf"^\| 10,000.*?\|{CELL}{CELL}", lambda n: max(n) <= 1.25),
    Goal("individual calls a second, 200 ms, limit 64", "288", "calls", rf"{NUMBER} in the second", lambda n: n[0] >= 288),
    Goal("four workers, % of linear", "90", "workers", rf"{NUMBER}% of linear", lambda n: n[0] >= 90),
    Goal("8 senders on PostgreSQL, claims a second", "5,000", "claims", rf"{NUMBER} a second", lambda n: n[0] >= 5000),
    Goal("large journal, `status`, CPU ms", "300", "journal", rf"^\| batcheval status \|.*\|{CELL}$", lambda n: n[0] <= 300),
    Goal("`runs`", "300", "journal", rf"^\| batcheval runs \|.*\|{CELL}$", lambda n: n[0] <= 300),
    Goal("replay of 275, in times of a small one", "1.2", "journal", rf"^\| replay of 275 \|.*?\|.*?\|{CELL}", lambda n: n[0] <= 1.2),
    Goal("the quality gate on 825 answers, CPU s", "3", "gate", rf"^gate on 825 .*?: {NUMBER} s CPU", lambda n: n[0] <= 3),
]  # fmt: skip


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the sizes of the goals, not a tenth of them")
    parser.add_argument("--only", choices=COMMANDS, action="append", help="these commands alone (repeatable)")
    given = parser.parse_args()
    said = {name: shown(sizes[given.full]) for name, sizes in COMMANDS.items() if name in (given.only or COMMANDS)}
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"\n{datetime.date.today()}, {machine}, {'full size' if given.full else 'a tenth of the size'}\n")
    print("| work | goal | measured | |\n|---|---|---|---|")
    for goal in GOALS:
        if (text := said.get(goal.command)) is not None:
            print(row(goal, text))


def shown(words: list[str]) -> str:
    """What a command prints, which is shown as it comes; it may fail."""
    command = [sys.executable, str((HERE / words[0]).resolve()), *words[1:]]
    print(f"\n$ python {os.path.relpath(command[1], ROOT)} {' '.join(words[1:])}", flush=True)
    lines = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for text in process.stdout:
            print(text, end="", flush=True)
            lines.append(text)
    return "".join(lines)


def row(goal: Goal, text: str) -> str:
    """A goal's row, by what its command printed."""
    found = re.findall(goal.pattern, text, re.MULTILINE)
    if not found:
        return f"| {goal.name} | {goal.goal} | not measured | |"
    cells = found[-1] if isinstance(found[-1], tuple) else (found[-1],)
    verdict = "holds" if goal.holds([float(cell.replace(",", "")) for cell in cells]) else "missed"
    return f"| {goal.name} | {goal.goal} | {', '.join(cells)} | {verdict} |"


if __name__ == "__main__":
    main()
