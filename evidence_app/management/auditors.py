"""Who takes evidence out on a command line."""

from __future__ import annotations

from accounts_app.models import Tenant, User
from accounts_app.people import person_named
from accounts_app.roles import Role
from accounts_app.scope import scope_of
from core_app.errors import DomainError, PermissionRefused
from evidence_app.permissions import audited_tenants

_MOST_NAMED = 10


def auditor_named(upn: str | None) -> User:
    """Return the auditor of a user principal name; without a name, the only one there is.

    Raises:
        DomainError: there is nobody of that name, or several auditors to choose from, or none.
    """
    if upn:
        return person_named(upn)
    auditors = list(User.objects.filter(groups__name=Role.AUDITOR, is_active=True).order_by("upn")[: _MOST_NAMED + 1])
    if len(auditors) == 1:
        return auditors[0]
    names = ", ".join(auditor.upn for auditor in auditors[:_MOST_NAMED]) or "nobody is one yet"
    raise DomainError(f"Say with --as which {Role.AUDITOR} this is for: {names}.")


def tenant_of(auditor: User, name: str | None) -> Tenant:
    """Return the tenant that a person audits, by its name where they audit several.

    Raises:
        PermissionRefused: they audit none.
        DomainError: it is not clear which.
    """
    reach = scope_of(auditor).own.get(Role.AUDITOR)
    audited = list(audited_tenants(reach)) if reach else []
    if not audited:
        raise PermissionRefused(f"{auditor.upn} is no {Role.AUDITOR} of any tenant.")
    chosen = [tenant for tenant in audited if name in (None, tenant.name)]
    if len(chosen) != 1:
        raise DomainError(f"Choose a tenant with --tenant: {', '.join(tenant.name for tenant in audited)}.")
    return chosen[0]
