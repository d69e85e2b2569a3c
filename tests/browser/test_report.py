"""The HTML report as a person has it: opened, clicked, filtered and sorted in a browser, and read without script."""

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import yaml
from chromium import DESKTOP, PHONE

from pytest_batcheval.journal.outcomes import KeptResult, Outcome
from pytest_batcheval.report.answer_list import ListedAnswer
from pytest_batcheval.report.changes import changes
from pytest_batcheval.report.html import BLOCK, write_report
from pytest_batcheval.report.page import report_page
from pytest_batcheval.report.svg import points
from pytest_batcheval.wire.objects import Answer, Request

PERSONAS = Path(__file__).parents[2] / "fixtures" / "personas.yaml"

pytestmark = [pytest.mark.sampled, pytest.mark.usefixtures("quiet")]

HOSTILE = (
    "</p></details><script>document.title = 'run'</script><img src=http://evil.test/x onerror=\"document.title='run'\">"
    '<svg onload="document.title=\'run\'"> \x1b[31m \u202e =HYPERLINK("http://evil.test") {{ 7 * 7 }} javascript:alert(1)'
)
NAME = '"><script>document.title = "run"</script>\u202e'
TRAITS = {
    "effect": 0.5, "interval": [0.1, 0.9], "p_value": 0.01, "null": HOSTILE, "n": 20,
    "traits": [{"dimension": n, "delta": d, "interval": [d - 0.2, d + 0.2], "p_value": 0.01, "prompted": True}
               for n, d in (("NS", 0.5), ("HA", -0.1), (NAME, 0.8))],
    "leanings": {NAME: 0.5, "p1": -0.1, "불안한 환자": 1.5},
}  # fmt: skip


def matrix(personas, questions, text="가슴이 답답해요."):
    """Outcomes and answers of a matrix; a persona `p<n>` fails its first n questions."""
    outcomes, answers = [], []
    for persona in range(personas):
        name = NAME if persona == 4 else f"p{persona}"
        for question in range(questions):
            cell = {"persona": name, "question": f"q{question}"}
            request = Request({"model": "m", "messages": [{"role": "user", "content": f"{cell} {HOSTILE}"}]})
            words = f"{text} Answer {persona}.{question}." + ' "evil" & <b>' * ((persona, question) == (70, 2))
            body = {"choices": [{"message": {"content": words}, "finish_reason": "stop"}]}
            answers.append(
                ListedAnswer(
                    Answer(request, "simulator:faithful@0", {"status_code": 200, "body": body}, cell=cell), "x.jsonl:1"
                )
            )
            outcome = "failed" if question < persona else "passed"
            test = f"test_it.py::test_one[{name}-q{question}]"
            message = HOSTILE if outcome == "failed" else ""
            outcomes.append(Outcome(test, "test_it.py", outcome, message, 0.1, {request.custom_id: cell}))
    return outcomes, answers


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """URL of a report with all that one can have, of which the most is hostile."""
    outcomes, answers = matrix(5, 4, text=f"가슴이 답답해요. {HOSTILE}")
    scores = {"role": "in_role", "scores": {NAME: 4, "HA": None}, "evidence": {NAME: HOSTILE, "HA": ""}}
    body = {"choices": [{"message": {"content": json.dumps(scores)}, "finish_reason": "stop"}]}
    answers[0] = ListedAnswer(replace(answers[0].answer, response={"status_code": 200, "body": body}), "x.jsonl:1")
    before = [replace(one, outcome="passed") for one in outcomes]
    before[0] = replace(before[0], results=[KeptResult("TraitReflection", "", "", {**TRAITS, "effect": 0.1})])
    outcomes[0] = replace(outcomes[0], results=[KeptResult("TraitReflection", f"<T {HOSTILE}>", HOSTILE, TRAITS)])
    outcomes.append(Outcome("test_it.py::test_alone", "test_it.py", "error", HOSTILE))
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(report_page(outcomes, answers, 0.0, since=changes(0.0, before, outcomes)), path)
    return path.as_uri()


@pytest.fixture(scope="module")
def long_report(tmp_path_factory):
    """URL of a report whose answers are folded away in blocks."""
    path = tmp_path_factory.mktemp("long") / "report.html"
    write_report(report_page(*matrix(80, 4)), path)
    return path.as_uri()


