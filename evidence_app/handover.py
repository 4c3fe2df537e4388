"""How a package gets from the signer, who has the key, to the web server at which somebody waits for it.

The signer signs only what it has read itself: it makes the whole package, as the person who waits and with their scope.
It puts the package into the storage ``evidence``, which both reach, and then an answer of one line; before that line is
complete there is no package, whatever else lies there. The names cannot be guessed, and a name is taken by one only.
"""

from __future__ import annotations

import json
import secrets
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Final
from uuid import UUID

import structlog
from celery import current_app
from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.utils.translation import gettext as _
from kombu.exceptions import KombuError

from accounts_app.models import User
from core_app import clock
from core_app.errors import DomainError

log = structlog.get_logger(__name__)

TASK: Final = "evidence_app.tasks.export"
_LOOK_EVERY_SECONDS: Final = 0.2
_NOBODY_CAME: Final = timedelta(hours=1)  # nobody waits that long
_PACKAGE, _ANSWER = ".zip", ".json"


class SignerSilentError(DomainError):
    """The host that signs did not answer in time."""


def ask(tenant_id: UUID, by: User, **about: str) -> str:
    """Ask the signer for a package.

    Args:
        tenant_id: Whose evidence.
        by: Who waits for it; the signer asks anew what they may.
        about: ``quarter``, or ``request`` with its id.

    Returns:
        The ticket for it.

    Raises:
        SignerSilentError: nobody can be asked.
    """
    ticket = secrets.token_hex(16)
    signed_in = by.authenticated_at.isoformat() if by.authenticated_at else None
    sent = [ticket, str(tenant_id), str(by.pk), signed_in, about]
    try:
        current_app.send_task(TASK, args=sent, retry=False, ignore_result=True, expires=settings.EVIDENCE_WAIT_SECONDS)
    except (KombuError, OSError) as error:
        log.warning("signer_not_asked", error=type(error).__name__)
        raise _silent() from error
    return ticket


def wait_for(ticket: str) -> dict[str, Any]:
    """Return the signer's answer: whether the package is ``signed``, or with which words it was ``refused``.

    Raises:
        SignerSilentError: there is none in time.
    """
    deadline = time.monotonic() + settings.EVIDENCE_WAIT_SECONDS
    while (answer := _answer_to(ticket)) is None:
        if time.monotonic() >= deadline:
            log.warning("signer_silent", seconds=settings.EVIDENCE_WAIT_SECONDS)
            raise _silent()
        time.sleep(_LOOK_EVERY_SECONDS)
    return answer


def take(ticket: str, into: IO[bytes]) -> None:
    """Copy the package that lies under a ticket; afterwards nothing lies there any more."""
    with _storage().open(ticket + _PACKAGE) as package:
        for chunk in package.chunks():
            into.write(chunk)
    drop(ticket)


def drop(ticket: str) -> None:
    """Remove what lies under a ticket."""
    for name in (ticket + _PACKAGE, ticket + _ANSWER):
        _storage().delete(name)


def leave(ticket: str, package: Path) -> None:
    """Put a package under a ticket, in place of what a killed process left there."""
    _storage().delete(ticket + _PACKAGE)
    with package.open("rb") as stream:
        _storage().save(ticket + _PACKAGE, File(stream))


def answer(ticket: str, **said: Any) -> None:
    """Say what became of it; the line counts once its end is there."""
    _storage().delete(ticket + _ANSWER)
    _storage().save(ticket + _ANSWER, ContentFile(json.dumps(said).encode() + b"\n"))


def sweep() -> None:
    """Remove what nobody came for."""
    storage = _storage()
    for name in _names(storage):
        with suppress(FileNotFoundError):  # somebody came just now
            if storage.get_modified_time(name) < clock.now() - _NOBODY_CAME:
                storage.delete(name)


def _names(storage: Storage) -> list[str]:
    try:
        return storage.listdir("")[1]
    except FileNotFoundError:  # nothing was ever handed over
        return []


def _answer_to(ticket: str) -> dict[str, Any] | None:
    try:
        with _storage().open(ticket + _ANSWER) as stream:
            line = stream.read()
    except FileNotFoundError:
        return None
    said: dict[str, Any] | None = json.loads(line) if line.endswith(b"\n") else None
    return said


def _storage() -> Storage:
    return storages["evidence"]


def _silent() -> SignerSilentError:
    return SignerSilentError(
        _(
            "Nothing was exported: the host that signs the log did not answer within %(seconds)s seconds. "
            "Try again in a few minutes; if it stays so, tell your operators."
        )
        % {"seconds": settings.EVIDENCE_WAIT_SECONDS}
    )
