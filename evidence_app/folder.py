"""A folder that appears under its name complete, on the disk, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final
from uuid import UUID

from django.utils.translation import gettext as _

from core_app.errors import DomainError

ARCHIVE: Final = ".zip"
_NO_DATE: Final = (1980, 1, 1, 0, 0, 0)


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

    def write_document(self, name: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Write one JSON document for people and programs; return what the manifest says about it."""
        content = json.dumps(document, sort_keys=True, ensure_ascii=False, indent=2) + "\n"
        return self.write_file(name, content.encode())

    def write_file(self, name: str, content: bytes) -> dict[str, Any]:
        """Write a file; return what the manifest says about it."""
        with (self.path / name).open("xb") as stream:
            stream.write(content)
            _to_disk(stream)
        digest = hashlib.sha256(content).hexdigest()
        return {"sha256": digest, "bytes": len(content), "lines": content.count(b"\n")}

    def publish(self) -> None:
        """Give the folder, or the archive of it, its name; whoever sees it sees all of it, also after the power failed.

        Raises:
            OSError: somebody has put something there meanwhile.
        """
        _folder_to_disk(self.path)
        if self.target.suffix == ARCHIVE:
            self._publish_archive()
        else:
            self.path.rename(self.target)
        _folder_to_disk(self.target.parent)

    def _publish_archive(self) -> None:
        """Put the files into an archive, in the same bytes each time."""
        draft = self.path / "archive"
        files = sorted(self.path.iterdir())
        with draft.open("xb") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in files:
                    entry = zipfile.ZipInfo(file.name, _NO_DATE)
                    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
                    with file.open("rb") as content, archive.open(entry, "w", force_zip64=True) as packed:
                        shutil.copyfileobj(content, packed)
            _to_disk(stream)
        draft.chmod(0o600)
        self.target.hardlink_to(draft)  # unlike a rename, it never replaces anything


@contextmanager
def staged(target: Path) -> Iterator[StagedFolder]:
    """Yield a folder for the caller to fill and publish; what is not published is removed. Only its owner can read it.

    Raises:
        DomainError: there is something under the target's name already.
        OSError: the place cannot be written to.
    """
    if target.exists() or target.is_symlink():
        raise DomainError(
            _("%(target)s exists already; evidence never replaces anything. Name a new folder.") % {"target": target}
        )
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
