"""The bytes of an export: lines of CSV or NDJSON, and an archive that leaves while it is made."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from evidence_app import spreadsheet
from exports_app.tables import Column, Names

LABEL: Final = "_label"
_NO_DATE: Final = (1980, 1, 1, 0, 0, 0)
_FAST: Final = 1  # of zlib's levels: the person waits, and the file is read once


class Format(TextChoices):
    """What a file of rows looks like."""

    CSV = "csv", _("CSV, for a spreadsheet")
    NDJSON = "ndjson", _("NDJSON, one JSON object a line, for programs")


@dataclass(slots=True)
class Written:
    """What has been written of a file so far."""

    rows: int = 0
    size: int = 0
    _sha256: Any = field(default_factory=hashlib.sha256)

    @property
    def sha256(self) -> str:
        """Return the digest of the file's content, in hexadecimal."""
        return str(self._sha256.hexdigest())

    def add(self, content: bytes, rows: int) -> bytes:
        """Count content that is written."""
        self.rows += rows
        self.size += len(content)
        self._sha256.update(content)
        return content


def head(columns: Sequence[Column], file_format: Format, names: Names) -> bytes:
    """Return what stands before the first row."""
    return spreadsheet.head(list(_titles(columns, names))) if file_format == Format.CSV else b""


def lines(page: Sequence[tuple[Any, ...]], columns: Sequence[Column], file_format: Format, names: Names) -> bytes:
    """Return a page of rows as lines of the file."""
    if file_format == Format.NDJSON:
        return b"".join(_document(row, columns) for row in page)
    return b"".join(spreadsheet.line(list(_cells(row, columns, names))) for row in page)


def _titles(columns: Sequence[Column], names: Names) -> Iterator[str]:
    for column in columns:
        yield column.name
        if column.choices and names == Names.OURS:
            yield f"{column.name}{LABEL}"


def _cells(row: tuple[Any, ...], columns: Sequence[Column], names: Names) -> Iterator[Any]:
    """Yield a row's cells; with our names what an integer stands for follows it, as a spreadsheet has no legend."""
    for value, column in zip(row, columns, strict=True):
        plain = _plain(value)
        yield json.dumps(plain, ensure_ascii=False) if type(plain) in _NESTED else plain
        if column.choices and names == Names.OURS:
            yield column.choices.get(value, "")


def _document(row: tuple[Any, ...], columns: Sequence[Column]) -> bytes:
    named = {column.name: _plain(value) for value, column in zip(row, columns, strict=True)}
    return json.dumps(named, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _encoded(value: bytes | memoryview) -> str:
    return b64encode(bytes(value)).decode()


_NESTED: Final = (dict, list)
_PLAIN: Final[dict[type, Callable[[Any], str]]] = {
    datetime: datetime.isoformat,
    UUID: str,
    bytes: _encoded,
    memoryview: _encoded,
}


def _plain(value: Any) -> Any:
    as_text = _PLAIN.get(type(value))
    return value if as_text is None else as_text(value)


class Archive:
    """A ZIP archive that is handed out while it is made: what is taken is not kept.

    Its directory comes last, so that no archive opens whose download ended early.
    """

    def __init__(self) -> None:
        self._pipe = _Pipe()
        self._archive = zipfile.ZipFile(self._pipe, "w", zipfile.ZIP_DEFLATED, compresslevel=_FAST)

    def member(self, name: str, content: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the bytes of the archive that a file adds, as they come."""
        entry = zipfile.ZipInfo(name, _NO_DATE)
        entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
        with self._archive.open(entry, "w", force_zip64=True) as packed:
            for chunk in content:
                packed.write(chunk)
                yield self._pipe.taken()

    def end(self) -> bytes:
        """Return the last bytes of the archive."""
        self._archive.close()
        return self._pipe.taken()


class _Pipe(io.RawIOBase):
    """Holds what is written until it is taken; it cannot seek, and the archive therefore never wants to."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def write(self, content: Any) -> int:
        self._waiting += content
        return len(content)

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        taken, self._waiting = bytes(self._waiting), bytearray()
        return taken
