"""Let somebody decide in one's place for a time: what can happen to a delegation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts_app.locks import locked_tenant
from accounts_app.models import BusinessUnit, Delegation, Tenant, User
from accounts_app.roles import DECIDING_ROLES, Role
from accounts_app.scope import scope_of
from accounts_app.services import governs
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from core_app import clock
from core_app.errors import DomainError, InvalidInputError, PermissionRefused
from core_app.text import clean, has_content
from core_app.transactions import transactional

LONGEST: Final = timedelta(days=92)


@dataclass(frozen=True, slots=True)
class Terms:
    """What is delegated.

    Attributes:
        begins_at: From when.
        ends_at: Until when.
        reason: Why.
        role: One deciding role; None for each the delegator has.
        business_unit: That unit and those below it; None for all the delegator decides for.
        is_absence: Whether nothing new is assigned to the delegator meanwhile.
    """

    begins_at: datetime
    ends_at: datetime
    reason: str
    role: Role | None = None
    business_unit: BusinessUnit | None = None
    is_absence: bool = True


@transactional
def delegate(delegator: User, to: User, terms: Terms, *, by: User) -> Delegation:
    """Let a person decide in another's place.

    Args:
        delegator: In whose place.
        to: The delegate, who inherits the delegator's conflicts at every gate.
        terms: What, from when, until when.
        by: The delegator, or an ELM Governance Lead of the tenant, for somebody who cannot do it themselves.

    Raises:
        PermissionRefused: for anybody else.
        InvalidInputError: listing everything that is wrong with the terms.
    """
    tenant = _tenant_of(delegator)
    _require_delegator(by, delegator, tenant)
    if problems := [*_problems_of_people(delegator, to), *_problems_of_terms(delegator, terms)]:
        raise InvalidInputError(problems)
    delegation = Delegation.objects.create(
        tenant=tenant,
        delegator=delegator,
        delegate=to,
        role=terms.role.value if terms.role else "",
        business_unit=terms.business_unit,
        begins_at=terms.begins_at,
        ends_at=terms.ends_at,
        is_absence=terms.is_absence,
        reason=clean(terms.reason),
        created_at=clock.now(),
    )
    record(Action.DELEGATION_CREATED, on=tenant, by=person(by), details=_details(delegation))
    return delegation


@transactional
def revoke_delegation(delegation_id: UUID, *, by: User) -> Delegation:
    """End a delegation now; it stops counting with the next click.

    Raises:
        PermissionRefused: for anybody but the delegator and the tenant's Governance Leads.
        DomainError: it has ended already.
    """
    delegation = Delegation.objects.select_for_update(no_key=True, of=("self",)).get(pk=delegation_id)
    tenant = delegation.tenant
    _require_delegator(by, delegation.delegator, tenant)
    if delegation.revoked_at or delegation.ends_at <= clock.now():
        raise DomainError(_("The delegation %(delegation)s has ended already.") % {"delegation": delegation})
    delegation.revoked_at = clock.now()
    record(Action.DELEGATION_REVOKED, on=tenant, by=person(by), details=_details(delegation))
    delegation.save(update_fields=["revoked_at"])
    return delegation


def may_revoke(user: User, delegation: Delegation) -> bool:
    """Say whether a person may end a delegation now."""
    is_live = delegation.revoked_at is None and delegation.ends_at > clock.now()
    return is_live and _may_delegate(user, delegation.delegator, delegation.tenant)


def deciding_roles_of(user: User) -> list[Role]:
    """Return the roles a person decides with, which they can therefore lend."""
    return [role for role in scope_of(user).own if role in DECIDING_ROLES]


def _tenant_of(delegator: User) -> Tenant:
    if delegator.tenant_id is None:
        raise DomainError(
            _("%(delegator)s belongs to no tenant and decides nothing that could be delegated.")
            % {"delegator": delegator}
        )
    return locked_tenant(delegator.tenant_id)


def _require_delegator(by: User, delegator: User, tenant: Tenant) -> None:
    if not _may_delegate(by, delegator, tenant):
        raise PermissionRefused(
            _("Only %(delegator)s, or an %(governance_lead)s of %(tenant)s, decides who stands in for %(delegator)s.")
            % {"delegator": delegator, "governance_lead": Role.GOVERNANCE_LEAD, "tenant": tenant}
        )


def _may_delegate(by: User, delegator: User, tenant: Tenant) -> bool:
    if by.pk == delegator.pk:
        return by.is_active
    return governs(by, tenant)


def _problems_of_people(delegator: User, to: User) -> list[tuple[str, str]]:
    if to.person_key == delegator.person_key:
        return [("delegate", _("Name somebody else; this is the delegator's own account."))]
    if to.tenant_id != delegator.tenant_id or not to.is_active or to.is_service_principal:
        return [("delegate", _("Nobody active in your organisation has this UPN; check its spelling."))]
    if not to.groups.filter(name__in=list(Role)).exists():
        return [
            (
                "delegate",
                _("%(to)s holds no ELM role and cannot sign in here; have one assigned first.") % {"to": to},
            )
        ]
    return []


def _problems_of_terms(delegator: User, terms: Terms) -> list[tuple[str, str]]:
    problems = []
    roles = deciding_roles_of(delegator)
    if not roles or (terms.role and terms.role not in roles):
        problems.append(("role", _cannot_lend(delegator, terms.role)))
    elif terms.business_unit and not _reaches(delegator, terms.role, terms.business_unit):
        problems.append(
            (
                "business_unit",
                _("%(delegator)s does not decide for %(unit)s.")
                % {"delegator": delegator, "unit": terms.business_unit},
            )
        )
    if terms.ends_at <= max(terms.begins_at, clock.now()):
        problems.append(("ends_at", _("The end has to lie after the beginning and in the future.")))
    elif terms.ends_at - terms.begins_at > LONGEST:
        problems.append(
            (
                "ends_at",
                ngettext(
                    "A delegation lasts %(days)s day at most; make a new one afterwards.",
                    "A delegation lasts %(days)s days at most; make a new one afterwards.",
                    LONGEST.days,
                )
                % {"days": LONGEST.days},
            )
        )
    if not has_content(terms.reason):
        problems.append(("reason", _("Say why; it is logged.")))
    return problems


def _cannot_lend(delegator: User, role: Role | None) -> str:
    if role is None:
        return _("%(delegator)s decides nothing; nothing can be lent.") % {"delegator": delegator}
    return _("%(delegator)s does not decide as %(role)s; nothing can be lent.") % {"delegator": delegator, "role": role}


def _reaches(delegator: User, role: Role | None, unit: BusinessUnit) -> bool:
    own = scope_of(delegator).own
    parts = [own[each].below(unit) for each in ((role,) if role else DECIDING_ROLES) if each in own]
    return any(part.units or part.trees for part in parts)


def _details(delegation: Delegation) -> dict[str, object]:
    return {
        "delegation": str(delegation.pk),
        "delegator": delegation.delegator.upn,
        "delegate": delegation.delegate.upn,
        "role": delegation.role or "every deciding role",
        "business_unit": str(delegation.business_unit_id) if delegation.business_unit_id else None,
        "begins_at": delegation.begins_at.isoformat(),
        "ends_at": delegation.ends_at.isoformat(),
        "is_absence": delegation.is_absence,
        "reason": delegation.reason,
    }
