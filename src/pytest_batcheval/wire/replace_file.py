"""Files that take their place complete and checked, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replacing(path: Path, check: Callable[[Path], None]) -> Iterator[IO[bytes]]:
    """Yield a stream beside `path` that takes its place, mode 0644, when the block has ended and it is on disk.

    `check` gets the written file's own path just before that. If it or the block raises, nothing is left behind.

    Raises:
        OSError: the file cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        check(Path(name))
        os.chmod(name, 0o644)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
