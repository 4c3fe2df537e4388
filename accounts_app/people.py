"""What can happen to a person's account: it is deactivated, taken up again, its sessions are ended."""

from __future__ import annotations

from uuid import UUID

from django.db.models import F
from django.utils.translation import gettext as _

from accounts_app.locks import locked_tenant
from accounts_app.models import Tenant, User
from accounts_app.roles import Role
from accounts_app.scope import scope_of
from accounts_app.services.grants import REASSIGN
from accounts_app.services.holders import governs
from audit_app.actions import Action
from audit_app.actors import SYSTEM, Actor, person
from audit_app.log import record
from core_app.doorbell import ring
from core_app.errors import DomainError, PermissionRefused
from core_app.text import reason_given
from core_app.transactions import transactional


def person_named(upn: str) -> User:
    """Return the person of a user principal name, as somebody types it on a command line.

    Raises:
        DomainError: there is nobody of that name.
    """
    try:
        return User.objects.get_by_natural_key(upn)
    except User.DoesNotExist:
        raise DomainError(_("There is nobody with the user principal name %(upn)s.") % {"upn": upn}) from None


@transactional
def deactivate(user_id: UUID, *, by: User, reason: str) -> User:
    """Shut a person out: their sessions end with their next click, and what they were to decide goes to others.

    Raises:
        PermissionRefused: by somebody who does not govern the tenant, or of oneself.
        InvalidInputError: the reason says nothing.
        DomainError: the account is deactivated already.
    """
    user, tenant = _locked(user_id)
    _require_governance(by, tenant)
    _require_another_person(by, user)
    said = reason_given(reason)
    if not user.is_active:
        raise DomainError(_("%(user)s is deactivated already.") % {"user": user})
    _shut_out(user, tenant, person(by), said)
    return user


@transactional
def deactivate_departed(user_id: UUID, *, why: str) -> bool:
    """Shut a person out whom their directory lets in no longer; return whether they were active until now."""
    user, tenant = _locked(user_id)
    if user.is_active:
        _shut_out(user, tenant, SYSTEM, why)
        return True
    return False


@transactional
def reactivate(user_id: UUID, *, by: User, reason: str) -> User:
    """Let a person in again, with the roles they hold.

    Raises:
        PermissionRefused: by somebody who does not govern the tenant, or of oneself.
        InvalidInputError: the reason says nothing.
        DomainError: the account is active.
    """
    user, tenant = _locked(user_id)
    _require_governance(by, tenant)
    _require_another_person(by, user)
    said = reason_given(reason)
    if user.is_active:
        raise DomainError(_("%(user)s is active already.") % {"user": user})
    user.is_active = True
    record(Action.PERSON_REACTIVATED, on=tenant, by=person(by), details={"person": user.upn, "reason": said})
    user.save(update_fields=["is_active"])
    return user


@transactional
def end_sessions(user_id: UUID, *, by: User, reason: str) -> User:
    """Sign a person out everywhere, with their next click; they may sign in again.

    Raises:
        PermissionRefused: by somebody who neither governs nor operates the tenant, and is not that person.
        InvalidInputError: the reason says nothing.
    """
    user, tenant = _locked(user_id)
    if not _may_end_sessions(by, user):
        raise PermissionRefused(
            _("Sessions are ended by a Governance Lead or an Operator of %(tenant)s.") % {"tenant": tenant}
        )
    said = reason_given(reason)
    record(Action.SESSIONS_ENDED, on=tenant, by=person(by), details={"person": user.upn, "reason": said})
    _end_sessions(user)
    return user


def may_deactivate(by: User, user: User) -> bool:
    """Say whether a person may deactivate another one now."""
    return user.is_active and user.person_key != by.person_key and governs(by, user.tenant)


def may_reactivate(by: User, user: User) -> bool:
    """Say whether a person may let another one in again."""
    return not user.is_active and user.person_key != by.person_key and governs(by, user.tenant)


def may_end_sessions(by: User, user: User) -> bool:
    """Say whether a person may sign another one out everywhere."""
    return user.is_active and _may_end_sessions(by, user)


def _locked(user_id: UUID) -> tuple[User, Tenant]:
    """Lock the tenant, then the person, as the lock order wants."""
    tenant_id = User.objects.values_list("tenant_id", flat=True).get(pk=user_id)
    if tenant_id is None:
        raise DomainError(_("This account belongs to no tenant; it is looked after on the host, with manage.py."))
    tenant = locked_tenant(tenant_id)
    return User.objects.select_for_update(no_key=True, of=("self",)).get(pk=user_id), tenant


def _shut_out(user: User, tenant: Tenant, by: Actor, reason: str) -> None:
    user.is_active = False
    record(Action.PERSON_DEACTIVATED, on=tenant, by=by, details={"person": user.upn, "reason": reason})
    user.save(update_fields=["is_active"])
    _end_sessions(user)
    ring(REASSIGN)


def _end_sessions(user: User) -> None:
    User.objects.filter(pk=user.pk).update(session_generation=F("session_generation") + 1)


def _require_governance(by: User, tenant: Tenant) -> None:
    if not governs(by, tenant):
        raise PermissionRefused(
            _("Accounts of %(tenant)s are looked after by its %(governance_lead)ss.")
            % {"tenant": tenant, "governance_lead": Role.GOVERNANCE_LEAD}
        )


def _require_another_person(by: User, user: User) -> None:
    if user.person_key == by.person_key:
        raise PermissionRefused(_("Another Governance Lead has to deactivate your account, or to let it in again."))


def _may_end_sessions(by: User, user: User) -> bool:
    return by.pk == user.pk or scope_of(by).holds_tenant(user.tenant_id, Role.GOVERNANCE_LEAD, Role.OPERATOR)
