"""A disputed zone: the requester's page to ask for a lower one, and the Governance Lead's page to decide."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.utils.translation import gettext_noop as noop
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts_app.admin import ReadOnlyHistory
from accounts_app.models import User
from accounts_app.scope import prefixed
from accounts_app.services import settings_of
from core_app.admin import (
    Coloured,
    ConfirmDialog,
    GovernedAdmin,
    WordsField,
    dialog_action,
    page_action,
    readable,
    said_in,
)
from core_app.errors import InvalidInputError, PermissionRefused
from core_app.text import MAX_TEXT
from gates_app import services as gates
from gates_app.levels import GateStatus, Outcome
from requests_app import services
from requests_app.admin.dialogs import SHOWN, RefusalDialog
from requests_app.admin.scoped import visible_for
from requests_app.admin.summary import ZONE_COLOURS
from requests_app.admin.thread import thread_of
from requests_app.choices import Zone
from requests_app.guided.choices import ZONES_IN_SHORT, ExplainedRadio
from requests_app.models import EnvironmentRequest, ZoneDispute
from requests_app.permissions import may_dispute
from requests_app.policies.classification import classify
from requests_app.staging import staged_plan
from requests_app.zones import governance_of

STATUS_COLOURS = Coloured({"Open": "warning", "Lowered": "success", "Stays": "danger", "Taken back": ""})
_STATUS = {
    GateStatus.OPEN: noop("Open"),
    GateStatus.APPROVED: noop("Lowered"),
    GateStatus.REJECTED: noop("Stays"),
    GateStatus.CLOSED: noop("Taken back"),
}


class DisputeForm(forms.Form):
    """Which lower zone, and why."""

    wanted_zone = forms.TypedChoiceField(
        label=gettext_lazy("Which zone is right?"), coerce=lambda value: Zone(int(value)), widget=ExplainedRadio()
    )
    rationale = WordsField(
        label=gettext_lazy("Why are the rules wrong about this case?"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
        max_length=MAX_TEXT,
        help_text=gettext_lazy("The Governance Lead decides by what you write here; it is kept in the log."),
    )

    def __init__(self, zone: Zone, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lower = [each for each in reversed(Zone) if each < zone]
        field = self.fields["wanted_zone"]
        field.choices = [(each.value, _(each.label)) for each in lower]  # type: ignore[attr-defined]
        field.widget.explained = {str(each.value): ZONES_IN_SHORT[each] for each in lower}


class DisputePage(GovernedAdmin):
    """What a disputed zone adds to the request's page: the form in which its requester disputes it."""

    actions_detail: ClassVar[tuple[str, ...]] = ("dispute",)

    @page_action(label=gettext_lazy("Dispute the zone"), icon="balance", offered=may_dispute)
    def dispute(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row: EnvironmentRequest = self.visible(request, object_id)
        governance = governance_of(row)
        form = DisputeForm(governance.zone, request.POST or None)
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            try:
                made = services.dispute_zone(
                    row.pk,
                    by=request.user,  # type: ignore[arg-type]
                    wanted=said["wanted_zone"],
                    rationale=said["rationale"],
                )
            except InvalidInputError as invalid:
                for name, problem in invalid.problems:
                    form.add_error(name if name in form.fields else None, problem)
            except PermissionRefused as refused:
                raise PermissionDenied(str(refused)) from refused
            else:
                self.message_user(request, _("A Governance Lead is asked about the zone of %s.") % row)
                return HttpResponseRedirect(reverse("admin:requests_app_zonedispute_change", args=[made.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": str(row),
            "subtitle": _("Dispute the zone"),
            "opts": self.opts,
            "original": row,
            "draft": row,
            "form": form,
            "governance": governance,
            "lower_by": [_(change) for change in governance.lower_by],
            "back": reverse("admin:requests_app_environmentrequest_change", args=[row.pk]),
        }
        return TemplateResponse(request, "requests_app/dispute.html", context)


def may_decide_dispute(user: User, dispute: ZoneDispute) -> bool:
    """Say whether a person may decide on a dispute now."""
    if dispute.closed_at is not None:
        return False
    return gates.refusal_for(user, dispute.gate, gates.current_stage(dispute.gate)) is None


def may_take_back(user: User, dispute: ZoneDispute) -> bool:
    """Say whether a person may take a dispute back."""
    return dispute.closed_at is None and dispute.request.requester_id == user.pk and user.is_active


class LoweringDialog(RefusalDialog):
    """Words that an examiner reads, and the hash of what was shown."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["comment"].help_text = _("Kept in the log; the requester and an examiner read it.")


@admin.register(ZoneDispute)
class ZoneDisputeAdmin(ReadOnlyHistory):
    nothing_here = gettext_lazy("No zone was disputed in what your roles reach.")
    list_display = ("request", "by_the_rules", "asked_for", "requester", "opened_at", "status", "closed_at")
    list_select_related = ("request__requester", "gate")
    list_filter = ("classified_zone", "wanted_zone", "opened_at")
    search_fields = ("request__request_number", "request__environment_name")
    ordering = ("-opened_at", "-id")
    fields = (
        "request",
        "by_the_rules",
        "asked_for",
        "rationale",
        "answered",
        "rule_set_version",
        "opened_at",
        "closed_at",
    )
    readonly_fields = ("by_the_rules", "asked_for", "answered")
    actions_detail: ClassVar[tuple[str, ...]] = ("lower", "keep", "take_back")
    change_form_outer_before_template = "requests_app/dispute_summary.html"
    change_form_outer_after_template = "requests_app/thread.html"

    def reached(self, request: HttpRequest) -> Q:
        """Return the filter on disputes of visible requests."""
        return prefixed(visible_for(request), "request")

    def scoped(self, queryset: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
        """Return the visible disputes, with what their page shows."""
        related = ("request__requester", "request__business_unit", "request__tenant", "gate__business_unit")
        return super().scoped(queryset, request).select_related(*related)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Add what stands above the fields."""
        row: ZoneDispute = kwargs["obj"]
        stage = gates.current_stage(row.gate)
        is_open = row.closed_at is None
        context |= {
            "dispute": row,
            "thread": thread_of(row.request),
            "status": _(_STATUS[GateStatus(row.gate.status)]),
            "status_colour": STATUS_COLOURS[_STATUS[GateStatus(row.gate.status)]],
            "verdict": classify(row.request.answers),
            "changes": _changes(row),
            "stage": stage,
            "decision": row.gate.decisions.select_related("decided_by").first(),
            "refusal": gates.refusal_for(request.user, row.gate, stage) if is_open else "",  # type: ignore[arg-type]
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def _get_actions_navigation(self, provided: Any, allowed: Any, object_id: Any = None) -> list[Any]:
        """Give each dialog the hash of what the page shows, so that a decision on anything else is refused."""
        items: list[Any] = super()._get_actions_navigation(provided, allowed, object_id)
        row = ZoneDispute.objects.select_related("request").filter(pk=object_id).first() if object_id else None
        if row is not None:
            shown = urlencode({SHOWN: services.dispute_hash(row)})
            for item in items:
                item["path"] = f"{item['path']}?{shown}"
        return items

    @dialog_action(
        label=gettext_lazy("Lower the zone"),
        icon="south",
        form=LoweringDialog,
        offered=may_decide_dispute,
        explained=gettext_lazy(
            "The zone that was asked for holds for these very answers. Say why the rules get this case wrong."
        ),
        variant=ActionVariant.PRIMARY,
    )
    def lower(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request,
            object_id,
            services.decide_dispute,
            _("The zone is lowered."),
            outcome=Outcome.APPROVE,
            **said_in(form),
        )

    @dialog_action(
        label=gettext_lazy("Keep the zone"),
        icon="block",
        form=RefusalDialog,
        offered=may_decide_dispute,
        explained=gettext_lazy("The zone stays as the rules say. Tell the requester why."),
        variant=ActionVariant.DANGER,
    )
    def keep(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request,
            object_id,
            services.decide_dispute,
            _("The zone stays as it is."),
            outcome=Outcome.REJECT,
            **said_in(form),
        )

    @dialog_action(
        label=gettext_lazy("Take back"),
        icon="undo",
        form=ConfirmDialog,
        offered=may_take_back,
        explained=gettext_lazy("The draft can be changed and submitted again, in the zone that the rules ask for."),
    )
    def take_back(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(request, object_id, services.withdraw_dispute, _("The dispute is taken back."))

    @display(description=gettext_lazy("By the rules"), ordering="classified_zone", label=ZONE_COLOURS)
    def by_the_rules(self, dispute: ZoneDispute) -> str:
        return dispute.get_classified_zone_display()

    @display(description=gettext_lazy("Asked for"), ordering="wanted_zone", label=ZONE_COLOURS)
    def asked_for(self, dispute: ZoneDispute) -> str:
        return dispute.get_wanted_zone_display()

    @display(description=gettext_lazy("Answers at the time"))
    def answered(self, dispute: ZoneDispute) -> str:
        columns = {field.name: field for field in EnvironmentRequest._meta.concrete_fields}
        return readable(
            {
                str(columns[name].verbose_name): dict(columns[name].flatchoices).get(value, value)
                for name, value in dispute.answers.items()
            }
        )

    @display(description=gettext_lazy("Requester"), ordering="request__requester")
    def requester(self, dispute: ZoneDispute) -> str:
        return str(dispute.request.requester)

    @display(description=gettext_lazy("Status"), ordering="gate__status", label=STATUS_COLOURS)
    def status(self, dispute: ZoneDispute) -> str:
        return _(_STATUS[GateStatus(dispute.gate.status)])


def _changes(dispute: ZoneDispute) -> list[tuple[str, str, str]]:
    """Return what would be built otherwise: setting, by the rules, as asked for."""
    settings = settings_of(dispute.request.tenant, dispute.request.settings_version)
    plans = (
        staged_plan(dispute.request, settings, Zone(zone)) for zone in (dispute.classified_zone, dispute.wanted_zone)
    )
    return [(setting, now, then) for (setting, now), (_same, then) in zip(*plans, strict=True) if now != then]
