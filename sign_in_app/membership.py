"""The roles that a person's Entra groups give them, brought up to date at each sign-in."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from accounts_app.models import BusinessUnit, User
from accounts_app.roles import Depth, Role
from accounts_app.services import grant, revoke
from audit_app.actions import Action
from audit_app.actors import SYSTEM, Actor
from audit_app.log import record
from core_app import clock
from sign_in_app.models import GroupMapping, MappedGrant


def synchronise(user: User, groups: Collection[UUID]) -> None:
    """Give and take back what the mappings in force say of these groups; roles given by hand stay.

    Args:
        user: Who signs in; their tenant is locked by the caller, in whose transaction this runs.
        groups: Object ids of every group that Entra names.
    """
    tenant = user.tenant
    assert tenant is not None  # noqa: S101 - who signs in through Entra has the tenant of the token
    wanted = {
        mapping.pk: mapping
        for mapping in tenant.group_mappings.in_force().filter(group_id__in=groups).select_related("business_unit")
    }
    held = {given.mapping_id: given for given in user.mapped_grants.select_related("mapping__business_unit")}
    new, lost = [wanted[pk] for pk in wanted.keys() - held.keys()], [held[pk] for pk in held.keys() - wanted.keys()]
    if new or lost:
        details = {
            "person": user.upn,
            "given": sorted(_named(mapping) for mapping in new),
            "taken": sorted(_named(given.mapping) for given in lost),
        }
        record(Action.ROLES_SYNCHRONISED, on=tenant, by=SYSTEM, details=details)
    for mapping in new:
        MappedGrant.objects.create(mapping=mapping, user=user, since=clock.now())
    for given in lost:
        take_back(given)
    for mapping in wanted.values():  # also what a person took away meanwhile: the group decides
        grant(user, Role(mapping.role), mapping.at, _depth(mapping), because=_because(mapping))
    _move(user, [mapping.business_unit for mapping in wanted.values() if mapping.role == Role.REQUESTER])


def take_back(given: MappedGrant, *, by: Actor = SYSTEM) -> None:
    """Take a role away that a mapping gave, unless another mapping still gives the same."""
    mapping, user = given.mapping, given.user
    given.delete()
    same: dict[str, object] = {"role": mapping.role}
    if mapping.role != Role.REQUESTER:  # a requester is one in whatever unit
        same |= {"business_unit": mapping.business_unit, "depth": mapping.depth}
    if not GroupMapping.objects.filter(grants__user=user, **same).exists():
        revoke(user, Role(mapping.role), mapping.at, _depth(mapping), by=by, because=_because(mapping))


def _move(user: User, units: Collection[BusinessUnit | None]) -> None:
    """Let a person ask for a unit that their groups name: for their own while it is among them, else the first."""
    named = sorted((unit for unit in units if unit), key=lambda unit: (unit.name, unit.pk))
    if named and user.business_unit_id not in {unit.pk for unit in named}:
        user.business_unit = named[0]
        user.save(update_fields=["business_unit"])


def _depth(mapping: GroupMapping) -> Depth | None:
    return Depth(mapping.depth) if mapping.depth else None


def _because(mapping: GroupMapping) -> str:
    return f"Entra group {mapping.group_name} ({mapping.group_id})"


def _named(mapping: GroupMapping) -> str:
    return f"{mapping.role} over {mapping.at} ({mapping.depth or 'own'}) by {mapping.group_name}"
