from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_batcheval.backends.errors import Refused
from pytest_batcheval.backends.protocol import BatchError
from pytest_batcheval.engine.effects import ResultSummary, Settle, Unaccounted
from pytest_batcheval.engine.results import KEEP, download_results, read_results
from pytest_batcheval.journal.rows import AnswerRow, BatchRow, FailureRow
from pytest_batcheval.wire.endpoints import CHAT

KEYS = ["aa", "bb", "cc", "dd"]
REST = Unaccounted("unanswered", "no line", retryable=True)


def good(key, text="hello", **more):
    body = {"choices": [{"message": {"content": text}}]}
    return json.dumps({"id": f"r-{key}", "custom_id": key, "response": {"status_code": 200, "body": body}} | more,
                      ensure_ascii=False).encode()  # fmt: skip


def bad(key, status=503):
    body = {"error": {"code": "server_error", "message": "busy"}}
    return json.dumps({"custom_id": key, "response": {"status_code": status, "body": body}, "error": None}).encode()


class Files:
    """A provider of nothing but files."""

    def __init__(self, **files):
        self.files = files
        self.asked = []

    def download(self, file_id, target):
        self.asked.append(file_id)
        if self.files.get(file_id) is None:
            raise Refused("not_found", "no such file", 404)
        target.write_bytes(self.files[file_id])


def row(output="out", error=""):
    return BatchRow("o", "s", CHAT, "i", 1, 1, len(KEYS), "f", id=1, batch_id="batch_1", output_file_id=output,
                    error_file_id=error)  # fmt: skip


@pytest.fixture
def reap(tmp_path):
    """`reap(output=…, error=…)`: (account, results by key) of result files of these bytes."""

    def run(output=None, error=None, partial=False, keys=KEYS):
        provider = Files(out=output, err=error)
        wanted = row("out" if output is not None or partial else "", "err" if error is not None else "")
        account = download_results(provider, wanted, keys, tmp_path / "1", partial)
        rows = list(read_results(Settle(wanted, account, unaccounted=REST), keys))
        assert len({result.key for result in rows}) == len(rows), "a key has two results"
        return account, {result.key: result for result in rows}

    return run


def text_of(result):
    return json.loads(result.response)["body"]["choices"][0]["message"]["content"]


def kinds(rows):
    return {key: "answer" if isinstance(result, AnswerRow) else result.code for key, result in rows.items()}


def test_both_files_are_read_and_requests_without_a_line_are_reported(reap):
    account, rows = reap(b"\n".join([good("cc"), good("aa")]), bad("bb"))
    assert (account.answered, account.failed, account.broken) == ({"aa", "cc"}, {"bb"}, ())
    assert kinds(rows) == {"aa": "answer", "bb": "server_error", "cc": "answer", "dd": "unanswered"}


@pytest.mark.parametrize(
    ("output", "error"),
    [(b"", b""), (None, b""), (b"", None), (None, None), (b"\n\n", b"\xef\xbb\xbf\r\n")],
    ids=["both empty", "error empty", "output empty", "neither", "blank"],
)
def test_files_without_lines_are_no_fault(reap, output, error):
    account, rows = reap(output, error)
    assert (account.answered, account.failed, account.broken) == (set(), set(), ())
    assert set(kinds(rows).values()) == {"unanswered"}


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n\n", b" \t\r\n", b"\n\r\n"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\n", b"\xef\xbb\xbf\n"])
def test_line_ends_blank_lines_and_a_mark_at_the_beginning_do_not_matter(reap, start, end):
    account, rows = reap(start + end.join([good("aa"), good("bb"), b""]))
    assert account.broken == ()
    assert kinds(rows) == {"aa": "answer", "bb": "answer", "cc": "unanswered", "dd": "unanswered"}


def test_separators_inside_an_answer_stay_inside(reap):
    text = "one\u2028two\u2029three\u0085four\x0bfive\x0c"
    _, rows = reap(good("aa", text))
    assert text_of(rows["aa"]) == text


def test_equal_duplicates_merge_and_contradicting_ones_are_reported(reap):
    account, rows = reap(b"\n".join([good("aa", "1"), good("aa", "1"), good("bb", "1"), good("bb", "2")]))
    assert len(account.broken) == 1
    assert "second answer for bb" in account.broken[0]
    assert (text_of(rows["aa"]), text_of(rows["bb"])) == ("1", "1")


