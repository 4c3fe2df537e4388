"""What can happen to a mapping from an Entra group to a role: proposed, confirmed by a second person, ended."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from accounts_app.locks import locked_tenant
from accounts_app.models import BusinessUnit, Tenant, User
from accounts_app.roles import Depth, Role
from accounts_app.services import governs
from accounts_app.two_persons import is_proposer, refusals_recorded, require_second_person
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from core_app import clock
from core_app.errors import DomainError, InvalidInputError, PermissionRefused
from core_app.recorded import told
from core_app.text import clean, has_content
from core_app.transactions import transactional
from sign_in_app.membership import take_back
from sign_in_app.models import GroupMapping


@dataclass(frozen=True, slots=True)
class Terms:
    """What a mapping says.

    Attributes:
        group_id: Object id of the group in Microsoft Entra.
        group_name: What people call it.
        role: What its members become.
        business_unit: Over which unit; None for the whole tenant. For a requester: the unit they ask for.
        depth: LOCAL or DEEP on a unit; empty for LOCAL.
    """

    group_id: UUID
    group_name: str
    role: Role
    business_unit: BusinessUnit | None = None
    depth: str = ""


@transactional
def propose_mapping(tenant_id: UUID, terms: Terms, *, by: User) -> GroupMapping:
    """Propose a mapping; it counts once a second person has confirmed it.

    Raises:
        PermissionRefused: the person does not govern the tenant.
        InvalidInputError: listing everything that is wrong with it.
    """
    tenant = _governed(tenant_id, by)
    depth = _depth(terms)
    if problems := _problems(tenant, terms, depth):
        raise InvalidInputError(problems)
    mapping = GroupMapping.objects.create(
        tenant=tenant,
        group_id=terms.group_id,
        group_name=clean(terms.group_name),
        role=terms.role,
        business_unit=terms.business_unit,
        depth=depth,
        proposed_by=by,
        proposed_at=clock.now(),
    )
    _record(Action.GROUP_MAPPING_PROPOSED, mapping, by)
    return mapping


def confirm_mapping(mapping_id: UUID, *, by: User) -> GroupMapping:
    """Put a mapping in force: members of the group get the role with their next sign-in.

    Raises:
        PermissionRefused: for who proposed it, a second account of theirs, or who does not govern the tenant; logged as
            DecisionRefused.
        DomainError: it is confirmed or ended already.
    """
    mapping = GroupMapping.objects.select_related("tenant").get(pk=mapping_id)
    with refusals_recorded(mapping.tenant, by, confirm=str(mapping)):
        return _confirm(mapping_id, by)


@transactional
def _confirm(mapping_id: UUID, by: User) -> GroupMapping:
    mapping = _locked(mapping_id, by)
    if mapping.confirmed_at:
        raise DomainError(_("%(mapping)s is confirmed already.") % {"mapping": mapping})
    require_second_person(by, mapping)
    mapping.confirmed_by, mapping.confirmed_at = by, clock.now()
    _record(Action.GROUP_MAPPING_CONFIRMED, mapping, by)
    mapping.save(update_fields=["confirmed_by", "confirmed_at"])
    return mapping


@transactional
def end_mapping(mapping_id: UUID, *, by: User) -> GroupMapping:
    """End a mapping; whoever holds the role because of it loses it at once.

    Raises:
        PermissionRefused: the person does not govern the tenant.
        DomainError: it is ended already.
    """
    mapping = _locked(mapping_id, by)
    mapping.ended_by, mapping.ended_at = by, clock.now()
    losing = sorted(mapping.grants.values_list("user__upn", flat=True))
    _record(Action.GROUP_MAPPING_ENDED, mapping, by, taken_from=losing)
    mapping.save(update_fields=["ended_by", "ended_at"])
    for given in mapping.grants.select_related("user"):
        take_back(given, by=person(by))
    return mapping


def may_confirm_mapping(user: User, mapping: GroupMapping) -> bool:
    """Say whether a person may put a mapping in force."""
    waits = mapping.is_live and mapping.confirmed_at is None
    return waits and not is_proposer(user, mapping) and governs(user, mapping.tenant)


def may_end_mapping(user: User, mapping: GroupMapping) -> bool:
    """Say whether a person may end a mapping, or take its proposal back."""
    return mapping.is_live and governs(user, mapping.tenant)


def _governed(tenant_id: UUID, by: User) -> Tenant:
    tenant = locked_tenant(tenant_id)
    if not governs(by, tenant):
        raise PermissionRefused(
            told(
                noop("Which Entra group has which role in %(tenant)s is decided by its Governance Leads."),
                tenant=tenant,
            )
        )
    return tenant


def _locked(mapping_id: UUID, by: User) -> GroupMapping:
    _governed(GroupMapping.objects.values_list("tenant_id", flat=True).get(pk=mapping_id), by)
    mapping = GroupMapping.objects.select_for_update(no_key=True, of=("self",)).get(pk=mapping_id)
    if mapping.ended_at:
        raise DomainError(_("%(mapping)s has ended already; propose it again.") % {"mapping": mapping})
    return mapping


def _depth(terms: Terms) -> str:
    if terms.role == Role.REQUESTER:
        return ""
    if terms.business_unit is None:
        return Depth.ORGANISATION.value
    return terms.depth or Depth.LOCAL.value


def _problems(tenant: Tenant, terms: Terms, depth: str) -> list[tuple[str, str]]:
    problems = []
    if not has_content(terms.group_name):
        problems.append(("group_name", _("Say what people call the group.")))
    if terms.business_unit is not None and terms.business_unit.tenant_id != tenant.pk:
        problems.append(("business_unit", _("This unit is none of %(tenant)s.") % {"tenant": tenant}))
    if terms.role == Role.REQUESTER and terms.business_unit is None:
        problems.append(("business_unit", _("Name the unit for which these people ask for environments.")))
    if terms.business_unit is not None and depth == Depth.ORGANISATION:
        problems.append(("depth", _("A role over the whole tenant names no business unit.")))
    same = {"group_id": terms.group_id, "role": terms.role, "business_unit": terms.business_unit, "depth": depth}
    if tenant.group_mappings.filter(ended_at__isnull=True, **same).exists():
        problems.append(("group_id", _("This mapping exists already.")))
    return problems


def _record(action: Action, mapping: GroupMapping, by: User, **details: object) -> None:
    record(
        action,
        on=mapping.tenant,
        by=person(by),
        details={
            "mapping": str(mapping.pk),
            "group_id": str(mapping.group_id),
            "group": mapping.group_name,
            "role": mapping.role,
            "business_unit": str(mapping.business_unit_id) if mapping.business_unit_id else None,
            "depth": mapping.depth,
            **details,
        },
    )
