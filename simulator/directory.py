"""What a tenant holds before any environment exists: applications, people, groups, policies, secrets."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding


@dataclass
class Secret:
    """A password of an application."""

    value: str
    display_name: str
    start: datetime
    end: datetime
    key_id: str = field(default_factory=lambda: str(uuid4()))


@dataclass
class Certificate:
    """A certificate registered on an application."""

    certificate: x509.Certificate
    display_name: str
    key_id: str = field(default_factory=lambda: str(uuid4()))
    added: datetime | None = None  # None: long ago

    @property
    def public_key(self) -> RSAPublicKey:
        key = self.certificate.public_key()
        if not isinstance(key, RSAPublicKey):
            raise TypeError("Entra accepts RSA certificates only")
        return key

    def thumbprint(self, algorithm: str) -> bytes:
        return hashlib.new(algorithm, self.certificate.public_bytes(Encoding.DER), usedforsecurity=False).digest()


@dataclass(frozen=True)
class FederatedCredential:
    """A workload identity trusted instead of a secret."""

    issuer: str
    subject: str
    audience: str = "api://AzureADTokenExchange"


@dataclass
class Application:
    """An app registration and its service principal."""

    client_id: str
    object_id: str
    display_name: str
    service_principal_id: str = field(default_factory=lambda: str(uuid4()))
    secrets: list[Secret] = field(default_factory=list)
    certificates: list[Certificate] = field(default_factory=list)
    federated: list[FederatedCredential] = field(default_factory=list)
    graph_permissions: set[str] | None = None  # None: every permission this simulator knows
    redirect_uris: set[str] = field(default_factory=set)  # where people may be sent after signing in
    owned: set[str] = field(default_factory=set)  # client ids of the applications it is an owner of


@dataclass
class User:
    """A person in Entra ID."""

    id: str
    upn: str
    display_name: str
    mail: str
    manager: str | None = None  # UPN
    enabled: bool = True
    licensed: bool = True


@dataclass
class Group:
    """A group in Entra ID; members are UPNs, or ids of nested groups."""

    id: str
    display_name: str
    security_enabled: bool = True
    mail_enabled: bool = False
    group_types: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)


@dataclass
class EnvironmentGroup:
    """A Power Platform environment group (contract §7.1)."""

    id: str
    display_name: str
    description: str
    created: datetime
    created_by: dict[str, str]


@dataclass
class SecretVersion:
    """One version of a Key Vault secret (contract §14)."""

    value: str
    created: datetime
    updated: datetime
    content_type: str | None = None
    attributes: dict[str, Any] = field(default_factory=lambda: {"enabled": True})
    tags: dict[str, str] = field(default_factory=dict)
    version: str = field(default_factory=lambda: uuid4().hex)


@dataclass
class Blob:
    """One blob with its immutability (contract §15)."""

    content: bytes
    content_type: str
    modified: datetime
    metadata: dict[str, str] = field(default_factory=dict)
    until: datetime | None = None
    mode: str = ""  # Unlocked or Locked while `until` is set
    legal_hold: bool = False
    etag: str = field(default_factory=lambda: f'"0x{uuid4().hex[:15].upper()}"')


@dataclass
class ContainerPolicy:
    """A time-based policy on all blobs of a container, counted from their creation (contract §15)."""

    days: int
    allows_appending: bool = False
    is_locked: bool = False
    etag: str = field(default_factory=lambda: f'"{uuid4().hex[:15]}"')


@dataclass
class Container:
    """A blob container; immutability of single blobs needs version-level WORM."""

    version_level_worm: bool = True
    blobs: dict[str, Blob] = field(default_factory=dict)
    policy: ContainerPolicy | None = None
    legal_holds: set[str] = field(default_factory=set)  # tags


@dataclass
class Tenant:
    """A Microsoft Entra tenant with its Power Platform."""

    id: str
    name: str
    applications: dict[str, Application] = field(default_factory=dict)  # by client id
    management_applications: set[str] = field(default_factory=set)
    users: dict[str, User] = field(default_factory=dict)  # by id
    groups: dict[str, Group] = field(default_factory=dict)
    environment_groups: dict[str, EnvironmentGroup] = field(default_factory=dict)
    locations: dict[str, dict[str, Any]] = field(default_factory=dict)  # overrides of the reference data
    dlp_policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    vault: dict[str, list[SecretVersion]] = field(default_factory=dict)
    deleted_secrets: dict[str, list[SecretVersion]] = field(default_factory=dict)
    key_vault_readers: set[str] | None = None  # client ids; None: everyone
    key_vault_officers: set[str] | None = None
    containers: dict[str, Container] = field(default_factory=lambda: {"evidence": Container()})
    role_assignments: dict[str, dict[str, Any]] = field(default_factory=dict)
    billing_policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    capacity_gb: float = 500
    allow_developer: bool = False
    timing: dict[str, Any] = field(default_factory=dict)  # overrides

    def user(self, key: str) -> User | None:
        """Find a person by object id or UPN."""
        folded = key.lower()
        return next((user for user in self.users.values() if folded in (user.id.lower(), user.upn.lower())), None)

    def group(self, group_id: str) -> Group | None:
        return self.groups.get(group_id.lower())

    def application_by_object(self, object_id: str) -> Application | None:
        return next((app for app in self.applications.values() if app.object_id.lower() == object_id.lower()), None)

    def people_of(self, group: Group, _seen: frozenset[str] = frozenset()) -> list[User]:
        """Return the members, through nested groups."""
        people: dict[str, User] = {}
        for member in group.members:
            nested = self.group(member)
            if nested and nested.id not in _seen:
                people |= {user.id: user for user in self.people_of(nested, _seen | {group.id})}
            elif user := self.user(member):
                people[user.id] = user
        return list(people.values())
