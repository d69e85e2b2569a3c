"""What may be written after `--batch-backend`, before anything is asked of it."""

import pytest

from pytest_batcheval.backends.base_url import checked_base_url
from pytest_batcheval.backends.connect import connect, expected_origin
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
