"""The HTML report: what it says, that nothing in it runs, and where it is written."""

import html.parser
import re
import shutil
import subprocess

import pytest

from pytest_batcheval.errors import UsageError
from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.report.answer_list import ListedAnswer
from pytest_batcheval.report.html import check_place, html_of, write_report
from pytest_batcheval.report.page import report_page
from pytest_batcheval.wire.objects import Answer, Request

HOSTILE = "</p><script>document.title = 'run'</script><img src=http://x/y onerror=1> \x1b[31m \u202e 가슴이 답답해요"


def matrix(bad, personas=5, questions=4, origin="simulator:faithful@0", text="I am here."):
    """Outcomes and answers of a matrix, of which `bad(persona, question)` fail."""
    outcomes, answers = [], []
    for persona in range(personas):
        for question in range(questions):
            cell = {"persona": f"p{persona}", "question": f"q{question}"}
            request = Request({"model": "m", "messages": [{"role": "user", "content": f"{cell} {HOSTILE}"}]})
            body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
            answer = Answer(request, origin, {"status_code": 200, "body": body}, cell=cell)
            failed = bad(persona, question)
            test = f"test_it.py::test_one[p{persona}-q{question}]"
            message = "not in character" if failed else ""
            outcome = "failed" if failed else "passed"
            outcomes.append(Outcome(test, "test_it.py", outcome, message, 0.1, {request.custom_id: cell}))
            answers.append(ListedAnswer(answer, "cassettes/x.jsonl:1"))
    return outcomes, answers


class Seen(html.parser.HTMLParser):
    """The tags of a page, and the ids and links of its elements."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.links, self.sources = set(), set(), set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.add(tag)
        self.ids.add(given.get("id"))
        self.links.add(given.get("href"))
        self.sources.update(value for name, value in attrs if name in ("src", "srcset", "action", "data"))


def test_a_page_says_first_what_is_a_simulators():
    page = report_page(*matrix(lambda p, q: False))
    assert page.notes == ["Answers of the simulator (faithful@0): they say nothing about any model."]
    text = html_of(page)
    assert text.index("say nothing about any model") < text.index("None of 20 tests fails.")
    assert report_page(*matrix(lambda p, q: False, origin="https://api.openai.com")).notes == []


def test_two_sentences_are_the_verdict():
    page = report_page(*matrix(lambda p, q: p == 2 or (p, q) == (0, 1)))
    assert page.verdict == ["5 of 20 tests fail.", "Most of it: persona p2 (4 of 4), question q1 (2 of 5)."]
    assert page.messages == [(5, "not in character")]


def test_a_matrix_is_a_grid_whose_squares_lead_to_answers():
    outcomes, answers = matrix(lambda p, q: p == q)
    page = report_page(outcomes, answers)
    [test] = page.tests
    assert (test["grid"]["down"], test["grid"]["across"]) == ("persona", "question")
    assert [cell["sign"] for cell in test["grid"]["rows"][0]["cells"]] == ["✗", "✓", "✓", "✓"]
    seen = Seen(html_of(page))
    wanted = {link.removeprefix("#") for link in seen.links if link}
    assert len(wanted) == 20
    assert wanted <= seen.ids


def test_tests_without_two_axes_are_a_list():
    outcomes = [Outcome("t.py::test_a[x]", "t.py", "passed"), Outcome("t.py::test_a[y]", "t.py", "unrecorded")]
    page = report_page(outcomes, [])
    assert [row["outcome"] for row in page.tests[0]["rows"]] == ["passed", "unrecorded"]
    assert page.verdict[-1] == "1 test could not run: no recorded answer."
    assert report_page([], []).verdict == ["None of 0 tests fails."]


def test_nothing_that_a_model_wrote_is_markup():
    outcomes, answers = matrix(lambda p, q: True, text=HOSTILE)
    hostile = [Outcome(one.test, one.module, "failed", HOSTILE, 0.1, one.cells) for one in outcomes]
    text = html_of(report_page(hostile, answers))
    seen = Seen(text)
    assert not seen.tags & {"script", "img", "link", "iframe", "object"}
    assert not seen.sources
    assert {link for link in seen.links if link and not link.startswith("#")} == set()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "가슴이 답답해요" in text


def test_a_matrix_of_275_answers_is_small():
    outcomes, answers = matrix(lambda p, q: q == 0, personas=25, questions=11, text="가슴이 답답해요. " * 20)
    assert len(html_of(report_page(outcomes, answers)).encode()) < 1_200_000


@pytest.mark.sampled
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no browser: apt-get install chromium")
def test_a_browser_shows_it_and_runs_nothing(tmp_path):
    outcomes, answers = matrix(lambda p, q: p == 1, text=HOSTILE)
    path = tmp_path / "report.html"
    write_report(report_page(outcomes, answers), path)
    command = [
        *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *(f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--dump-dom", path.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60)
    assert re.search(r"<title>Evaluation report</title>", done.stdout)
    assert "CONSOLE" not in done.stderr


# -- where it is written ------------------------------------------------------------------------------------------


def test_only_a_report_is_written_over(tmp_path):
    page = report_page(*matrix(lambda p, q: False))
    path = tmp_path / "report.html"
    write_report(page, path)
    write_report(page, path)
    path.write_text("<html>mine</html>")
    with pytest.raises(UsageError, match="exists and is not a report"):
        write_report(page, path)
    assert path.read_text() == "<html>mine</html>"
    for wrong, message in ((tmp_path, "is a folder"), (tmp_path / "no" / "r.html", "there is no folder")):
        with pytest.raises(UsageError, match=message):
            check_place(wrong)
