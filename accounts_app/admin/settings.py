"""Tenant settings: read by version, proposed by one Governance Lead, confirmed or refused by another."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Max, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop as noop
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from accounts_app import services, tenant_settings
from accounts_app.admin.scoped import TenantScoped, governed_tenants
from accounts_app.admin.settings_form import (
    BASED_ON,
    ConfirmSettingsDialog,
    ProposalForm,
    RejectSettingsDialog,
    field_name,
    path_of,
)
from accounts_app.models import Tenant, TenantSettings
from core_app.admin import Coloured, VerbFormAdmin, dialog_action, readable
from core_app.errors import InvalidInputError

PROPOSED, IN_FORCE, EARLIER, REFUSED = noop("Proposed"), noop("In force"), noop("Earlier"), noop("Refused")
_LIST = "admin:accounts_app_tenantsettings_changelist"
_PAGE = "admin:accounts_app_tenantsettings_change"


@admin.register(TenantSettings)
class TenantSettingsAdmin(VerbFormAdmin, TenantScoped):
    form = ProposalForm
    list_display = ("__str__", "status", "proposed_by", "proposed_at", "confirmed_by", "confirmed_at")
    list_select_related = ("tenant", "proposed_by", "confirmed_by")
    list_filter = (("tenant", admin.RelatedOnlyFieldListFilter),)
    readonly_fields = ("status", "changed", "differences", "together", "by_zone")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "tenant",
                    "version",
                    "status",
                    "proposed_by",
                    "proposed_at",
                    "confirmed_by",
                    "confirmed_at",
                    "rejected_by",
                    "rejected_at",
                    "rejection_reason",
                )
            },
        ),
        (_("What changes with this version"), {"fields": ("changed",)}),
        (_("All of this version, defaults included"), {"fields": ("differences", "together", "by_zone")}),
    )
    actions_detail: ClassVar[tuple[str, ...]] = ("confirm", "reject")

    # Rows and permissions

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the visible versions, each with the one in force in its tenant."""
        confirmed = TenantSettings.objects.filter(tenant=OuterRef("tenant"), confirmed_at__isnull=False)
        newest = confirmed.order_by().values("tenant").annotate(newest=Max("version")).values("newest")
        return super().get_queryset(request).annotate(version_in_force=Subquery(newest))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Say whether the person governs a tenant, whose settings they may propose."""
        return request.user.has_perm("accounts_app.propose_tenantsettings") and bool(governed_tenants(request))

    # The form

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Show the form of the tenant that the address names; who governs several chooses one."""
        if self.has_add_permission(request) and self._tenant(request) is None:
            links = ((f"{request.path}?tenant={tenant.pk}", tenant) for tenant in _tenants(request))
            offered = format_html_join(", ", '<a class="underline" href="{}">{}</a>', links)
            messages.info(request, format_html(gettext("Choose whose settings you want to change: {}"), offered))
            return HttpResponseRedirect(reverse(_LIST))
        return super().add_view(request, form_url, extra_context)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Return the settings in force, to be changed."""
        in_force = services.settings_of(self._proposed_for(request))
        shown = {field_name(path): value for path, value in tenant_settings.by_path(in_force).items()}
        return {BASED_ON: in_force.version, **shown}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is shown of a version, or the form: what holds for all zones, then each zone."""
        if obj is not None:
            return super().get_fieldsets(request, obj)
        tenant = self._tenant(request)
        of_tenant = {"fields": (BASED_ON, *map(field_name, tenant_settings.TOGETHER)), "description": str(tenant or "")}
        zones = [
            (_("Zone %(zone)s") % {"zone": zone}, {"fields": tuple(map(field_name, kinds))})
            for zone, kinds in tenant_settings.OF_ZONE.items()
        ]
        return [(_("For the whole tenant"), of_tenant), *zones]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[Any, ...]:
        """Return every column of a version; a proposal is typed in."""
        return super().get_readonly_fields(request, obj) if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: TenantSettings, form: Any, change: bool) -> None:
        """Hand what was typed to the verb; what it refuses comes back beside the fields."""
        tenant = self._proposed_for(request)
        typed = {path: form.cleaned_data[field_name(path)] for path in tenant_settings.KINDS}
        try:
            made = services.propose_settings(
                tenant.pk,
                by=request.user,  # type: ignore[arg-type]
                values=tenant_settings.differences(typed),
                based_on=form.cleaned_data[BASED_ON],
            )
        except InvalidInputError as invalid:
            raise InvalidInputError([(field_name(path), what) for path, what in invalid.problems]) from invalid
        obj.pk, obj.tenant, obj.version = made.pk, tenant, made.version

    def response_post_save_add(self, request: HttpRequest, obj: TenantSettings) -> HttpResponse:
        """Go to the proposal, which shows what would change."""
        return HttpResponseRedirect(reverse(_PAGE, args=[obj.pk]))

    def label_of(self, field: str) -> str:
        """Return what people call a setting or a column."""
        path = path_of(field)
        return tenant_settings.title(path) if path in tenant_settings.KINDS else super().label_of(field)

    def _tenant(self, request: HttpRequest) -> Tenant | None:
        tenants, named = _tenants(request), request.GET.get("tenant")
        if named is None:
            return tenants[0] if len(tenants) == 1 else None
        return next((tenant for tenant in tenants if str(tenant.pk) == named), None)

    def _proposed_for(self, request: HttpRequest) -> Tenant:
        tenant = self._tenant(request)
        if tenant is None:
            raise PermissionDenied(
                gettext("Settings are proposed by a Governance Lead of the tenant that the address names.")
            )
        return tenant

    # What the second person does

    @dialog_action(
        label=_("Confirm"),
        icon="check",
        form=ConfirmSettingsDialog,
        offered=services.may_confirm_settings,
        explained=_("These settings come into force. Runs and requests already under way keep the version they have."),
        variant=ActionVariant.SUCCESS,
    )
    def confirm(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(request, object_id, services.confirm_settings, gettext("{} are in force."))

    @dialog_action(
        label=_("Refuse"),
        icon="close",
        form=RejectSettingsDialog,
        offered=services.may_reject_settings,
        explained=_("The settings in force stay. Who proposed these may take them back in the same way."),
        variant=ActionVariant.DANGER,
    )
    def reject(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request, object_id, services.reject_settings, gettext("{} are refused."), reason=form.cleaned_data["reason"]
        )

    # Columns

    @display(
        description=_("Status"),
        label=Coloured({PROPOSED: "warning", IN_FORCE: "success", EARLIER: "", REFUSED: "danger"}),
    )
    def status(self, row: TenantSettings) -> str:
        if row.is_open:
            return gettext(PROPOSED)
        if row.rejected_at:
            return REFUSED
        return gettext(IN_FORCE if row.version == row.version_in_force else EARLIER)  # type: ignore[attr-defined]

    @display(description=_("Before and after"))
    def changed(self, row: TenantSettings) -> str:
        return readable(services.settings_changes(row))

    @display(description=_("Unlike the defaults"))
    def differences(self, row: TenantSettings) -> str:
        return readable(row.values)

    @display(description=_("For the whole tenant"))
    def together(self, row: TenantSettings) -> str:
        values = tenant_settings.by_path(tenant_settings.parse(row.version, row.values))
        kinds = tenant_settings.TOGETHER
        return readable({tenant_settings.name_of(name): kind.in_words(values[name]) for name, kind in kinds.items()})

    @display(description=_("For each zone"))
    def by_zone(self, row: TenantSettings) -> str:
        values = tenant_settings.by_path(tenant_settings.parse(row.version, row.values))
        rows = []
        for paths in zip(*tenant_settings.OF_ZONE.values(), strict=True):  # one setting, in each zone
            words = {
                gettext("Zone %(zone)s") % {"zone": zone}: tenant_settings.KINDS[path].in_words(values[path])
                for zone, path in zip(tenant_settings.ZONES, paths, strict=True)
            }
            rows.append({"setting": capfirst(tenant_settings.name_of(paths[0])), **words})
        return readable(rows)


def _tenants(request: HttpRequest) -> list[Tenant]:
    return list(Tenant.objects.filter(pk__in=governed_tenants(request)).order_by("name"))
