"""Privilege reviews with their findings: start, dispose of each finding, sign."""

from __future__ import annotations

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from accounts_app.admin import TenantScoped
from accounts_app.models import User
from accounts_app.roles import Role
from core_app.admin import Coloured, ConfirmDialog, ReadOnlyInline, WordsField, dialog_action, said_in, with_content
from core_app.text import MAX_TEXT
from core_app.words import translated_choices
from provisioning_app import services
from provisioning_app.admin.links import link_to
from provisioning_app.credentials.permissions import holds
from provisioning_app.models import PrivilegeFinding, PrivilegeReview

Status = PrivilegeReview.Status


class DispositionDialog(BaseDialogForm):
    """What becomes of a finding, and why."""

    disposition = forms.ChoiceField(
        label=_("Disposition"),
        choices=translated_choices(PrivilegeFinding.Disposition),
        widget=UnfoldAdminSelectWidget,
    )
    comment = WordsField(
        label=_("Comment"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        max_length=MAX_TEXT,
        help_text=_("Kept with the review; an examiner reads it."),
    )

    def clean_comment(self) -> str:
        """Refuse a comment of nothing but white space or invisible characters."""
        return with_content(self.cleaned_data["comment"], _("Say why; an examiner reads it."))


def may_sign(user: User, review: PrivilegeReview) -> bool:
    """Say whether a person may sign an open review."""
    return review.status == Status.OPEN and holds(user, review.tenant, Role.GOVERNANCE_LEAD)


def may_dispose(user: User, finding: PrivilegeFinding) -> bool:
    """Say whether a person may dispose of a finding of an open review."""
    roles = (Role.OPERATOR, Role.GOVERNANCE_LEAD)
    return finding.review.status == Status.OPEN and holds(user, finding.review.tenant, *roles)


class FindingInline(ReadOnlyInline):
    model = PrivilegeFinding
    verbose_name_plural = _("Findings; open one to say what becomes of it")
    fields = readonly_fields = ("about", "expected", "observed", "disposition", "disposed_by", "comment")
    ordering = ("kind", "subject")

    @display(description=_("Finding"))
    def about(self, finding: PrivilegeFinding) -> str:
        return link_to(finding)


@admin.register(PrivilegeReview)
class PrivilegeReviewAdmin(TenantScoped):
    nothing_here = _(
        "No review yet: one begins every quarter by itself, or with Review service principal on a tenant's page."
    )
    list_display = ("tenant", "covers_from", "covers_until", "state", "signed_by", "signed_at")
    list_select_related = ("tenant", "signed_by")
    list_filter = (("tenant", admin.RelatedOnlyFieldListFilter), "status", "started_at")
    ordering = ("-started_at", "id")
    inlines = (FindingInline,)
    actions_detail = ("sign",)

    @dialog_action(
        label=_("Sign"),
        icon="signature",
        form=ConfirmDialog,
        offered=may_sign,
        explained=_("You confirm that every finding was looked at and that its disposition is right."),
        variant=ActionVariant.PRIMARY,
    )
    def sign(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(request, object_id, services.sign_review, gettext("The review {} is signed."))

    @display(
        description=_("Status"),
        ordering="status",
        label=Coloured({Status.COLLECTING.label: "info", Status.OPEN.label: "warning", Status.SIGNED.label: "success"}),
    )
    def state(self, review: PrivilegeReview) -> str:
        return review.get_status_display()


@admin.register(PrivilegeFinding)
class PrivilegeFindingAdmin(TenantScoped):
    scope_path = "review__tenant"
    list_display = ("kind", "subject", "review", "disposition", "disposed_by", "disposed_at")
    list_select_related = ("review__tenant", "disposed_by")
    list_filter = ("kind", "disposition", ("review__tenant", admin.RelatedOnlyFieldListFilter))
    search_fields = ("subject",)
    ordering = ("review", "kind", "subject")
    actions_detail = ("dispose",)

    @dialog_action(
        label=_("Dispose"),
        icon="rule",
        form=DispositionDialog,
        offered=may_dispose,
        explained=_("Say what becomes of this finding; until the review is signed it may be changed."),
        variant=ActionVariant.PRIMARY,
    )
    def dispose(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request,
            object_id,
            services.dispose_of_finding,
            gettext("The finding has its disposition."),
            **said_in(form),
        )
