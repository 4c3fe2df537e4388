"""The button above a list that exports what it shows, and the page behind it; for auditors alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminSelectWidget

from accounts_app.admin import scope_for
from accounts_app.models import Tenant
from core_app.admin import kept_words
from core_app.errors import DomainError, PermissionRefused, SignInAgainError
from core_app.words import translated_choices
from exports_app import services
from exports_app.files import Format
from exports_app.services import Export, Order
from exports_app.tables import LOG, REQUESTS, Names, Table

_FORBIDDEN, _CONFLICT = 403, 409
_PAGE, _ORDER = "p", "o"  # parameters of a list that choose no rows


class ExportForm(forms.Form):
    """Which file, with which names of columns."""

    file_format = forms.ChoiceField(
        label=gettext_lazy("File"),
        choices=translated_choices(Format),
        initial=Format.CSV,
        widget=UnfoldAdminRadioSelectWidget,
        help_text=gettext_lazy("It comes in a .zip file with a manifest: filter, number of rows, columns, SHA-256."),
    )
    names = forms.ChoiceField(
        label=gettext_lazy("Columns"),
        choices=translated_choices(Names),
        initial=Names.OURS,
        widget=UnfoldAdminRadioSelectWidget,
    )
    tenant = forms.ModelChoiceField(
        Tenant.objects.none(), label=gettext_lazy("Tenant"), widget=UnfoldAdminSelectWidget, empty_label=None
    )

    def __init__(self, tenants: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tenant"].queryset = tenants  # type: ignore[attr-defined]
        if len(tenants) == 1:
            self.fields["tenant"].widget = forms.HiddenInput()
            self.fields["tenant"].initial = tenants[0]


class ListExport(ModelAdmin):
    """Adds the export to a list."""

    exported: ClassVar[Table]

    def get_urls(self) -> list[Any]:
        """Add the page of the export."""
        page = path("export/", self.admin_site.admin_view(self.export), name=self._name("export"))
        return [page, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """Offer the export of what the list shows to those who may."""
        answer = super().changelist_view(request, extra_context)
        if isinstance(answer, TemplateResponse) and self._may_export(request):
            answer.context_data = answer.context_data or {}
            offered = answer.context_data.get("actions_list") or []
            answer.context_data["actions_list"] = [*offered, self._button(request)]
        return answer

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """Show what would be exported; on POST hand it out."""
        user = request.user
        if not self._may_export(request):
            raise PermissionDenied(_("Exporting lists needs the role ELM Auditor."))
        tenants = services.exportable_tenants(user)  # type: ignore[arg-type]
        if request.method != "POST":
            return self._export_page(request, ExportForm(tenants, initial=kept_words.recall(request)))
        form = ExportForm(tenants, request.POST)
        if not form.is_valid():
            return self._export_page(request, form)
        said = form.cleaned_data
        try:
            export = services.start_export(said["tenant"].pk, self._order(request, said), by=user)  # type: ignore[arg-type]
        except SignInAgainError as stale:
            kept_words.keep(request, {name: request.POST[name] for name in form.fields})
            # No redirect: what a form's answer leads to must be ours (form-action), and this may lead to Microsoft
            again = f"{reverse('sign_in_again')}?{urlencode({'next': request.get_full_path()})}"
            return self._export_page(request, form, status=_FORBIDDEN, refused=str(stale), sign_in_again=again)
        except PermissionRefused as refused:
            raise PermissionDenied(str(refused)) from refused
        except DomainError as refused:
            return self._export_page(request, form, status=_CONFLICT, refused=str(refused))
        kept_words.forget(request)
        return _download(export)

    def _may_export(self, request: HttpRequest) -> bool:
        return services.may_export(request.user, self.exported, scope_for(request))  # type: ignore[arg-type]

    def _order(self, request: HttpRequest, said: dict[str, Any]) -> Order:
        shown = self._shown(request)
        return Order(
            table=self.exported,
            rows=shown.queryset.select_related(None),
            filters=_filters(request),
            words=tuple(_words(request, shown)),
            file_format=Format(said["file_format"]),
            names=Names(said["names"]),
        )

    def _export_page(self, request: HttpRequest, form: ExportForm, *, status: int = 200, **more: Any) -> HttpResponse:
        shown = self._shown(request)
        asked = urlencode(_filters(request))
        back = reverse(f"admin:{self._name('changelist')}")
        context = {
            **self.admin_site.each_context(request),
            "title": _("Export"),
            "subtitle": str(self.opts.verbose_name_plural),
            "opts": self.opts,
            "form": form,
            "words": list(_words(request, shown)),
            "rows": [(tenant, self._count(request, shown, tenant)) for tenant in form.fields["tenant"].queryset],  # type: ignore[attr-defined]
            "back": f"{back}?{asked}" if asked else back,
            **more,
        }
        return TemplateResponse(request, "exports_app/export.html", context, status=status)

    def _count(self, request: HttpRequest, shown: Any, tenant: Tenant) -> int:
        within = services.audited(request.user, self.exported, tenant)  # type: ignore[arg-type]
        return int(shown.queryset.select_related(None).order_by().filter(within).count())

    def _shown(self, request: HttpRequest) -> Any:
        """Return the list as the address filters it.

        Raises:
            BadRequest: the address filters by what cannot be read.
        """
        try:
            return self.get_changelist_instance(request)
        except IncorrectLookupParameters as error:
            raise BadRequest(_("The filter cannot be read.")) from error

    def _button(self, request: HttpRequest) -> dict[str, Any]:
        asked, address = urlencode(_filters(request)), reverse(f"admin:{self._name('export')}")
        return {
            "title": _("Export"),
            "icon": "download",
            "variant": ActionVariant.DEFAULT,
            "attrs": {},
            "dialog": None,
            "path": f"{address}?{asked}" if asked else address,
        }

    def _name(self, view: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{view}"


def _download(export: Export) -> StreamingHttpResponse:
    name = f"{export.order.table.key}-{slugify(export.tenant.name)}-{export.at:%Y%m%dT%H%M%SZ}.zip"
    answer = StreamingHttpResponse(services.stream(export), content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "no-store"
    answer["X-Accel-Buffering"] = "no"  # a proxy in front hands it on as it comes
    return answer


def _filters(request: HttpRequest) -> dict[str, str]:
    """Return the filter of a list, without what chooses no rows."""
    return {name: str(value) for name, value in request.GET.items() if name not in (_PAGE, _ORDER)}


def _words(request: HttpRequest, shown: Any) -> Iterator[str]:
    """Yield each filter as the list names it; one that has no name, as it stands in the address."""
    named: set[str] = set()
    for spec in shown.filter_specs:
        _everything, *choices = spec.choices(shown)
        for choice in choices:
            if choice["selected"]:
                named.update(spec.expected_parameters())
                yield f"{spec.title}: {choice['display']}"
    for name, value in _filters(request).items():
        if name == "q":
            yield _("search: %(text)s") % {"text": value}
        elif name not in named:
            yield f"{name}: {value}"


def _offer(model: type[Model], table: Table) -> None:
    """Add the export to whatever screen the apps below have made of a list."""
    screen = type(admin.site.get_model_admin(model))
    admin.site.unregister(model)
    admin.site.register(model, type(f"Exported{screen.__name__}", (ListExport, screen), {"exported": table}))


_offer(REQUESTS.model, REQUESTS)
_offer(LOG.model, LOG)
