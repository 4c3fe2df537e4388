"""Anchors: checkpoints kept where whoever can rewrite the database cannot rewrite them.

A store takes a name once and never replaces it. Only a store that itself confirms a locked policy is called *WORM*.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils.module_loading import import_string
from django.utils.translation import gettext_noop as noop

from audit_app import tree
from audit_app.actions import Action
from audit_app.actors import SYSTEM
from audit_app.log import record
from audit_app.models import Anchor, Checkpoint, CheckpointTimestamp, ProvisioningLog
from core_app import clock
from core_app.errors import DomainError
from core_app.transactions import transactional
from microsoft_cloud.blob import BlobClient, ImmutabilityPolicy, PolicyMode
from microsoft_cloud.errors import CloudError, NotFoundError

log = structlog.get_logger(__name__)

_NAME: Final = re.compile(
    r"checkpoints/[0-9a-f-]{36}/[0-9]{6,19}/[0-9]{12,19}-[0-9]{8}T[0-9]{6}Z\.(note|tsr)", re.ASCII
)
NOTE, STAMP = ".note", ".tsr"
AT_LEAST_EVERY: Final = timedelta(hours=1)  # while nothing happens
MENTIONED_EVERY: Final = timedelta(days=1)
_AT_ONCE: Final = 100


class AnchorError(DomainError):
    """A store did not take, or did not give back, what it was asked for."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How a store keeps something: until when, and whether it confirmed that nobody can shorten that."""

    until: datetime | None = None
    is_worm: bool = False


class AnchorStore(Protocol):
    """A place outside the database."""

    @property
    def place(self) -> str:
        """Return its name, for people and for the database's list."""

    def keep(self, name: str, content: bytes, *, until: datetime | None = None) -> Kept:
        """Have exactly these bytes under a name that nothing else ever had, kept until then at least.

        Raises:
            AnchorError: it cannot be done, or other bytes have the name.
        """

    def read(self, name: str) -> bytes | None:
        """Return what has the name, or None.

        Raises:
            AnchorError: the store does not answer.
        """

    def names(self, folder: str, ending: str) -> Iterator[str]:
        """Yield the names in a folder and those below it that end so, in order.

        Raises:
            AnchorError: the store does not list them.
        """


@dataclass(frozen=True, slots=True)
class LocalDirectory:
    """A directory, for installations without Azure: a mount that the database's administrators do not reach."""

    root: Path

    @property
    def place(self) -> str:
        """Return its name."""
        return f"directory {self.root}"

    def keep(self, name: str, content: bytes, *, until: datetime | None = None) -> Kept:
        """Write a file that did not exist, readable to all and writable to nobody; nothing says how long it stays."""
        path = self.root / name
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            draft.chmod(0o444)
            path.hardlink_to(draft)
        except FileExistsError:
            if path.read_bytes() != content:
                raise AnchorError(
                    noop("%(path)s exists already and holds other bytes; nothing was changed.") % {"path": path}
                ) from None
        except OSError as error:
            raise AnchorError(
                noop("%(path)s cannot be written: %(reason)s.") % {"path": path, "reason": error.strerror}
            ) from error
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
        return Kept()

    def read(self, name: str) -> bytes | None:
        """Return the content of a file."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AnchorError(
                noop("%(path)s cannot be read: %(reason)s.") % {"path": self.root / name, "reason": error.strerror}
            ) from error

    def names(self, folder: str, ending: str) -> Iterator[str]:
        """Yield the files in a folder and those below it, in order."""
        found = (path for path in (self.root / folder).rglob(f"*{ending}") if not path.name.startswith("."))
        yield from sorted(str(path.relative_to(self.root)) for path in found)


@dataclass(frozen=True, slots=True)
class BlobContainer:
    """A container of Azure Blob storage with version-level immutability; each blob gets a locked time-based policy."""

    client: BlobClient
    account: str
    container: str
    kept_for: timedelta

    @property
    def place(self) -> str:
        """Return its address."""
        return f"{self.account}/{self.container}"

    def keep(self, name: str, content: bytes, *, until: datetime | None = None) -> Kept:
        """Write a blob once, with a locked policy, which is read back."""
        least = clock.now() + self.kept_for
        policy = ImmutabilityPolicy(max(least, until or least), PolicyMode.LOCKED)
        try:
            blob = self.client.keep(self.container, name, content, policy=policy)
        except CloudError as error:
            raise AnchorError(
                noop("%(place)s did not keep %(name)s: %(reason)s")
                % {"place": self.place, "name": name, "reason": error}
            ) from error
        found = blob.policy
        return Kept(found.until if found else None, found is not None and found.mode is PolicyMode.LOCKED)

    def read(self, name: str) -> bytes | None:
        """Return the content of a blob."""
        try:
            return self.client.get(self.container, name)
        except NotFoundError:
            return None
        except CloudError as error:
            raise AnchorError(
                noop("%(place)s did not give %(name)s: %(reason)s")
                % {"place": self.place, "name": name, "reason": error}
            ) from error

    def names(self, folder: str, ending: str) -> Iterator[str]:
        """Yield the blobs below a folder, as the container lists them: the database is not asked what there is."""
        try:
            yield from (name for name in self.client.names(self.container, f"{folder}/") if name.endswith(ending))
        except NotFoundError:
            return  # nothing is left of it: whatever the database knows of is missing
        except CloudError as error:
            raise AnchorError(
                noop("%(place)s did not list %(folder)s: %(reason)s")
                % {"place": self.place, "folder": folder, "reason": error}
            ) from error


def stores() -> list[AnchorStore]:
    """Return where this installation anchors (``LOG_ANCHOR_STORES`` names what makes the list)."""
    found: list[AnchorStore] = import_string(settings.LOG_ANCHOR_STORES)()
    return found


def folder_of(tenant_id: UUID) -> str:
    """Return the folder of a tenant's anchors in every store."""
    return f"checkpoints/{tenant_id}"


