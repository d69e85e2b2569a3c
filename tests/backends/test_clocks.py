from __future__ import annotations

import socket
import threading
from contextlib import suppress

import pytest

from pytest_batcheval.backends.clocks import SimulatorClock, SystemClock
from pytest_batcheval.errors import ProviderError


def test_the_systems_clock_is_monotonic_and_never_sleeps_back():
    with SystemClock() as clock:
        before = clock.now()
        clock.sleep(0.02)
        clock.sleep(-1)
        assert before + 0.02 <= clock.now() < before + 10


@pytest.fixture
def odd():
    """`odd(b"…", …)`: the address of a clock that gives one of these answers to each question but a registration."""
    listeners = []

    def serve(*answers):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        left = list(answers)

        def attend(connection):
            with connection, connection.makefile("rb") as questions, suppress(OSError):
                for question in questions:
                    answer = b"0.0\n" if b"register" in question else left.pop(0)
                    if not answer:
                        return
                    connection.sendall(answer)

        def run():
            with suppress(OSError):
                while True:
                    attend(listener.accept()[0])

        threading.Thread(target=run, daemon=True).start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield serve
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.parametrize("answer", [b"", b"soon\n", b"[1]\n", b"null\n"])
def test_a_clock_that_talks_nonsense_is_a_provider_error(odd, answer):
    with SimulatorClock(odd(answer)) as clock, pytest.raises(ProviderError, match=r"clock at 127\.0\.0\.1"):
        clock.now()


def test_a_clock_that_is_not_there_is_a_provider_error_at_the_first_question():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"127.0.0.1:{gone.getsockname()[1]}"
    with SimulatorClock(address) as clock, pytest.raises(ProviderError, match="cannot be reached"):
        clock.sleep(1)


def test_after_a_failure_the_next_question_is_asked_on_a_new_connection(odd):
    with SimulatorClock(odd(b"nonsense\n", b"7.5\n")) as clock:
        with pytest.raises(ProviderError):
            clock.now()
        assert clock.now() == 7.5


def test_an_interrupted_question_is_not_answered_by_the_next_ones_reply(odd, monkeypatch):
    with SimulatorClock(odd(b"1.0\n", b"2.0\n")) as clock:
        assert clock.now() == 1.0

        def interrupt(words):
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr("pytest_batcheval.backends.clocks.json.dumps", interrupt)
            with pytest.raises(KeyboardInterrupt):
                clock.sleep(5)
        assert clock.now() == 2.0
