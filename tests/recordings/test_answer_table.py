"""The table of answers as a notebook reads it: from recordings and a journal, with axes, as records and as HTML."""

import sys
from html.parser import HTMLParser

import pytest

from pytest_batcheval import Answers, BatchClient, Persona, Request
from pytest_batcheval.recordings.answers import NewRecording, Recordings
from pytest_batcheval.wire.objects import Answer

HOSTILE = "<script>alert(1)</script> \x1b[31m\u202e가슴이 답답해요"


def answered(persona, text, model="m"):
    request = Request({"model": model, "messages": [{"role": "user", "content": f"{persona}?"}]})
    body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "model": f"{model}-1"}
    return Answer(request, "simulator:faithful@0", {"status_code": 200, "body": body})


def test_recordings_are_read_whole_or_by_module(tmp_path):
    new = [
        NewRecording(answered(name, f"I am {name}."), {"persona": name}, module)
        for name, module in (("kim", "tests/test_a.py"), ("choi", "tests/test_b.py"))
    ]
    Recordings(tmp_path).export(new)
    assert [answer.text for answer in Answers.from_recordings(tmp_path)] == ["I am kim.", "I am choi."]
    [record] = Answers.from_recordings(tmp_path, "tests/test_b.py").to_records()
    assert {"persona": "choi", "text": "I am choi.", "origin": "simulator:faithful@0"}.items() <= record.items()


@pytest.mark.sampled
def test_a_journal_is_read_by_origin(tmp_path):
    asked = [answered(name, "").request for name in ("kim", "choi")]
    with BatchClient("simulator", journal=tmp_path / "journal.sqlite") as client:
        said = [answer.text for answer in client.run(asked).answers]
    found = Answers.from_journal(tmp_path / "journal.sqlite")
    assert sorted(answer.text for answer in found) == sorted(said)
    assert len(Answers.from_journal(tmp_path / "journal.sqlite", "https://api.openai.com/v1")) == 0


def test_axes_give_their_values_for_ids():
    table = Answers.from_records({"persona": name, "question": "q", "text": "yes"} for name in ("kim", "choi"))
    kim = Persona("kim", {"profile": {"NS": "high"}})
    first, second = table.with_axes({"persona": [kim], "age": ["40"]}).rows
    assert first.cell == {"persona": kim, "question": "q"}
    assert second.cell == {"persona": "choi", "question": "q"}
    assert first.answer is table[0]


class Seen(HTMLParser):
    """The tags of a table and its texts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_a_notebook_shows_the_first_rows_and_runs_nothing():
    failed = {"persona": HOSTILE, "error": HOSTILE}
    rows = [{"persona": HOSTILE, "text": HOSTILE}, failed, *({"persona": "kim", "text": str(n)} for n in range(30))]
    seen = Seen(Answers.from_records(rows)._repr_html_())
    assert seen.tags == {"table", "thead", "tbody", "tr", "th", "td", "p"}
    shown = HOSTILE.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")
    assert seen.texts[:6] == ["persona", "answer", shown, shown, shown, f"failed: error: {shown}"]
    assert seen.texts[-1] == "12 more"


def test_samples_are_a_column_where_there_are_several():
    rows = [{"persona": "kim", "text": "", "sample": number} for number in (0, 1)]
    assert Seen(Answers.from_records(rows)._repr_html_()).texts == [
        "persona",
        "sample",
        "answer",
        "kim",
        "0",
        "kim",
        "1",
    ]
    assert Seen(Answers([])._repr_html_()).texts == ["answer"]


@pytest.mark.parametrize(("method", "library"), [("to_pandas", "pandas"), ("to_polars", "polars")])
def test_a_data_frame_needs_its_library(method, library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ModuleNotFoundError, match=library):
        getattr(Answers([]), method)()
