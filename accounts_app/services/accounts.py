"""How a person's account comes to be."""

from __future__ import annotations

from uuid import UUID

from accounts_app.models import Tenant, User
from audit_app.actions import Action
from audit_app.actors import SYSTEM
from audit_app.log import record
from core_app.transactions import transactional


@transactional
def create_account(tenant: Tenant, upn: str, object_id: UUID, *, display_name: str = "") -> User:
    """Create the account of somebody who signs in with Microsoft Entra; it has no role yet.

    Args:
        tenant: Whose member of staff.
        upn: User principal name.
        object_id: Object id in Microsoft Entra, by which alone they are known.
        display_name: As people call them.
    """
    longest = User._meta.get_field("display_name").max_length
    user = User.objects.create_user(
        upn, display_name=display_name[:longest], tenant=tenant, entra_object_id=object_id, is_staff=True
    )
    details = {"person": user.upn, "object_id": str(object_id)}
    record(Action.PERSON_CREATED, on=tenant, by=SYSTEM, details=details)
    return user
