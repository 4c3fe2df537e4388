"""What a rotation does at Microsoft: as the rotation identity it adds, stores and revokes; as the workload it reads.

Nothing here touches the database. The new credential lives in Key Vault under a staging name until it is proved, so
that a crash loses nothing and whoever reads the secret in force never meets one that Entra does not accept yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from accounts_app.cloud import cloud_as, identity_with, workload_vault
from accounts_app.models import TenantIdentity
from core_app import clock
from core_app.errors import DomainError
from core_app.ids import new_id
from microsoft_cloud import Identity
from microsoft_cloud.applications import Application, ApplicationsClient, Credential, CredentialKind, NewCertificate
from microsoft_cloud.errors import AuthenticationError, NotFoundError, PermanentError
from microsoft_cloud.key_vault import KeyVaultClient, Secret
from provisioning_app.credentials import certificates
from provisioning_app.credentials.clocks import SCHEDULES
from provisioning_app.models import RotationRecord

FORBIDDEN = 403
KEY_TAG, ROTATION_TAG = "keyId", "rotation"


class NotYetError(Exception):
    """What was written cannot be read back yet, or differs; the old credential must stay."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The credential that Key Vault hands out now; the key id is empty where Entra does not know it (any more)."""

    key_id: str
    version: str
    created_on: datetime | None
    expires_on: datetime | None


@dataclass(frozen=True, slots=True)
class Desk:
    """The tools of one rotation."""

    record: RotationRecord
    identity: TenantIdentity
    applications: ApplicationsClient
    writer: KeyVaultClient
    reader: KeyVaultClient

    @property
    def client_id(self) -> str:
        """Return the application whose credential is rotated."""
        return str(self.identity.client_id)

    def application(self) -> Application:
        """Return the application as Graph shows it."""
        return self.applications.application(self.client_id)

    def staged(self) -> Secret | None:
        """Return what this rotation has put into the vault for proving, or None."""
        try:
            found = self.reader.get_secret(self.record.staging_name)
        except NotFoundError:
            return None
        except AuthenticationError:
            raise
        except PermanentError as error:
            if error.status == FORBIDDEN:
                return None  # disabled: an earlier rotation's
            raise
        return found if found.tags.get(ROTATION_TAG) == str(self.record.pk) else None

    def require_staged(self) -> Secret:
        """Return what is staged.

        Raises:
            NotYetError: it is gone.
        """
        found = self.staged()
        if found is None:
            raise NotYetError(
                _("Key Vault has no %(staging_name)s of this rotation.") % {"staging_name": self.record.staging_name}
            )
        return found

    def add_and_stage(self, fence: Callable[[], None]) -> Secret:
        """Add a credential beside the old one and stage it; returns it as the vault holds it.

        Args:
            fence: Called before each change; raises where somebody else has taken the rotation over.
        """
        ends = clock.now() + SCHEDULES[self.record.kind].validity
        fence()
        key_id, value = self._add(ends)
        fence()
        tags = {KEY_TAG: key_id, ROTATION_TAG: str(self.record.pk)}
        return self.writer.set_secret(self.record.staging_name, value, expires_on=ends, tags=tags)

    def _add(self, ends: datetime) -> tuple[str, str]:
        if self.record.kind == TenantIdentity.Kind.SECRET:
            password = self.applications.add_password(self.client_id, self.record.label, ends)
            return password.key_id, password.value
        begins, key_id = clock.now().replace(microsecond=0), str(new_id())
        made = certificates.make(self.identity.display_name, begins, ends)
        new = NewCertificate(key_id, self.record.label, made.der, begins, ends)
        self.applications.add_certificate(self.client_id, new)
        return key_id, made.pem

    def staged_identity(self) -> Identity:
        """Return the application with the staged credential alone, as the workload reads it from the vault."""
        return identity_with(self.identity, self.record.kind, self.require_staged().value)

    def put_in_force(self, fence: Callable[[], None]) -> Secret:
        """Make the staged credential the current version under its real name, once, and read it back.

        Raises:
            NotYetError: another version is current.
        """
        if not self._is_current():
            staged = self.require_staged()
            fence()
            self.writer.set_secret(
                self.record.secret_name,
                staged.value,
                expires_on=self.record.expires_on,
                tags={KEY_TAG: self.record.key_id},
            )
        current = self.reader.get_secret(self.record.secret_name)
        if current.tags.get(KEY_TAG) != self.record.key_id:
            raise NotYetError(
                _("Key Vault still hands out another version of %(secret_name)s.")
                % {"secret_name": self.record.secret_name}
            )
        return current

    def _is_current(self) -> bool:
        try:
            current = self.reader.get_secret(self.record.secret_name)
        except NotFoundError:
            return False
        return current.tags.get(KEY_TAG) == self.record.key_id

    def revoke_old(self, fence: Callable[[], None]) -> None:
        """Remove the old credential and what lost answers left behind, and read back that they are gone.

        Raises:
            NotYetError: the new one is not on the application, or an old one still is.
        """
        if self.application().credential(self.record.key_id) is None:
            raise NotYetError(_("The new credential is not listed on the application; the old one stays."))
        self._remove(self._outdated, fence)

    def withdraw(self, fence: Callable[[], None]) -> None:
        """Remove everything that this rotation has added, and read back that it is gone."""
        self._remove(self.strays, fence)
        self.forget_staged()

    def forget_staged(self) -> None:
        """Make the staged copy unreadable."""
        if staged := self.staged():
            self.writer.disable_secret(staged.name, staged.version)

    def remove_strays(self, fence: Callable[[], None]) -> None:
        """Remove credentials of this rotation whose value was lost with an answer or a worker."""
        self._remove(self.strays, fence)

    def strays(self, application: Application) -> list[Credential]:
        """Return the credentials that this rotation has added."""
        return [found for found in application.credentials if found.display_name == self.record.label]

    def _outdated(self, application: Application) -> list[Credential]:
        old = application.credential(self.record.old_key_id) if self.record.old_key_id else None
        strays = [found for found in self.strays(application) if found.key_id != self.record.key_id]
        return [*([old] if old else []), *strays]

    def _remove(self, which: Callable[[Application], list[Credential]], fence: Callable[[], None]) -> None:
        unwanted = which(self.application())
        for credential in unwanted:
            fence()
            self.applications.remove(self.client_id, credential)
        if unwanted and (left := which(self.application())):
            raise NotYetError(_("%(number)s credential(s) that were removed are still listed.") % {"number": len(left)})

    def in_force(self) -> InForce | None:
        """Return which of the application's credentials Key Vault hands out now; None where it has none.

        Raises:
            DomainError: several could be meant.
        """
        try:
            current = self.reader.get_secret(self.identity.secret_name)
        except NotFoundError:
            return None
        application = self.application()
        tagged = application.credential(current.tags.get(KEY_TAG, ""))
        found = [tagged] if tagged else [item for item in application.credentials if self._matches(item, current.value)]
        if len(found) > 1:
            names = ", ".join(f"{item.key_id} ({item.display_name or 'no name'})" for item in found)
            raise DomainError(
                _(
                    "Which credential of %(identity)s is in Key Vault cannot be told; it may be any of: "
                    "%(names)s. Remove those that nobody uses in the Entra admin center, then rotate "
                    "again."
                )
                % {"identity": self.identity, "names": names}
            )
        if not found:
            return InForce("", current.version, None, current.expires_on)
        (credential,) = found
        return InForce(credential.key_id, current.version, credential.starts_on, credential.ends_on)

    def _matches(self, credential: Credential, value: str) -> bool:
        if credential.kind != self.identity.kind:
            return False
        if credential.kind is CredentialKind.SECRET:
            return bool(credential.hint) and value.startswith(credential.hint)
        try:
            return credential.thumbprint == certificates.thumbprint(value)
        except ValueError:
            return False


