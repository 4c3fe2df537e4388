"""The demo's people: two banks with business units, one person per role each, and the verbs that set them up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

from django.contrib.auth.hashers import check_password, make_password
from django.db import connection, transaction

from accounts_app.models import BusinessUnit, Tenant, TenantIdentity, User
from accounts_app.roles import Depth, Role
from accounts_app.services import create_tenant, grant
from accounts_app.tenant_settings import Settings
from core_app.errors import DomainError
from provisioning_app.credentials.registration import Outcome as Registered
from provisioning_app.credentials.registration import Wanted, register

Purpose = TenantIdentity.Purpose

# What the demo shortens so that it can be watched; everything else keeps its default
SHORTENED: Final = {"poll_interval_seconds": 1, "undo_window_seconds": 3}
# Cards for Teams are kept in the outbox, to be looked at, like all mail; the secret itself does not exist
CHANNEL: Final = {"teams_webhook_secret": "ELM-Teams-Workflow"}

_WHY: Final = "One of the demo's people"
_NAMESPACE: Final = UUID("d35e0000-0000-4000-8000-000000000001")
IDENTITIES: Final = {
    Purpose.PROVISIONING: ("ELM-Provisioning-ServicePrincipal", "ELM-ServicePrincipal-Secret"),
    Purpose.DIRECTORY: ("ELM-Directory-Reader", "ELM-Directory-Reader-Secret"),
    Purpose.ROTATION: ("ELM-Credential-Rotation", "ELM-Credential-Rotation-Secret"),
}


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """A made-up member of staff; ``manager`` is a UPN."""

    upn: str
    name: str
    role: Role
    unit: str
    manager: str = ""

    @property
    def object_id(self) -> UUID:
        """Return the Entra object id: the same in the directory and here."""
        return uuid5(_NAMESPACE, self.upn)


@dataclass(frozen=True, slots=True)
class DemoGroup:
    """A Microsoft Entra security group; ``members`` are UPNs."""

    name: str
    members: tuple[str, ...]

    @property
    def object_id(self) -> UUID:
        """Return the group's Entra object id."""
        return uuid5(_NAMESPACE, self.name)


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """A made-up bank; ``units`` maps each business unit to its parent, parents first."""

    name: str
    units: dict[str, str]
    people: tuple[DemoPerson, ...]
    groups: tuple[DemoGroup, ...]

    @property
    def entra_tenant_id(self) -> UUID:
        """Return the Entra tenant id."""
        return uuid5(_NAMESPACE, self.name)

    @property
    def environment_groups(self) -> dict[str, UUID]:
        """Return the name and id of the Power Platform environment group of each zone."""
        names = [baseline.environment_group for baseline in Settings().baselines.values()]
        return {name: uuid5(self.entra_tenant_id, name) for name in names}

    def client_id(self, purpose: Purpose) -> UUID:
        """Return the application (client) id that we act as for a purpose."""
        return uuid5(self.entra_tenant_id, purpose)


def _staff(domain: str, root: str, *others: tuple[str, Role]) -> tuple[DemoPerson, ...]:
    """Return the people of the head office, who work for the whole tenant."""
    return tuple(
        DemoPerson(f"{name.lower().replace(' ', '.')}@{domain}", name, role, root, _manager(domain, name, others))
        for name, role in others
    )


def _manager(domain: str, name: str, others: tuple[tuple[str, Role], ...]) -> str:
    lead = next(other for other, role in others if role == Role.GOVERNANCE_LEAD)
    return "" if name == lead else f"{lead.lower().replace(' ', '.')}@{domain}"


def _requester(upn: str, name: str, unit: str, manager: str) -> DemoPerson:
    return DemoPerson(upn, name, Role.REQUESTER, unit, manager)


TENANTS: Final = (
    DemoTenant(
        name="Contoso Bank",
        units={"Contoso Bank": "", "Insurance": "Contoso Bank", "Claims": "Insurance", "Treasury": "Contoso Bank"},
        people=(
            *_staff(
                "contoso.example",
                "Contoso Bank",
                ("Carl Clark", Role.APPROVER),
                ("Dora Diaz", Role.COMPLIANCE_OFFICER),
                ("Gina Green", Role.GOVERNANCE_LEAD),
                ("Hugo Hall", Role.OPERATOR),
                ("Iris Irwin", Role.AUDITOR),
                ("Adam Abbot", Role.ADMIN),
            ),
            _requester("amy.adams@contoso.example", "Amy Adams", "Claims", "carl.clark@contoso.example"),
            _requester("ben.brown@contoso.example", "Ben Brown", "Treasury", "carl.clark@contoso.example"),
        ),
        groups=(
            DemoGroup("SG-Claims-Makers", ("amy.adams@contoso.example",)),
            DemoGroup("SG-Treasury-Makers", ("ben.brown@contoso.example",)),
        ),
    ),
    DemoTenant(
        name="Fabrikam Trust",
        units={"Fabrikam Trust": "", "Payments": "Fabrikam Trust", "Lending": "Fabrikam Trust"},
        people=(
            *_staff(
                "fabrikam.example",
                "Fabrikam Trust",
                ("Jack Jones", Role.APPROVER),
                ("Kate King", Role.COMPLIANCE_OFFICER),
                ("Lars Lind", Role.GOVERNANCE_LEAD),
                ("Mona Moss", Role.OPERATOR),
                ("Nils Nash", Role.AUDITOR),
                ("Olga Owen", Role.ADMIN),
            ),
            _requester("fay.fisher@fabrikam.example", "Fay Fisher", "Payments", "jack.jones@fabrikam.example"),
        ),
        groups=(DemoGroup("SG-Payments-Makers", ("fay.fisher@fabrikam.example",)),),
    ),
)


