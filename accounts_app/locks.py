"""The first lock of every verb that changes more than one row: tenant → request → gate → run → chain head."""

from __future__ import annotations

from uuid import UUID

from accounts_app.models import Tenant


def locked_tenant(tenant_id: UUID) -> Tenant:
    """Return the tenant, locked until the transaction ends.

    Raises:
        Tenant.DoesNotExist: there is none.
    """
    return Tenant.objects.select_for_update(no_key=True).get(pk=tenant_id)
