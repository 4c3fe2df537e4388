"""Who may rotate, explain and sign: operators run the principal, Governance Leads answer for it."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts_app.models import Tenant, TenantIdentity, User
from accounts_app.roles import Role
from accounts_app.scope import scope_of
from core_app.errors import PermissionRefused


def holds(user: User, tenant: Tenant, *roles: Role) -> bool:
    """Say whether a person holds one of the roles over a whole tenant."""
    return scope_of(user).holds_tenant(tenant.pk, *roles)


def may_rotate(user: User, identity: TenantIdentity) -> bool:
    """Say whether a person may rotate an identity's credential."""
    return holds(user, identity.tenant, Role.OPERATOR)


def require(user: User, tenant: Tenant, what: str, *roles: Role) -> None:
    """Refuse who holds none of the roles over the tenant.

    Raises:
        PermissionRefused: naming the roles.
    """
    if not holds(user, tenant, *roles):
        named = " or ".join(str(role) for role in roles)
        raise PermissionRefused(
            _("%(what)s in %(tenant)s needs the role %(named)s for the tenant.")
            % {"what": what, "tenant": tenant, "named": named}
        )