def require_database_of_the_demo() -> None:
    """Refuse a database with real tenants: the demo creates people whose password everyone at the screen can read.

    Raises:
        DomainError: saying which database to give instead.
    """
    if Tenant._meta.db_table not in connection.introspection.table_names():
        return
    ours = [tenant.entra_tenant_id for tenant in TENANTS]
    if Tenant.objects.exclude(entra_tenant_id__in=ours).exists():
        raise DomainError(
            "This database holds tenants that are not the demo's. Give the demo a database of its own: "
            "another DATABASE_URL, or none and a folder with --dir."
        )


@transaction.atomic
def set_up(
    *, password: str, key_vault_url: str, shortened: Mapping[str, Any] = SHORTENED, is_new_cloud: bool = True
) -> None:
    """Create tenants, units, identities and people, or complete what is there already.

    Args:
        password: With which each of the people signs in.
        key_vault_url: Where the tenants' Key Vault is this time.
        shortened: Settings of new tenants that differ from the defaults.
        is_new_cloud: Whether the simulator knows nothing of what an earlier demo did, such as rotations.
    """
    hashed = _hashed(password)
    for demo in TENANTS:
        tenant = Tenant.objects.filter(entra_tenant_id=demo.entra_tenant_id).first()
        tenant = tenant or create_tenant(demo.name, demo.entra_tenant_id, settings={**shortened, **CHANNEL})
        if tenant.key_vault_url != key_vault_url:
            tenant.key_vault_url = key_vault_url
            tenant.save(update_fields=["key_vault_url"])
        _identities(tenant, demo, is_new_cloud=is_new_cloud)
        _people(tenant, demo, _units(tenant, demo), hashed)


def take_inventory() -> None:
    """Enter key ids and dates of the credentials in force, as a registration does.

    Without them the credentials' screens could only say that every age is unknown.

    Raises:
        DomainError: a credential could not be read or does not work.
    """
    for row in TenantIdentity.objects.select_related("tenant"):
        for step in register(Wanted(row.tenant, Purpose(row.purpose), row.client_id), lambda rotation: rotation):
            if step.outcome == Registered.FAILED:
                raise DomainError(f"{step.title} for {row} in {row.tenant} failed: {step.detail}")


def person_of(tenant: Tenant, role: Role) -> User:
    """Return the person who has a role in one of the demo's tenants."""
    demo = next(item for item in TENANTS if item.entra_tenant_id == tenant.entra_tenant_id)
    return User.objects.get(upn=next(person.upn for person in demo.people if person.role == role))


def _hashed(password: str) -> str:
    """Hash once for all: the hash is slow on purpose, and the password is the same."""
    known = User.objects.filter(upn=TENANTS[0].people[0].upn).values_list("password", flat=True).first()
    return known if known and check_password(password, known) else make_password(password)


def _identities(tenant: Tenant, demo: DemoTenant, *, is_new_cloud: bool) -> None:
    for purpose, (display_name, secret_name) in IDENTITIES.items():
        row, _ = TenantIdentity.objects.get_or_create(
            tenant=tenant,
            purpose=purpose,
            defaults={
                "display_name": display_name,
                "secret_name": secret_name,
                "client_id": demo.client_id(purpose),
            },
        )
        if is_new_cloud and row.secret_name != secret_name:  # rotated to a certificate that this cloud does not know
            row.kind, row.secret_name = TenantIdentity.Kind.SECRET, secret_name
            row.save()


def _units(tenant: Tenant, demo: DemoTenant) -> dict[str, BusinessUnit]:
    units: dict[str, BusinessUnit] = {}
    for name, parent in demo.units.items():
        units[name], _ = BusinessUnit.objects.get_or_create(tenant=tenant, name=name, parent=units.get(parent))
    return units


def _people(tenant: Tenant, demo: DemoTenant, units: dict[str, BusinessUnit], hashed: str) -> None:
    for person in demo.people:
        user = User.objects.filter(upn=person.upn).first() or User(upn=person.upn)
        if user.password != hashed:
            user.password, user.is_staff = hashed, True
            user.display_name, user.entra_object_id = person.name, person.object_id
            user.tenant, user.business_unit, user.department = tenant, units[person.unit], person.unit
            user.save()
        _grant(user, person, tenant, units)
    known = {user.upn: user for user in User.objects.filter(upn__in=[person.upn for person in demo.people])}
    for person in demo.people:
        user, manager = known[person.upn], known.get(person.manager)
        if user.manager != manager:
            user.manager = manager
            user.save(update_fields=["manager"])


def _grant(user: User, person: DemoPerson, tenant: Tenant, units: dict[str, BusinessUnit]) -> None:
    if person.role == Role.APPROVER:
        grant(user, person.role, units[person.unit], Depth.DEEP, because=_WHY)
    else:
        grant(user, person.role, tenant, because=_WHY)