def opened(chromium):
    """The names of the open answers that can be seen."""
    return chromium.run(
        "return [...document.querySelectorAll('details.answer[open]')].filter(one => one.checkVisibility())"
        ".map(one => one.querySelector('summary').textContent.trim())"
    )


def square(chromium, row, column):
    """The square of the first grid at this place, both counted from 0."""
    return chromium.find(f"table.grid tbody tr:nth-child({row + 1}) td:nth-child({column + 2}) a")


def test_rows_of_a_long_grid_fold_away(chromium, tmp_path):
    write_report(report_page(*matrix(BLOCK + 20, 2)), tmp_path / "report.html")
    for script in (True, False):
        chromium.open((tmp_path / "report.html").as_uri(), script=script)
        rows = (
            "return [...document.querySelectorAll('table.grid tbody tr')].filter(one => one.checkVisibility()).length"
        )
        assert chromium.run(rows) == BLOCK
        chromium.find("details.block:not(.answers) > summary").click()
        assert chromium.run(rows) == BLOCK + 20


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
@pytest.mark.parametrize("row", [1, 70])
@pytest.mark.parametrize("by", ["click", "Enter"])
def test_a_square_opens_its_answer(chromium, long_report, by, row, script):
    chromium.open(long_report, script=script)
    assert opened(chromium) == []
    link = square(chromium, row, 2)
    link.click() if by == "click" else chromium.press_enter(link)
    assert opened(chromium) == [f"{'passed' if row == 1 else 'failed'} p{row} × q2"]
    shown = chromium.find("details.answer[open]")
    assert f"Answer {row}.2." in shown.text
    place = chromium.run("return arguments[0].getBoundingClientRect().top", shown)
    assert -50 < place < DESKTOP[1] / 2
    if script:
        assert chromium.run("return document.activeElement.parentElement === arguments[0]", shown)


def test_a_square_opens_again_what_was_closed(chromium, report):
    chromium.open(report)
    for _ in range(2):
        square(chromium, 1, 1).click()
        assert opened(chromium) == ["passed p1 × q1"]
        chromium.find("details.answer[open] > summary").click()
        assert opened(chromium) == []


def test_names_on_a_map_are_apart_as_they_are_drawn(chromium, tmp_path):
    dice = Random(1)
    names = ["".join(dice.choices("가나다라마바사아자차카타파하불안신중", k=dice.randint(2, 12))) for _ in range(40)]
    names[::4] = [one["id"] for one in yaml.safe_load(PERSONAS.read_text(encoding="utf-8"))][:10]
    rows = [{"persona": name, "x": dice.gauss(0, 1), "y": dice.gauss(0, 1)} for name in names]
    (tmp_path / "map.html").write_text(f'<meta charset="utf-8">{points(rows, "persona")}', encoding="utf-8")
    chromium.open((tmp_path / "map.html").as_uri())
    covering = """
        const boxes = [...document.querySelectorAll("text")].map(one => [one.textContent, one.getBoundingClientRect()]);
        const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
        return boxes.flatMap(([name, box], at) =>
            boxes.slice(at + 1).filter(([, other]) => meet(box, other)).map(([other]) => [name, other]))"""
    assert len(chromium.all("text")) == 40
    assert chromium.run(covering) == []


def test_a_table_is_sorted_both_ways(chromium, report):
    chromium.open(report)
    table = "[aria-label='Failing by persona']"
    column = lambda number: [c.text for c in chromium.all(f"{table} tbody tr > :nth-child({number})")]  # noqa: E731
    head, names = (f"{table} thead th:nth-child({number})" for number in (2, 1))
    first = column(2)
    for button, number, order in ((head, 2, ["1", "2", "3", "4"]), (names, 1, sorted(column(1)))):
        chromium.find(f"{button} button").click()
        assert column(number) == order
        assert chromium.find(button).get_attribute("aria-sort") == "ascending"
        chromium.press_enter(chromium.find(f"{button} button"))
        assert column(number) == order[::-1]
        assert chromium.find(button).get_attribute("aria-sort") == "descending"
    assert len(chromium.all(f"{table} th[aria-sort]")) == 1
    assert first == ["4", "3", "2", "1"]


