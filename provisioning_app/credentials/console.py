"""What the commands share: find a tenant by its name, and stay with a rotation until it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable

from accounts_app.models import Tenant
from core_app.errors import DomainError
from provisioning_app.credentials import rotation
from provisioning_app.models import RotationRecord

_LOOK_EVERY_SECONDS = 1.0


def tenant_named(name: str) -> Tenant:
    """Return the tenant with this name.

    Raises:
        DomainError: naming the tenants there are.
    """
    tenant = Tenant.objects.filter(name=name).first()
    if tenant is None:
        known = ", ".join(Tenant.objects.order_by("name").values_list("name", flat=True)) or "none"
        raise DomainError(f"There is no tenant named {name}; known are: {known}.")
    return tenant


def perform(row: RotationRecord, tell: Callable[[str], object]) -> RotationRecord:
    """Take a rotation to its end, here or in a worker that was quicker, and tell each stage.

    A stage that fails is tried again by the rotation's own timer; interrupting this leaves the rest to the workers.
    """
    told = ""
    while True:
        rotation.advance(row.pk)
        row = RotationRecord.objects.select_related("identity").get(pk=row.pk)
        line = f"{row.get_stage_display()}{': ' + row.error if row.error and row.is_live else ''}"
        if line != told:
            tell(line)
        told = line
        if not row.is_live:
            return row
        time.sleep(_LOOK_EVERY_SECONDS)
