"""Who acted, by names that people know."""

from __future__ import annotations

from collections.abc import Iterable

from accounts_app.models import TenantIdentity
from audit_app.actions import ActorType
from audit_app.models import ProvisioningLog


def name_actors(entries: Iterable[ProvisioningLog]) -> None:
    """Give each entry ``actor_name``: an application is logged by its client id, which no person knows by heart."""
    acting = [entry for entry in entries if entry.actor_type == ActorType.SERVICE_PRINCIPAL]
    known = TenantIdentity.objects.filter(tenant__in={entry.tenant_id for entry in acting}) if acting else ()
    names = {str(identity.client_id): identity.display_name for identity in known}
    for entry in entries:
        entry.actor_name = names.get(entry.actor, entry.actor)  # type: ignore[attr-defined]
