"""Attempts at steps with their proofs, to be read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.template.loader import render_to_string
from unfold.decorators import display

from accounts_app.admin import RoleScoped
from core_app.admin import ReadOnlyAdmin, ReadOnlyInline
from provisioning_app.choices import StepOutcome
from provisioning_app.models import StepRecord

OUTCOME_COLOURS = {
    StepOutcome.INTENDED.label: "primary",
    StepOutcome.DONE.label: "success",
    StepOutcome.WAITING.label: "info",
    StepOutcome.FAILED.label: "danger",
    StepOutcome.SKIPPED.label: "warning",
}


def proof_table(record: StepRecord) -> str:
    """Return what was read back, as a table: before, desired, after."""
    return render_to_string("provisioning_app/proof.html", {"proofs": record.proof}) if record.proof else "-"


class StepInline(ReadOnlyInline):
    model = StepRecord
    fields = ("step", "attempt", "outcome", "began_at", "ended_at", "proved", "error")
    readonly_fields = ("proved",)
    ordering = ("began_at", "id")

    def get_queryset(self, request: Any) -> Any:
        """Return the attempts with the run they name in their text."""
        return super().get_queryset(request).select_related("run__request")

    @display(description="Proof: before, desired, after")
    def proved(self, record: StepRecord) -> str:
        return proof_table(record)


@admin.register(StepRecord)
class StepRecordAdmin(RoleScoped, ReadOnlyAdmin):
    scope_path = "run__request"
    list_display = ("began_at", "run", "step", "attempt", "result", "ended_at", "error")
    list_select_related = ("run__request",)
    list_filter = ("outcome", "step", "began_at")
    search_fields = ("run__request__request_number",)
    ordering = ("-began_at", "id")
    fields = ("run", "step", "attempt", "outcome", "began_at", "ended_at", "error", "proved", "lease_token")
    readonly_fields = ("proved",)

    @display(description="Outcome", ordering="outcome", label=OUTCOME_COLOURS)
    def result(self, record: StepRecord) -> str:
        return record.get_outcome_display()

    @display(description="Proof: before, desired, after")
    def proved(self, record: StepRecord) -> str:
        return proof_table(record)
