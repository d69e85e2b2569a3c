"""Shared by the whole suite: pytester, proof sizes, and a place where no key is set."""

import signal

import pytest

pytest_plugins = ["pytester"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C, and so would every process that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption(
        "--proof",
        choices=("quick", "ci", "full"),
        default="quick",
        help="size of the seeded proofs: quick (default), ci, or full (tox)",
    )
    parser.addoption("--sim-seed", type=int, help="play only the simulated schedule of this seed")


@pytest.fixture(scope="session")
def proof(request):
    """The chosen size of proofs: `quick`, `ci` or `full`."""
    return request.config.getoption("--proof")
