"""A package that somebody downloads: made in a folder of its own, which is gone before its first byte leaves.

Where this host has no key, the signer makes it and hands it over.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import SEEK_END
from pathlib import Path
from typing import IO, Any, Final
from uuid import UUID

import structlog
from django.conf import settings
from django.utils.translation import gettext_lazy

from accounts_app.models import User
from audit_app import keys
from core_app import clock
from core_app.errors import DomainError
from evidence_app import handover
from evidence_app.folder import ARCHIVE
from evidence_app.services import (
    Evidence,
    NotExportedError,
    export_evidence,
    export_request,
    quarter_for,
    request_for,
)
from requests_app.models import EnvironmentRequest

log = structlog.get_logger(__name__)

_PREFIX: Final = "export-"
_LEFT_BEHIND: Final = timedelta(days=1)  # nothing takes that long: the process that made it was killed
_SORRY: Final = gettext_lazy(
    "Nothing was exported: the server could not write the package. Try again in a few minutes; "
    "if it stays so, tell your operators. The log says why."
)


class Download:
    """A package on its way to somebody; when it is closed before its end, the log stream says so.

    It has no file descriptor to give away: what sends it reads it, and how far it came is known.

    Attributes:
        signed: The host that made it has the key and signed the manifest.
    """

    def __init__(self, stream: IO[bytes], *, signed: bool, **facts: str) -> None:
        self._stream, self._facts = stream, facts
        self.signed = signed
        self._size = stream.seek(0, SEEK_END)
        stream.seek(0)
        self.read, self.seek, self.tell = stream.read, stream.seek, stream.tell

    def close(self) -> None:
        """Close it, and tell of an end that came too early."""
        if not self._stream.closed and (sent := self.tell()) < self._size:
            log.warning("download_aborted", sent=sent, size=self._size, **self._facts)
        self._stream.close()


def open_export(tenant_id: UUID, quarter: str, *, by: User, unsigned: bool = False) -> Download:
    """Export a quarter's evidence and return its archive, opened and complete.

    Args:
        tenant_id: Whose evidence.
        quarter: As in ``2026Q1``.
        by: An ELM Auditor.
        unsigned: Make it here even though this host has no key: nobody vouches for its manifest.

    Raises:
        NotExportedError: the archive cannot be written; said without the server's paths.
        SignerSilentError: this host has no key, and the one that has it did not answer.
        DomainError: whatever else ``export_evidence`` refuses.
    """
    if unsigned or keys.store().is_here():
        return _made_here(quarter, by, lambda target: export_evidence(tenant_id, quarter, target, by=by))
    quarter_for(by, tenant_id, quarter)  # what is refused here, the signer is not asked
    return _made_by_the_signer(quarter, by, tenant_id, quarter=quarter)


def open_request(request: EnvironmentRequest, *, by: User, unsigned: bool = False) -> Download:
    """Export the evidence of one request and return its archive, opened and complete.

    Raises:
        NotExportedError, SignerSilentError, DomainError: as :func:`open_export`.
    """
    name = request.request_number
    if unsigned or keys.store().is_here():
        return _made_here(name, by, lambda target: export_request(request.pk, target, by=by))
    request_for(by, request.pk)
    return _made_by_the_signer(name, by, request.tenant_id, request=str(request.pk))


def hand_over(ticket: str, *, by: User, tenant_id: UUID, quarter: str = "", request: str = "") -> None:
    """Make a package for somebody who waits elsewhere, or say why there is none; on the host that signs.

    Args:
        ticket: Under which it is waited for.
        by: Who waits; ``authenticated_at`` is when they last signed in, as the web server has verified it.
        tenant_id: Whose evidence.
        quarter: Of which quarter; none where it is of a request.
        request: The id of the request.
    """
    handover.sweep()
    said: dict[str, Any] = {"refused": str(_SORRY)}
    try:
        with _without_paths(quarter or request), _folder() as folder:
            target = folder / f"package{ARCHIVE}"
            if request:
                evidence = export_request(UUID(request), target, by=by)
            else:
                evidence = export_evidence(tenant_id, quarter, target, by=by)
            handover.leave(ticket, evidence.folder)
        said = {"signed": evidence.signed}
    except DomainError as refused:
        said = {"refused": str(refused)}
    finally:  # whatever went wrong, nobody waits in vain
        handover.answer(ticket, **said)


def _made_here(name: str, by: User, export: Callable[[Path], Evidence]) -> Download:
    """Return a package to which no name in any folder leads any more."""
    with _without_paths(name), _folder() as folder:
        evidence = export(folder / f"{name}{ARCHIVE}")
        return Download(evidence.folder.open("rb"), signed=evidence.signed, package=name, actor=by.upn)


def _made_by_the_signer(name: str, by: User, tenant_id: UUID, **about: str) -> Download:
    """Return a package that the signer has made for this person."""
    ticket = handover.ask(tenant_id, by, **about)
    said = handover.wait_for(ticket)
    if "refused" in said:
        handover.drop(ticket)
        raise DomainError(said["refused"])
    with _without_paths(name):
        taken = tempfile.TemporaryFile(dir=folder_for_packages())  # noqa: SIM115 - whoever sends it closes it
        handover.take(ticket, taken)
        return Download(taken, signed=said["signed"], package=name, actor=by.upn)


@contextmanager
def _folder() -> Iterator[Path]:
    """Yield a folder for one package, which is gone with the block."""
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=folder_for_packages()) as folder:
        yield Path(folder)


@contextmanager
def _without_paths(name: str) -> Iterator[None]:
    """Say in words, without the server's paths, that a package could not be written."""
    try:
        yield
    except (NotExportedError, OSError) as error:
        log.warning("export_not_written", package=name, error=str(error))
        raise NotExportedError(str(_SORRY)) from error


def folder_for_packages() -> Path:
    """Return the folder for packages in the making, without what a killed process left there."""
    folder: Path = settings.EVIDENCE_DOWNLOAD_FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    latest = (clock.now() - _LEFT_BEHIND).timestamp()
    for left in folder.glob(f"{_PREFIX}*"):
        if left.stat().st_mtime < latest:
            shutil.rmtree(left, ignore_errors=True)
    return folder
