"""Register a service principal: do what can be automated, and say exactly what only a person in a portal can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from accounts_app.cloud import cloud_as
from accounts_app.models import Tenant, TenantIdentity
from core_app.errors import DomainError
from core_app.transactions import transactional
from microsoft_cloud.errors import CloudError, NotFoundError
from provisioning_app.credentials import rotation
from provisioning_app.credentials.desk import InForce, desk_with, rotation_identity
from provisioning_app.credentials.proof import PREFLIGHTS
from provisioning_app.credentials.stages import remember
from provisioning_app.models import RotationRecord

Purpose, Kind = TenantIdentity.Purpose, TenantIdentity.Kind
DEFAULT_NAMES = {
    Purpose.PROVISIONING: ("ELM-Provisioning-ServicePrincipal", "ELM-ServicePrincipal"),
    Purpose.DIRECTORY: ("ELM-Directory-Reader", "ELM-Directory-Reader"),
    Purpose.ROTATION: ("ELM-Credential-Rotation", "ELM-Credential-Rotation"),
    Purpose.ROLLBACK: ("ELM-Rollback-ServicePrincipal", "ELM-Rollback"),
}


class Outcome(StrEnum):
    """What became of a step."""

    DONE = "done"
    WOULD = "would do"
    PERSON = "by a person"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a registration and what became of it."""

    title: str
    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which service principal, in which tenant; names are the usual ones unless given."""

    tenant: Tenant
    purpose: TenantIdentity.Purpose
    client_id: UUID
    kind: TenantIdentity.Kind = TenantIdentity.Kind.SECRET
    dry_run: bool = False

    @property
    def display_name(self) -> str:
        """Return the name of the app registration."""
        return DEFAULT_NAMES[self.purpose][0]

    @property
    def secret_name(self) -> str:
        """Return the name of the Key Vault secret."""
        return DEFAULT_NAMES[self.purpose][1] + ("-Secret" if self.kind == Kind.SECRET else "-Certificate")


def register(wanted: Wanted, perform: Callable[[RotationRecord], RotationRecord]) -> Iterator[Step]:
    """Yield each step as it is done, or as it would be done.

    Args:
        wanted: What to register.
        perform: Takes a rotation to its end and returns it; called for the first credential.
    """
    yield _inventory(wanted)
    row = wanted.tenant.identities.filter(purpose=wanted.purpose).first() or _row(wanted)
    registered = _application(wanted, row)
    yield registered
    if registered.outcome in (Outcome.DONE, Outcome.WOULD):
        yield _credential(wanted, row, perform)
    yield from _by_a_person(wanted)
    if row.pk and not wanted.dry_run:
        yield _check(wanted)


def _row(wanted: Wanted) -> TenantIdentity:
    return TenantIdentity(
        tenant=wanted.tenant,
        purpose=wanted.purpose,
        display_name=wanted.display_name,
        client_id=wanted.client_id,
        kind=wanted.kind,
        secret_name=wanted.secret_name,
    )


@transactional
def _inventory(wanted: Wanted) -> Step:
    title = "Enter it in the inventory"
    known = wanted.tenant.identities.filter(purpose=wanted.purpose).first()
    if known and known.client_id == wanted.client_id:
        return Step(title, Outcome.DONE, f"{known} is there.")
    if known:
        return Step(title, Outcome.FAILED, f"Another application, {known} ({known.client_id}), has this purpose.")
    if wanted.dry_run:
        return Step(title, Outcome.WOULD, f"as {wanted.display_name}, secret {wanted.secret_name}")
    row = _row(wanted)
    row.save()
    return Step(title, Outcome.DONE, f"as {row}, secret {row.secret_name}")


def _application(wanted: Wanted, row: TenantIdentity) -> Step:
    """Find the app registration in Entra; making one needs a person (or Application.ReadWrite.All, which we refuse)."""
    title = "Register the application in Microsoft Entra"
    how = (
        f"In the Entra admin center, App registrations, New registration: name {wanted.display_name}, accounts in this "
        "organizational directory only, no redirect URI. Make the rotation identity an owner of it."
    )
    try:
        found = cloud_as(rotation_identity(row), str(wanted.client_id)).applications.application(str(wanted.client_id))
    except NotFoundError:
        return Step(title, Outcome.PERSON, f"There is no application {wanted.client_id}. {how}")
    except (CloudError, DomainError) as error:
        return Step(title, Outcome.PERSON, f"It could not be looked up: {error} {how}")
    return Step(title, Outcome.DONE, f"{found.display_name}, {len(found.credentials)} credential(s)")


def _credential(wanted: Wanted, row: TenantIdentity, perform: Callable[[RotationRecord], RotationRecord]) -> Step:
    """Give it a first credential, unless the vault holds one that Entra knows; that one enters the inventory."""
    title = f"Make a {row.get_kind_display().lower()} and store it in Key Vault"
    try:
        found = _in_force(row)
    except (CloudError, DomainError) as error:
        return Step(title, Outcome.FAILED, str(error))
    if found and found.key_id:
        if not wanted.dry_run:
            remember(row, found)
        return Step(title, Outcome.DONE, f"{row.secret_name} holds key {found.key_id} already.")
    if wanted.dry_run:
        return Step(title, Outcome.WOULD, f"as {row.secret_name}, proved by a whole preflight")
    try:
        ended = perform(rotation.rotate(wanted.tenant.pk, wanted.purpose, by=None))
    except DomainError as refused:
        return Step(title, Outcome.FAILED, str(refused))
    if ended.stage == RotationRecord.Stage.COMPLETED:
        return Step(title, Outcome.DONE, f"{ended.secret_name}, key {ended.key_id}, until {ended.expires_on:%Y-%m-%d}")
    return Step(title, Outcome.FAILED, f"{ended.get_stage_display()}: {ended.error}")


def _in_force(row: TenantIdentity) -> InForce | None:
    draft = RotationRecord(tenant=row.tenant, identity=row, kind=row.kind, secret_name=row.secret_name)
    return desk_with(draft, row).in_force()


def _by_a_person(wanted: Wanted) -> Iterator[Step]:
    """List what asks for a signed-in administrator; a service principal cannot register itself (contract §10.1)."""
    if wanted.purpose in (Purpose.PROVISIONING, Purpose.ROLLBACK):
        yield Step(
            "Register it as a Power Platform management application",
            Outcome.PERSON,
            "In the Power Platform admin center, Settings, Admin settings, Power Platform settings, Service principal, "
            f"New service principal: {wanted.client_id}. It stands for Power Platform Administrator of the whole "
            "tenant, deletion and data policies included; ELM's client for it has neither.",
        )
    permission = {
        Purpose.DIRECTORY: "GroupMember.Read.All and User.Read.All",
        Purpose.ROTATION: "Application.ReadWrite.OwnedBy",
    }.get(wanted.purpose)
    if permission:
        yield Step(
            "Consent to its Graph permissions",
            Outcome.PERSON,
            f"In the Entra admin center, API permissions: the application permission(s) {permission}, nothing more; "
            "then grant admin consent.",
        )
    if wanted.purpose == Purpose.ROTATION:
        yield Step(
            "Give it its first credential",
            Outcome.PERSON,
            f"It rotates itself, but it cannot begin: make its first secret in Entra and store it in the vault as "
            f"{wanted.secret_name}, unless it is there already.",
        )
    role = "Key Vault Secrets Officer to the rotation identity" if wanted.purpose == Purpose.ROTATION else ""
    yield Step(
        "Open the vault",
        Outcome.PERSON,
        f"In the Azure portal, on {wanted.tenant.key_vault_url or 'the key vault'}: the role Key Vault Secrets User to "
        f"the identity of the workers{' and ' + role if role else ''}.",
    )


def _check(wanted: Wanted) -> Step:
    """Ask as the new principal whether everything above holds."""
    title = "Check it with a whole preflight"
    row = wanted.tenant.identities.select_related("tenant").get(purpose=wanted.purpose)
    try:
        proofs = PREFLIGHTS[wanted.purpose](cloud_as(row, str(row.pk)), row)
    except CloudError as error:
        return Step(title, Outcome.FAILED, f"{error} Do what is listed above, then run this again.")
    wrong = [f"{proof.setting} is {proof.after or 'none'}, not {proof.desired}" for proof in proofs if not proof.holds]
    if wrong:
        return Step(title, Outcome.FAILED, "; ".join(wrong))
    return Step(title, Outcome.DONE, ", ".join(f"{proof.setting}: {proof.after}" for proof in proofs))
