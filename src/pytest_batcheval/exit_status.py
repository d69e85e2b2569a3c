"""The exit statuses of `batcheval`, and of a pytest run that could not do its tests: each error has one of them."""

from __future__ import annotations

from enum import IntEnum

TYPE_CHECKING = False  # `batcheval --help` needs nothing else of typing
if TYPE_CHECKING:
    from typing import Self


class ExitStatus(IntEnum):
    """Exit statuses of `batcheval` and of a pytest run that could not run its tests.

    Attributes:
        meaning: in words, as `batcheval --help` has it.
    """

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        """Make a member of a number and its meaning."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    OK = 0, "success"
    FAILED = 1, "something failed: a request, a comparison, a line that was skipped"
    USAGE = 4, "usage error: a wrong option, a missing key, a file that is invalid or already exists"
    UNFINISHED = 10, "a batch still runs; repeat the command later to get the answers"
    PROVIDER = 11, "the provider cannot be reached, or refused"
    JOURNAL = 12, "the journal is damaged (batcheval recover), or its database cannot be reached"