@pytest.mark.parametrize("order", [0, 1], ids=["failed first", "answered first"])
def test_an_answer_counts_wherever_its_request_also_failed(reap, order):
    parts = [bad("aa"), good("aa"), b'{"custom_id": "aa", broken']
    account, rows = reap(b"\n".join(parts[::-1] if order else parts), bad("aa"))
    assert (account.answered, account.failed) == ({"aa"}, set())
    assert kinds(rows)["aa"] == "answer"


def test_a_line_of_a_request_that_was_not_sent_is_reported_and_not_stored(reap):
    account, rows = reap(b"\n".join([good("zz"), good("aa"), bad("yy")]))
    assert [text.partition(": ")[2] for text in account.broken] == [
        "a line for 'zz', which is not a request of this batch",
        "a line for 'yy', which is not a request of this batch",
    ]
    assert rows.keys() == set(KEYS)
    assert account.nameless == 2


BROKEN = {
    "cut": good("bb")[:-9],
    "nan": good("bb").replace(b'"hello"', b"NaN"),
    "deep": good("bb").replace(b'"hello"', b"[" * 200 + b"]" * 200),
    "bottomless": good("bb").replace(b'"hello"', b"[" * 100_000 + b"]" * 100_000),
    "digits": good("bb").replace(b'"hello"', b"9" * 5000),
    "two in one": good("bb") + good("bb"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_line_is_kept_reported_and_not_sent_again_and_the_others_are_read(reap, tmp_path, kind):
    account, rows = reap(b"\n".join([good("aa"), BROKEN[kind], good("cc")]))
    assert (account.answered, account.failed, account.nameless) == ({"aa", "cc"}, {"bb"}, 0)
    assert account.broken[0].startswith(f"output.jsonl at byte {len(good('aa')) + 1}: ")
    broken = rows["bb"]
    assert (broken.code, broken.retryable) == ("broken_line", False)
    assert str(tmp_path / "1" / "output.jsonl") in broken.message
    assert (tmp_path / "1" / KEEP).exists()
    broken.message.encode()


def test_a_line_broken_down_to_its_key_is_counted(reap):
    account, rows = reap(b"\n".join([good("aa"), b"\x00" * 50, b'{"custom_id": "zz", broken']))
    assert account.nameless == 2
    assert kinds(rows)["bb"] == "unanswered"


MENDED = {
    "surrogate": (good("bb").replace(b"hello", b"a\\ud800b"), "a\ufffdb"),
    "utf-8": (good("bb").replace(b"hello", b"a\xffb"), "a\ufffdb"),
    "infinity": (good("bb").replace(b'"choices"', b'"logprob": -Infinity, "choices"'), "hello"),
    "digits": (good("bb").replace(b'"choices"', b'"n": ' + b"9" * 5000 + b', "choices"'), "hello"),
}


@pytest.mark.parametrize("kind", MENDED)
def test_an_answer_with_a_character_or_number_that_cannot_be_stored_is_kept_and_said(reap, tmp_path, kind):
    line, text = MENDED[kind]
    account, rows = reap(b"\n".join([good("aa"), line, good("cc")]))
    assert (account.answered, account.failed, account.nameless) == ({"aa", "bb", "cc"}, set(), 0)
    assert text_of(rows["bb"]) == text
    (said,) = account.broken
    assert said.startswith("output.jsonl: the line of bb was read with a change: ")
    assert (tmp_path / "1" / KEEP).exists()


@pytest.mark.parametrize("status", [b"9" * 30, b"-1", b'"200"', b"200.0", b"true", b"null", b"[]", b"201"])
def test_a_status_that_means_nothing_loses_no_answer(reap, status):
    account, rows = reap(good("bb").replace(b"200", status))
    assert (account.answered, account.broken) == ({"bb"}, ())
    assert text_of(rows["bb"]) == "hello"


def test_a_line_of_any_length_is_read(reap):
    _, rows = reap(b"\n".join([good("aa"), good("bb", "x" * 17 * 2**20), good("cc")]))
    assert len(text_of(rows["bb"])) == 17 * 2**20
    assert kinds(rows) == {"aa": "answer", "bb": "answer", "cc": "answer", "dd": "unanswered"}


NO_ANSWERS = {
    "error": ({"error": {"code": "server_error", "message": "busy"}}, "server_error", True),
    "refused": ({"error": {"code": "invalid_prompt", "message": "no"}}, "invalid_prompt", False),
    "empty": ({}, "no_answer", False),
    "no choices": ({"id": "x", "model": "m"}, "no_answer", False),
    "echo": ({"model": "m", "messages": [{"role": "user", "content": "hi"}]}, "no_answer", False),
    "queued": ({"object": "response", "status": "queued", "output": []}, "no_answer", False),
}


@pytest.mark.parametrize("kind", NO_ANSWERS)
def test_a_response_of_status_200_without_an_answer_is_a_failure(reap, kind):
    body, code, retryable = NO_ANSWERS[kind]
    account, rows = reap(good("aa", response={"status_code": 200, "body": body}))
    assert (account.answered, account.failed, account.broken) == (set(), {"aa"}, ())
    assert (rows["aa"].code, rows["aa"].status_code, rows["aa"].retryable) == (code, 200, retryable)


def test_whole_files_leave_no_mark(reap, tmp_path):
    reap(good("aa"))
    assert not (tmp_path / "1" / KEEP).exists()


def test_integers_that_no_struct_holds_and_odd_floats_are_kept(reap):
    odd = good("aa").replace(b'"hello"', b'[12345678901234567890123, -1e-7, 1E5, "\\u0000\\u001b[31m"]')
    _, rows = reap(odd)
    assert text_of(rows["aa"]) == [12345678901234567890123, -1e-7, 1e5, "\0\x1b[31m"]


def test_a_missing_file_is_a_fault_unless_what_is_left_will_do(reap, tmp_path):
    with pytest.raises(Refused):
        download_results(Files(err=bad("bb")), row("out", "err"), KEYS, tmp_path / "2")
    account, rows = reap(None, bad("bb"), partial=True)
    assert (account.failed, len(account.files)) == ({"bb"}, 1)
    assert account.broken == ("the output file out of batch batch_1 is gone at the provider",)
    assert kinds(rows)["bb"] == "server_error"


def test_a_file_that_may_not_be_read_is_no_missing_file(tmp_path):
    provider = Files()
    provider.download = lambda file_id, target: (_ for _ in ()).throw(Refused("forbidden", "no", 403))
    with pytest.raises(Refused):
        download_results(provider, row(), KEYS, tmp_path / "2", partial=True)


def test_lines_the_provider_named_are_failures_and_no_answer_is_overruled(tmp_path):
    faults = (BatchError("bad", "line two", 2), BatchError("bad", "far out", 99), BatchError("bad", "none", None))
    rows = list(read_results(Settle(row(), ResultSummary(), errors=faults, unaccounted=REST), KEYS))
    assert [(r.key, r.code, r.retryable) for r in rows if isinstance(r, FailureRow)] == [
        ("bb", "bad", False),
        ("aa", "unanswered", True),
        ("cc", "unanswered", True),
        ("dd", "unanswered", True),
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_mutated_file_loses_no_intact_line_and_gives_no_answer_to_a_wrong_key(tmp_path_factory, data):
    """Bytes flipped, cut out or doubled in one line of a file: the other lines are what they were."""
    texts = {key: f"to {key}" for key in KEYS}
    parts = [good(key, texts[key]) for key in KEYS]
    victim = data.draw(st.integers(0, 3))
    line = bytearray(parts[victim])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(line) - 1))
        line[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4)).replace(b"\n", b"")
        if not line:
            break
    parts[victim] = bytes(line)
    provider = Files(out=b"\n".join(parts))
    account = download_results(provider, row(), KEYS, tmp_path_factory.mktemp("harvest"))
    found = {r.key: r for r in read_results(Settle(row(), account, unaccounted=REST), KEYS)}
    for key in KEYS:
        if key != KEYS[victim] and key not in bytes(line).decode("utf-8", "replace"):
            assert text_of(found[key]) == texts[key]
    assert found.keys() == set(KEYS)
