"""The buttons on a request's page: each opens a dialog, and its POST calls one verb, which decides."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from accounts_app.models import User
from core_app.admin import ConfirmDialog, GovernedAdmin, dialog_action, said_in
from gates_app import services as gates
from gates_app.levels import Level, Outcome
from requests_app import directory, services
from requests_app.admin.dialogs import (
    SHOWN,
    DecisionDialog,
    HoldDialog,
    ReassignDialog,
    RefusalDialog,
    ReleaseDialog,
    ShareDialog,
    UnshareDialog,
)
from requests_app.models import EnvironmentRequest, LegalHold
from requests_app.permissions import may_decide, may_hold, may_release, may_share, may_submit, may_withdraw
from requests_app.staging import hash_now
from requests_app.visibility import readers_of


def may_decide_stage(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may approve or reject the open stage."""
    return request.gate is not None and request.gate.level != Level.L1 and may_decide(user, request)


def may_object(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may object to a request that is otherwise approved by policy."""
    return request.gate is not None and request.gate.level == Level.L1 and may_decide(user, request)


def may_claim(user: User, request: EnvironmentRequest) -> bool:
    """Say whether a person may take the open stage upon themselves."""
    if not may_decide_stage(user, request):
        return False
    stage = gates.current_stage(request.gate)  # type: ignore[arg-type]
    return stage is not None and stage.assigned_to_id != user.pk


def may_unshare(user: User, request: EnvironmentRequest) -> bool:
    """Say whether there is a share that a person may end."""
    return may_share(user, request) and readers_of(request).exists()


def may_release_now(user: User, request: EnvironmentRequest) -> bool:
    """Say whether there is a hold that a person may release."""
    return may_release(user, request) and LegalHold.objects.on(request.pk).exists()


class RequestActions(GovernedAdmin):
    """Submit, withdraw, approve, reject, object, claim, reassign, share, hold."""

    actions_detail: ClassVar[tuple[str, ...]] = (
        "submit",
        "approve",
        "reject",
        "object_to",
        "claim",
        "reassign",
        "withdraw",
        "share",
        "unshare",
        "place_hold",
        "release_hold",
    )

    @dialog_action(
        label=_("Submit"),
        icon="send",
        form=ConfirmDialog,
        offered=may_submit,
        explained=_(
            "The security group is looked up, the request goes to those who decide; its fields are then fixed."
        ),
        variant=ActionVariant.PRIMARY,
    )
    def submit(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        row, user = self.visible(request, object_id), request.user

        def verb() -> None:
            # Microsoft Graph is asked before the verb's transaction, and only for those who may submit.
            found = directory.look_up(row) if may_submit(user, row) else directory.Directory()  # type: ignore[arg-type]
            services.submit(row.pk, by=user, directory=found)  # type: ignore[arg-type]

        return self.act(request, object_id, verb, done=gettext("%(row)s is submitted.") % {"row": row})

    @dialog_action(
        label=_("Withdraw"),
        icon="undo",
        form=ConfirmDialog,
        offered=may_withdraw,
        explained=_("The request ends here; it cannot be taken up again. You can always make a new one."),
    )
    def withdraw(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(request, object_id, services.withdraw, gettext("{} is withdrawn."))

    @dialog_action(
        label=_("Approve"),
        icon="check",
        form=DecisionDialog,
        offered=may_decide_stage,
        explained=_("Your decision binds to the request as this page shows it."),
        variant=ActionVariant.SUCCESS,
    )
    def approve(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request,
            object_id,
            services.decide,
            gettext("Your approval is recorded."),
            outcome=Outcome.APPROVE,
            **said_in(form),
        )

    @dialog_action(
        label=_("Reject"),
        icon="close",
        form=RefusalDialog,
        offered=may_decide_stage,
        explained=_("The request ends here. Say why, so that the requester knows what to change."),
        variant=ActionVariant.DANGER,
    )
    def reject(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request,
            object_id,
            services.decide,
            gettext("Your rejection is recorded."),
            outcome=Outcome.REJECT,
            **said_in(form),
        )

    @dialog_action(
        label=_("Object"),
        icon="front_hand",
        form=RefusalDialog,
        offered=may_object,
        explained=_("Without an objection it is approved by policy when its window ends. An objection rejects it."),
        variant=ActionVariant.DANGER,
    )
    def object_to(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(
            request,
            object_id,
            services.decide,
            gettext("Your objection is recorded."),
            outcome=Outcome.REJECT,
            **said_in(form),
        )

    @dialog_action(
        label=_("Claim"),
        icon="person_raised_hand",
        form=ConfirmDialog,
        offered=may_claim,
        explained=_("You become the person this stage is assigned to."),
    )
    def claim(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(request, object_id, services.assign, gettext("{} is assigned to you."), to=request.user)

    @dialog_action(
        label=_("Reassign"),
        icon="forward",
        form=ReassignDialog,
        offered=may_decide_stage,
        explained=_("Somebody else who may decide is asked instead, and told."),
    )
    def reassign(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        chosen = form.cleaned_data["person"]
        return self.run_verb(
            request,
            object_id,
            services.assign,
            gettext("{} is assigned to %(chosen)s.") % {"chosen": chosen},
            to=chosen,
        )

    @dialog_action(
        label=_("Share"),
        icon="share",
        form=ShareDialog,
        offered=may_share,
        explained=_("A colleague may read this request from now on."),
    )
    def share(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        reader = form.cleaned_data["person"]
        return self.run_verb(
            request,
            object_id,
            services.share,
            gettext("{} is shared with %(reader)s.") % {"reader": reader},
            reader=reader,
        )

    @dialog_action(
        label=_("Stop sharing"),
        icon="person_remove",
        form=UnshareDialog,
        offered=may_unshare,
        explained=_("They cannot read this request any more, unless a role of theirs reaches it."),
    )
    def unshare(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        reader = form.cleaned_data["reader"]
        return self.run_verb(
            request,
            object_id,
            services.unshare,
            gettext("{} is no longer shared with %(reader)s.") % {"reader": reader},
            reader=reader,
        )

    @dialog_action(
        label=_("Place legal hold"),
        icon="gavel",
        form=HoldDialog,
        offered=may_hold,
        explained=_("Until it is released nothing of the request is deleted, nor is its environment rolled back."),
    )
    def place_hold(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        done = gettext("{} is under legal hold for %(matter)s.") % {"matter": form.cleaned_data["matter"]}
        return self.run_verb(request, object_id, services.place_hold, done, **said_in(form))

    @dialog_action(
        label=_("Release legal hold"),
        icon="lock_open",
        form=ReleaseDialog,
        offered=may_release_now,
        explained=_("What belongs to the request is then kept as long as the retention of its zone says."),
    )
    def release_hold(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        row, said = self.visible(request, object_id), form.cleaned_data
        return self.act(
            request,
            object_id,
            lambda: services.release_hold(said["hold"].pk, by=request.user, reason=said["reason"]),  # type: ignore[arg-type]
            done=gettext("%(row)s is released from the legal hold for %(matter)s.")
            % {"row": row, "matter": said["hold"].matter},
        )

    def _get_actions_navigation(self, provided: Any, allowed: Any, object_id: Any = None) -> list[Any]:
        """Give each dialog the content hash of the page it is opened from, so that a stale page is refused."""
        items: list[Any] = super()._get_actions_navigation(provided, allowed, object_id)
        row = EnvironmentRequest.objects.select_related("tenant").filter(pk=object_id, gate__isnull=False).first()
        shown = hash_now(row) if row else ""
        for item in items if object_id else ():
            item["path"] = f"{item['path']}?{urlencode({SHOWN: shown})}"
        return items
