"""Microsoft's cloud for one tenant and one purpose: which identity, with which secret, at which addresses.

Secrets come from the tenant's Key Vault, read with the workload's own identity, and stay in this process for five
minutes. When the vault does not answer there is no token: nothing falls back to another secret.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_noop as noop

from accounts_app.models import Tenant, TenantIdentity
from core_app import clock
from core_app.ids import new_id
from microsoft_cloud import ClientCertificate, ClientSecret, Cloud, Endpoints, Identity, WorkloadIdentity
from microsoft_cloud.endpoints import Service
from microsoft_cloud.errors import AuthenticationError
from microsoft_cloud.key_vault import KeyVaultClient

Purpose = TenantIdentity.Purpose

_KEPT = timedelta(minutes=5)
_kept: dict[tuple[UUID, str], tuple[datetime, Identity]] = {}  # (identity, secret version) → when read, what


def cloud_for(tenant: Tenant, purpose: TenantIdentity.Purpose, correlation_id: str = "") -> Cloud:
    """Return the cloud as one of the tenant's identities sees it; Graph is always read by the directory reader.

    Nothing is called yet: the secret is read when the first token is needed.

    Args:
        tenant: Whose cloud it is.
        purpose: As whom we act.
        correlation_id: Sent to Microsoft with every call, for example a run's id; a new one when empty.

    Raises:
        AuthenticationError: the tenant has no such identity; so do the cloud's calls when Key Vault or Entra refuses.
    """
    found, correlation = endpoints(), correlation_id or str(new_id())
    wanted = {purpose, Purpose.DIRECTORY}
    rows = {row.purpose: row for row in tenant.identities.filter(purpose__in=wanted)}
    for missing in wanted - rows.keys():
        raise _refused(
            noop("%(tenant)s has no %(missing)s; configure one.")
            % {"tenant": tenant, "missing": Purpose(missing).label.lower()},
            "NoIdentity",
        )
    sources = {key: VaultIdentity(tenant, row, correlation) for key, row in rows.items()}
    return Cloud(found, sources[purpose], correlation, directory_identity=sources[Purpose.DIRECTORY])


def cloud_as(row: TenantIdentity, correlation_id: str) -> Cloud:
    """Return the cloud as one identity sees it, Graph included: for an identity that looks after others.

    Nothing is called yet, as with ``cloud_for``.
    """
    return Cloud(endpoints(), VaultIdentity(row.tenant, row, correlation_id), correlation_id)


def identity_with(row: TenantIdentity, kind: str, value: str) -> Identity:
    """Return the application with exactly this credential, nothing kept and nothing to fall back to.

    Args:
        row: The application and its tenant.
        kind: A ``TenantIdentity.Kind``.
        value: The secret, or the certificate with its key, as Key Vault holds it.

    Raises:
        AuthenticationError: code MalformedCredential: the value is no certificate.
    """
    return Identity(str(row.tenant.entra_tenant_id), str(row.client_id), _credential(row, kind, value))


def endpoints() -> Endpoints:
    """Return the addresses of the cloud: the public one, or the table in ``ELM_CLOUD_ENDPOINTS_FILE``.

    Raises:
        ImproperlyConfigured: the file is missing or is no such table.
    """
    path = settings.CLOUD_ENDPOINTS_FILE
    try:
        return _endpoints_in(path, Path(path).stat().st_mtime_ns) if path else Endpoints.public()
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ImproperlyConfigured(f"ELM_CLOUD_ENDPOINTS_FILE names no table of endpoints: {error}") from error


def forget_secret(identity: TenantIdentity) -> None:
    """Drop what is kept of an identity, so that the next token needs the vault's current secret."""
    for key in [key for key in _kept if key[0] == identity.pk]:
        _kept.pop(key, None)


