"""A package that somebody downloads: made in a folder of its own, which is gone before its first byte leaves."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from io import SEEK_END
from pathlib import Path
from typing import IO, Final
from uuid import UUID

import structlog
from django.conf import settings

from accounts_app.models import User
from core_app import clock
from evidence_app.folder import ARCHIVE
from evidence_app.services import Evidence, NotExportedError, export_evidence, export_request
from requests_app.models import EnvironmentRequest

log = structlog.get_logger(__name__)

_PREFIX: Final = "export-"
_LEFT_BEHIND: Final = timedelta(days=1)  # nothing takes that long: the process that made it was killed
_SORRY: Final = (
    "Nothing was exported: the server could not write the package. Try again in a few minutes; "
    "if it stays so, tell your operators. The log says why."
)


class Download:
    """A package on its way to somebody; when it is closed before its end, the log stream says so.

    It has no file descriptor to give away: what sends it reads it, and how far it came is known.
    """

    def __init__(self, stream: IO[bytes], **facts: str) -> None:
        self._stream, self._facts = stream, facts
        self._size = stream.seek(0, SEEK_END)
        stream.seek(0)
        self.read, self.seek, self.tell = stream.read, stream.seek, stream.tell

    def close(self) -> None:
        """Close it, and tell of an end that came too early."""
        if not self._stream.closed and (sent := self.tell()) < self._size:
            log.warning("download_aborted", sent=sent, size=self._size, **self._facts)
        self._stream.close()


def open_export(tenant_id: UUID, quarter: str, *, by: User) -> tuple[Evidence, Download]:
    """Export a quarter's evidence and return it with its archive, opened and complete.

    Raises:
        NotExportedError: the archive cannot be written; said without the server's paths.
        DomainError: whatever else ``export_evidence`` refuses.
    """
    return _opened(quarter, by, lambda target: export_evidence(tenant_id, quarter, target, by=by))


def open_request(request: EnvironmentRequest, *, by: User) -> tuple[Evidence, Download]:
    """Export the evidence of one request and return it with its archive, opened and complete.

    Raises:
        NotExportedError, DomainError: as :func:`open_export`.
    """
    return _opened(request.request_number, by, lambda target: export_request(request.pk, target, by=by))


def _opened(name: str, by: User, export: Callable[[Path], Evidence]) -> tuple[Evidence, Download]:
    """Return evidence with its archive, to which no name in any folder leads any more."""
    try:
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=folder_for_packages()) as folder:
            evidence = export(Path(folder) / f"{name}{ARCHIVE}")
            return evidence, Download(evidence.folder.open("rb"), package=name, actor=by.upn)
    except (NotExportedError, OSError) as error:
        log.warning("export_not_written", package=name, error=str(error))
        raise NotExportedError(_SORRY) from error


def folder_for_packages() -> Path:
    """Return the folder for packages in the making, without what a killed process left there."""
    folder: Path = settings.EVIDENCE_DOWNLOAD_FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    latest = (clock.now() - _LEFT_BEHIND).timestamp()
    for left in folder.glob(f"{_PREFIX}*"):
        if left.stat().st_mtime < latest:
            shutil.rmtree(left, ignore_errors=True)
    return folder
