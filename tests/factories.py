"""Builds what a test starts from by the same verbs that people use; states are walked to, never set."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import count
from typing import Any, Final
from uuid import uuid4

from django.contrib.auth.models import Group

from accounts_app.models import BusinessUnit, Tenant, User
from accounts_app.roles import Depth, Role
from accounts_app.services import create_tenant, grant
from audit_app.actors import service_principal
from gates_app.levels import Outcome
from requests_app import services
from requests_app.choices import DataSensitivity, EnvironmentType, ExpectedUsers, Region, State, Zone
from requests_app.directory import Directory, ResolvedGroup
from requests_app.models import EnvironmentRequest
from tests.repeated import repeated

_numbers = count(1)

PASSWORD: Final = "correct horse battery staple"
PRINCIPAL: Final = service_principal("5e1f0000-0000-4000-8000-000000000001")
GRAPH_IS_DOWN: Final = Directory(unavailable="Microsoft Graph does not answer.")
FACTS: Final[dict[Zone, dict[str, Any]]] = {
    Zone.ZONE_1: {"expected_users": ExpectedUsers.JUST_ME},
    Zone.ZONE_2: {"data_sensitivity": DataSensitivity.CONFIDENTIAL, "expected_users": ExpectedUsers.SMALL_TEAM},
    Zone.ZONE_3: {
        "has_customer_data": True,
        "data_sensitivity": DataSensitivity.RESTRICTED,
        "environment_type": EnvironmentType.PRODUCTION,
        "expected_users": ExpectedUsers.LARGE_TEAM,
    },
}


def make_tenant(**settings: Any) -> Tenant:
    """Create a tenant with the units Group → Retail → Cards and Group → Treasury.

    Args:
        settings: Differences from the default settings. The objection window of Zone 1 is 0 s unless given, so that
            nobody waits for it; tests of the window give it.
    """
    number = f"{next(_numbers):04}"  # so that no name is a part of another
    tenant = create_tenant(f"Contoso {number}", uuid4(), settings={"undo_window_seconds": 0, **settings})
    group = BusinessUnit.objects.create(tenant=tenant, name="Group")
    retail = BusinessUnit.objects.create(tenant=tenant, name="Retail", parent=group)
    BusinessUnit.objects.create(tenant=tenant, name="Cards", parent=retail)
    BusinessUnit.objects.create(tenant=tenant, name="Treasury", parent=group)
    return tenant


def unit_of(tenant: Tenant, name: str) -> BusinessUnit:
    """Return one of the tenant's units by name."""
    return tenant.business_units.get(name=name)


def make_automation(role: Role, at: BusinessUnit | Tenant, depth: Depth | None = None) -> User:
    """Create an account that turned out to be a service principal when it held a role of people already."""
    user = make_user(role, at, depth)
    User.objects.filter(pk=user.pk).update(is_service_principal=True)
    user.refresh_from_db()
    return user


def make_user(
    role: Role | None = None, at: BusinessUnit | Tenant | None = None, depth: Depth | None = None, **fields: Any
) -> User:
    """Create a person who can sign in with ``PASSWORD``.

    Args:
        role: Their role; a requester only joins the group, any other role is granted over ``at``.
        at: A business unit, which becomes their own, or a whole tenant.
        depth: LOCAL or DEEP on a unit.
        fields: Further fields of the user.
    """
    number = f"{next(_numbers):04}"
    word = role.label.removeprefix("ELM ").lower().replace(" ", ".") if role else "person"
    values = {"display_name": f"{word.replace('.', ' ').title()} {number}", "entra_object_id": uuid4(), **fields}
    if at is not None:
        values.setdefault("tenant", at if isinstance(at, Tenant) else at.tenant)
        values.setdefault("business_unit", None if isinstance(at, Tenant) else at)
    upn = values.pop("upn", f"{word}.{number}@contoso.example")
    user = User.objects.create_user(upn, PASSWORD, **values)
    if role is not None and at is not None:
        grant(user, role, at, depth)
    elif role is not None:  # of no tenant yet, in which a role could be held
        user.groups.add(Group.objects.get(name=role.value))
    return user


@dataclass(frozen=True, slots=True)
class People:
    """One person per role in one tenant; the approver is the requester's manager and may approve in every unit."""

    tenant: Tenant
    unit: BusinessUnit
    requester: User
    approver: User
    second_approver: User
    compliance_officer: User
    governance_lead: User
    operator: User
    auditor: User


