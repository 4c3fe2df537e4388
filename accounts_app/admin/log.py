"""The log's screen, with its rows scoped and its applications named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from unfold.decorators import display

from accounts_app.admin.scoped import RoleScoped, scope_for
from accounts_app.models import TenantIdentity
from audit_app.actions import ActorType
from audit_app.admin import ProvisioningLogScreen
from audit_app.models import ProvisioningLog


def name_actors(entries: Iterable[ProvisioningLog]) -> None:
    """Give each entry ``actor_name``: an application is logged by its client id, which no person knows by heart."""
    acting = [entry for entry in entries if entry.actor_type == ActorType.SERVICE_PRINCIPAL]
    known = TenantIdentity.objects.filter(tenant__in={entry.tenant_id for entry in acting}) if acting else ()
    names = {str(identity.client_id): identity.display_name for identity in known}
    for entry in entries:
        entry.actor_name = names.get(entry.actor, entry.actor)  # type: ignore[attr-defined]


@admin.register(ProvisioningLog)
class ProvisioningLogAdmin(RoleScoped, ProvisioningLogScreen):
    """The log's screen, with its rows scoped: of visible requests and of one's tenants; applications have names."""

    def reached(self, request: HttpRequest) -> Q:
        """Return the filter on visible entries."""
        scope = scope_for(request)
        of_tenant = Q(environment_request__isnull=True, tenant__in=scope.tenants())
        return scope.below("environment_request") | of_tenant

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list, with every actor of the page named at once."""
        listed = super().get_changelist_instance(request)
        listed.result_list = list(listed.result_list)
        name_actors(listed.result_list)
        return listed

    @display(description="Actor", ordering="actor")
    def acted_by(self, entry: ProvisioningLog) -> str:
        return str(entry.actor_name)  # type: ignore[attr-defined]

    @display(description="Actor")
    def acted_by_in_full(self, entry: ProvisioningLog) -> str:
        name_actors([entry])
        name = str(entry.actor_name)  # type: ignore[attr-defined]
        return name if name == entry.actor else f"{name} ({entry.actor})"
