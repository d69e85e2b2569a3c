"""What a large HTML report costs a browser: `python tests/benchmarks/report_page_speed.py [answers]`.

Prints how long the file takes to write, how large it and the process are, then, as the least of several loads in Chromium, the time
until it is drawn, the CPU of the page's process meanwhile, and the time to filter it by a word, beside the goal of 2 s.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.report.answer_list import ListedAnswer
from pytest_batcheval.report.html import write_report
from pytest_batcheval.report.page import report_page
from pytest_batcheval.wire.objects import Answer, Request

sys.path.append(str(Path(__file__).parent.parent / "browser"))
from chromium import Chromium

GOAL_MS = 2000
REPEATS = 5
QUESTIONS = 20
TEXT = "요즘은 아침에 일어나는 게 힘들고, 사람들을 만나면 가슴이 답답해요. " * 3
DRAWN = """
    const done = arguments[0];
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())));"""
FILTER = """
    const start = performance.now(), words = document.querySelector("input[name=words]"), done = arguments[0];
    words.value = "p7 "; words.form.oninput();
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)));"""


def main() -> None:
    """Write a report, open it, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("answers", type=int, nargs="?", default=20_000)
    count = parser.parse_args().answers
    with TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        start, busy = perf_counter(), process_time()
        write(path, count)
        took, cpu = perf_counter() - start, process_time() - busy
        peak = getrusage(RUSAGE_SELF).ru_maxrss / 1000
        print(f"{count:,} answers: written in {took:.1f} s, CPU {cpu:.1f} s, {path.stat().st_size / 1e6:.1f} MB; "
              f"the process has {peak:.0f} MB")  # fmt: skip
        browser = Chromium(Path(folder) / "profile")
        try:
            loads = [load(browser, path.as_uri()) for _ in range(REPEATS)]
        finally:
            browser.close()
    for name, least in zip(("open", "CPU to open", "filter"), map(min, zip(*loads, strict=True)), strict=True):
        print(f"{name}: {least:,.0f} ms (goal {GOAL_MS:,} ms)")


def write(path: Path, count: int) -> None:
    """A report of a matrix with twenty questions, of which every ninth test fails."""
    outcomes = [outcome(number, one.answer) for number, one in enumerate(answers(count))]
    write_report(report_page(outcomes, answers(count), 0.0), path)


def outcome(number: int, answer: Answer) -> Outcome:
    """The test of an answer."""
    test = f"test_it.py::test_one[{'-'.join(answer.cell.values())}]"
    kind = "passed" if number % 9 else "failed"
    return Outcome(test, "test_it.py", kind, "too short", cells={answer.custom_id: answer.cell})


def answers(count: int) -> Iterator[ListedAnswer]:
    """The answers one by one, as they come from a journal."""
    for number in range(count):
        cell = {"persona": f"p{number // QUESTIONS}", "question": f"q{number % QUESTIONS}"}
        request = Request({"model": "m", "messages": [{"role": "user", "content": f"{cell} {TEXT}"}]})
        body = {"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]}
        answer = Answer(request, "https://api.test/v1", {"status_code": 200, "body": body}, cell=cell)
        yield ListedAnswer(answer, "cassettes/x.jsonl:1")


def load(browser: Chromium, url: str) -> tuple[float, float, float]:
    """Milliseconds until the page is drawn, of its process's CPU, and of one filtering."""
    browser.open(url)
    drawn = float(browser.driver.execute_async_script(DRAWN))
    browser.driver.execute_cdp_cmd("Performance.enable", {})
    metrics = browser.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    busy = next(one["value"] for one in metrics if one["name"] == "ProcessTime") * 1000
    return drawn, busy, float(browser.driver.execute_async_script(FILTER))


if __name__ == "__main__":
    main()
