"""Who may act on environments, findings and tenants: their operators."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts_app.models import BusinessUnit, Tenant, User
from accounts_app.roles import Role
from accounts_app.scope import scope_of
from core_app.errors import PermissionRefused


def operates(user: User, tenant: Tenant, unit: BusinessUnit | None = None) -> bool:
    """Say whether a person operates a business unit, or without one the whole tenant."""
    scope = scope_of(user)
    if unit is None:
        return scope.holds_tenant(tenant.pk, Role.OPERATOR)
    return Role.OPERATOR in scope.own and scope.own[Role.OPERATOR].covers(unit)


def require_operator(user: User, tenant: Tenant, unit: BusinessUnit | None = None) -> None:
    """Raise PermissionRefused unless the person operates the business unit, or without one the whole tenant."""
    if not operates(user, tenant, unit):
        raise PermissionRefused(
            _("This needs the role %(operator)s for %(unit)s.") % {"operator": Role.OPERATOR, "unit": unit or tenant}
        )
