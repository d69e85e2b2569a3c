"""Progress of a send, wherever it is shown: lines that are redrawn, or a line at each change.

A thread of its own writes all lines and advances the times: the run does not wait for a terminal, and an error of the
terminal ends only the display.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from pytest_batcheval.engine.snapshot import NoticeSnapshot
from pytest_batcheval.report.eta import Eta
from pytest_batcheval.report.live_line import LiveLines, LogLines
from pytest_batcheval.text.redraw import redrawn
from pytest_batcheval.text.sanitize import safe_to_print
from pytest_batcheval.text.streams import encodable
from pytest_batcheval.wire import real_time

if TYPE_CHECKING:
    from pytest_batcheval.engine.snapshot import BatchSnapshot
    from pytest_batcheval.journal.rows import BatchRow

TICK = 1.0
"""Real seconds between two drawings while nothing happens."""

FRAME = 0.1
"""Real seconds between two drawings at least, unless a line is to be written above them."""

LAST_WORDS = 5.0
"""Real seconds that a run waits at its end for lines still to be written, as on a terminal that was stopped."""

SPARE = 4
"""Lines of a terminal that are left for earlier output."""


class Output(Protocol):
    """The place that lines are written to."""

    @property
    def encoding(self) -> str | None:
        """That of the text file; `None` if it has none."""

    def size(self) -> os.terminal_size:
        """Columns and lines of the terminal as it is now."""

    def write(self, text: str) -> None:
        """Write whole lines, on a line of their own."""

    def paint(self, line: str) -> str:
        """The line with its colours, if there are any."""


class Panel(Protocol):
    """The lines that are shown; `draw` returns the seconds after which it wants to draw again."""

    def begin(self, wave: int, speed: float, expected: Eta) -> None:
        """Begin a wave."""

    def say(self, text: str) -> None:
        """Show a line of its own."""

    def show(self, seen: BatchSnapshot, now: float) -> None:
        """Show the state of a batch."""

    def leave(self, now: float) -> None:
        """Leave what is drawn as it is."""

    def draw(self, now: float) -> float:
        """Draw what has changed."""


class Display:
    """The display of one send; a context manager, whose end leaves the output at the beginning of a line."""

    def __init__(self, panel: Panel | None) -> None:
        """Begin it; nothing is written yet, and nothing at all without a panel."""
        self._acts: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        if panel is not None:
            self._panel = panel
            self._thread = threading.Thread(target=self._work, name="batcheval-progress", daemon=True)
            self._thread.start()

    def begin(self, wave: int, speed: float, batches: Callable[[], Iterable[BatchRow]]) -> None:
        """Begin a wave.

        Args:
            wave: from 1.
            speed: seconds of the backend's clock in a real one; 0 where time jumps.
            batches: reads the journal's batches of the origin; called on another thread.
        """
        self._do(lambda: self._panel.begin(wave, speed, _expected(batches)))

    def say(self, text: str) -> None:
        """Write a line of its own; may be called by a signal handler."""
        self._do(lambda: self._panel.say(safe_to_print(f"batch: {text}")))

    def show(self, seen: BatchSnapshot) -> None:
        """Show the state of a batch."""
        now = real_time.monotonic()
        self._do(lambda: self._panel.show(seen, now))

    def leave(self) -> None:
        """Leave the drawn lines as they are; later lines are written below them."""
        now = real_time.monotonic()
        self._do(lambda: self._panel.leave(now))

    def finish(self) -> None:
        """Write the lines still to be written, and end."""
        self.leave()
        self._acts.put(None)
        if self._thread is not None:
            self._thread.join(LAST_WORDS)
            self._thread = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def _do(self, act: Callable[[], None]) -> None:
        if self._thread is not None:
            self._acts.put(act)

    def _work(self) -> None:
        # Any error of the terminal or of the drawing: the run matters more.
        with suppress(Exception):
            pause = TICK
            while self._act(pause):
                pause = self._panel.draw(real_time.monotonic())

    def _act(self, pause: float) -> bool:
        """Perform what is queued, after waiting for it at most `pause` seconds; false at the end."""
        with suppress(Empty):
            act = self._acts.get(timeout=pause)
            while act is not None:
                act()
                act = self._acts.get_nowait()
            return False
        return True


class _Lines:
    """Lines on an output, as far as its encoding has their characters."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.board = LiveLines()

    def begin(self, wave: int, speed: float, expected: Eta) -> None:
        """Begin a wave."""
        self.board.begin(wave, speed, expected)

    def _encodable(self, text: str, same_width: bool = False) -> str:
        return encodable(text, self._output.encoding, same_width)

    def _write(self, text: str) -> None:
        if text:
            self._output.write(self._encodable(text, same_width=True))  # else it could not be redrawn


class LogPanel(_Lines):
    """Lines that come one after the other."""

    def __init__(self, output: Output) -> None:
        """Begin a log."""
        super().__init__(output)
        self._log = LogLines(self.board)

    def say(self, text: str) -> None:
        """Write a line."""
        self._write(self._encodable(f"{text}\n"))

    def show(self, seen: BatchSnapshot, now: float) -> None:
        """Write what a snapshot has to be reported of."""
        self.board.take(seen, now)
        self._write_lines(self._log.take(seen, now))

    def leave(self, now: float) -> None:
        """Do nothing: no lines are redrawn."""

    def draw(self, now: float) -> float:
        """Write what has waited long enough."""
        self._write_lines(self._log.due(now))
        return TICK

    def _write_lines(self, lines: Iterable[str]) -> None:
        shown = (self._output.paint(safe_to_print(f"batch: {line}")) for line in lines)
        self._write(self._encodable("".join(f"{line}\n" for line in shown)))


class LivePanel(_Lines):
    """Lines that are redrawn, below those that stay."""

    def __init__(self, output: Output) -> None:
        """Begin it; nothing is drawn."""
        super().__init__(output)
        self._drawn: Sequence[str] = ()
        self._above: list[str] = []
        self._next = 0.0

    def say(self, text: str) -> None:
        """Write a line above those that are redrawn."""
        self._above.append(self._encodable(text))

    def show(self, seen: BatchSnapshot, now: float) -> None:
        """Take a snapshot; an end and a notice are lines that stay."""
        self.board.take(seen, now)
        if isinstance(seen, NoticeSnapshot):
            self.say(safe_to_print(f"batch: {seen}"))
        if seen.ended and seen.ordinal:  # the end of a pause is not worth a line
            self.say(f"batch: {self.board.describe(seen.ordinal, now)}")

    def leave(self, now: float) -> None:
        """Draw them a last time."""
        self._next = now
        self.draw(now)
        self.board, self._drawn = LiveLines(), ()

    def draw(self, now: float) -> float:
        """Draw them again, where they have changed."""
        if now < self._next and not self._above:
            return self._next - now
        self._next = now + FRAME
        width, height = self._output.size()
        lines = self.board.lines(now, width - 1, max(height - SPARE, 1))
        if lines != self._drawn or self._above:
            self._write(redrawn(self._drawn, lines, self._above, width, height, self._output.paint))
        self._drawn, self._above = lines, []
        return TICK


def size_of(file: Any) -> os.terminal_size:
    """Columns and lines of a terminal as it is now, regardless of the environment's variables."""
    with suppress(OSError, ValueError, AttributeError):
        size = os.get_terminal_size(file.fileno())
        if size.columns and size.lines:
            return size
    return shutil.get_terminal_size()


def _expected(batches: Callable[[], Iterable[BatchRow]]) -> Eta:
    """The estimate from earlier batches; an empty one where they cannot be read."""
    with suppress(Exception):
        return Eta(batches())
    return Eta()
