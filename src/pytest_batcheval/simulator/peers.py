"""The process at the other end of a connection, as the operating system knows it, not as the process says."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

Address = tuple[IPv4Address | IPv6Address, int]

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def is_of_process(peer: Any, here: Any, pid: int) -> bool:
    """Whether the TCP connection from `peer` to `here` (as sockets tell addresses) was opened by the process `pid`.

    `False` where it cannot be known: another machine, another user's process, no `/proc` and no psutil.
    """
    try:
        ends = _plain(*peer[:2]), _plain(*here[:2])
        return _by_proc(ends, pid) if Path(_TABLES[0]).exists() else _by_psutil(ends, pid)
    except (OSError, ValueError, TypeError, OverflowError):
        return False


def _by_proc(ends: tuple[Address, Address], pid: int) -> bool:
    wanted = {f"socket:[{inode}]" for table in _TABLES for inode in _inodes(table, ends)}
    return bool(wanted) and any(link in wanted for link in _open_files(pid))


def _inodes(table: str, ends: tuple[Address, Address]) -> Iterator[str]:
    with suppress(OSError), open(table, encoding="ascii") as lines:
        for line in list(lines)[1:]:
            fields = line.split()
            if (_decoded(fields[1]), _decoded(fields[2])) == ends:
                yield fields[9]


def _open_files(pid: int) -> Iterator[str]:
    folder = f"/proc/{int(pid)}/fd"
    for name in os.listdir(folder):
        with suppress(OSError):
            yield os.readlink(f"{folder}/{name}")


def _decoded(text: str) -> Address:
    """`0100007F:1F90` -> (127.0.0.1, 8080); each group of four bytes is in the machine's order."""
    host, _, port = text.partition(":")
    groups = (bytes.fromhex(host[at : at + 8]) for at in range(0, len(host), 8))
    return _plain("", int(port, 16), b"".join(g[::-1] if sys.byteorder == "little" else g for g in groups))


def _plain(host: str, port: int, packed: bytes | None = None) -> Address:
    address = ip_address(host.partition("%")[0] if packed is None else packed)
    return getattr(address, "ipv4_mapped", None) or address, port


def _by_psutil(ends: tuple[Address, Address], pid: int) -> bool:
    try:
        import psutil
    except ImportError:
        return False
    try:
        found = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(c.raddr and (_plain(*c.laddr), _plain(*c.raddr)) == ends for c in found)
