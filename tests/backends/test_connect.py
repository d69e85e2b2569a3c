"""What may be written after `--batch-backend`, before anything is asked of it."""

import json

import pytest

from pytest_batcheval.backends.base_url import checked_base_url
from pytest_batcheval.backends.connect import capabilities_of, connect, expected_origin, one_spelling
from pytest_batcheval.errors import UsageError


@pytest.mark.parametrize(
    "url",
    ["http://api.example.com/v1", "http://10.0.0.7:8000/v1", "http://[fe80::1]/v1", "http://localhost.evil.com/v1"],
)
@pytest.mark.parametrize("way", ["option", "environment"])
def test_a_key_never_travels_unencrypted(url, way, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    if way == "environment":
        monkeypatch.setenv("OPENAI_BASE_URL", url)
    with (
        pytest.raises(UsageError, match=r"unencrypted.*https.*ssh -L"),
        connect("openai" if way == "environment" else url),
    ):
        pass


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1",
        "http://127.0.0.1:1/v1",
        "http://127.9.9.9/v1",
        "http://[::1]:8/v1",
        "http://localhost:8/v1",
    ],
)
def test_this_machine_and_tls_are_fine(url):
    assert checked_base_url(url) == url


LINE = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "messages": []}}


@pytest.mark.parametrize(
    ("backend", "hours"), [("doubleword:1h", 1), ("groq:36h", 36), ("groq", 24), ("doubleword:1h@simulator:blind", 1)]
)
def test_a_completion_window_can_be_chosen(backend, hours, tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(LINE) + "\n")
    with connect(backend if "@" in backend else f"{backend}@simulator") as connection:
        file = connection.backend.upload(tmp_path / "a.jsonl", "a.jsonl")
        batch = connection.backend.create(file.id, "/v1/chat/completions", {}, "key")
        assert batch.times["expires_at"] - batch.times["created_at"] == 3_600 * hours


def test_it_is_no_other_backend_but_another_choice():
    assert one_spelling("doubleword") == one_spelling("doubleword:24h") != one_spelling("doubleword:1h")
    assert expected_origin("doubleword") == expected_origin("doubleword:1h")
    assert capabilities_of("mistral:2h@simulator").windows[0] == "2h"


@pytest.mark.parametrize("backend", ["doubleword:2h", "groq:23h", "openai:1h@https://h/v1", "groq:x@simulator"])
@pytest.mark.parametrize("use", [connect, expected_origin])
def test_a_window_that_a_provider_lacks_is_refused(backend, use):
    with pytest.raises(UsageError, match=r"has no completion window '\w+': \w+:WINDOW takes \d+h"), use(backend):
        pass


@pytest.mark.parametrize("backend", ["", "claude", "simulators", "ftp://host/v1"])
def test_no_such_backend(backend):
    with pytest.raises(UsageError, match="unknown backend"), connect(backend):
        pass


@pytest.mark.parametrize(
    "backend", ["https://h/v1?api_key=very-secret", "https://h/v1#very-secret", "http://127.0.0.1:1/?a=very-secret"]
)
@pytest.mark.parametrize("use", [connect, expected_origin])
def test_a_query_is_refused_and_not_repeated(backend, use):
    with pytest.raises(UsageError, match="leave it out") as caught, use(backend):
        pass
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "backend", ["http://[::1/v1", "https://h:99999/v1", "https://h:x/v1", "https:///v1", "http://"]
)
@pytest.mark.parametrize("use", [connect, expected_origin])
def test_a_url_that_no_parser_takes_is_refused(backend, use):
    with pytest.raises(UsageError, match="base URL"), use(backend):
        pass
