"""Access reviews: read by auditors and leads of the tenant, taken on the tenant's page, signed on their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from django.apps import apps
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop as noop
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts_app.admin import ReadOnlyHistory, scope_for
from accounts_app.models import Tenant
from core_app.admin import Coloured, ConfirmDialog, WordsField, dialog_action, readable, with_content
from core_app.text import MAX_TEXT
from evidence_app import reviews
from evidence_app.models import AccessReview
from provisioning_app.admin.tenants import ProvisionedTenantAdmin

_WANTED = _("There are findings; say what becomes of each.")


class SignDialog(BaseDialogForm):
    """What the person says about it, which they must where there are findings."""

    statement = WordsField(
        label=_("Statement"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        required=False,
        max_length=MAX_TEXT,
        help_text=_("Kept with the review and in the log. Where there are findings, say what becomes of each."),
    )

    def clean_statement(self) -> str:
        """Refuse to sign findings without a word about them."""
        said: str = self.cleaned_data["statement"]
        has_findings = AccessReview.objects.filter(pk=self.object_id, ok=False).exists()
        return with_content(said, _WANTED) if has_findings else said


@admin.register(AccessReview)
class AccessReviewAdmin(ReadOnlyHistory):
    nothing_here = _("No review yet: take one with Review access on a tenant's page.")
    list_display = ("tenant", "of_quarter", "taken_at", "verdict", "signed_by", "signed_at")
    list_display_links = ("tenant", "of_quarter")
    list_select_related = ("tenant", "signed_by")
    list_filter = (("tenant", admin.RelatedOnlyFieldListFilter), "ok", "taken_at")
    readonly_fields = (
        "verdict",
        "of_quarter",
        "findings",
        "notes",
        "privileges",
        "grants",
        "triggers",
        "database_rights",
        "policies",
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "tenant",
                    "of_quarter",
                    "verdict",
                    "taken_at",
                    "taken_by",
                    "sha256",
                    "signed_by",
                    "signed_at",
                    "statement",
                )
            },
        ),
        (_("Findings"), {"fields": ("findings", "notes")}),
        (_("What each role may do to each table"), {"fields": ("privileges", "grants")}),
        (_("What the database itself enforces"), {"fields": ("triggers", "database_rights", "policies")}),
    )
    actions_detail: ClassVar[tuple[str, ...]] = ("sign",)

    def reached(self, request: HttpRequest) -> Q:
        """Return the reviews of tenants that the person audits or governs as a whole."""
        own = scope_for(request).own
        return Q(tenant__in={tenant for role in self.viewing_roles() if role in own for tenant in own[role].tenants})

    @dialog_action(
        label=_("Sign"),
        icon="signature",
        form=SignDialog,
        offered=reviews.may_sign,
        explained=_("You confirm that you have looked at who may do what in this tenant."),
        variant=ActionVariant.PRIMARY,
    )
    def sign(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request, object_id, reviews.sign, gettext("The review is signed."), statement=form.cleaned_data["statement"]
        )

    @display(description=_("Result"), ordering="ok", label=Coloured({"As expected": "success", "Findings": "danger"}))
    def verdict(self, review: AccessReview) -> str:
        return gettext("As expected") if review.ok else gettext("Findings")

    @display(description=_("Quarter"), ordering="taken_at")
    def of_quarter(self, review: AccessReview) -> str:
        return review.quarter

    @display(description=_("Differences"))
    def findings(self, review: AccessReview) -> str:
        return readable(review.document["findings"]) if review.document["findings"] else gettext("none")

    @display(description=_("Worth knowing"))
    def notes(self, review: AccessReview) -> str:
        return readable(review.document["notes"])

    @display(description=_("By table and role"))
    def privileges(self, review: AccessReview) -> str:
        return readable(list(_by_table(review.document["tables"])))

    @display(description=_("Grants of rows"))
    def grants(self, review: AccessReview) -> str:
        return _listed(review, "grants", lambda each: each)

    @display(description=_("Triggers"))
    def triggers(self, review: AccessReview) -> str:
        return _listed(review, "triggers", lambda each: {"table": each["table"], **_compared(each)})

    @display(description=_("Who may write into append-only tables"))
    def database_rights(self, review: AccessReview) -> str:
        return _listed(review, "database_rights", _right)

    @display(description=_("Policies that keep tenants apart"))
    def policies(self, review: AccessReview) -> str:
        return _listed(review, "policies", lambda each: each)


def _listed(review: AccessReview, part: str, row: Callable[[dict[str, Any]], dict[str, Any]]) -> str:
    if part not in review.document:
        return gettext("not looked at when this review was taken")
    return readable([row(each) for each in review.document[part]]) if review.document[part] else gettext("none")


def _right(each: dict[str, Any]) -> dict[str, str]:
    who = f"{each['role']} ({each['standing']})" if each["standing"] else each["role"]
    return {noop("table"): each["table"], noop("database role"): who, **_compared(each)}


def _compared(each: dict[str, Any]) -> dict[str, str]:
    return {side: _verbs(each[side]) for side in (noop("expected"), noop("effective"))}


def _verbs(names: list[str]) -> str:
    return ", ".join(names) or gettext("nothing")


def _by_table(cells: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    """Yield what each role may do to a table, and where that is not what is expected, what is."""
    roles = list(dict.fromkeys(cell["role"] for cell in cells))
    rows: dict[str, dict[str, str]] = {}
    for cell in cells:
        row = rows.setdefault(cell["table"], dict.fromkeys(roles, ""))
        row[cell["role"]] = ", ".join(cell["effective"])
        if cell["expected"] != cell["effective"]:
            row[cell["role"]] = gettext("%(effective)s (expected: %(expected)s)") % {
                side: _verbs(cell[side]) for side in ("effective", "expected")
            }
    for table, row in rows.items():
        yield {"table": _plural(table), **{role.removeprefix("ELM "): verbs for role, verbs in row.items()}}


def _plural(table: str) -> str:
    """Return what people call the rows of a table, or its name when the program has it no longer."""
    try:
        return str(apps.get_model(table)._meta.verbose_name_plural)
    except LookupError:
        return table


class ReviewedTenantAdmin(ProvisionedTenantAdmin):
    actions_detail: ClassVar[tuple[str, ...]] = (*ProvisionedTenantAdmin.actions_detail, "review_access")

    @dialog_action(
        label=_("Review access"),
        icon="verified_user",
        form=ConfirmDialog,
        offered=reviews.may_review,
        explained=_("What every role may do is compared with what it should; the result is kept, to be signed."),
    )
    def review_access(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        done = gettext("Access in {} is reviewed; sign the result under Access reviews.")
        return self.run_verb(request, object_id, reviews.take, done)


admin.site.unregister(Tenant)
admin.site.register(Tenant, ReviewedTenantAdmin)
