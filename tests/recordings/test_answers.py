import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.errors import AnswerError, RecordingError
from pytest_batcheval.recordings.answer_line import AnswerLineError, decode, encode
from pytest_batcheval.recordings.answers import NewRecording, Recordings
from pytest_batcheval.wire.objects import Answer, Request, RequestError

ORIGIN = "https://api.openai.com/v1"
SIMULATOR = "simulator:faithful@0"


def request(text="어디가 불편하세요? 🙂", sample=0):
    return Request({"model": "m", "messages": [{"role": "user", "content": text}]}, sample=sample)


def answer(text="잠을 못 자요.", to=None, origin=ORIGIN):
    body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": {"total_tokens": 3}}
    response = {"status_code": 200, "request_id": "r", "body": body}
    return Answer(to or request(), origin, response, line_id="batch_req_1")


def record(root, *answers, module="tests/test_a.py"):
    return Recordings(root).export([NewRecording(a, {"persona": "kim"}, module) for a in answers])


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cassettes"


def test_a_recorded_answer_is_found_by_key_in_any_file(root):
    (path,) = record(root, answer())
    assert path == root / "answers" / "tests" / "test_a.jsonl"
    found = Recordings(root).find([request()])[request().custom_id]
    assert (found.text, found.source, found.origin, found.line_id) == (
        "잠을 못 자요.",
        "recording",
        ORIGIN,
        "batch_req_1",
    )
    assert Recordings(root).find([request("other")]) == {}


@pytest.mark.parametrize(
    "body",
    [{"error": {"code": "server_error", "message": "busy"}}, {}, {"choices": []}, {"model": "m", "messages": []}],
    ids=str,
)
def test_a_failure_that_was_recorded_as_an_answer_is_read_as_a_failure(root, body):
    """Earlier versions recorded every object of status 200."""
    record(root, replace(answer(), response={"status_code": 200, "request_id": "r", "body": body}))
    found = Recordings(root).find([request()])[request().custom_id]
    assert (found.error.code, found.error.retryable) == ("stored_failure", False)
    with pytest.raises(AnswerError, match="server_error: busy" if "error" in body else "no_answer"):
        _ = found.text
    assert repr(found)


def test_the_file_is_readable_sorted_one_answer_a_line(root):
    (path,) = record(root, *(answer(to=request(f"질문 {n}")) for n in range(5)))
    lines = path.read_text("utf-8").splitlines()
    keys = [json.loads(line)["custom_id"] for line in lines]
    assert keys == sorted(keys)
    assert all("잠을 못 자요." in line for line in lines)
    assert json.loads(lines[0])["response"]["body"]["usage"] == {"total_tokens": 3}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_and_never_breaks_a_line(text):
    line = encode(answer(text), {"persona": text[:5]})
    assert len(line.decode().splitlines()) == 1
    assert not set("\x00\x1b\x7f\x85\u2028\u2029\ufeff\u202e") & set(line.decode())
    assert decode(line).answer(request()).text == text


def test_recording_the_same_again_changes_nothing(root):
    (path,) = record(root, answer())
    before = path.read_bytes()
    assert record(root, answer(), module="tests/test_b.py") == []
    assert path.read_bytes() == before


def test_a_new_answer_replaces_the_old_where_it_stands_and_merges_with_the_rest(root):
    record(root, answer(), answer(to=request("x")))
    changed = record(root, answer("다른 대답"), answer(to=request("y")), module="tests/test_b.py")
    assert [p.name for p in changed] == ["test_a.jsonl", "test_b.jsonl"]
    found = Recordings(root).find([request(), request("x"), request("y")])
    assert len(found) == 3
    assert found[request().custom_id].text == "다른 대답"


def test_origins_are_kept_apart(root):
    record(root, answer("from a model"), answer("from the simulator", origin=SIMULATOR))
    recordings = Recordings(root)
    key = request().custom_id
    assert recordings.find([request()], SIMULATOR)[key].text == "from the simulator"
    assert recordings.find([request()], "https://other/v1") == {}
    assert recordings.find([request()])[key].text == "from a model"


def test_failed_answers_are_not_recorded(root):
    assert record(root, Answer(request(), ORIGIN, error=RequestError("x", "y"))) == []


def cut(text):
    return text[:-40]


def changed(text):
    return text.replace("못".encode(), "안".encode())


def not_json(text):
    return b"this is no recording"


@pytest.mark.parametrize(
    ("damage", "message"),
    [(cut, "cut short"), (changed, "checksum is wrong"), (not_json, "cut short or written by hand")],
)
def test_a_damaged_line_is_an_error_that_names_file_and_line(root, damage, message):
    (path,) = record(root, answer(), answer(to=request("x")))
    one, two = path.read_bytes().splitlines()
    path.write_bytes(one + b"\n" + damage(two) + b"\n")
    with pytest.raises(RecordingError, match=rf"test_a\.jsonl:2: .*{message}(.|\n)*git checkout"):
        Recordings(root).find([request()])


def test_a_key_twice_in_a_file_is_an_error(root):
    (path,) = record(root, answer())
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(RecordingError, match=r"test_a\.jsonl:2: key \w+ from .* recorded twice; .*test_a\.jsonl:1"):
        Recordings(root).find([request()])


