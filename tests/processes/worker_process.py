"""A worker process that a test may stop, kill or end; it makes the calls that a run offers."""

from __future__ import annotations

import os
import signal
import sys

from pytest_batcheval.engine.workers.call_worker import work_at
from pytest_batcheval.errors import BatchEvalError


def work(base_url, address):
    """Be a worker process until it is killed, or the run says that it may end."""
    os.environ["OPENAI_API_KEY"] = "test-key"  # else it is that of the process that others are forked from
    signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    try:
        work_at(base_url, address, lambda snapshot: None)
    except BatchEvalError as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(int(error.exit_status))
    except KeyboardInterrupt:
        os._exit(0)
