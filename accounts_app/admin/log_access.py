"""The second trail's screen: who read the log, or tried to, for auditors and leads of the whole tenant."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts_app.admin.scoped import RoleScoped, scope_for
from audit_app.models import LogAccess
from core_app.admin import Coloured, ReadOnlyAdmin


@admin.register(LogAccess)
class LogAccessAdmin(RoleScoped, ReadOnlyAdmin):
    nothing_here = _("Nobody whose tenant you audit has opened the log yet.")
    list_display = ("when", "person", "page", "address", "outcome")
    list_display_links = ("when",)
    list_filter = ("page", "refused", "at")
    search_fields = ("person", "address", "request_id")

    def reached(self, request: HttpRequest) -> Q:
        """Return the filter on readings of tenants that the person audits or governs as a whole."""
        own = scope_for(request).own
        return Q(tenant__in={tenant for role in self.viewing_roles() if role in own for tenant in own[role].tenants})

    @display(description=_("When (UTC)"), ordering="at")
    def when(self, access: LogAccess) -> str:
        return f"{access.at:%Y-%m-%d %H:%M:%S}"

    @display(description=_("Answer"), ordering="status", label=Coloured({"Shown": "success", "Refused": "danger"}))
    def outcome(self, access: LogAccess) -> str:
        return gettext("Refused") if access.refused else gettext("Shown")
