"""The exit statuses of `batcheval`, and of a pytest run that could not do its tests: each error has one of them."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of `batcheval` and of a pytest run that could not run its tests."""

    OK = 0
    FAILED = 1
    USAGE = 4
    UNFINISHED = 10
    PROVIDER = 11
    JOURNAL = 12
