"""How the log of each tenant stands, for those who audit or operate it."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest

from accounts_app.admin import scope_for
from accounts_app.models import Tenant
from accounts_app.roles import Role
from audit_app.standing import standing_of

_WATCHING: Final = (Role.AUDITOR, Role.OPERATOR)


def tiles(request: HttpRequest) -> dict[str, Any]:
    """Return what the first page shows of the logs that this person looks after."""
    own = scope_for(request).own
    watched = {tenant for role in _WATCHING if role in own for tenant in own[role].tenants}
    audited = own[Role.AUDITOR].tenants if Role.AUDITOR in own else set()
    standings = [
        {
            "tenant": tenant,
            "standing": standing_of(tenant.pk, begun_at=tenant.created_at),
            "is_audited": tenant.pk in audited,
        }
        for tenant in Tenant.objects.filter(pk__in=watched).order_by("name")
    ]
    return {"log_standings": standings}
