"""The log's screen, with its rows scoped: entries of visible requests and of one's tenants; applications have names."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts_app.admin import RoleScoped, name_actors, scope_for
from accounts_app.scope import prefixed
from audit_app.admin import ProvisioningLogScreen
from audit_app.models import ProvisioningLog
from requests_app.admin.scoped import visible_for


@admin.register(ProvisioningLog)
class ProvisioningLogAdmin(RoleScoped, ProvisioningLogScreen):
    def reached(self, request: HttpRequest) -> Q:
        """Return the filter on visible entries."""
        of_tenant = Q(environment_request__isnull=True, tenant__in=scope_for(request).tenants())
        return prefixed(visible_for(request), "environment_request") | of_tenant

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list, with every actor of the page named at once."""
        listed = super().get_changelist_instance(request)
        listed.result_list = list(listed.result_list)
        name_actors(listed.result_list)
        return listed

    @display(description=_("Actor"), ordering="actor")
    def acted_by(self, entry: ProvisioningLog) -> str:
        return str(entry.actor_name)  # type: ignore[attr-defined]

    @display(description=_("Actor"))
    def acted_by_in_full(self, entry: ProvisioningLog) -> str:
        name_actors([entry])
        name = str(entry.actor_name)  # type: ignore[attr-defined]
        return name if name == entry.actor else f"{name} ({entry.actor})"
