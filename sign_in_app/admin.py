"""The screen of mappings from Entra groups to roles; what third-party packages would show is not shown."""

from __future__ import annotations

from typing import Any, ClassVar

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from accounts_app.admin import TenantReach, governed_tenants
from accounts_app.models import BusinessUnit, Tenant
from accounts_app.roles import Depth, Role
from core_app.admin import Coloured, ConfirmDialog, HistoryAdmin, VerbForm, VerbFormAdmin, dialog_action
from core_app.words import translated_choices
from sign_in_app.mappings import (
    Terms,
    confirm_mapping,
    end_mapping,
    may_confirm_mapping,
    may_end_mapping,
    propose_mapping,
)
from sign_in_app.models import GroupMapping

# Accounts come from Entra and applications from settings; these tables stay empty
for unused in (EmailAddress, SocialAccount, SocialApp, SocialToken):
    if admin.site.is_registered(unused):
        admin.site.unregister(unused)


class MappingForm(VerbForm):
    """Which group, which role, over what."""

    class Meta:
        model = GroupMapping
        fields = ("tenant", "group_id", "group_name", "role", "business_unit", "depth")
        help_texts: ClassVar[dict[str, Promise]] = {
            "business_unit": gettext_lazy(
                "Over which unit they hold the role; without one, over the whole tenant. "
                "For requesters: the unit for which they ask."
            ),
            "depth": gettext_lazy(
                "Where the role is over a unit; over the whole tenant, and for requesters, it says nothing."
            ),
        }


@admin.register(GroupMapping)
class GroupMappingAdmin(VerbFormAdmin, TenantReach, HistoryAdmin):
    form = MappingForm
    list_display = ("group_name", "role", "over", "tenant", "status")
    list_select_related = ("tenant", "business_unit")
    list_filter = ("role",)
    search_fields = ("group_name",)
    ordering = ("group_name", "id")
    fieldsets = (
        (
            None,
            {
                "fields": ("tenant", "group_id", "group_name", "role", "business_unit", "depth"),
                "description": gettext_lazy("A proposal: it counts once another Governance Lead has confirmed it."),
            },
        ),
    )
    shown = ("tenant", "group_id", "group_name", "role", "over", "status")
    actions_detail: ClassVar[tuple[str, ...]] = ("confirm", "end")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A mapping is ended and proposed anew, not changed."""
        return False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Say whether the person governs a tenant."""
        return super().has_add_permission(request) and bool(governed_tenants(request))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form's fields, or what is shown of a mapping."""
        if obj is None:
            return super().get_fieldsets(request, obj)
        who = ("proposed_by", "proposed_at", "confirmed_by", "confirmed_at", "ended_by", "ended_at")
        return self.without_dead_links(request, obj, [(None, {"fields": (*self.shown, *who)})])

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[Any, ...]:
        """Return what is shown of a mapping; a proposal is typed in."""
        return (*super().get_readonly_fields(request, obj), "over", "status")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer no way from the form to tenants and units, which nobody adds or changes there."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(getattr(field, "widget", None), RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the tenants that the person governs, and their units."""
        governed = governed_tenants(request)
        if db_field.name == "tenant":
            kwargs["queryset"] = Tenant.objects.filter(pk__in=governed)
            kwargs["initial"] = next(iter(governed)) if len(governed) == 1 else None
        if db_field.name == "business_unit":
            kwargs["queryset"] = BusinessUnit.objects.filter(tenant__in=governed)
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "business_unit":
            field.empty_label, field.label_from_instance = _("The whole tenant"), _indented
        return field

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the depths that a unit has, and no role before one was chosen."""
        if db_field.name == "depth":
            kwargs["choices"] = [
                (Depth.LOCAL.value, _("This unit alone")),
                (Depth.DEEP.value, _("And the units below it")),
            ]
        if db_field.name == "role":
            kwargs["choices"] = [("", _("Choose a role")), *translated_choices(Role)]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: GroupMapping, form: forms.ModelForm[Any], change: bool) -> None:
        """Hand the fields to the verb that stores them."""
        said = form.cleaned_data
        terms = Terms(said["group_id"], said["group_name"], Role(said["role"]), said["business_unit"], said["depth"])
        made = propose_mapping(said["tenant"].pk, terms, by=request.user)  # type: ignore[arg-type]
        obj.pk = made.pk

    @dialog_action(
        label=gettext_lazy("Confirm"),
        icon="check",
        form=ConfirmDialog,
        offered=may_confirm_mapping,
        explained=gettext_lazy("Members of the group get the role with their next sign-in."),
        variant=ActionVariant.SUCCESS,
    )
    def confirm(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(request, object_id, confirm_mapping, _("{} is in force."))

    @dialog_action(
        label=gettext_lazy("End"),
        icon="block",
        form=ConfirmDialog,
        offered=may_end_mapping,
        explained=gettext_lazy("Whoever holds the role because of this mapping loses it at once."),
        variant=ActionVariant.DANGER,
    )
    def end(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(request, object_id, end_mapping, _("{} has ended."))

    @display(description=gettext_lazy("Over"))
    def over(self, row: GroupMapping) -> str:
        if row.business_unit is None:
            return _("The whole tenant")
        if row.depth == Depth.DEEP:
            return _("%(business_unit)s and the units below it") % {"business_unit": row.business_unit}
        return str(row.business_unit)

    @display(
        description=gettext_lazy("Status"),
        label=Coloured({"In force": "success", "Waits for a second person": "info", "Ended": ""}),
    )
    def status(self, row: GroupMapping) -> str:
        if row.ended_at:
            return _("Ended")
        return _("In force") if row.confirmed_at else _("Waits for a second person")


def _indented(unit: BusinessUnit) -> str:
    """Return a unit's name, set in below the one it belongs to."""
    return f"{'- ' * (unit.path.count('/') - 1)}{unit}"
