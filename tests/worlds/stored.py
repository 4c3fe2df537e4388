"""Puts worlds into the database: many at once, in bulk, so that ten thousand of them take minutes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group, Permission

from accounts_app.models import (
    BusinessUnit,
    BusinessUnitGroupObjectPermission,
    BusinessUnitUserObjectPermission,
    Delegation,
    Tenant,
    TenantGroupObjectPermission,
    TenantUserObjectPermission,
    User,
)
from audit_app.models import ProvisioningLog
from requests_app.models import EnvironmentRequest, EnvironmentRequestUserObjectPermission
from tests.worlds.world import NOW, ROLE_NAMES, World


def store(worlds: Iterable[World]) -> None:
    """Insert everything that worlds consist of."""
    worlds = list(worlds)
    Tenant.objects.bulk_create(Tenant(id=pk, name=str(pk), entra_tenant_id=pk) for w in worlds for pk in w.tenants)
    BusinessUnit.objects.bulk_create(
        BusinessUnit(id=u.id, tenant_id=u.tenant, parent_id=u.parent, name=str(u.id), path=_path(w, u.id))
        for w in worlds
        for u in w.units.values()
    )
    User.objects.bulk_create(
        User(id=p.id, upn=f"{p.id}@x.example", tenant_id=p.tenant, business_unit_id=p.unit, is_active=p.is_active)
        for w in worlds
        for p in w.people.values()
    )
    teams = _groups(worlds)
    _grants(worlds, teams)
    Delegation.objects.bulk_create(
        Delegation(
            id=loan.id,
            tenant_id=loan.tenant,
            delegator_id=loan.delegator,
            delegate_id=loan.delegate,
            role=ROLE_NAMES.get(loan.role, ""),
            business_unit_id=loan.unit,
            begins_at=loan.begins,
            ends_at=loan.ends,
            revoked_at=NOW if loan.is_revoked else None,
            created_at=NOW,
            reason="World.",
        )
        for w in worlds
        for loan in w.loans
    )
    _requests(worlds)


def _groups(worlds: list[World]) -> dict[tuple[int, int], Group]:
    roles = {group.name: group for group in Group.objects.filter(name__in=ROLE_NAMES.values())}
    made = Group.objects.bulk_create(Group(name=f"World {w.seed} team {team}") for w in worlds for team in range(2))
    teams = {(w.seed, team): made[2 * place + team] for place, w in enumerate(worlds) for team in range(2)}
    member = User.groups.through
    member.objects.bulk_create(
        member(user_id=p.id, group_id=group.pk)
        for w in worlds
        for p in w.people.values()
        for group in (*(roles[ROLE_NAMES[r]] for r in p.roles), *(teams[w.seed, team] for team in p.teams))
    )
    return teams


def _grants(worlds: list[World], teams: dict[tuple[int, int], Group]) -> None:
    permissions = dict(Permission.objects.filter(content_type__app_label="accounts_app").values_list("codename", "pk"))
    rows: dict[Any, list[Any]] = {}
    for w in worlds:
        for grant in w.grants:
            at_tenant, is_team = grant.depth == "organisation", isinstance(grant.holder, int)
            model: Any = {
                (True, True): TenantGroupObjectPermission,
                (True, False): TenantUserObjectPermission,
                (False, True): BusinessUnitGroupObjectPermission,
                (False, False): BusinessUnitUserObjectPermission,
            }[at_tenant, is_team]
            holder = {"group_id": teams[w.seed, grant.holder].pk} if is_team else {"user_id": grant.holder}
            permission = permissions[f"{grant.role}_{grant.depth}"]
            rows.setdefault(model, []).append(model(permission_id=permission, content_object_id=grant.at, **holder))
    for model, found in rows.items():
        model.objects.bulk_create(found)


def _requests(worlds: list[World]) -> None:
    EnvironmentRequest.objects.bulk_create(
        EnvironmentRequest(
            id=r.id,
            number=1000 * w.seed + number,
            request_number=f"REQ-{number}",
            environment_name="FIN-World-DEV",
            environment_type=1,
            region=1,
            zone=1,
            business_justification="World.",
            data_sensitivity=1,
            expected_users=1,
            requester_id=r.requester,
            tenant_id=r.tenant,
            business_unit_id=r.unit,
            created_at=NOW,
        )
        for w in worlds
        for number, r in enumerate(w.requests)
    )
    view = Permission.objects.get(codename="view_environmentrequest")
    EnvironmentRequestUserObjectPermission.objects.bulk_create(
        EnvironmentRequestUserObjectPermission(user_id=person, content_object_id=request, permission=view)
        for w in worlds
        for person, request in sorted(w.shares)
    )
    ProvisioningLog.objects.bulk_create(
        ProvisioningLog(
            id=pk,
            tenant_id=tenant,
            environment_request_id=request,
            sequence=1,
            action=1,
            actor="x",
            actor_type=1,
            timestamp=NOW,
            chain=f"world:{pk}",
            canonical=b"x",
            previous_hash="0",
            entry_hash="0",
        )
        for w in worlds
        for pk, tenant, request in w.entries
    )


def _path(world: World, unit: UUID) -> str:
    parent = world.units[unit].parent
    return f"{_path(world, parent) if parent else ''}{unit}/"
