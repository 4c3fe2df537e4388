"""What evidence adds to a request's page: how long its records are kept, and its package for an examiner."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core_app.admin import page_action
from evidence_app.admin.handing_out import hand_out, handed_out
from evidence_app.dossier import sections_of
from evidence_app.downloads import open_request
from evidence_app.permissions import may_export_request
from evidence_app.retention import retention_of
from evidence_app.selection import of_request
from provisioning_app.admin.requests import ProvisionedRequestAdmin
from requests_app.models import EnvironmentRequest


class EvidencedRequestAdmin(ProvisionedRequestAdmin):
    actions_detail: ClassVar[tuple[str, ...]] = (*ProvisionedRequestAdmin.actions_detail, "evidence_package")

    @page_action(label=gettext_lazy("Evidence package"), icon="folder_zip", offered=may_export_request)
    def evidence_package(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        row = self.visible(request, object_id)
        if request.method != "POST" or "package" not in request.POST:
            return self._package(request, row)

        def made() -> HttpResponseBase:
            unsigned = request.POST["package"] == "unsigned"
            package = open_request(row, by=request.user, unsigned=unsigned)  # type: ignore[arg-type]
            return handed_out(package, f"evidence-{row.request_number}")

        return hand_out(made, partial(self._package, request, row), back=request.path)

    def _package(
        self, request: HttpRequest, row: EnvironmentRequest, *, status: int = 200, **more: Any
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Evidence package"),
            "subtitle": f"{row.request_number} · {row.environment_name}",
            "opts": self.opts,
            "original": row,
            "back": reverse("admin:requests_app_environmentrequest_change", args=[row.pk]),
            "sections": sections_of(row, of_request(row)),
            **more,
        }
        return TemplateResponse(request, "evidence_app/package.html", context, status=status)

    def _audit_trail(self, request: HttpRequest, row: EnvironmentRequest) -> str:
        """Say above the log how long it is kept."""
        kept = retention_of([row])[row.pk].in_words()
        words = _("Its records are kept %(how_long)s.") % {"how_long": kept}
        return format_html('<p class="leading-relaxed mb-3 px-3">{}</p>{}', words, super()._audit_trail(request, row))


admin.site.unregister(EnvironmentRequest)
admin.site.register(EnvironmentRequest, EvidencedRequestAdmin)
