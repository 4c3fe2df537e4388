"""Who answers for what is done to the log's signatures on a command line: a Governance Lead of a whole tenant."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts_app.models import Tenant, User
from accounts_app.people import person_named
from accounts_app.roles import Role
from accounts_app.scope import scope_of
from core_app.errors import PermissionRefused


def responsible_person(upn: str) -> User:
    """Return the person of that user principal name.

    Raises:
        DomainError: there is nobody of that name.
        PermissionRefused: they lead no tenant.
    """
    user = person_named(upn)
    if not tenants_of(user):
        raise PermissionRefused(
            _("%(upn)s is no %(governance_lead)s of any tenant.")
            % {"upn": upn, "governance_lead": Role.GOVERNANCE_LEAD}
        )
    return user


def tenants_of(user: User, name: str | None = None) -> list[Tenant]:
    """Return the tenants a person leads, or only the one of that name.

    Raises:
        PermissionRefused: they do not lead the tenant of that name.
    """
    reach = scope_of(user).own.get(Role.GOVERNANCE_LEAD)
    led = list(Tenant.objects.filter(pk__in=reach.tenants).order_by("name")) if reach else []
    chosen = [tenant for tenant in led if name in (None, tenant.name)]
    if name is not None and not chosen:
        raise PermissionRefused(
            _("%(user)s is no %(governance_lead)s of %(name)s.")
            % {"user": user.upn, "governance_lead": Role.GOVERNANCE_LEAD, "name": name}
        )
    return chosen
