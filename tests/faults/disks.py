"""A full disk: a small file system in memory for a cluster's write-ahead log, or a quota where none can be mounted."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.faults.clusters import Cluster

_SPARE = 4 * 2**20
_LESS_THAN_A_SEGMENT = 2**19


class Disk(Protocol):
    """What the write-ahead log is on."""

    def fill(self) -> None:
        """Leave no room for another segment."""

    def make_room(self) -> None:
        """Let it be written to again."""


class SmallDisk:
    """A file system with little more room than the log needs."""

    def __init__(self, folder: Path) -> None:
        self.ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave not a byte free."""
        with self.ballast.open("ab", buffering=0) as file:
            for size in (2**16, 2**12, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def make_room(self) -> None:
        """Free what was used up."""
        self.ballast.unlink()


class Quota:
    """A limit on the size of files, smaller than a segment of the log; the server's processes meet it as EFBIG."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def fill(self) -> None:
        """Limit all processes of the server."""
        server = self.cluster.process()
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        for process in (server, *children):
            self._limit(process, _LESS_THAN_A_SEGMENT)

    def make_room(self) -> None:
        """Take the limit off the server, if it lives; the processes it limited have died of it."""
        if self.cluster.is_running():
            self._limit(self.cluster.process(), "unlimited")

    def _limit(self, process: int | str, size: int | str) -> None:
        """Set the soft limit, which its own account may lift again; a process that has ended meanwhile needs none."""
        command = ["prlimit", f"--pid={process}", f"--fsize={size}:"]
        subprocess.run(command, stderr=subprocess.DEVNULL, check=False, **self.cluster.account)


@contextmanager
def disk_to_fill(cluster: Cluster) -> Iterator[Disk]:
    """Move a cluster's write-ahead log to a small disk, and back at the end; with a quota where none can be mounted."""
    wal, folder = cluster.data / "pg_wal", cluster.folder / "disk"
    folder.mkdir()
    if not _mounted(folder, sum(file.stat().st_size for file in wal.iterdir()) + _SPARE):
        folder.rmdir()
        quota = Quota(cluster)
        try:
            yield quota
        finally:
            quota.make_room()
        return
    cluster.stop()
    try:
        _move(wal, folder / "wal")
        wal.symlink_to(folder / "wal")
        cluster.start()
        yield SmallDisk(folder)
    finally:
        if cluster.is_running():
            cluster.stop()
        wal.unlink()
        _move(folder / "wal", wal)
        subprocess.run(["umount", folder], check=True)
        cluster.start()


def _mounted(folder: Path, size: int) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "tmpfs", folder]
    return os.geteuid() == 0 and subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0


def _move(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", source, target], check=True)
    shutil.rmtree(source)
