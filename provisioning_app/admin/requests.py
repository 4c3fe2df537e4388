"""What provisioning adds to the request's page: its runs, its open gaps, and what can be done about a failed one."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from core_app.admin import ReasonDialog, dialog_action, rendered_late
from core_app.live import live
from provisioning_app import plan, services
from provisioning_app.admin.environments import policy_gap_table
from provisioning_app.admin.live_run import live_run, part
from provisioning_app.admin.saved_views import PROVISIONING_VIEWS
from provisioning_app.admin.steps import step_label
from provisioning_app.matrix import Choice, last_run, options
from provisioning_app.progress import has_progress
from requests_app.admin.dialogs import RetryDialog
from requests_app.admin.requests import EnvironmentRequestAdmin
from requests_app.choices import State
from requests_app.fields import Tab
from requests_app.models import EnvironmentRequest
from requests_app.permissions import may_retry

_PROGRESS: Final = "requests_app_environmentrequest_progress"
_HAPPENING: Final = (State.APPROVED, State.PROVISIONING, State.FAILED)


class AttestDialog(ReasonDialog):
    """What was done where the program could not."""

    wanted = _("Say what you did in the portal; it is kept in the log, and an examiner reads it.")


class ProvisionedRequestAdmin(EnvironmentRequestAdmin):
    saved_views = PROVISIONING_VIEWS
    actions_detail: ClassVar[tuple[str, ...]] = (
        *EnvironmentRequestAdmin.actions_detail,
        "retry",
        "attest",
        "roll_back",
    )

    @dialog_action(
        label=_("Retry"),
        icon="restart_alt",
        form=RetryDialog,
        offered=may_retry,
        explained=_(
            "Provisioning goes on as soon as a slot is free. What exists already is kept, never created again."
        ),
        variant=ActionVariant.PRIMARY,
    )
    def retry(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request, object_id, services.retry, gettext("{} is tried again."), reason=form.cleaned_data["reason"]
        )

    @dialog_action(
        label=_("Attest"),
        icon="fact_check",
        form=AttestDialog,
        offered=lambda user, row: Choice.ATTEST in options(row, user),
        explained=_(
            "The failed step was done in the portal. It is read back first, and refused when something differs."
        ),
    )
    def attest(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request,
            object_id,
            services.attest,
            gettext("{} was read back and goes on."),
            reason=form.cleaned_data["reason"],
        )

    @dialog_action(
        label=_("Delete environment"),
        icon="delete_forever",
        form=ReasonDialog,
        offered=lambda user, row: Choice.DELETE in options(row, user),
        explained=_(
            "The partial environment is deleted, unless somebody uses it by now; where that fails, quarantined."
        ),
        variant=ActionVariant.DANGER,
    )
    def roll_back(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request,
            object_id,
            services.initiate_rollback,
            gettext("The environment of {} is being deleted."),
            reason=form.cleaned_data["reason"],
        )

    # How far it is

    def get_urls(self) -> list[Any]:
        """Add the part of the page that renews itself."""
        address = "<path:object_id>/progress/"
        return [path(address, live(self.admin_site, self.progress), name=_PROGRESS), *super().get_urls()]

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer with the live run, and with what follows it above the tabs; everybody who sees the request may."""
        context = self._live(request, self.visible(request, object_id))
        return part(request, context, "provisioning_app/live_request.html")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Add the live run, and for those who may see them runs and gaps, to the provisioning tab."""
        fieldsets = super().get_fieldsets(request, obj)
        for title, laid_out in fieldsets if obj is not None else ():
            if title == gettext(Tab.PROVISIONING):
                laid_out["description"] = rendered_late(self._provisioning, request, obj)
        return fieldsets

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Say above the tabs how far it is, and open the tab on which something happens."""
        row = kwargs.get("obj")
        if row is not None and has_progress(row):
            context["live"] = self._live(request, row)
        if row is not None and row.state in _HAPPENING:
            context["opened_tab"] = gettext(Tab.PROVISIONING)
        return super().render_change_form(request, context, *args, **kwargs)

    def _live(self, request: HttpRequest, row: EnvironmentRequest) -> dict[str, Any]:
        if not hasattr(request, "elm_live"):
            shown = live_run(request, row, last_run(row), reverse(f"admin:{_PROGRESS}", args=[row.pk]))
            request.elm_live = shown | (self._left_behind(row) if shown["sees_runs"] else {})  # type: ignore[attr-defined]
        return request.elm_live  # type: ignore[attr-defined]

    def _provisioning(self, request: HttpRequest, row: EnvironmentRequest) -> str:
        context = self._live(request, row) if has_progress(row) else {}
        return render_to_string("provisioning_app/provisioning_tab.html", context, request)

    def _left_behind(self, row: EnvironmentRequest) -> dict[str, Any]:
        runs = list(row.runs.order_by("-attempt"))
        gaps = list(row.gaps.filter(closed_at__isnull=True).select_related("run", "owner").order_by("opened_at"))
        return {
            "runs": [(run, plan.label(run.plan_version, run.step)) for run in runs],
            "gaps": [(gap, step_label(gap)) for gap in gaps],
            "environments": [(found, policy_gap_table(found)) for found in row.environments.order_by("-created_at")],
        }


admin.site.unregister(EnvironmentRequest)
admin.site.register(EnvironmentRequest, ProvisionedRequestAdmin)
