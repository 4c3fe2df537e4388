"""The examiner's questions: a page of the tenant that lists them, answers one, and hands the answer out as a file."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget

from accounts_app.models import Tenant
from core_app.admin import page_action
from core_app.errors import DomainError, PermissionRefused
from evidence_app.admin.exports import ExportingTenantAdmin, quarters_of
from evidence_app.admin.handing_out import hand_out
from evidence_app.answers import Form, ask, questions_within, take_out
from evidence_app.permissions import may_export
from evidence_app.presentation import shown
from evidence_app.selection import ALL

_ROWS: Final = 200  # on a page; a download has all


class PeriodForm(forms.Form):
    """Which period."""

    period = forms.ChoiceField(label=gettext_lazy("Period (UTC)"), widget=UnfoldAdminSelectWidget, required=False)

    def __init__(self, tenant: Tenant, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        quarters = [(quarter.name, quarter.in_words()) for quarter in quarters_of(tenant)]
        self.fields["period"].choices = [*quarters, (ALL, _("The whole log"))]  # type: ignore[attr-defined]
        self.initial.setdefault("period", quarters[0][0])

    @property
    def chosen(self) -> str:
        """Return the period that is asked about: what was chosen, where it is one of those that there are."""
        known = [name for name, _words in self.fields["period"].choices]  # type: ignore[attr-defined]
        return self.initial["period"] if self.initial["period"] in known else known[0]


class QuestioningTenantAdmin(ExportingTenantAdmin):
    actions_detail: ClassVar[tuple[str, ...]] = (*ExportingTenantAdmin.actions_detail, "questions")

    @page_action(label=gettext_lazy("Examiner's questions"), icon="quiz", offered=may_export)
    def questions(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        tenant = self.visible(request, object_id)
        said = request.POST if request.method == "POST" else request.GET
        form = PeriodForm(tenant, initial={"period": said["period"]} if "period" in said else {})
        name, period = said.get("question", ""), form.chosen
        wanted = said.get("form", "")
        if request.method != "POST" or not name or wanted not in list(Form):
            return self._answer(request, tenant, form, name)

        def made() -> HttpResponseBase:
            content = take_out(tenant.pk, name, period, Form(wanted), by=request.user)  # type: ignore[arg-type]
            file = f"{name}-{slugify(tenant.name)}-{period}.{wanted}"
            return FileResponse(BytesIO(content), as_attachment=True, filename=file)

        back = f"{request.path}?{urlencode({'question': name, 'period': period})}"
        return hand_out(made, partial(self._answer, request, tenant, form, name), back=back)

    def _answer(
        self, request: HttpRequest, tenant: Tenant, form: PeriodForm, name: str, *, status: int = 200, **more: str
    ) -> HttpResponse:
        """Show the list of questions, or the answer to one of them."""
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("Examiner's questions"),
            "subtitle": str(tenant),
            "opts": self.opts,
            "original": tenant,
            "back": reverse("admin:accounts_app_tenant_change", args=[tenant.pk]),
            "form": form,
            "period": form.chosen,
            **more,
        }
        try:
            if name:
                answer = ask(tenant.pk, name, form.chosen, by=request.user, at_most=_ROWS)  # type: ignore[arg-type]
                context |= {"answer": answer, "table": shown(answer.question.columns, answer.rows)}
            else:
                context["questions"] = questions_within(tenant, by=request.user)  # type: ignore[arg-type]
        except PermissionRefused as refused:
            raise PermissionDenied(str(refused)) from refused
        except DomainError as unknown:
            raise Http404(str(unknown)) from unknown
        return TemplateResponse(request, "evidence_app/questions.html", context, status=status)


admin.site.unregister(Tenant)
admin.site.register(Tenant, QuestioningTenantAdmin)
