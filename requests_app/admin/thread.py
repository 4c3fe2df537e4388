"""The thread of a request: shown below its page, written by buttons; and every contribution, to be read."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import uuid4

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts_app.admin import RoleScoped
from accounts_app.models import User
from accounts_app.scope import prefixed
from core_app.admin import Coloured, GovernedAdmin, ReadOnlyAdmin, WordsField, dialog_action, with_content
from gates_app import services as gates
from requests_app import services
from requests_app.admin.scoped import visible_for
from requests_app.choices import State
from requests_app.models import EnvironmentRequest, RequestComment
from requests_app.permissions import may_comment, may_copy
from requests_app.services.comments import MAX_COMMENT

KIND_COLOURS = Coloured(
    {
        RequestComment.Kind.COMMENT.label: "",
        RequestComment.Kind.QUESTION.label: "warning",
        RequestComment.Kind.ANSWER.label: "success",
    }
)


def thread_of(request: EnvironmentRequest) -> list[RequestComment]:
    """Return what was said about a request, oldest first."""
    return list(request.comments.select_related("author"))


def is_asked(request: EnvironmentRequest) -> bool:
    """Say whether somebody who decides waits for an answer of the requester."""
    if request.state != State.PENDING_APPROVAL or request.gate is None:
        return False
    stage = gates.current_stage(request.gate)
    return stage is not None and stage.paused_at is not None


def may_answer(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person was asked something and has not answered yet."""
    return request.requester_id == user.pk and user.is_active and is_asked(request)


def may_write(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may add to the thread without being asked."""
    return may_comment(user, request) and not may_answer(user, request)


class TokenDialog(BaseDialogForm):
    """Knows itself again when it is sent twice."""

    form_token = forms.UUIDField(widget=forms.HiddenInput, required=False, initial=uuid4)


class CommentDialog(TokenDialog):
    """Words that say something."""

    text = WordsField(
        label=_("What do you want to say?"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 5}),
        max_length=MAX_COMMENT,
        help_text=_("Requester and approvers read it; it is never changed or deleted."),
    )

    def clean_text(self) -> str:
        """Refuse nothing but white space or invisible characters."""
        return with_content(self.cleaned_data["text"], _("Write something; an empty message helps nobody."))


class ThreadActions(GovernedAdmin):
    """Answer, comment, copy to new."""

    actions_detail: ClassVar[tuple[str, ...]] = ("answer", "comment", "copy")

    @dialog_action(
        label=_("Answer"),
        icon="reply",
        form=CommentDialog,
        offered=may_answer,
        explained=_("Whoever decides has asked you something and waits for your answer."),
        variant=ActionVariant.PRIMARY,
    )
    def answer(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self._write(request, form, object_id, gettext("Your answer is sent."))

    @dialog_action(label=_("Comment"), icon="chat", form=CommentDialog, offered=may_write)
    def comment(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self._write(request, form, object_id, gettext("Your comment is added."))

    @dialog_action(
        label=_("Copy to new"),
        icon="content_copy",
        form=TokenDialog,
        offered=may_copy,
        explained=_("A new draft with the same answers is made for you; nothing happens to this request."),
    )
    def copy(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        row, made = self.visible(request, object_id), []
        token = form.cleaned_data["form_token"]
        answer = self.act(
            request,
            object_id,
            lambda: made.append(services.copy(row.pk, by=request.user, token=token)),  # type: ignore[arg-type]
            done=gettext("This is a copy of %(row)s. Check each step, then submit it.") % {"row": row},
        )
        if made:
            page = reverse("admin:requests_app_environmentrequest_guided", args=[made[0].pk])
            answer["HX-Redirect" if "HX-Redirect" in answer else "Location"] = page
        return answer

    def _write(self, request: HttpRequest, form: BaseDialogForm, object_id: str, done: str) -> HttpResponse:
        said = form.cleaned_data
        return self.run_verb(request, object_id, services.comment, done, text=said["text"], token=said["form_token"])


@admin.register(RequestComment)
class RequestCommentAdmin(RoleScoped, ReadOnlyAdmin):
    nothing_here = _("Nothing was said about the requests that you may see.")
    list_display = ("written_at", "request", "kind_badge", "author", "text")
    list_select_related = ("request", "author")
    list_filter = ("kind", "written_at")
    search_fields = ("request__request_number", "author__display_name", "author__upn")
    ordering = ("-written_at", "-id")

    def reached(self, request: HttpRequest) -> Q:
        """Return the filter on contributions to visible requests."""
        return prefixed(visible_for(request), "request")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the visible contributions with the people."""
        return super().get_queryset(request).select_related("request", "author")

    @display(description=_("Kind"), ordering="kind", label=KIND_COLOURS)
    def kind_badge(self, row: RequestComment) -> str:
        return row.get_kind_display()