def test_two_files_with_different_answers_are_an_error_naming_both(root, tmp_path):
    record(root, answer("one"))
    (other,) = record(tmp_path / "elsewhere", answer("two"), module="tests/test_b.py")
    os.replace(other, root / "answers" / "tests" / "test_b.jsonl")
    with pytest.raises(RecordingError, match=r"test_b\.jsonl:1: .*test_a\.jsonl:1"):
        Recordings(root).find([request()])


def test_two_files_with_the_same_answer_agree(root, tmp_path):
    record(root, answer())
    (other,) = record(tmp_path / "elsewhere", answer(), module="tests/test_b.py")
    os.replace(other, root / "answers" / "tests" / "test_b.jsonl")
    assert len(Recordings(root).find([request()])) == 1


def test_copies_in_two_files_change_and_go_together(root, tmp_path):
    """Two branches that recorded the same for two modules leave them when they are merged."""
    record(root, answer(), answer(to=request("x")))
    (other,) = record(tmp_path / "elsewhere", answer(), module="tests/test_b.py")
    copied = root / "answers" / "tests" / "test_b.jsonl"
    os.replace(other, copied)
    assert record(root, answer("changed")) == [copied.with_name("test_a.jsonl"), copied]
    assert Recordings(root).find([request()])[request().custom_id].text == "changed"
    record(tmp_path / "elsewhere", answer("changed"), module="tests/test_b.py")
    os.replace(other, copied)
    recordings = Recordings(root)
    recordings.drop(recordings.unused({request("x").custom_id}))
    assert [place.line.custom_id for place in Recordings(root).places()] == [request("x").custom_id]
    assert not copied.exists()


def test_a_failed_write_leaves_the_old_recording(root, monkeypatch):
    (path,) = record(root, answer())
    before = path.read_bytes()

    def full_disk(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(RecordingError, match="cannot be written: No space left"):
        record(root, answer("new"))
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["test_a.jsonl"]


def test_what_another_process_recorded_meanwhile_stays(root):
    """A run reads the recordings, waits hours for its batches, and writes; others write in between."""
    record(root, answer())
    waiting, pruning = Recordings(root), Recordings(root)
    (unused,) = pruning.unused(set())
    assert waiting.find([request("y")]) == {}
    record(root, answer("changed"), answer(to=request("x")))
    waiting.export([NewRecording(answer(to=request("y")), {"persona": "kim"}, "tests/test_a.py")])
    found = waiting.find([request(), request("x"), request("y")])
    assert len(found) == 3
    assert found[request().custom_id].text == "changed"
    pruning.drop([unused])
    assert len(pruning.places()) == 2


@pytest.mark.sampled
def test_processes_write_in_turns(root):
    """Ten at once, with an answer each for one file."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import test_answers as t; "
        "t.record(Path(sys.argv[2]), t.answer(to=t.request(sys.argv[3])))"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(root)]
    writers = [subprocess.Popen([*command, f"question {number}"]) for number in range(10)]
    assert [writer.wait() for writer in writers] == [0] * 10
    assert len(Recordings(root).places()) == 10
    assert [path.name for path in root.rglob("*") if path.is_file()] == ["test_a.jsonl"]


def test_lines_may_end_as_git_ends_them_on_other_systems(root):
    (path,) = record(root, answer(), answer(to=request("x")))
    before = path.read_bytes()
    path.write_bytes(before.replace(b"\n", b"\r\n"))
    assert len(Recordings(root).find([request(), request("x")])) == 2
    record(root, answer(to=request("y")))
    assert b"\r" not in path.read_bytes()


def test_a_conflict_of_a_merge_is_named_as_one(root):
    (path,) = record(root, answer())
    ours, theirs = path.read_bytes(), encode(answer(to=request("x")), {})
    path.write_bytes(b"<<<<<<< HEAD\n" + ours + b"=======\n" + theirs + b"\n>>>>>>> other\n")
    with pytest.raises(
        RecordingError, match=r"test_a\.jsonl:1: git left a conflict here; keep the answers of both sides"
    ):
        Recordings(root).places()


def test_a_file_that_cannot_be_read_is_named(root):
    record(root, answer())
    (root / "answers" / "test_b.jsonl").mkdir()
    with pytest.raises(RecordingError, match=r"test_b\.jsonl: the recording cannot be read: Is a directory"):
        Recordings(root).places()


def test_a_module_outside_rootdir_still_has_a_recording_inside_cassettes(root):
    assert Recordings(root).path_of("../../elsewhere/test_x.py") == root / "answers" / "elsewhere" / "test_x.jsonl"


def test_a_half_written_line_has_no_checksum():
    with pytest.raises(AnswerLineError, match="cut short"):
        decode(encode(answer(), {})[:-1])


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n", "a Git LFS pointer.*git lfs pull"),
        (b"\x00GITCRYPT\x00\x9c", "encrypted by git-crypt"),
        (b"\x1f\x8b\x08", "compressed with gzip"),
        (b"\x07\x00\x01", "binary"),
    ],
)
def test_a_file_that_stands_in_for_a_recording_is_named_and_nobody_is_told_to_record_it_again(root, data, what):
    (path,) = record(root, answer())
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=rf"test_a\.jsonl is {what}") as error:
        Recordings(root).places()
    assert "record it again" not in str(error.value)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_byte_order_mark_and_other_line_ends_change_no_recording(root, end):
    (path,) = record(root, answer(), answer(to=request("x")))
    before = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + before.replace(b"\n", end))
    assert len(Recordings(root).find([request(), request("x")])) == 2
    record(root, answer(to=request("y")))
    assert set(before.splitlines()) < set(path.read_bytes().split(b"\n"))
