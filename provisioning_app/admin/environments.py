"""The register of environments: read, put into quarantine and released from it."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from accounts_app.admin import ReadOnlyHistory
from core_app.admin import Coloured, ReadOnlyAdmin, ReasonDialog, dialog_action
from provisioning_app import policy_gap, services
from provisioning_app.admin.links import link_to, log_link
from provisioning_app.choices import EnvironmentStatus
from provisioning_app.models import Environment, GovernedControl, ProvisioningRun
from provisioning_app.quarantine import may_quarantine, may_release
from requests_app.admin.scoped import RequestScoped
from requests_app.admin.summary import ZONE_COLOURS


def policy_gap_table(environment: Environment) -> str:
    """Return how long the environment existed before each of its controls was proved, in seconds."""
    clocks = policy_gap.clocks_of(environment)
    return render_to_string("provisioning_app/policy_gap.html", {"clocks": clocks})


@admin.register(Environment)
class EnvironmentAdmin(RequestScoped, ReadOnlyHistory):
    request_path = "request"
    nothing_here = _("No environment has been created yet.")
    list_display = ("display_name", "zone_badge", "state", "business_unit", "request", "created_at", "governed_at")
    list_select_related = ("business_unit", "request")
    list_filter = ("status", "zone", ("business_unit", admin.RelatedOnlyFieldListFilter), "created_at")
    search_fields = ("display_name", "domain_name", "environment_id", "request__request_number")
    ordering = ("-created_at", "id")
    readonly_fields = ("runs", "log", "policy_gap")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "display_name",
                    "status",
                    "zone",
                    "request",
                    "runs",
                    "log",
                    "business_unit",
                    "tenant",
                    "quarantined_at",
                    "quarantine_reason",
                )
            },
        ),
        (_("Policy gap"), {"fields": ("created_at", "governed_at", "policy_gap")}),
        (_("At Microsoft"), {"fields": ("url", "domain_name", "environment_id")}),
    )
    actions_detail = ("quarantine", "release")

    @dialog_action(
        label=_("Quarantine"),
        icon="block",
        form=ReasonDialog,
        offered=may_quarantine,
        explained=_("It is listed for the operators, and nothing is tried on it until one of them releases it."),
        variant=ActionVariant.DANGER,
    )
    def quarantine(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request, object_id, services.quarantine, gettext("{} is quarantined."), reason=form.cleaned_data["reason"]
        )

    @dialog_action(
        label=_("Release"),
        icon="lock_open",
        form=ReasonDialog,
        offered=may_release,
        explained=_("It belongs to its request again."),
        variant=ActionVariant.PRIMARY,
    )
    def release(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request,
            object_id,
            services.release_quarantine,
            gettext("{} is released."),
            reason=form.cleaned_data["reason"],
        )

    @display(description=_("Runs"))
    def runs(self, environment: Environment) -> str:
        found = ProvisioningRun.objects.filter(tenant=environment.tenant_id, environment_id=environment.environment_id)
        return format_html_join(
            ", ", "{}", ([link_to(run)] for run in found.select_related("request").order_by("attempt"))
        )

    @display(description=_("Log"))
    def log(self, environment: Environment) -> str:
        return log_link(environment.request_id)

    @display(description=_("Seconds per control"))
    def policy_gap(self, environment: Environment) -> str:
        return policy_gap_table(environment)

    @display(description=_("Zone"), ordering="zone", label=ZONE_COLOURS)
    def zone_badge(self, environment: Environment) -> str:
        return environment.get_zone_display() or "-"

    @display(
        description=_("Status"),
        ordering="status",
        label=Coloured(
            {
                EnvironmentStatus.PROVISIONING.label: "primary",
                EnvironmentStatus.ACTIVE.label: "success",
                EnvironmentStatus.QUARANTINED.label: "danger",
                EnvironmentStatus.DELETED.label: "",
            }
        ),
    )
    def state(self, environment: Environment) -> str:
        return environment.get_status_display()


@admin.register(GovernedControl)
class GovernedControlAdmin(RequestScoped, ReadOnlyAdmin):
    request_path = "environment__request"
    scope_path = "environment"
    list_display = ("environment", "control_name", "governed_at", "seconds")
    readonly_fields = ("control_name",)
    fields = ("environment", "control_name", "governed_at", "seconds", "id")
    list_select_related = ("environment",)
    list_filter = ("control", "governed_at")
    search_fields = ("environment__display_name",)
    ordering = ("-governed_at", "-id")

    @display(description=_("Control"), ordering="control")
    def control_name(self, governed: GovernedControl) -> str:
        return gettext(governed.control)
