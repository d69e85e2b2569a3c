"""What every run of the suite would pay for again and again, paid once: imports, certificates, garbage, disk."""

from __future__ import annotations

import gc
import importlib
import pkgutil
import shutil
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

import pytest_batcheval

if TYPE_CHECKING:
    from postgres_server import PostgresServer

    from pytest_batcheval.simulator.server import SimulatorServer

IMPORTED_LATE = (
    *("openai.resources.batches", "openai.resources.files", "openai.resources.chat", "openai.resources.embeddings"),
    *(
        "openai.resources.models",
        "openai.resources.responses",
        "genai_prices.data_snapshot",
        "genai_prices.validation",
        "genai_prices.decompose",
        "jsonschema",
        "psutil",
    ),
    *("jsonschema_rs", "resource", "_pytest.stepwise", "_pytest.junitxml", "stringprep", "encodings.idna", "yaml"),
    *("vcr", "vcr.cassette"),
)
"""What a run imports when it comes to need it."""

MEMORY = Path("/dev/shm")
ENOUGH = 2**31
"""Bytes that must be free in memory for the tests' folders to lie there."""


settings.register_profile("suite", deadline=None)  # no test of ours asserts seconds
settings.register_profile("quick", settings.get_profile("suite"), max_examples=12)


def pytest_configure(config: pytest.Config) -> None:
    """The tests' folders lie in memory where the machine has some: a thousand journals are synced in seconds."""
    settings.load_profile("quick" if config.getoption("--proof") == "quick" else "suite")
    if config.option.basetemp is None and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH:
        pytest.MonkeyPatch().setenv("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.hookimpl(wrapper=True, trylast=True)  # before pytest-cov puts the data together
def pytest_runtestloop(session: pytest.Session) -> Iterator[None]:
    """Coverage writes without a journal: what a process that a test killed has half written would end the whole run."""
    result = yield
    if session.config.pluginmanager.has_plugin("_cov") and not hasattr(session.config, "workerinput"):
        for path in session.config.rootpath.glob(".coverage.*"):
            if not _is_sound(path):
                path.unlink(missing_ok=True)
    return result  # type: ignore[return-value]


def _is_sound(path: Path) -> bool:
    """Whether SQLite can read all of a file."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
    return False


OF_CI = ("CI", "BUILD_NUMBER", "GITLAB_CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY")
"""Variables by which pytest, and we, know that they run in CI: texts are not cut there, and pages are written."""


@pytest.fixture(scope="session", autouse=True)
def _environment_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Inner runs do not see that they run in CI; prices that are kept for the user are neither read nor written."""
    with pytest.MonkeyPatch.context() as patch:
        for name in OF_CI:
            patch.delenv(name, raising=False)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def pytest_collection_finish() -> None:
    """What was collected stays until the end, so that no garbage collection needs to look at it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every client reads the certificates of all authorities, 20 ms each time; no test needs more than one."""
    paths = ssl.get_default_verify_paths()
    authorities = next((Path(p) for p in (paths.cafile, paths.openssl_cafile) if p and Path(p).is_file()), None)
    with pytest.MonkeyPatch.context() as patch:
        if authorities is not None:
            first, end, _ = authorities.read_text(encoding="utf-8").partition("-----END CERTIFICATE-----\n")
            path = tmp_path_factory.mktemp("certificate") / "one.pem"
            path.write_text(first + end, encoding="utf-8")
            patch.setenv("SSL_CERT_FILE", str(path))
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server; skipped where the package or the driver is not installed."""
    pytest.importorskip("psycopg", reason="no driver: pip install 'pytest-batcheval[postgres]'")
    from postgres_server import BIN, MISSING, PostgresServer

    if BIN is None:
        pytest.skip(MISSING)
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a journal of its own, on a server that answers."""
    schema = f"s{next(_SCHEMAS)}"
    yield postgres_server.url(schema)
    postgres_server.sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


_SCHEMAS = count(1)


@pytest.fixture(scope="session")
def imported() -> None:
    """All that an inner run of pytester may import; it forgets what it imported itself, and would do so each time."""
    ours = (m.name for m in pkgutil.walk_packages(pytest_batcheval.__path__, "pytest_batcheval."))
    for name in [*IMPORTED_LATE, *(name for name in ours if not name.endswith("__main__"))]:
        with suppress(ImportError):  # an extra that is not installed
            importlib.import_module(name)


@pytest.fixture
def pytester(imported: None, pytester: pytest.Pytester) -> pytest.Pytester:
    return pytester


SOON = {"validating_seconds": (1, 3), "start_seconds": 1, "line_seconds": (0.1, 0.4)}
"""A batch ends within some seconds of virtual time: each look at one that takes minutes costs 10 ms of real time."""


@pytest.fixture
def batch_server(batch_server: SimulatorServer) -> SimulatorServer:
    """The plugin's own, on which batches do not take long."""
    batch_server.behaviour = replace(batch_server.behaviour, **SOON)
    return batch_server
