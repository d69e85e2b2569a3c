"""The page of a label sheet as a rater has it: answers read, scored, saved, and loaded as labels."""

from __future__ import annotations

import pytest

from pytest_batcheval import Answers
from pytest_batcheval.quality.label_sheet import label_sheet
from pytest_batcheval.quality.labels import OPEN, Labels

pytestmark = [pytest.mark.sampled, pytest.mark.usefixtures("quiet")]

HOSTILE = '</script><script>document.title = "run"</script><img src=http://evil.test/x onerror="document.title=1">'
COUNT = 3

KEEP = """
window.saved = [];
URL.createObjectURL = blob => { window.saved.push(blob); return "about:blank#saved"; };
HTMLAnchorElement.prototype.click = function () { window.named = this.download; };
"""
"""What the page saves is kept, and not written to the browser's folder of downloads."""

BYTES = """
const done = arguments[arguments.length - 1];
window.saved[0].arrayBuffer().then(found => done([...new Uint8Array(found)]));
"""


@pytest.fixture
def table():
    return Answers.from_records(
        {"persona": f"지우{n}", "question": "수면", "text": f"=SUM(A1) 잠이 안 와요, 「정말」 {n}. '네'\n{HOSTILE}"}
        for n in range(COUNT)
    )


@pytest.fixture
def rater(request):
    """A rater of each test's own: the browser keeps what one has chosen."""
    return f"김 {request.node.name}"


@pytest.fixture
def page(chromium, tmp_path, table, rater):
    """The URL of the page of all answers, shown in the browser."""
    path = tmp_path / "labels.html"
    label_sheet(table, ["NS", "HA"], count=COUNT, rater=rater).write(path)
    chromium.open(path.as_uri())
    return path.as_uri()


def choose(chromium, dimension, words):
    """Click a choice of a dimension, by its place and the words beside it."""
    for label in chromium.all(f"fieldset:nth-of-type({dimension + 1}) label"):
        if label.text.strip() == words:
            label.click()
            return
    raise AssertionError(f"no choice {words}")


def saved(chromium, path):
    """What the page saves, written as a file as the browser would."""
    chromium.run(KEEP)
    chromium.find("#save").click()
    assert chromium.run("return window.named") == "labels.csv"
    path.write_bytes(bytes(chromium.driver.execute_async_script(BYTES)))
    return path


def test_what_a_rater_chooses_is_what_is_read(chromium, page, table, rater, tmp_path):
    for number, words in enumerate(("5 high", "2", "cannot tell")):
        assert chromium.find("#place").text == f"answer {number + 1} of {COUNT}, {number} done"
        assert HOSTILE in chromium.find("#answer").text
        choose(chromium, 0, words)
        choose(chromium, 1, "1 low")
        chromium.find("#next").click()
    assert chromium.run("return document.title") == "Labels"
    path = saved(chromium, tmp_path / "labels.csv")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert "「정말」" in path.read_text(encoding="utf-8-sig")
    labels = Labels.load(path)
    assert labels.raters == (rater,)
    scores = labels.scores(table, rater)
    assert sorted(scores["NS"], key=str) == [2, 5, None]
    assert scores["HA"] == [1, 1, 1]
    assert len(labels.rated(table, rater)) == COUNT


def test_what_is_not_chosen_is_open_and_comes_back_after_closing(chromium, page, tmp_path):
    choose(chromium, 0, "4")
    chromium.find("#next").click()
    chromium.find("#back").click()
    chromium.open(page)
    assert chromium.find("fieldset:nth-of-type(1) input:checked").find_element("xpath", "..").text == "4"
    path = saved(chromium, tmp_path / "labels.csv")
    assert path.read_text(encoding="utf-8-sig").count(f'"{OPEN}"') == 2 * COUNT - 1
    assert [label.score for label in Labels.load(path).labels] == [4]