def make_people(tenant: Tenant | None = None, **settings: Any) -> People:
    """Create one person per role, for a new tenant unless one is given.

    Args:
        tenant: Theirs.
        settings: Of a new tenant, as :func:`make_tenant` takes them.
    """
    if tenant:
        return _people_of(tenant)
    return repeated(
        lambda: _people_of(make_tenant(**settings)),
        named=("people", json.dumps(settings)),
        is_there=lambda people: Tenant.objects.filter(pk=people.tenant.pk).exists(),
    )


def _people_of(tenant: Tenant) -> People:
    group, unit = unit_of(tenant, "Group"), unit_of(tenant, "Retail")
    approver = make_user(Role.APPROVER, group, Depth.DEEP)
    return People(
        tenant=tenant,
        unit=unit,
        requester=make_user(Role.REQUESTER, unit, manager=approver),
        approver=approver,
        second_approver=make_user(Role.APPROVER, group, Depth.DEEP),
        compliance_officer=make_user(Role.COMPLIANCE_OFFICER, tenant),
        governance_lead=make_user(Role.GOVERNANCE_LEAD, tenant),
        operator=make_user(Role.OPERATOR, tenant),
        auditor=make_user(Role.AUDITOR, tenant),
    )


def a_group(name: str = "FSI-Claims-Makers") -> Directory:
    """Return what Microsoft Graph says when it knows the group."""
    return Directory(group=ResolvedGroup(id=str(uuid4()), name=name))


def facts(zone: Zone = Zone.ZONE_1, **changes: Any) -> dict[str, Any]:
    """Return the fields of a request that is complete and classified into a zone."""
    values: dict[str, Any] = {
        "environment_name": f"FIN-Claims{next(_numbers)}-DEV",
        "environment_type": EnvironmentType.SANDBOX,
        "region": Region.EUROPE,
        "business_justification": "Claims handlers automate the intake of paper claims.",
        "data_sensitivity": DataSensitivity.INTERNAL,
        **FACTS[zone],
    }
    if zone != Zone.ZONE_1:
        values |= {
            "zone_rationale": "The answers follow the data inventory.",
            "security_group_name": "FSI-Claims-Makers",
        }
    return {**values, **changes}


def make_request(
    stage: State = State.DRAFT, *, people: People | None = None, zone: Zone = Zone.ZONE_1, **changes: Any
) -> EnvironmentRequest:
    """Create a request and walk it to a state through the verbs, with real people.

    Args:
        stage: Where it shall stand.
        people: Who acts; a new tenant with new people when not given.
        zone: The zone that its answers lead to.
        changes: Fields that differ from :func:`facts`.
    """
    people = people or make_people()
    request = services.create_draft(by=people.requester, **facts(zone, **changes))
    if stage == State.DRAFT:
        return request
    if stage == State.WITHDRAWN:
        return services.withdraw(request.pk, by=people.requester)
    named = request.security_group_id or request.security_group_name
    known = a_group(request.security_group_name or "FSI-Claims-Makers") if named else Directory()
    directory = GRAPH_IS_DOWN if stage == State.SUBMITTED else known
    request = services.submit(request.pk, by=people.requester, directory=directory)
    if stage in (State.SUBMITTED, State.PENDING_APPROVAL):
        return request
    if stage == State.REJECTED:
        return decide(request, people.approver, Outcome.REJECT, "Use the shared environment instead.")
    return _provisioned(_approved(request, people), stage)


def decide(
    request: EnvironmentRequest, by: User, outcome: Outcome = Outcome.APPROVE, comment: str = "Fine."
) -> EnvironmentRequest:
    """Let a person decide on what they were shown."""
    return services.decide(request.pk, by=by, outcome=outcome, comment=comment, content_hash=request.content_hash)


def _approved(request: EnvironmentRequest, people: People) -> EnvironmentRequest:
    if request.zone == Zone.ZONE_1:
        return services.approve_by_policy(request.pk)
    request = decide(request, people.approver)
    return decide(request, people.compliance_officer) if request.zone == Zone.ZONE_3 else request


def _provisioned(request: EnvironmentRequest, stage: State) -> EnvironmentRequest:
    if stage == State.APPROVED:
        return request
    run = uuid4()
    request = services.begin_provisioning(request.pk, by=PRINCIPAL, run_id=run, policy_version="settings-1")
    if stage == State.COMPLETED:
        return services.complete(
            request.pk,
            by=PRINCIPAL,
            run_id=run,
            environment_id=str(uuid4()),
            environment_url="https://claims.crm4.dynamics.com/",
            open_gaps=[],
        )
    if stage == State.FAILED:
        return services.fail(request.pk, by=PRINCIPAL, run_id=run, step="create", reason="The quota is used up.")
    return request
