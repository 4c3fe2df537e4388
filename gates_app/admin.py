"""Gates, stages and decisions, to be read; people decide on the subject's own page. Delegations, which people make."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.forms import BaseDialogForm

from accounts_app.admin import ColleagueField, ReadOnlyHistory, RoleScoped, scope_for
from accounts_app.models import BusinessUnit, Delegation, User
from accounts_app.roles import DECIDING_ROLES, Role
from core_app import clock
from core_app.admin import (
    Coloured,
    ConfirmDialog,
    HistoryAdmin,
    ReadOnlyAdmin,
    ReadOnlyInline,
    VerbForm,
    VerbFormAdmin,
    dialog_action,
)
from gates_app.delegations import Terms, deciding_roles_of, delegate, may_revoke, revoke_delegation
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
    fields = (
        "number",
        "role",
        "status",
        "assigned_to_name",
        "opened_at",
        "remind_at",
        "escalate_at",
        "paused_at",
        "escalated_at",
    )
    readonly_fields = ("assigned_to_name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the stages with their people."""
        return super().get_queryset(request).select_related("assigned_to", "gate")

    @display(description=_("Assigned to"))
    def assigned_to_name(self, stage: Stage) -> str:
        return str(stage.assigned_to or "-")


class DecisionInline(ReadOnlyInline):
    model = Decision
    fields = ("decided_at", "outcome", "decider", "in_place_of", "comment", "policy_version")
    readonly_fields = ("decider", "in_place_of")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the decisions with their people."""
        return super().get_queryset(request).select_related("decided_by", "gate", "delegation__delegator")

    @display(description=_("Decided by"))
    def decider(self, decision: Decision) -> str:
        return str(decision.decided_by or gettext("Policy"))

    @display(description=_("In place of"))
    def in_place_of(self, decision: Decision) -> str:
        return str(decision.delegation.delegator) if decision.delegation else "-"


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

    @display(description=_("What is decided"))
    def what(self, gate: Gate) -> str:
        return capfirst(gettext(gate.kind.replace("_", " ")))

    @display(
        description=_("Status"),
        ordering="status",
        label=Coloured(
            {
                GateStatus.OPEN.label: "info",
                GateStatus.APPROVED.label: "success",
                GateStatus.REJECTED.label: "danger",
                GateStatus.CLOSED.label: "",
            }
        ),
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
        description=_("Status"),
        ordering="status",
        label=Coloured(
            {
                StageStatus.WAITING.label: "",
                StageStatus.OPEN.label: "info",
                StageStatus.APPROVED.label: "success",
                StageStatus.REJECTED.label: "danger",
                StageStatus.CLOSED.label: "",
            }
        ),
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

    @display(description=_("Decided by"))
    def decider(self, decision: Decision) -> str:
        return str(decision.decided_by or gettext("Policy"))

    @display(description=_("Stage"))
    def stage_number(self, decision: Decision) -> str:
        return str(decision.stage.number) if decision.stage else "-"

    @display(
        description=_("Outcome"),
        ordering="outcome",
        label=Coloured({Outcome.APPROVE.label: "success", Outcome.REJECT.label: "danger"}),
    )
    def verdict(self, decision: Decision) -> str:
        return decision.get_outcome_display()


class DelegationForm(VerbForm):
    """Who stands in, for what, from when, until when."""

    delegate = ColleagueField(
        label=_("Delegate's user principal name"),
        help_text=_(
            "They decide in your place. What you may not decide, for example what you asked for, they may not."
        ),
    )

    class Meta:
        model = Delegation
        fields = ("role", "business_unit", "begins_at", "ends_at", "is_absence", "reason")
        help_texts: ClassVar[dict[str, Promise]] = {
            "role": _("What you lend."),
            "business_unit": _("This unit and those below it; without one, wherever you decide."),
            "begins_at": _("In UTC."),
            "ends_at": _("In UTC."),
            "is_absence": _("Nothing new is assigned to you meanwhile, but to your delegate."),
            "reason": _("Why; it is logged."),
        }

    def clean_delegate(self) -> User:
        """Find the person.

        Raises:
            ValidationError: there is no such person.
        """
        return ColleagueField.found(self.cleaned_data["delegate"], among=User.objects.all())


@admin.register(Delegation)
class DelegationAdmin(VerbFormAdmin, RoleScoped, HistoryAdmin):
    form = DelegationForm
    list_display = ("delegator", "delegate", "lent", "business_unit", "begins_at", "ends_at", "status")
    list_select_related = ("delegator", "delegate", "business_unit")
    list_filter = ("is_absence", "begins_at")
    search_fields = ("delegator__display_name", "delegator__upn", "delegate__display_name", "delegate__upn")
    ordering = ("-begins_at", "id")
    fields = ("delegate", "role", "business_unit", "begins_at", "ends_at", "is_absence", "reason")
    actions_detail: ClassVar[tuple[str, ...]] = ("end",)

    def reached(self, request: HttpRequest) -> Q:
        """Return one's own delegations, given and received, and those of tenants one governs or audits."""
        scope, user = scope_for(request), request.user.pk
        overseen = [scope.own[role] for role in (Role.GOVERNANCE_LEAD, Role.AUDITOR) if role in scope.own]
        tenants = {tenant for reach in overseen for tenant in reach.tenants}
        return Q(delegator=user) | Q(delegate=user) | Q(tenant__in=tenants)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Say whether the person decides anything that could be delegated."""
        return super().has_add_permission(request) and bool(deciding_roles_of(request.user))  # type: ignore[arg-type]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A delegation is ended, not changed."""
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form's fields, or what is shown of a delegation."""
        return self.fields if obj is None else ("delegator", *self.fields, "revoked_at", "created_at")

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the roles with which the person decides."""
        roles = deciding_roles_of(request.user)  # type: ignore[arg-type]
        kwargs["choices"] = [
            ("", gettext("Every role with which I decide")),
            *((role.value, gettext(role.label)) for role in roles),
        ]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the units for which the person decides."""
        if db_field.name == "business_unit":
            kwargs["queryset"] = BusinessUnit.objects.filter(_decided_for(request))
            kwargs["empty_label"] = gettext("Wherever I decide")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Delegation, form: Any, change: bool) -> None:
        """Hand the fields to the verb that stores them."""
        said, user = form.cleaned_data, request.user
        terms = Terms(
            said["begins_at"],
            said["ends_at"],
            said["reason"],
            Role(said["role"]) if said["role"] else None,
            said["business_unit"],
            said["is_absence"],
        )
        made = delegate(user, said["delegate"], terms, by=user)  # type: ignore[arg-type]
        obj.pk, obj.delegator, obj.delegate = made.pk, made.delegator, made.delegate

    @dialog_action(
        label=_("End now"),
        icon="event_busy",
        form=ConfirmDialog,
        offered=may_revoke,
        explained=_("The delegate cannot decide in this place any more, from the next click on."),
    )
    def end(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(request, object_id, revoke_delegation, gettext("The delegation has ended."))

    @display(description=_("Role"))
    def lent(self, row: Delegation) -> str:
        return row.role or gettext("Every deciding role")

    @display(description=_("Status"), label=Coloured({"In force": "success", "Planned": "info", "Ended": ""}))
    def status(self, row: Delegation) -> str:
        now = clock.now()
        if row.revoked_at or row.ends_at <= now:
            return gettext("Ended")
        return gettext("In force") if row.begins_at <= now else gettext("Planned")


def _decided_for(request: HttpRequest) -> Q:
    """Return the filter on units for which the person decides by roles of their own."""
    q = Q(pk__in=[])
    for role, reach in scope_for(request).own.items():
        if role in DECIDING_ROLES:
            q |= reach.of_units()
    return q
