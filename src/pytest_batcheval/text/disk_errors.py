"""Advice for a user who meets an error of the disk, by its name."""

from __future__ import annotations

import errno

_ADVICE = {
    "make room and run the same command again": ("ENOSPC", "EDQUOT", "EFBIG", "SQLITE_FULL"),
    "a run that sends requests must be able to write this file and its folder": (
        *("EACCES", "EPERM", "EROFS", "SQLITE_CANTOPEN", "SQLITE_READONLY"),
    ),
    "a link or something else stands in its place; remove that and run the same command again": (
        *("ELOOP", "ENOTDIR", "EISDIR", "EEXIST", "ENXIO"),
    ),
}


def error_name(error: OSError) -> str:
    """The system's name of an error, as `ENOSPC`."""
    return errno.errorcode.get(error.errno or 0, type(error).__name__)


def advice(name: str) -> str:
    """The advice for an error of this name, the system's or SQLite's; empty where its words say enough."""
    return next((text for text, names in _ADVICE.items() if name.startswith(names)), "")
