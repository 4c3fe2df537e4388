"""Attempts at steps with their proofs, to be read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import display

from core_app.admin import Coloured, ReadOnlyAdmin, ReadOnlyInline
from core_app.recorded import shown
from core_app.text import lasted
from provisioning_app import plan
from provisioning_app.admin.links import link_to
from provisioning_app.choices import StepOutcome
from provisioning_app.models import Gap, RotationRecord, StepRecord
from requests_app.admin.scoped import RequestScoped

OUTCOME_COLOURS = Coloured(
    {
        StepOutcome.INTENDED.label: "primary",
        StepOutcome.DONE.label: "success",
        StepOutcome.WAITING.label: "info",
        StepOutcome.FAILED.label: "danger",
        StepOutcome.SKIPPED.label: "warning",
    }
)


class StepFilter(admin.SimpleListFilter):
    title = _("step")
    parameter_name = "step"

    def lookups(self, request, model_admin):  # type: ignore[no-untyped-def]
        return list(
            {step.key: plan.label(version, step.key) for version, steps in plan.PLANS.items() for step in steps}.items()
        )

    def queryset(self, request, queryset):  # type: ignore[no-untyped-def]
        return queryset.filter(step=self.value()) if self.value() else queryset


@display(description=_("Step"), ordering="step")
def step_label(row: StepRecord | Gap) -> str:
    """Return the step's name for people."""
    return plan.label(row.run.plan_version, row.step)


@display(description=_("Took"))
def took(record: StepRecord) -> str:
    """Return how long the attempt took."""
    return lasted(record.ended_at - record.began_at) if record.ended_at else "-"


@display(description=_("Read back"))
def proved(record: StepRecord | RotationRecord) -> str:
    """Return what was read back, as a table: before, desired, after."""
    has_before = any(proof["before"] for proof in record.proof)
    context = {"proofs": record.proof, "has_before": has_before}
    return render_to_string("provisioning_app/proof.html", context) if record.proof else "-"


@display(description=_("Read back, or why it failed"))
def found(record: StepRecord) -> str:
    """Return what the attempt came to; the settings themselves stand with the steps above and on the attempt's page."""
    settings = len(record.proof)
    return shown(record.error) or (ngettext("%d setting", "%d settings", settings) % settings if settings else "-")


class StepInline(ReadOnlyInline):
    model = StepRecord
    verbose_name_plural = _("Attempts at steps, in the order in which they were made")
    fields = readonly_fields = ("opened", "attempt", "outcome", "began_at", took, found)
    ordering = ("began_at", "id")

    @display(description=_("Step"))
    def opened(self, record: StepRecord) -> str:
        return link_to(record, step_label(record))

    def get_queryset(self, request: Any) -> Any:
        """Return the attempts with the run that says which plan they are of."""
        return super().get_queryset(request).select_related("run__request")


@admin.register(StepRecord)
class StepRecordAdmin(RequestScoped, ReadOnlyAdmin):
    scope_path = request_path = "run__request"
    list_display = ("began_at", "run", step_label, "attempt", "result", took, "error")
    list_select_related = ("run__request",)
    list_filter = ("outcome", StepFilter, "began_at")
    search_fields = ("run__request__request_number",)
    ordering = ("-began_at", "id")
    fields = ("run", step_label, "attempt", "outcome", "began_at", "ended_at", took, "error", proved, "lease_token")
    readonly_fields = (step_label, took, proved)

    @display(description=_("Outcome"), ordering="outcome", label=OUTCOME_COLOURS)
    def result(self, record: StepRecord) -> str:
        return record.get_outcome_display()
