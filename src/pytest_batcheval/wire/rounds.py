"""Names of rounds: a round asks every request once, whatever earlier rounds answered."""

from __future__ import annotations

import re

from pytest_batcheval.errors import UsageError

_ROUND = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def checked_round(name: str) -> str:
    """Return the name of a round; empty is none.

    Raises:
        UsageError: it has other characters than letters, digits, `.`, `_` and `-`, or more than 64.
    """
    if name and not _ROUND.fullmatch(name):
        raise UsageError(f"{name!r}: a round is named by 1 to 64 letters, digits, dots, - and _, such as 2026-W48")
    return name
