"""What the reconciler found; what has happened is closed by a person who has looked into it."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from accounts_app.admin import ReadOnlyHistory
from core_app.admin import Coloured, ReasonDialog, dialog_action
from provisioning_app import services
from provisioning_app.admin.links import link_to
from provisioning_app.findings import may_resolve
from provisioning_app.models import Environment, ReconciliationFinding


@admin.register(ReconciliationFinding)
class ReconciliationFindingAdmin(ReadOnlyHistory):
    nothing_here = _("What is at Microsoft agrees with what is recorded here.")
    scope_path = "request"
    list_display = ("kind", "state", "detail", "request", "found_at", "last_seen_at")
    list_select_related = ("request",)
    list_filter = ("kind", "found_at")
    allowed_lookups = ("resolved_at",)
    search_fields = ("subject", "environment_id", "request__request_number")
    ordering = ("-found_at", "id")
    readonly_fields = ("state", "environment")
    fields = (
        "kind",
        "state",
        "detail",
        "environment",
        "request",
        "run",
        "tenant",
        "found_at",
        "last_seen_at",
        "resolved_at",
        "subject",
    )

    def reached(self, request: HttpRequest) -> Q:
        """Return the filter on findings about visible requests, and about no request in tenants held as a whole."""
        tenants = {tenant for held in self.held(request) for tenant in held.tenants}
        return super().reached(request) | Q(request__isnull=True, tenant__in=tenants)

    actions_detail = ("resolve",)

    @dialog_action(
        label=_("Close"),
        icon="task_alt",
        form=ReasonDialog,
        offered=may_resolve,
        explained=_("You have looked into it. What you found out is logged."),
        variant=ActionVariant.PRIMARY,
    )
    def resolve(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request, object_id, services.resolve_finding, gettext("{} is closed."), reason=form.cleaned_data["reason"]
        )

    @display(description=_("Environment"))
    def environment(self, finding: ReconciliationFinding) -> str:
        known = Environment.objects.filter(tenant=finding.tenant_id, environment_id=finding.environment_id).first()
        return link_to(known) if known else finding.environment_id

    @display(description=_("Status"), label=Coloured({"Open": "danger", "Resolved": "success"}))
    def state(self, finding: ReconciliationFinding) -> str:
        return gettext("Resolved") if finding.resolved_at else gettext("Open")
