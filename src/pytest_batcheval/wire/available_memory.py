"""The memory that is available to this process."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

MEMINFO = Path("/proc/meminfo")


def available_memory(path: Path = MEMINFO) -> int | None:
    """Bytes that can be had without swapping; `None` where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        for line in path.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None
