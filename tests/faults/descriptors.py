"""What a process has open, from /proc: its connections to the database and to Microsoft, and whether two share one."""

from __future__ import annotations

import ctypes
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from django.db import connection

_ESTABLISHED = "01"
_KCMP = {"x86_64": 312, "aarch64": 272}  # the system call that compares two processes' descriptors
_KCMP_FILE = 0


@dataclass(frozen=True)
class Open:
    """One open connection.

    Attributes:
        pid: Whose it is.
        descriptor: Its number there.
        identity: The socket; empty for a file.
    """

    pid: int
    descriptor: int
    identity: str = ""

    def is_shared_with(self, other: Open) -> bool:
        """Say whether both are one and the same, as after a fork."""
        if self.identity or other.identity:
            return self.identity == other.identity
        number = _KCMP.get(platform.machine())
        if number is None:
            return False
        libc = ctypes.CDLL(None)
        return libc.syscall(number, self.pid, other.pid, _KCMP_FILE, self.descriptor, other.descriptor) == 0


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def open_to_microsoft(pid: int, ready: dict[str, Any]) -> list[Open]:
    """Return a process's connections to the simulator that wrote this ready document."""
    ports = {httpx.URL(address).port for address in ready["endpoints"].values()}
    return _sockets(pid, {port for port in ports if port})


def open_to_database(pid: int) -> list[Open]:
    """Return a process's connections to the database of this test."""
    if connection.vendor == "sqlite":
        name = os.path.realpath(str(connection.settings_dict["NAME"]))
        return [Open(pid, number) for number, target in _descriptors(pid) if target == name]
    return _sockets(pid, {int(connection.settings_dict["PORT"] or 5432)})


def _sockets(pid: int, ports: set[int]) -> list[Open]:
    lines = [line for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    rows = [line.split() for line in lines]
    wanted = {row[9] for row in rows if row[3] == _ESTABLISHED and int(row[2].rpartition(":")[2], 16) in ports}
    found = ((number, target.removeprefix("socket:[").rstrip("]")) for number, target in _descriptors(pid))
    return [Open(pid, number, inode) for number, inode in found if inode in wanted]


def _descriptors(pid: int) -> list[tuple[int, str]]:
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append((int(entry.name), str(entry.readlink())))
        except FileNotFoundError:  # closed meanwhile
            continue
    return found
