"""Gates, stages and decisions, to be read; people decide on the subject's own page."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from accounts_app.admin import ReadOnlyHistory, RoleScoped
from core_app.admin import ReadOnlyAdmin, ReadOnlyInline
from gates_app.levels import GateStatus, Outcome, StageStatus
from gates_app.models import Decision, Gate, GateParty, Stage


class PartyScoped(RoleScoped):
    """Shows rows of gates within reach, and of those one is a party to: a requester sees the gate of their request."""

    gate_path = "pk"

    def reached(self, request: HttpRequest) -> Q:
        """Return the filter on visible rows."""
        own = GateParty.objects.filter(person_key=request.user.person_key).values("gate")  # type: ignore[union-attr]
        return super().reached(request) | Q(**{f"{self.gate_path}__in": own})


class StageInline(ReadOnlyInline):
    model = Stage
    fields = ("number", "role", "status", "assigned_to_name", "opened_at", "remind_at", "escalate_at", "escalated_at")
    readonly_fields = ("assigned_to_name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the stages with their people."""
        return super().get_queryset(request).select_related("assigned_to", "gate")

    @display(description="Assigned to")
    def assigned_to_name(self, stage: Stage) -> str:
        return str(stage.assigned_to or "-")


class DecisionInline(ReadOnlyInline):
    model = Decision
    fields = ("decided_at", "outcome", "decider", "comment", "policy_version")
    readonly_fields = ("decider",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the decisions with their people."""
        return super().get_queryset(request).select_related("decided_by", "gate")

    @display(description="Decided by")
    def decider(self, decision: Decision) -> str:
        return str(decision.decided_by or "Policy")


@admin.register(Gate)
class GateAdmin(PartyScoped, ReadOnlyHistory):
    list_display = ("subject", "level", "business_unit", "state", "opened_at", "undo_until", "closed_at")
    list_select_related = ("business_unit",)
    list_filter = ("status", "level", ("business_unit", admin.RelatedOnlyFieldListFilter))
    search_fields = ("subject",)
    inlines = (StageInline, DecisionInline)
    readonly_fields: ClassVar[tuple[str, ...]] = ("what",)
    fields: ClassVar[tuple[str, ...]] = (
        "what",
        "subject",
        "level",
        "status",
        "business_unit",
        "tenant",
        "opened_at",
        "undo_until",
        "closed_at",
        "content_hash",
        "id",
    )

    @display(description="What is decided")
    def what(self, gate: Gate) -> str:
        return gate.kind.replace("_", " ").capitalize()

    @display(
        description="Status",
        ordering="status",
        label={
            GateStatus.OPEN.label: "info",
            GateStatus.APPROVED.label: "success",
            GateStatus.REJECTED.label: "danger",
            GateStatus.CLOSED.label: "",
        },
    )
    def state(self, gate: Gate) -> str:
        return gate.get_status_display()


@admin.register(Stage)
class StageAdmin(PartyScoped, ReadOnlyHistory):
    scope_path = gate_path = "gate"
    list_display = ("__str__", "state", "assigned_to", "escalate_at", "escalated_at")
    list_select_related = ("gate", "assigned_to")
    list_filter = ("status", "role")
    search_fields = ("gate__subject",)
    ordering = ("-gate__opened_at", "number")

    @display(
        description="Status",
        ordering="status",
        label={
            StageStatus.WAITING.label: "",
            StageStatus.OPEN.label: "info",
            StageStatus.APPROVED.label: "success",
            StageStatus.REJECTED.label: "danger",
            StageStatus.CLOSED.label: "",
        },
    )
    def state(self, stage: Stage) -> str:
        return stage.get_status_display()


@admin.register(Decision)
class DecisionAdmin(PartyScoped, ReadOnlyAdmin):
    scope_path = gate_path = "gate"
    list_display = ("decided_at", "gate", "stage_number", "verdict", "decider", "comment")
    list_select_related = ("gate", "stage", "decided_by")
    list_filter = ("outcome", "decided_at")
    search_fields = ("gate__subject",)
    ordering = ("-decided_at", "id")

    @display(description="Decided by")
    def decider(self, decision: Decision) -> str:
        return str(decision.decided_by or "Policy")

    @display(description="Stage")
    def stage_number(self, decision: Decision) -> str:
        return str(decision.stage.number) if decision.stage else "-"

    @display(
        description="Outcome",
        ordering="outcome",
        label={Outcome.APPROVE.label: "success", Outcome.REJECT.label: "danger"},
    )
    def verdict(self, decision: Decision) -> str:
        return decision.get_outcome_display()