def desk_for(record: RotationRecord) -> Desk:
    """Return the tools for a rotation; nothing is called yet.

    Raises:
        DomainError: the tenant has no rotation identity. AuthenticationError: no vault, or no workload identity.
    """
    return desk_with(record, TenantIdentity.objects.select_related("tenant").get(pk=record.identity_id))


def desk_with(record: RotationRecord, identity: TenantIdentity) -> Desk:
    """Return the tools for a rotation of this identity; raises what ``desk_for`` raises."""
    correlation = str(record.pk)
    cloud = cloud_as(rotation_identity(identity), correlation)
    return Desk(
        record=record,
        identity=identity,
        applications=cloud.applications,
        writer=cloud.key_vault(identity.tenant.key_vault_url),
        reader=workload_vault(identity.tenant, correlation),
    )


def rotation_identity(identity: TenantIdentity) -> TenantIdentity:
    """Return the identity that rotates this one's credential.

    Raises:
        DomainError: the tenant has none.
    """
    rows = TenantIdentity.objects.select_related("tenant")
    found = rows.filter(tenant=identity.tenant_id, purpose=TenantIdentity.Purpose.ROTATION).first()
    if found is None:
        raise DomainError(
            _(
                "%(tenant)s has no rotation identity. Register one with manage.py "
                'register_service_principal --tenant "%(tenant)s" --purpose rotation --client-id …'
            )
            % {"tenant": identity.tenant}
        )
    return found
