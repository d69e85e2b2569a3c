"""API keys, the project each one opens and its permissions there; only hashes of keys are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_batcheval.simulator.behaviour import Behaviour
from pytest_batcheval.simulator.config import read_config
from pytest_batcheval.simulator.errors import ApiError

NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY)."
)
_SHOWN = 4


@dataclass(frozen=True)
class ApiKey:
    """The project and permissions of one API key.

    Attributes:
        name: the SHA-256 of the key; the key itself is not kept.
        project: its files and batches are visible to all keys of the project.
        scopes: the permissions of a restricted key, such as `api.files.read`; `None` for all.
        requests_per_minute, tokens_per_minute: limits of its individual calls; `None` for no limit.
        insufficient_quota: whether its account has no credit left.
    """

    name: str
    project: str
    scopes: frozenset[str] | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    insufficient_quota: bool = False


@dataclass(frozen=True)
class ProjectLimits:
    """Limits of a project.

    Attributes:
        creates_per_hour: batches; `None` for the limit of the behaviour.
        enqueued_tokens: prompt tokens of unfinished batches by model name; a model not named has no limit.
    """

    creates_per_hour: int | None = None
    enqueued_tokens: Mapping[str, int] = field(default_factory=dict)


class KeyRing:
    """The keys that a server accepts; without a list, every key that is not empty opens its own project."""

    def __init__(
        self, keys: Mapping[str, ApiKey] | None = None, projects: Mapping[str, ProjectLimits] | None = None
    ) -> None:
        self._keys = keys
        self._projects = projects or {}

    @classmethod
    def load(cls, path: Path) -> KeyRing:
        """Read a keys file (YAML or JSON), checked against `schemas/keys.schema.json`.

        Raises:
            UsageError: the file cannot be read or does not match the schema; the message names the place.
        """
        return cls.from_data(read_config(path, "keys"))

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> KeyRing:
        """The keys of a file's content, which must match the schema."""
        keys = [_declared(entry) for entry in data["keys"]]
        limits = {name: ProjectLimits(**entry) for name, entry in data.get("projects", {}).items()}
        return cls({key.name: key for key in keys}, limits)

    def find(self, authorization: str, behaviour: Behaviour) -> ApiKey:
        """The key in an `Authorization` header.

        Raises:
            ApiError: 401, there is no key or it is unknown.
        """
        kind, _, api_key = authorization.partition(" ")
        api_key = api_key.strip()
        if kind.lower() != "bearer" or not api_key:
            raise ApiError(401, NO_KEY, code=behaviour.code("no_api_key"))
        name = _hash(api_key)
        if self._keys is None:
            return ApiKey(name, name[:16])
        if name not in self._keys:
            text = f"Incorrect API key provided: {_masked(api_key)}."
            raise ApiError(401, text, code=behaviour.code("wrong_api_key"))
        return self._keys[name]

    def limits(self, project: str) -> ProjectLimits:
        """The limits of a project."""
        return self._projects.get(project, ProjectLimits())


def check_scope(key: ApiKey, scope: str, behaviour: Behaviour) -> None:
    """Refuse what the key's scopes do not allow.

    Raises:
        ApiError: 401 (or 403, see `Behaviour.scope_status`) naming the missing scope.
    """
    if key.scopes is not None and scope not in key.scopes:
        text = f"You have insufficient permissions for this operation. Missing scopes: {scope}."
        raise ApiError(behaviour.scope_status, text, code=behaviour.code("missing_scope"))


def _declared(entry: Mapping[str, Any]) -> ApiKey:
    rest = {name: value for name, value in entry.items() if name not in ("key", "sha256", "scopes")}
    scopes = frozenset(entry["scopes"]) if "scopes" in entry else None
    return ApiKey(entry.get("sha256") or _hash(entry["key"]), scopes=scopes, **rest)


def _hash(api_key: str) -> str:
    return hashlib.sha256(api_key.encode("utf-8", "surrogateescape")).hexdigest()


def _masked(api_key: str) -> str:
    """The key with stars for all but its last characters; a short key is all stars."""
    shown = api_key[-_SHOWN:] if len(api_key) > 4 * _SHOWN else ""
    return "*" * min(len(api_key) - len(shown), 32) + shown
