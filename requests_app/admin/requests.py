"""The list of environment requests and the form of one: edited in Draft by its requester, read by everyone else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts_app.admin import name_actors
from accounts_app.models import BusinessUnit
from accounts_app.roles import Role
from core_app.admin import HistoryAdmin, RowsOnlyFilter, VerbFormAdmin, rendered_late
from core_app.text import spoken
from requests_app import services
from requests_app.admin.actions import RequestActions
from requests_app.admin.disputes import DisputePage
from requests_app.admin.saved_views import PARAMETER, SAVED_VIEWS, SavedView, SavedViewFilter, offered_views
from requests_app.admin.scoped import visible_for
from requests_app.admin.summary import STATE_COLOURS, ZONE_COLOURS, summary_of
from requests_app.admin.thread import ThreadActions, may_answer, thread_of
from requests_app.approvals.admin import ApprovalPages
from requests_app.choices import State
from requests_app.fields import COLUMNS, NEW, Tab, writable
from requests_app.forms import FORM, NewRequestForm, RequestForm
from requests_app.guided.admin import GuidedForm
from requests_app.models import EnvironmentRequest
from requests_app.permissions import creation_refusal, may_edit

AUDIT: Final = _("Audit Trail")
MOST_ENTRIES: Final = 200  # of the log, on the page of a request
_ASKED_FOR: Final = writable(Role.REQUESTER, NEW)
# Field → what the page shows of it
_SHOWN: Final = {column.name: column.name for column in COLUMNS if column.tab} | {
    "zone": "zone_badge",
    "zone_auto_flags": "flags",
    "state": "state_badge",
}


@admin.register(EnvironmentRequest)
class EnvironmentRequestAdmin(
    VerbFormAdmin, GuidedForm, ApprovalPages, RequestActions, DisputePage, ThreadActions, HistoryAdmin
):
    nothing_here = _(
        "There are no requests that you may see. They stand here as soon as somebody asks for an environment."
    )
    saved_views: ClassVar[Mapping[str, SavedView]] = SAVED_VIEWS
    form = RequestForm
    list_display = (
        "numbered",
        "environment_name",
        "zone_badge",
        "state_badge",
        "requester",
        "business_unit",
        "approver",
        "requested_on",
    )
    list_select_related = ("requester", "business_unit", "approver")
    list_filter = (
        SavedViewFilter,
        "state",
        "zone",
        "environment_type",
        "region",
        ("business_unit", RowsOnlyFilter),
        "requested_on",
    )
    search_fields = ("request_number", "environment_name", "requester__display_name", "requester__upn")
    ordering = ("-created_at", "-id")
    actions_detail = (
        *GuidedForm.actions_detail,
        *ApprovalPages.actions_detail,
        *RequestActions.actions_detail,
        *DisputePage.actions_detail,
        *ThreadActions.actions_detail,
    )
    change_form_outer_before_template = "requests_app/summary.html"
    change_form_outer_after_template = "requests_app/thread.html"

    # Rows and permissions

    def scoped(self, queryset: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
        """Return the person's own requests, those a role of theirs reaches, and those shared with them."""
        return queryset.filter(visible_for(request)).select_related(
            "tenant", "business_unit", "requester", "approver", "gate__business_unit"
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Say whether the person may ask for environments."""
        return super().has_add_permission(request) and creation_refusal(request.user) is None  # type: ignore[arg-type]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Say whether the fields may be changed: by the requester, in Draft."""
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or may_edit(request.user, obj))  # type: ignore[arg-type]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Show the empty form, or say why this person cannot ask."""
        if reason := creation_refusal(request.user):  # type: ignore[arg-type]
            raise PermissionDenied(reason)
        return super().add_view(request, form_url, extra_context)

    # The list

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list; an empty saved view says what that means."""
        listed = super().get_changelist_instance(request)
        view = offered_views(request).get(request.GET.get(PARAMETER, ""))
        is_all_of_it = view is not None and not listed.query and set(request.GET) == {PARAMETER}
        listed.nothing_here = view.nothing_here if view and is_all_of_it else ""
        return listed

    # The form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form's tabs; a new request has only those that are filled in."""
        columns = [column for column in COLUMNS if obj is not None or column.name in _ASKED_FOR]
        filled = [(tab, [_SHOWN[column.name] for column in columns if column.tab == tab]) for tab in Tab]
        tabs: list[Any] = [(gettext(tab), {"classes": ["tab"], "fields": names}) for tab, names in filled if names]
        if obj is None:
            tabs[0][1]["fields"].append(FORM)
        elif request.user.has_perm("audit_app.view_provisioninglog"):
            tabs.append(
                (
                    AUDIT,
                    {"classes": ["tab"], "fields": (), "description": rendered_late(self._audit_trail, request, obj)},
                )
            )
        return self.without_dead_links(request, obj, tabs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[Any, ...]:
        """Return what is never typed in here; the state is not among what is."""
        fixed = super().get_readonly_fields(request, obj)
        if obj is None:
            return fixed
        typed = writable(Role.REQUESTER, obj.state) if self.has_change_permission(request, obj) else ()
        return (*fixed, *(shown for name, shown in _SHOWN.items() if name not in typed))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form, without advice where nothing can be filled in."""
        if obj is None:
            kwargs["form"] = NewRequestForm
        elif not self.has_change_permission(request, obj):
            kwargs["help_texts"] = {}  # advice for those who fill it in only confuses those who read it
        return super().get_form(request, obj, change, **kwargs)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the person's own unit and those below it."""
        if db_field.name == "business_unit":
            own = request.user.business_unit  # type: ignore[union-attr]
            kwargs["queryset"] = BusinessUnit.objects.filter(path__startswith=own.path if own else "?")
            kwargs["initial"] = own
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Preselect nothing: what the zone follows from is said by the requester, not left standing."""
        is_raised = db_field.name == "raised_zone"
        nothing = gettext("As the answers say") if is_raised else gettext("Choose one")
        kwargs["choices"] = db_field.get_choices(include_blank=True, blank_choice=[("", nothing)])
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: EnvironmentRequest, form: Any, change: bool) -> None:
        """Hand the fields to the verb that stores them."""
        if change:
            services.edit_draft(obj.pk, by=request.user, **form.cleaned_data)  # type: ignore[arg-type]
            return
        said = dict(form.cleaned_data)
        made = services.create_draft(by=request.user, token=said.pop(FORM), **said)  # type: ignore[arg-type]
        obj.pk, obj.request_number = made.pk, made.request_number

    def response_post_save_add(self, request: HttpRequest, obj: EnvironmentRequest) -> HttpResponse:
        """Go to the new draft, where it can be submitted."""
        return HttpResponseRedirect(reverse("admin:requests_app_environmentrequest_change", args=[obj.pk]))

    response_post_save_change = response_post_save_add

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Add what stands above the tabs."""
        row = kwargs.get("obj")
        if row is not None:
            fresh = self.visible(request, str(row.pk))  # onto the form's own row it may have written what was typed
            context["summary"] = summary_of(fresh, request.user)  # type: ignore[arg-type]
            context["row"] = fresh
            context["thread"] = thread_of(fresh)
            context["is_asked"] = may_answer(request.user, fresh)  # type: ignore[arg-type]
            context["state"] = spoken(State(fresh.state).label)
            context["state_colour"] = STATE_COLOURS[context["state"]]
            context["zone_colour"] = ZONE_COLOURS[fresh.get_zone_display()]
        return super().render_change_form(request, context, *args, **kwargs)

    def _audit_trail(self, request: HttpRequest, row: EnvironmentRequest) -> str:
        newest = list(row.log_entries.order_by("-sequence")[:MOST_ENTRIES])
        name_actors(newest)
        total = newest[0].sequence if newest else 0  # a chain is numbered without gaps
        context = {"entries": newest[::-1], "total": total, "left_out": total - len(newest), "row": row}
        return render_to_string("requests_app/audit_trail.html", context, request)

    # Columns

    @display(description=_("Number"), ordering="number")
    def numbered(self, request: EnvironmentRequest) -> str:
        return request.request_number

    @display(description=_("Zone"), ordering="zone", label=ZONE_COLOURS)
    def zone_badge(self, row: EnvironmentRequest) -> str:
        return row.get_zone_display()

    @display(description=_("State"), ordering="state", label=STATE_COLOURS)
    def state_badge(self, row: EnvironmentRequest) -> str:
        return spoken(State(row.state).label)

    @display(description=_("Automatic flags"))
    def flags(self, row: EnvironmentRequest) -> str:
        return ", ".join(row.flags) or gettext("none")
