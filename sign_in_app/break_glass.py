"""The account for the day on which Entra does not let anybody in: every sign-in is logged and raises an alarm."""

from __future__ import annotations

from accounts_app.models import Tenant, User
from accounts_app.roles import Role
from accounts_app.services import holders_of_tenant
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from core_app import clock
from core_app.transactions import transactional
from notifications_app.catalogue import Event
from notifications_app.services import announce

_TOLD = (Role.GOVERNANCE_LEAD, Role.COMPLIANCE_OFFICER)


def is_break_glass(user: User) -> bool:
    """Say whether an account is for emergencies: a superuser, who decides nothing without a role either."""
    return user.is_superuser


@transactional
def raise_alarm(user: User) -> None:
    """Record a break-glass sign-in in every tenant it reaches, and tell those who look after them; else do nothing.

    It runs before the session is stored: without the entry there is no sign-in.
    """
    if not is_break_glass(user):
        return
    tenants = Tenant.objects.filter(pk=user.tenant_id) if user.tenant_id else Tenant.objects.order_by("pk")
    now = clock.now()
    for tenant in tenants:
        entry = record(Action.BREAK_GLASS_SIGNED_IN, on=tenant, by=person(user), details={"person": user.upn})
        announce(
            Event.BREAK_GLASS,
            to=[told for role in _TOLD for told in holders_of_tenant(role, tenant)],
            tenant_id=tenant.pk,
            reference="Break-glass account",
            once=f"{user.pk}:{now.isoformat()}",
            about=entry,
            account=user.upn,
            at=f"{now:%Y-%m-%d %H:%M} UTC",
        )
