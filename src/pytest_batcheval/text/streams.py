"""Output streams that take every text, whatever their encoding, also when nobody reads them any more."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

TYPE_CHECKING = False  # `batcheval --help` needs nothing else of typing
if TYPE_CHECKING:
    from typing import TextIO


def take_any_text() -> None:
    """Let stdout and stderr escape what they cannot encode; what is written to a closed one is discarded."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ESCAPED)


def encodable(text: str, encoding: str | None, same_width: bool = False) -> str:
    """The text with what an encoding does not have escaped, or as `?`, for a stream that is somebody else's."""
    encoding = encoding or "utf-8"
    return text.encode(encoding, "replace" if same_width else _ESCAPED).decode(encoding)


def discard(stream: TextIO) -> None:
    """Discard what is in a stream's buffer, and what will be written to it: its pipe is closed, or its disk is full."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def flush_all() -> None:
    """Write what stdout and stderr hold, as far as anybody takes it, so that Python does not fail in doing so."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            discard(stream)


_ESCAPED = "backslashreplace"
