"""A PostgreSQL server of Debian's package for the tests of a session, in a folder of its own, without fsync."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

FOUND = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
BIN = FOUND[-1] if FOUND else None
"""The folder of its programs; `None` where the package is not installed."""

MISSING = "no PostgreSQL: apt-get install postgresql"
DATABASE = "journal"


class PostgresServer:
    """One server, which listens on a socket only; root starts it as another user, as the server demands.

    Attributes:
        folder: where its data and its socket lie.
    """

    def __init__(self) -> None:
        assert BIN is not None
        self._bin = BIN
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self._user = _unprivileged() if os.geteuid() == 0 else None
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._run(
            "initdb", "-D", self._data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"
        )
        self.start()
        self._run("createdb", "-h", str(self.folder), "-U", "tests", DATABASE)

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def url(self, schema: str, password: str = "") -> str:
        """The URL of a journal in a schema of its own."""
        user = f"tests:{password}" if password else "tests"
        return f"postgresql://{user}@/{DATABASE}?host={quote(str(self.folder), safe='')}&schema={schema}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off -c max_connections=200 -c shared_buffers=64MB"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", self._data, "-w", "-s", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        """Stop it as a crash would: nobody is waited for, and it recovers when it starts again."""
        self._run("pg_ctl", "-D", self._data, "-w", "-s", "-m", "immediate", "stop")

    def sql(self, text: str) -> str:
        """What psql prints for a statement."""
        command = ("psql", "-h", str(self.folder), "-U", "tests", "-d", DATABASE, "-qAt", "-v", "ON_ERROR_STOP=1")
        return self._run(*command, "-c", text)

    def cut(self) -> None:
        """Cut all connections of journals."""
        self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pytest-batcheval'")

    def cpu(self) -> float:
        """Seconds of CPU that the server's processes have used which have ended."""
        pid = (self.folder / "data" / "postmaster.pid").read_text().split()[0]
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def dump(self, schema: str) -> str:
        """A backup of a journal, as pg_dump makes it."""
        return self._run("pg_dump", "-h", str(self.folder), "-U", "tests", "-n", schema, DATABASE)

    def restore(self, backup: str) -> None:
        """Put a backup back."""
        script = self.folder / "backup.sql"
        script.write_text(backup, encoding="utf-8")
        self._run(
            "psql",
            "-h",
            str(self.folder),
            "-U",
            "tests",
            "-d",
            DATABASE,
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-f",
            str(script),
        )

    def close(self) -> None:
        """Stop it and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder)

    def _run(self, name: str, *arguments: str) -> str:
        user = {} if self._user is None else {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": ()}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        with tempfile.TemporaryFile("w+") as said:  # a pipe would be kept open by the server
            done = subprocess.run(
                [str(self._bin / name), *arguments],
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                check=False,
                **user,
            )
            said.seek(0)
            text = said.read()
        assert done.returncode == 0, text
        return text.strip()


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("root cannot start PostgreSQL, and there is no other user")
