"""What the signer remembers outside the database: the last size and root it signed, per tenant.

A database that was restored to yesterday, cut short or rewritten contradicts this memory, and is not signed for.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext_noop as noop

from audit_app.merkle import CompactRange


class SignerRefusedError(Exception):
    """The signer does not sign: the text says what contradicts what."""


@dataclass(slots=True)
class Memory:
    """The last tree that was signed for a tenant.

    Attributes:
        tenant_id: Whose.
        incarnation: Of which incarnation of the log; 0 when nothing was ever signed here.
        edge: The right edge of the tree, from which its root follows.
    """

    tenant_id: UUID
    incarnation: int
    edge: CompactRange

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is remembered."""
        return self.incarnation == 0

    def keep(self) -> None:
        """Write it down so that a power failure leaves the old or the new memory."""
        document = {"incarnation": self.incarnation, "size": self.edge.size, "edge": self.edge.to_bytes().hex()}
        write_safely(_path(self.tenant_id), document)


@contextmanager
def held(tenant_id: UUID) -> Iterator[Memory]:
    """Yield the memory of a tenant's tree while no other process of this host may use it."""
    folder = settings.LOG_SIGNER_FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / f"{tenant_id}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield recall(tenant_id) or Memory(tenant_id, 0, CompactRange())


def recall(tenant_id: UUID) -> Memory | None:
    """Return what this host remembers of a tenant, or None.

    Raises:
        ValueError: the file was damaged.
    """
    try:
        document: dict[str, Any] = json.loads(_path(tenant_id).read_text())
    except FileNotFoundError:
        return None
    try:
        edge = CompactRange.from_bytes(document["size"], bytes.fromhex(document["edge"]))
        return Memory(tenant_id, document["incarnation"], edge)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(noop("%(path)s is no memory of a signer.") % {"path": _path(tenant_id)}) from error


def remembered() -> set[UUID]:
    """Return the tenants this host has ever signed for."""
    return {UUID(path.stem) for path in settings.LOG_SIGNER_FOLDER.glob("*.json")}


def write_safely(path: Path, document: dict[str, Any]) -> None:
    """Write a document so that a power failure leaves the old or the new one."""
    draft = path.with_suffix(".draft")
    with draft.open("w") as stream:
        json.dump(document, stream)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _path(tenant_id: UUID) -> Path:
    folder: Path = settings.LOG_SIGNER_FOLDER
    return folder / f"{tenant_id}.json"
