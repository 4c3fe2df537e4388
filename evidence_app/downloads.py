"""A package that somebody downloads: made in a folder of its own, which is gone before its first byte leaves."""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Final
from uuid import UUID

import structlog
from django.conf import settings

from accounts_app.models import User
from core_app import clock
from evidence_app.folder import ARCHIVE
from evidence_app.services import NotExportedError, export_evidence

log = structlog.get_logger(__name__)

_PREFIX: Final = "export-"
_LEFT_BEHIND: Final = timedelta(days=1)  # nothing takes that long: the process that made it was killed
_SORRY: Final = (
    "Nothing was exported: the server could not write the package. Try again in a few minutes; "
    "if it stays so, tell your operators. The log says why."
)


def open_export(tenant_id: UUID, quarter: str, *, by: User) -> IO[Any]:
    """Export evidence and return the archive, opened and complete; no name in any folder leads to it any more.

    Raises:
        NotExportedError: the archive cannot be written; said without the server's paths.
        DomainError: whatever else ``export_evidence`` refuses.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=_folder()) as folder:
            evidence = export_evidence(tenant_id, quarter, Path(folder) / f"{quarter}{ARCHIVE}", by=by)
            return evidence.folder.open("rb")
    except (NotExportedError, OSError) as error:
        log.warning("export_not_written", tenant=str(tenant_id), quarter=quarter, error=str(error))
        raise NotExportedError(_SORRY) from error


def _folder() -> Path:
    """Return the folder for packages in the making, without what a killed process left there."""
    folder: Path = settings.EVIDENCE_DOWNLOAD_FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    latest = (clock.now() - _LEFT_BEHIND).timestamp()
    for left in folder.glob(f"{_PREFIX}*"):
        if left.stat().st_mtime < latest:
            shutil.rmtree(left, ignore_errors=True)
    return folder
