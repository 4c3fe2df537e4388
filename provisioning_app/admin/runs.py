"""Provisioning runs with their steps; a failed one is retried here or on its request's page."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop as noop
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from accounts_app.admin import ReadOnlyHistory
from accounts_app.models import User
from core_app.admin import Coloured, dialog_action
from core_app.live import live
from provisioning_app import plan, services
from provisioning_app.admin.environments import policy_gap_table
from provisioning_app.admin.links import link_to, log_link
from provisioning_app.admin.live_run import live_run, part
from provisioning_app.admin.steps import StepFilter, StepInline
from provisioning_app.choices import LIVE_STATUSES, RunStatus
from provisioning_app.matrix import environment_of
from provisioning_app.models import ProvisioningRun
from requests_app.admin.dialogs import RetryDialog
from requests_app.admin.scoped import RequestScoped
from requests_app.permissions import may_retry

_PROGRESS: Final = "provisioning_app_provisioningrun_progress"
PARKED = noop("Parked")  # live, but at a step that this release does not know
STATUS_COLOURS = Coloured(
    {
        RunStatus.QUEUED.label: "info",
        RunStatus.RUNNING.label: "primary",
        RunStatus.COMPLETED.label: "success",
        RunStatus.FAILED.label: "danger",
        PARKED: "warning",
    }
)


def may_retry_run(user: User, run: ProvisioningRun) -> bool:
    """Say whether a person may retry the request of a failed run."""
    return run.status == RunStatus.FAILED and may_retry(user, run.request)


@admin.register(ProvisioningRun)
class ProvisioningRunAdmin(RequestScoped, ReadOnlyHistory):
    nothing_here = _("No run yet: a run begins when a request is approved and a slot is free.")
    scope_path = request_path = "request"
    list_display = ("__str__", "state", "step_name", "waiting_for", "started_at", "finished_at")
    list_select_related = ("request",)
    list_filter = ("status", StepFilter, "queued_at")
    allowed_lookups = ("started_at", "creation_started_at")
    search_fields = ("request__request_number", "environment_id", "domain_name")
    ordering = ("-queued_at", "id")
    readonly_fields = ("step_name", "environment", "log", "policy_gap")
    fieldsets = (
        (None, {"fields": ("request", "attempt", "environment", "log", "error")}),
        (
            _("Times"),
            {"fields": ("queued_at", "started_at", "creation_started_at", "finished_at", "next_at", "watch_at")},
        ),
        (_("Policy gap"), {"fields": ("policy_gap",)}),
        (
            _("At Microsoft"),
            {
                "classes": ("collapse",),
                "fields": (
                    "remote_state",
                    "environment_id",
                    "environment_url",
                    "domain_name",
                    "generation",
                    "operation_url",
                    "id",
                ),
            },
        ),
        (
            _("For troubleshooting"),
            {
                "classes": ("collapse",),
                "fields": ("tenant", "plan_version", "settings_version", "step_facts", "step_deadline"),
            },
        ),
    )
    inlines = (StepInline,)
    actions_detail = ("retry",)
    change_form_outer_before_template = "provisioning_app/run_page.html"

    def get_urls(self) -> list[Any]:
        """Add the part of the page that renews itself."""
        address = "<path:object_id>/progress/"
        return [path(address, live(self.admin_site, self.progress), name=_PROGRESS), *super().get_urls()]

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer with the live run."""
        context = self._live(request, self.visible(request, object_id))
        return part(request, context, "provisioning_app/live_run.html")

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Put the live run above the fields."""
        context |= self._live(request, kwargs["obj"])
        return super().render_change_form(request, context, *args, **kwargs)

    def _live(self, request: HttpRequest, run: ProvisioningRun) -> dict[str, Any]:
        return live_run(request, run.request, run, reverse(f"admin:{_PROGRESS}", args=[run.pk]))

    def scoped(self, queryset: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
        """Return the visible runs, with what their page says of the request."""
        return super().scoped(queryset, request).select_related("request__tenant", "request__business_unit")

    @dialog_action(
        label=_("Retry"),
        icon="restart_alt",
        form=RetryDialog,
        offered=may_retry_run,
        explained=_("Provisioning goes on from the step that failed, as soon as a slot is free."),
        variant=ActionVariant.PRIMARY,
    )
    def retry(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        row, reason = self.visible(request, object_id), form.cleaned_data["reason"]
        return self.act(
            request,
            object_id,
            lambda: services.retry(row.request_id, by=request.user, reason=reason),  # type: ignore[arg-type]
            done=gettext("%(request)s is tried again.") % {"request": row.request},
        )

    @display(description=_("Status"), ordering="status", label=STATUS_COLOURS)
    def state(self, run: ProvisioningRun) -> str:
        is_parked = run.status in LIVE_STATUSES and not plan.knows(run.plan_version, run.step)
        return gettext(PARKED) if is_parked else run.get_status_display()

    @display(description=_("Step"), ordering="step")
    def step_name(self, run: ProvisioningRun) -> str:
        return plan.label(run.plan_version, run.step)

    @display(description=_("Environment"))
    def environment(self, run: ProvisioningRun) -> str:
        return link_to(environment_of(run))

    @display(description=_("Log"))
    def log(self, run: ProvisioningRun) -> str:
        return log_link(run.request_id)

    @display(description=_("Seconds per control"))
    def policy_gap(self, run: ProvisioningRun) -> str:
        found = environment_of(run)
        return policy_gap_table(found) if found else gettext("The environment has not been seen yet.")
