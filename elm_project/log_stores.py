"""Where this installation keeps the key that signs the log, and puts copies of what was signed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from accounts_app.cloud import endpoints, workload_identity
from audit_app.anchors import AnchorStore, BlobContainer, LocalDirectory
from audit_app.keys import KeyStore, KeyUnavailableError, pem_of
from core_app.ids import new_id
from microsoft_cloud import Cloud
from microsoft_cloud.errors import CloudError
from microsoft_cloud.key_vault import KeyVaultClient


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key in a file that only its owner reads; an embedded installation makes its own."""

    path: Path
    may_be_made: bool

    def is_here(self) -> bool:
        """Say whether this host has the key, or makes it when it is needed."""
        return self.may_be_made or os.access(self.path, os.R_OK)

    def load(self) -> bytes:
        """Return the key; made on the first use where that is allowed."""
        if self.may_be_made and not self.path.exists():
            self._make()
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise KeyUnavailableError(
                f"The signing key {self.path} cannot be read ({error.strerror}). Set ELM_LOG_SIGNING_KEY_FILE or "
                "ELM_LOG_SIGNING_KEY_SECRET on the host that signs; see docs/guides/operations.md."
            ) from error

    def store(self, pem: bytes) -> None:
        """Replace the key, so that a reader sees the old or the new one."""
        try:
            self._draft(pem).replace(self.path)
        except OSError as error:
            raise KeyUnavailableError(f"The signing key {self.path} cannot be written: {error.strerror}.") from error

    def _make(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._draft(pem_of(Ed25519PrivateKey.generate()))
        try:
            os.link(draft, self.path)  # of several processes that start together exactly one makes it
        except FileExistsError:
            pass
        finally:
            draft.unlink()

    def _draft(self, pem: bytes) -> Path:
        draft = self.path.with_name(f".{self.path.name}.{new_id().hex}")
        draft.touch(mode=0o600)
        with draft.open("wb") as stream:
            stream.write(pem)
            stream.flush()
            os.fsync(stream.fileno())
        return draft


@dataclass(frozen=True, slots=True)
class KeySecret:
    """A key in a secret of a Key Vault, read by the workload's own identity."""

    vault: str
    name: str

    def is_here(self) -> bool:
        """A host that names a secret is one that signs; whether the vault gives it shows when it is asked."""
        return True

    def load(self) -> bytes:
        """Return the current version of the secret."""
        try:
            return self._client().get_secret(self.name).value.encode()
        except CloudError as error:
            raise KeyUnavailableError(f"The vault did not give the signing key {self.name}: {error}") from error

    def store(self, pem: bytes) -> None:
        """Set a new version."""
        try:
            self._client().set_secret(self.name, pem.decode())
        except CloudError as error:
            raise KeyUnavailableError(f"The vault did not take the signing key {self.name}: {error}") from error

    def _client(self) -> KeyVaultClient:
        return _cloud().key_vault(self.vault)


def key_store() -> KeyStore:
    """Return the vault's secret when one is named (``https://vault/secrets/name``), else the file."""
    if settings.LOG_SIGNING_KEY_SECRET:
        vault, _, name = settings.LOG_SIGNING_KEY_SECRET.partition("/secrets/")
        return KeySecret(vault, name)
    return KeyFile(settings.LOG_SIGNING_KEY_FILE, may_be_made=not settings.PRODUCTION)


def anchor_stores() -> list[AnchorStore]:
    """Return the directory and the container that are configured."""
    found: list[AnchorStore] = []
    if settings.LOG_ANCHOR_FOLDER:
        found.append(LocalDirectory(settings.LOG_ANCHOR_FOLDER))
    if settings.LOG_ANCHOR_CONTAINER:
        account, _, container = settings.LOG_ANCHOR_CONTAINER.rpartition("/")
        kept_for = timedelta(days=settings.LOG_ANCHOR_DAYS)
        found.append(BlobContainer(_cloud().blob(account), account, container, kept_for))
    return found


@cache
def _correlation() -> str:
    return str(new_id())


def _cloud() -> Cloud:
    return Cloud(endpoints(), workload_identity(settings.WORKLOAD_TENANT_ID), _correlation())
