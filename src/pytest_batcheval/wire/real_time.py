"""The machine's own clocks, and a sleep: tests replace those of the module `time`, and our threads and loops go on.

freezegun replaces `time.time` and `time.monotonic` in every module, time-machine the functions themselves; neither
touches `clock_gettime` with the clocks that are read here.
"""

from __future__ import annotations

import sys
import threading
import time

_read = time.clock_gettime
_WALL = 5 if sys.platform == "linux" else time.CLOCK_REALTIME
"""CLOCK_REALTIME_COARSE of Linux, which Python has no name for; it is some milliseconds behind at most."""


def monotonic() -> float:
    """Seconds that never go back."""
    return _read(time.CLOCK_MONOTONIC)


def now() -> float:
    """Unix seconds."""
    return _read(_WALL)


def sleep(seconds: float) -> None:
    """Wait; Ctrl-C interrupts it."""
    threading.Event().wait(min(max(seconds, 0.0), threading.TIMEOUT_MAX))


def local(layout: str, seconds: float | None = None) -> str:
    """A time as text in the local time zone, by `strftime`; the present one without `seconds`."""
    return time.strftime(layout, time.localtime(now() if seconds is None else seconds))


def utc_day() -> str:
    """Today in UTC, such as `2026-11-26`."""
    return time.strftime("%Y-%m-%d", time.gmtime(now()))
