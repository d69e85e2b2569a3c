"""Polling a batch or a run until it has ended; nothing is written."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_batcheval.errors import ProviderError
from pytest_batcheval.exit_status import ExitStatus
from pytest_batcheval.text.colour import painter
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.sanitize import safe_json_to_print, safe_to_print
from pytest_batcheval.text.streams import discard
from pytest_batcheval.text.table import cut, one_line
from pytest_batcheval.wire import real_time

if TYPE_CHECKING:
    from pytest_batcheval.engine.clock import Clock

LINE_SECONDS = 60.0
"""Least seconds between two lines of a log, except for the last one."""

SHARE = 10
"""A pause is at least this many times the real seconds of the poll before it, however large a journal is."""

TOLERATED = 10
"""Polls in a row that may fail, after one has succeeded: a network may come back."""


@dataclass(frozen=True)
class WatchedState:
    """The result of one poll.

    Attributes:
        page: lines for a terminal, the same as without watching.
        line: the same in one line.
        data: the same for JSON.
        status: the exit status if the verb ends now; `UNFINISHED` continues.
        trouble: the error of the newest poll; the other fields are then from the one before.
    """

    page: str
    line: str
    data: Mapping[str, Any]
    status: ExitStatus
    trouble: str = ""

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.status != ExitStatus.UNFINISHED


def watch(
    poll: Callable[[], WatchedState], clock: Clock, interval: float, show: Callable[[WatchedState, float], None]
) -> ExitStatus:
    """Poll every `interval` seconds of the clock or less often, and show each state with its time, until it has ended.

    Raises:
        ProviderError: the first poll failed, or too many in a row.
        UsageError, JournalError: from a poll.
    """
    began = real_time.monotonic()
    seen, failed = poll(), 0
    while True:
        show(seen, clock.now())
        if seen.ended:
            return seen.status
        clock.sleep(max(interval, SHARE * (real_time.monotonic() - began)))
        began = real_time.monotonic()
        try:
            seen, failed = poll(), 0
        except ProviderError as error:
            failed += 1
            if failed > TOLERATED:
                raise
            seen = replace(seen, trouble=str(error))


def display(as_json: bool) -> Callable[[WatchedState, float], None]:
    """Return the display of states: JSON lines, redrawn on a terminal, or lines of a log."""
    if as_json:
        return Documents()
    return Screen() if on_terminal() else LineDisplay()


def on_terminal() -> bool:
    """Return whether stdout is a terminal that can be redrawn."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


class Documents:
    """A display of one JSON document per line, at each change."""

    def __init__(self) -> None:
        self._shown: str | None = None

    def __call__(self, seen: WatchedState, now: float) -> None:
        """Print the state if it has changed."""
        text = safe_json_to_print(json.dumps(seen.data, ensure_ascii=True))
        if text != self._shown:
            print(text, flush=True)
            self._shown = text


class LineDisplay:
    """A display of one line with the time of day per change, at most one a minute except for the last."""

    def __init__(self) -> None:
        self._shown: str | None = None
        self._when = -math.inf

    def __call__(self, seen: WatchedState, now: float) -> None:
        """Print the state if it has changed and the last line is old enough."""
        text = f"{seen.line}; {_trouble(seen)}" if seen.trouble else seen.line
        if text != self._shown and (seen.ended or now >= self._when + LINE_SECONDS):
            print(safe_to_print(f"{real_time.local('%H:%M:%S')} {text}"), flush=True)
            self._shown, self._when = text, now


class Screen:
    """A display of the full page, drawn over the one before."""

    def __init__(self) -> None:
        self._drawn: list[str] = []

    def __call__(self, seen: WatchedState, now: float) -> None:
        """Draw the page; the last one stays in full."""
        from pytest_batcheval.text.redraw import redrawn

        width, height = shutil.get_terminal_size()
        lines = safe_to_print(seen.page).splitlines()
        if not seen.ended:
            lines = [*_fitting(lines, width, height - 2), cut(f"{real_time.local('%H:%M:%S')} {_foot(seen)}", width)]
        paint = painter(sys.stdout)
        first = "".join(f"{paint(line)}\n" for line in lines)
        sys.stdout.write(redrawn(self._drawn, lines, (), width, height, paint) if self._drawn else first)
        sys.stdout.flush()
        self._drawn = lines


def interruptible(body: Callable[[], ExitStatus], continues: str) -> ExitStatus:
    """Return the status of `body`; `UNFINISHED` after Ctrl-C, with a note on what continues, or a closed stdout."""
    try:
        return body()
    except KeyboardInterrupt:
        print(f"\nno longer watching; {continues}", file=sys.stderr)
    except BrokenPipeError:
        discard(sys.stdout)
    return ExitStatus.UNFINISHED


def _foot(seen: WatchedState) -> str:
    return _trouble(seen) if seen.trouble else "Ctrl-C stops watching; nothing else is stopped"


def _trouble(seen: WatchedState) -> str:
    return f"provider unreachable, retrying: {one_line(seen.trouble)}"


def _fitting(lines: list[str], width: int, height: int) -> list[str]:
    """Return as many of the first lines as fit, and the number of the others."""
    from pytest_batcheval.text.redraw import rows

    left = max(height, 1)
    for number, line in enumerate(lines):
        left -= rows(line, width)
        if left < 0:
            return [*lines[: max(number - 1, 0)], f"... {counted(len(lines) - max(number - 1, 0), 'more line')}"]
    return lines
