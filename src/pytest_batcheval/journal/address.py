"""The address of a journal: the path of a SQLite file, or a schema in a PostgreSQL database."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from pytest_batcheval.errors import UsageError
from pytest_batcheval.journal import location
from pytest_batcheval.wire.default_paths import JOURNAL

SCHEMES = ("postgresql://", "postgres://")

SCHEMA = "batcheval"
"""The schema in which the tables lie, if the URL names no other."""

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_SECRETS = ("password", "sslpassword")


@dataclass(frozen=True)
class PostgresAddress:
    """A schema in a PostgreSQL database.

    Attributes:
        url: the URL for libpq, without passwords.
        schema: the schema of the journal's tables.
        secrets: the passwords that the URL had, as libpq's parameters; shown nowhere.
        place: where this machine's own files of the journal begin: downloads, progress; the outcomes are in its folder.
    """

    url: str
    schema: str
    secrets: tuple[tuple[str, str], ...] = field(repr=False)
    place: Path

    def __str__(self) -> str:
        """The URL as it may be shown and typed again: without passwords."""
        if self.schema == SCHEMA:
            return self.url
        return f"{self.url}{'&' if '?' in self.url else '?'}schema={self.schema}"


JournalAddress: TypeAlias = Path | PostgresAddress


def journal_address(text: str | os.PathLike[str] | PostgresAddress, root: Path = Path()) -> JournalAddress:
    """The address that a text means; a path is below `root`.

    Raises:
        UsageError: it is a URL of PostgreSQL and names no database, or no schema that could be.
    """
    if isinstance(text, PostgresAddress):
        return text
    if not isinstance(text, str) or not text.startswith(SCHEMES):
        return root / text
    parts, secrets, schema = urlsplit(text), {}, SCHEMA
    query = []
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name in _SECRETS:
            secrets[name] = value
        elif name == "schema":
            schema = value
        else:
            query.append((name, value))
    user, _, hosts = parts.netloc.rpartition("@")
    user, colon, password = user.partition(":")
    if colon:
        secrets["password"] = unquote(password)
    url = urlunsplit(("postgresql", f"{user}@{hosts}" if user else hosts, parts.path, urlencode(query), ""))
    url = url if hosts or user else url.replace("postgresql:/", "postgresql:///", 1)
    if not _NAME.fullmatch(schema):
        raise UsageError(f"the journal {url}: schema={schema} is no name of a schema: letters a-z, digits and _")
    if len(parts.path) < 2 and "dbname" not in dict(query):
        raise UsageError(f"the journal {url} names no database: postgresql://host/database")
    digest = hashlib.sha256(f"{url} {schema}".encode()).hexdigest()[:8]
    return PostgresAddress(url, schema, tuple(secrets.items()), (root / JOURNAL).parent / f"postgres-{digest}")


def may_exist(address: JournalAddress) -> bool:
    """Whether there may be a journal; of a database only a connection can tell."""
    return isinstance(address, PostgresAddress) or address.exists()


def real(address: JournalAddress) -> JournalAddress:
    """The address itself; of a link to a file that of the file: next to the link there would be another lock.

    Raises:
        JournalError: there is something that is no file.
    """
    return address if isinstance(address, PostgresAddress) else location.real(address)


def beside(address: JournalAddress) -> Path:
    """The path that files of this machine beside a journal begin with: for a file, its own.

    Raises:
        JournalError: there is something that is no file.
    """
    return address.place if isinstance(address, PostgresAddress) else location.real(address)
