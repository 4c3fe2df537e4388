"""Evidence taken out by a person: a page of the tenant on which an auditor chooses a quarter and gets the package."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.db.models import Min
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget

from accounts_app.models import Tenant
from audit_app.models import ProvisioningLog
from core_app import clock
from core_app.admin import page_action
from evidence_app.admin.access_reviews import ReviewedTenantAdmin
from evidence_app.admin.handing_out import hand_out, handed_out
from evidence_app.downloads import open_export
from evidence_app.permissions import may_export
from evidence_app.quarters import Quarter, quarters_between


class ExportForm(forms.Form):
    """Which quarter."""

    quarter = forms.ChoiceField(
        label=gettext_lazy("Quarter"),
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy("In UTC. What happened in these months is in the package."),
    )

    def __init__(self, quarters: list[Quarter], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        current, *ended = [(quarter.name, quarter.in_words()) for quarter in quarters]
        name, words = current
        self.fields["quarter"].choices = [  # type: ignore[attr-defined]
            (name, _("%(quarter)s (not ended yet)") % {"quarter": words}),
            *ended,
        ]
        known = {quarter.name for quarter in quarters}
        if self.initial.get("quarter") not in known:  # an examiner asks for a whole quarter, as a rule
            self.initial["quarter"] = (ended or [current])[0][0]


class ExportingTenantAdmin(ReviewedTenantAdmin):
    actions_detail: ClassVar[tuple[str, ...]] = (*ReviewedTenantAdmin.actions_detail, "export_evidence")

    @page_action(label=gettext_lazy("Export evidence"), icon="download", offered=may_export)
    def export_evidence(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        tenant = self.visible(request, object_id)
        quarters = quarters_of(tenant)
        if request.method != "POST":
            asked = {"quarter": request.GET.get("quarter")}
            return self._page(request, tenant, ExportForm(quarters, initial=asked))
        form = ExportForm(quarters, request.POST)
        if not form.is_valid():
            return self._page(request, tenant, form)
        quarter = form.cleaned_data["quarter"]

        def made() -> HttpResponseBase:
            unsigned = "unsigned" in request.POST
            package = open_export(tenant.pk, quarter, by=request.user, unsigned=unsigned)  # type: ignore[arg-type]
            return handed_out(package, f"evidence-{slugify(tenant.name)}-{quarter}")

        back = f"{request.path}?{urlencode({'quarter': quarter})}"
        return hand_out(made, partial(self._page, request, tenant, form), back=back)

    def _page(
        self, request: HttpRequest, tenant: Tenant, form: ExportForm, *, status: int = 200, **more: Any
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Export evidence"),
            "subtitle": str(tenant),
            "opts": self.opts,
            "original": tenant,
            "back": reverse("admin:accounts_app_tenant_change", args=[tenant.pk]),
            "form": form,
            **more,
        }
        return TemplateResponse(request, "evidence_app/export_evidence.html", context, status=status)


def quarters_of(tenant: Tenant) -> list[Quarter]:
    """Return the quarters of which a tenant has a log, the newest first."""
    first = ProvisioningLog.objects.filter(tenant=tenant).aggregate(at=Min("timestamp"))["at"]
    return quarters_between(first, clock.now())


admin.site.unregister(Tenant)
admin.site.register(Tenant, ExportingTenantAdmin)
