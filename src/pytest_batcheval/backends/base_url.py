"""Base URLs: refused where they would leak a key; those of this machine are reached past any proxy."""

from __future__ import annotations

import os
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from pytest_batcheval.catalogue.providers import Capabilities
from pytest_batcheval.errors import UsageError
from pytest_batcheval.text.sanitize import escape_controls, redacted

LONGEST_SHOWN = 200
"""Characters of a base URL that are shown."""

VERSIONS = {"anthropic": "/v1", "gemini": "/v1beta"}
"""The path that an adapter's calls have below a base URL, which may be written with it."""


def checked_base_url(base_url: str) -> str:
    """The URL, if a key can be sent to it and it can be shown.

    Raises:
        UsageError: it is no URL, has a query or fragment, or is http to a host that is not this machine.
    """
    try:
        parts = urlsplit(base_url)
        shown, beyond = f"{parts.scheme}://{_host_and_port(parts)}{parts.path}", parts.query or parts.fragment
    except ValueError:
        raise UsageError("the base URL cannot be read; give one such as https://api.example.com/v1") from None
    if beyond:  # it would be sent to no endpoint, and a key in it would be stored with every batch
        raise UsageError(
            f"the base URL {shown} has a query or fragment (?…, #…): leave it out; the key is OPENAI_API_KEY"
        )
    if parts.scheme.lower() not in ("http", "https"):
        given = escape_controls(redacted(base_url))[:LONGEST_SHOWN]
        raise UsageError(
            f"the base URL {given} does not begin with https:// or http://; give one such as https://api.example.com/v1"
        )
    if not parts.hostname:
        raise UsageError(
            f"the base URL {escape_controls(shown)} names no host; give one such as https://api.example.com/v1"
        )
    if parts.scheme.lower() != "https" and not is_loopback(base_url):
        raise UsageError(
            f"{parts.scheme}://{parts.hostname} would carry the API key and all texts unencrypted; give an https "
            "URL, or reach the server through a tunnel to localhost (ssh -L)"
        )
    return base_url


def api_url(provider: Capabilities, base_url: str) -> str:
    """The URL below which the calls of a provider's API are: the SDKs of several providers add its path."""
    bare = base_url.rstrip("/")
    if version := VERSIONS.get(provider.adapter):
        return bare.removesuffix(version) + version
    return bare if provider.name == "openai" or urlsplit(bare).path else bare + urlsplit(provider.base_url).path


def _host_and_port(parts: SplitResult) -> str:
    return (parts.hostname or "") + ("" if parts.port is None else f":{parts.port}")


def is_loopback(base_url: str) -> bool:
    """Whether a URL names this machine by its loopback interface."""
    host = urlsplit(base_url.strip()).hostname or ""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def past_proxies(base_url: str | None) -> dict[str, None]:
    """The `mounts` of an HTTP client that reach this machine without the environment's proxies.

    What is sent to loopback is not encrypted, so a proxy would read the key and all texts. `None` is the SDK's base
    URL, from `OPENAI_BASE_URL`. Empty for any other host, for which proxies stay as they are set.
    """
    url = base_url or os.environ.get("OPENAI_BASE_URL", "")
    return dict.fromkeys(("all://", "http://", "https://")) if is_loopback(url) else {}