def name_of(checkpoint: Checkpoint, ending: str = NOTE) -> str:
    """Return the name of a checkpoint, or its time stamp, in every store: in order of incarnation, size and time."""
    at = f"{checkpoint.signed_at:%Y%m%dT%H%M%SZ}"
    return f"{folder_of(checkpoint.tenant_id)}/{checkpoint.incarnation:06}/{checkpoint.size:012}-{at}{ending}"


def is_name(name: str, tenant_id: UUID) -> bool:
    """Say whether this could be the name of a tenant's anchor: a store is asked for nothing else."""
    return bool(_NAME.fullmatch(name)) and name.startswith(f"{folder_of(tenant_id)}/")


def anchor(checkpoint: Checkpoint) -> list[Anchor]:
    """Put a checkpoint into every store, unless one of the same tree was put there lately; a failure is an alarm."""
    kept = []
    for store in stores():
        there = Anchor.objects.filter(tenant=checkpoint.tenant_id, place=store.place, name__endswith=NOTE)
        last = there.order_by("-anchored_at").first()
        if not (last and _says_the_same(last, checkpoint)):
            kept += _kept(store, checkpoint, NOTE, checkpoint.note.encode())
    return kept


def keep_timestamps() -> list[Anchor]:
    """Put the time stamps that are in no store yet beside the checkpoints they are about."""
    kept = []
    for store in stores():
        there = Anchor.objects.filter(checkpoint=OuterRef("checkpoint"), place=store.place, name__endswith=STAMP)
        missing = CheckpointTimestamp.objects.filter(~Exists(there)).select_related("checkpoint")
        for stamp in missing.order_by("received_at")[:_AT_ONCE]:
            kept += _kept(store, stamp.checkpoint, STAMP, bytes(stamp.reply))
    return kept


def _kept(store: AnchorStore, checkpoint: Checkpoint, ending: str, content: bytes) -> list[Anchor]:
    """Put one thing into one store, and say in the database where it is."""
    name = name_of(checkpoint, ending)
    try:
        how = store.keep(name, content)
    except AnchorError as error:
        log.error("checkpoint_not_anchored", tenant=str(checkpoint.tenant_id), reason=str(error))  # noqa: TRY400 - tried again with the next
        return []
    row = Anchor(checkpoint=checkpoint, tenant_id=checkpoint.tenant_id, place=store.place, name=name)
    row.kept_until, row.is_worm, row.anchored_at = how.until, how.is_worm, clock.now()
    row.save(force_insert=True)
    return [row]


def _says_the_same(last: Anchor, checkpoint: Checkpoint) -> bool:
    same = (last.checkpoint.incarnation, last.checkpoint.size) == (checkpoint.incarnation, checkpoint.size)
    return same and checkpoint.signed_at < last.anchored_at + AT_LEAST_EVERY


@transactional
def mention(tenant_id: UUID) -> None:
    """Name the newest anchor in the log itself, once a day: log and anchor then hold each other in place."""
    anchored = Anchor.objects.filter(tenant=tenant_id, name__endswith=NOTE).select_related("checkpoint")
    first, newest = anchored.order_by("anchored_at").first(), anchored.order_by("-anchored_at").first()
    if first is None or newest is None:
        return
    of_tenant = ProvisioningLog.objects.filter(chain=f"tenant:{tenant_id}", action=Action.CHECKPOINT_ANCHORED)
    last = of_tenant.order_by("-sequence").values_list("timestamp", flat=True).first()
    if clock.now() < (last or first.anchored_at) + MENTIONED_EVERY:
        return
    details = {
        "place": newest.place,
        "name": newest.name,
        "incarnation": newest.checkpoint.incarnation,
        "size": newest.checkpoint.size,
        "root": newest.checkpoint.root,
        "worm": newest.is_worm,
        "kept_until": newest.kept_until.isoformat() if newest.kept_until else None,
        "timestamp": _newest_timestamp(tenant_id),
    }
    record(Action.CHECKPOINT_ANCHORED, on=tree.logged_tenant(tenant_id), by=SYSTEM, details=details)


def _newest_timestamp(tenant_id: UUID) -> dict[str, str] | None:
    """Return which time stamp is the newest: what the log says after this entry is younger than the stamp."""
    stamp = CheckpointTimestamp.objects.filter(tenant=tenant_id).order_by("-received_at").first()
    if stamp is None:
        return None
    digest = hashlib.sha256(bytes(stamp.reply)).hexdigest()
    return {"authority": stamp.authority, "stamped_at": stamp.stamped_at.isoformat(), "sha256": digest}
