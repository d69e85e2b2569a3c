"""What is sent to this machine passes no proxy; what is sent elsewhere passes the one that is set."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress

import pytest

from pytest_batcheval.backends.base_url import is_loopback, past_proxies
from pytest_batcheval.backends.connect import connect
from pytest_batcheval.backends.openai_batch import OpenAIBatch
from pytest_batcheval.backends.openai_calls import IndividualCalls
from pytest_batcheval.errors import ProviderError

KEY = "sk-test-0123456789abcdef"
VARIABLES = ["http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy", "https_proxy"]


class Proxy:
    """A proxy that refuses everything, and remembers the first line of what it was asked."""

    def __init__(self):
        self.asked = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                self.asked.append(stream.readline().decode().strip())
                while stream.readline().strip():
                    pass
                connection.sendall(b"HTTP/1.1 502 no way\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture(scope="module")
def listening():
    proxy = Proxy()
    yield proxy
    proxy.stop()


@pytest.fixture
def proxy(listening, monkeypatch):
    """A proxy for everything, by every variable there is."""
    listening.asked.clear()
    for name in VARIABLES:
        monkeypatch.setenv(name, listening.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    return listening


def called(base_url):
    """Make one individual call, and return its outcome."""
    with IndividualCalls(base_url, KEY) as calls:
        calls.start("/v1/chat/completions", b'{"model": "m"}', "a key")
        select.select([calls.signal], [], [], 20)
        ((_, outcome),) = calls.finished()
    return outcome


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("way", ["argument", "environment"])
def test_this_machine_is_reached_past_every_proxy(proxy, server, monkeypatch, host, way):
    base_url = f"http://{host}:{server.port}/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", base_url)
    given = base_url if way == "argument" else None
    with OpenAIBatch(given, KEY):
        pass
    assert called(given).status == 404
    assert proxy.asked == []


def test_our_own_simulator_is_reached_past_every_proxy(proxy):
    with connect("simulator", individual=True) as connection:
        assert connection.backend.origin == "simulator:faithful@0"
    assert proxy.asked == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_other_hosts_are_reached_through_the_proxy(proxy, monkeypatch, scheme):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")  # not asked
    base_url = f"{scheme}://provider.invalid/v1"
    with suppress(ProviderError):
        OpenAIBatch(base_url, KEY).close()
    called(base_url)
    first = "CONNECT provider.invalid:443" if scheme == "https" else "http://provider.invalid/v1"
    assert len(proxy.asked) == 2
    assert all(first in line for line in proxy.asked)


@pytest.mark.parametrize(
    "url", ["http://[::1]:8/v1", "http://u:p@127.9.9.9/v1", "https://localhost/v1", "http://a.localhost/v1"]
)
def test_names_of_this_machine(url):
    assert is_loopback(url)
    assert past_proxies(url)


@pytest.mark.parametrize("url", ["http://localhost.evil.com/v1", "http://localhost@10.0.0.1/v1", "http://127.1/v1", ""])
def test_names_of_other_machines(url):
    assert not is_loopback(url)
