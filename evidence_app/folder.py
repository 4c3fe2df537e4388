"""A folder that appears under its name complete, on the disk, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from core_app.errors import DomainError


@dataclass(slots=True)
class LineFile:
    """A file of lines, as a rule one JSON document each (NDJSON), whose digest grows with it: nothing is read twice."""

    stream: IO[bytes]
    lines: int = 0
    size: int = 0
    _sha256: Any = field(default_factory=hashlib.sha256)

    def write(self, document: Mapping[str, Any]) -> None:
        """Append one document, always in the same bytes."""
        line = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_plain).encode()
        self._append(line + b"\n")
        self.lines += 1

    def append(self, content: bytes) -> None:
        """Append bytes that are written elsewhere, whole lines of them."""
        self._append(content)
        self.lines += content.count(b"\n")

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says about the file."""
        return {"sha256": self._sha256.hexdigest(), "bytes": self.size, "lines": self.lines}

    def _append(self, content: bytes) -> None:
        self.stream.write(content)
        self._sha256.update(content)
        self.size += len(content)


@dataclass(frozen=True, slots=True)
class StagedFolder:
    """A folder in the making, beside the place where it will be."""

    path: Path
    target: Path

    @contextmanager
    def line_file(self, name: str) -> Iterator[LineFile]:
        """Yield a new file of lines that is on the disk when the block ends."""
        with (self.path / name).open("xb") as stream:
            yield LineFile(stream)
            _to_disk(stream)

    def write_document(self, name: str, document: Mapping[str, Any]) -> str:
        """Write one JSON document for people and programs; return its SHA-256."""
        content = (json.dumps(document, sort_keys=True, ensure_ascii=False, indent=2) + "\n").encode()
        with (self.path / name).open("xb") as stream:
            stream.write(content)
            _to_disk(stream)
        return hashlib.sha256(content).hexdigest()

    def publish(self) -> None:
        """Give the folder its name; whoever sees it sees all of it, also after the power has failed.

        Raises:
            OSError: somebody has put something there meanwhile.
        """
        _folder_to_disk(self.path)
        self.path.rename(self.target)
        _folder_to_disk(self.target.parent)


@contextmanager
def staged(target: Path) -> Iterator[StagedFolder]:
    """Yield a folder for the caller to fill and publish; what is not published is removed. Only its owner can read it.

    Raises:
        DomainError: there is something under the target's name already.
        OSError: the place cannot be written to.
    """
    if target.exists() or target.is_symlink():
        raise DomainError(f"{target} exists already; evidence never replaces anything. Name a new folder.")
    path = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    try:
        yield StagedFolder(path, target)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _to_disk(stream: IO[bytes]) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _folder_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in an export.")