@dataclass(frozen=True)
class VaultIdentity:
    """A service principal whose secret is in the tenant's Key Vault; it gets tokens for the clients."""

    tenant: Tenant
    row: TenantIdentity
    correlation_id: str

    def token(self, endpoints: Endpoints, scope: str) -> str:
        """Return an access token, from the cache while it is good.

        Raises:
            AuthenticationError: Key Vault refuses the workload, or Entra the current secret.
            TransientError: one of the two does not answer.
        """
        return self._ask(endpoints, lambda identity: identity.token(endpoints, scope))

    def renewed_token(self, endpoints: Endpoints, scope: str, claims: str | None = None) -> str:
        """Return a token that is not from the cache; raises what ``token`` raises."""
        return self._ask(endpoints, lambda identity: identity.renewed_token(endpoints, scope, claims))

    def _ask(self, endpoints: Endpoints, question: Callable[[Identity], str]) -> str:
        """Ask; a refused secret may only be one that was rotated since we read it."""
        identity = self._identity(endpoints)
        try:
            return question(identity)
        except AuthenticationError:
            forget_secret(self.row)
            current = self._reread()._identity(endpoints)
            if current == identity:
                forget_secret(self.row)
                raise
            return question(current)

    def _reread(self) -> VaultIdentity:
        """Return the same application as its row stands now: a rotation may have changed the secret's name and kind."""
        return replace(self, row=TenantIdentity.objects.get(pk=self.row.pk))

    def _identity(self, endpoints: Endpoints) -> Identity:
        now, key = clock.now(), (self.row.pk, self.row.secret_version)
        kept = _kept.get(key)
        if kept and now - kept[0] < _KEPT:
            return kept[1]
        secret = workload_vault(self.tenant, self.correlation_id, endpoints).get_secret(self.row.secret_name)
        identity = identity_with(self.row, self.row.kind, secret.value)
        _kept[key] = (now, identity)
        return identity


@lru_cache(maxsize=4)
def _endpoints_in(path: str, _changed: int) -> Endpoints:
    document = json.loads(Path(path).read_text())
    if "endpoints" in document:  # the simulator's ready file
        document = document["endpoints"] | {"ca": document["ca"], "trusted_hosts": document["trusted_hosts"]}
    return Endpoints.from_mapping(document)


def workload_vault(tenant: Tenant, correlation_id: str, at: Endpoints | None = None) -> KeyVaultClient:
    """Return the tenant's vault as the workload itself sees it; what it signs in with is in a file of its host.

    Raises:
        AuthenticationError: the tenant has no vault, or the workload nothing to sign in with.
    """
    if not tenant.key_vault_url:
        raise _refused(noop("%(tenant)s has no Key Vault URL; configure one.") % {"tenant": tenant}, "NoKeyVault")
    workload = workload_identity(str(tenant.entra_tenant_id))
    return Cloud(at or endpoints(), workload, correlation_id).key_vault(tenant.key_vault_url)


def workload_identity(entra_tenant_id: str) -> Identity:
    """Return the workload's own identity in an Entra tenant.

    Raises:
        AuthenticationError: this host has nothing to sign in with.
    """
    return Identity(entra_tenant_id, settings.WORKLOAD_CLIENT_ID, _workload_credential())


def _workload_credential() -> WorkloadIdentity | ClientSecret:
    """Return the token that the host federates; only a host that offers none needs a secret in a file."""
    if settings.WORKLOAD_TOKEN_FILE:
        return WorkloadIdentity(settings.WORKLOAD_TOKEN_FILE)
    try:
        return ClientSecret(Path(settings.WORKLOAD_SECRET_FILE).read_text().strip())
    except OSError as error:
        raise _refused(
            noop(
                "The workload identity has no readable secret (%(error)s); set ELM_WORKLOAD_CLIENT_ID "
                "and either ELM_WORKLOAD_TOKEN_FILE or ELM_WORKLOAD_SECRET_FILE."
            )
            % {"error": type(error).__name__},
            "NoWorkloadIdentity",
        ) from None


def _credential(row: TenantIdentity, kind: str, value: str) -> ClientSecret | ClientCertificate:
    """Return the credential; Key Vault holds a certificate with its key as PEM text or as base64 of PKCS#12."""
    if kind == TenantIdentity.Kind.SECRET:
        return ClientSecret(value)
    if value.lstrip().startswith("-----BEGIN"):
        return ClientCertificate(value.encode())
    try:
        return ClientCertificate(base64.b64decode(value, validate=True))
    except binascii.Error:
        raise _refused(
            noop("The certificate of %(row)s in Key Vault is malformed.") % {"row": row}, "MalformedCredential"
        ) from None


def _refused(message: str, code: str) -> AuthenticationError:
    return AuthenticationError(message, service=Service.KEY_VAULT.value, code=code)