def test_answers_are_filtered_by_words_and_outcome(chromium, long_report):
    chromium.open(long_report)
    said = lambda: chromium.find("#shown").text  # noqa: E731
    names = lambda: [one.text for one in chromium.all("details.answer:not([hidden]) > summary")]  # noqa: E731
    assert said() == "320 of 320 answers"
    words, outcome = chromium.find("input[name=words]"), chromium.find("select[name=outcome]")
    words.send_keys("ANSWER 2.")
    assert said() == "4 of 320 answers"
    assert names() == ["failed p2 × q0", "failed p2 × q1", "passed p2 × q2", "passed p2 × q3"]
    outcome.send_keys("passed")
    assert said() == "2 of 320 answers"
    words.send_keys(*"\ue009a", *"\ue000\ue017")  # Ctrl+A, then Delete
    assert said() == "10 of 320 answers"
    outcome.send_keys("any")
    words.send_keys('"evil" & <b>')
    assert said() == "1 of 320 answers"
    assert names() == ["failed p70 × q2"]
    words.send_keys("details")  # is in no answer, but in the markup of each
    assert said() == "0 of 320 answers"
    assert not any(block.is_displayed() for block in chromium.all("details.block"))


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious(chromium, report, axe, dark, size):
    chromium.open(report, size=size, dark=dark)
    chromium.run("for (const one of document.querySelectorAll('details')) one.open = true")
    chromium.run(axe)
    found = chromium.driver.execute_async_script("axe.run(document).then(arguments[0])")
    assert len(found["passes"]) > 20
    bad = [(v["id"], v["impact"], [n["html"][:200] for n in v["nodes"][:3]]) for v in found["violations"]]
    assert [one for one in bad if one[1] in ("serious", "critical")] == []


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_phone_scrolls_down_only(chromium, report, script):
    chromium.open(report, size=PHONE, script=script)
    chromium.run("for (const one of document.querySelectorAll('details')) one.open = true")
    assert chromium.run("return [document.documentElement.scrollWidth, innerWidth]") == [PHONE[0], PHONE[0]]


def test_hostile_texts_stay_text(chromium, report):
    chromium.open(report)
    chromium.run("for (const one of document.querySelectorAll('details')) one.open = true")
    assert chromium.driver.title == "Evaluation report"
    assert chromium.all("img, iframe, object, embed, link, a:not([href^='#'])") == []
    assert len(chromium.all("script")) == 1
    seen = chromium.run("return document.documentElement.textContent")
    assert '"><script>document.title = "run"</script>' in seen
    assert "{{ 7 * 7 }}" in seen
    assert not {"\x1b", "\u202e"} & set(seen)
    assert len(chromium.all("details.answer")) == 20
    names = "return [...document.querySelectorAll('*')].flatMap(one => one.getAttributeNames())"
    assert not [name for name in chromium.run(names) if name.startswith("on")]


def test_nothing_but_its_own_script_runs(chromium, report):
    chromium.open(report)
    chromium.run("document.body.append(Object.assign(document.createElement('script'), {text: 'document.title = 1'}))")
    assert chromium.driver.title == "Evaluation report"
    [refused] = chromium.console()
    assert "Content Security Policy" in refused


def test_it_reads_without_script(chromium, long_report, report):
    chromium.open(report)
    chromium.run("document.querySelector('form').remove()")
    whole = chromium.run("return document.querySelector('main').textContent")
    chromium.open(report, script=False)
    chromium.run("document.querySelector('form').remove()")
    assert chromium.run("return document.querySelector('main').textContent") == whole
    assert not chromium.all("th button")
    chromium.open(long_report, script=False)
    assert not chromium.find("form").is_displayed()
    chromium.find("details.block > summary").click()
    seen = "return [...document.querySelectorAll('details.answer')].filter(one => one.checkVisibility()).length"
    assert chromium.run(seen) == BLOCK


def test_korean_has_glyphs_of_its_own(chromium, report):
    chromium.open(report)
    drawn = """
        const font = getComputedStyle(document.body).fontFamily;
        return arguments[0].map(text => {
            const canvas = new OffscreenCanvas(60, 60), pen = canvas.getContext("2d");
            pen.font = `40px ${font}`; pen.fillText(text, 5, 45);
            return [...pen.getImageData(0, 0, 60, 60).data].filter((_, at) => at % 4 === 3).join("");
        })"""
    syllables = chromium.run(drawn, ["가", "슴", "답", "해", "\U0010fffd"])
    assert len(set(syllables)) == 5, "a font without Hangul draws the same box for all"
    assert "1" in syllables[0]
