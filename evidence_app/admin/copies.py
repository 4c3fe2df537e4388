"""Where the installation keeps the evidence of ended quarters, to be read."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from accounts_app.admin import RoleScoped, scope_for
from core_app.admin import Coloured, ReadOnlyAdmin
from evidence_app.models import EvidenceCopy


@admin.register(EvidenceCopy)
class EvidenceCopyAdmin(RoleScoped, ReadOnlyAdmin):
    nothing_here = gettext_lazy("Nothing is stored yet: the evidence of a quarter is stored when it has ended.")
    list_display = ("tenant", "quarter", "place", "protection", "kept_until", "stored_at")
    list_display_links = ("tenant", "quarter")
    list_select_related = ("tenant",)
    list_filter = ("quarter", "is_worm")
    search_fields = ("sha256", "manifest_sha256", "name")
    ordering = ("-quarter", "place", "id")
    readonly_fields = ("protection",)
    fields = (
        "tenant",
        "quarter",
        "place",
        "name",
        "parts",
        "size",
        "sha256",
        "manifest_sha256",
        "protection",
        "kept_until",
        "stored_at",
    )

    def reached(self, request: HttpRequest) -> Q:
        """Return the copies of tenants that the person audits or governs as a whole."""
        own = scope_for(request).own
        return Q(tenant__in={tenant for role in self.viewing_roles() if role in own for tenant in own[role].tenants})

    @display(
        description=gettext_lazy("Protection"), label=Coloured({"WORM": "success", "Not confirmed as WORM": "warning"})
    )
    def protection(self, copy: EvidenceCopy) -> str:
        return _("WORM") if copy.is_worm else _("Not confirmed as WORM")
