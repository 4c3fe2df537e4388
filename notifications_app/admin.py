"""The outbox, to be read; what was given up is sent again by an operator."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from accounts_app.admin import RoleScoped
from accounts_app.models import User
from core_app.admin import Coloured, ConfirmDialog, ReadOnlyAdmin, dialog_action
from notifications_app.catalogue import Channel
from notifications_app.channels.card import card_of
from notifications_app.channels.mail import address_of, text_of
from notifications_app.delivery import MAX_ATTEMPTS, may_send_again, send_again, sends
from notifications_app.models import OutboxMessage


@admin.register(OutboxMessage)
class OutboxMessageAdmin(RoleScoped, ReadOnlyAdmin):
    scope_path = "recipient"
    list_display = ("created_at", "event", "channel", "reference", "told", "subject", "state")
    list_select_related = ("recipient", "tenant")
    list_filter = ("status", "channel", "event", "created_at")
    search_fields = ("reference", "subject")
    fields = (
        "event",
        "channel",
        "reference",
        "tenant",
        "recipient",
        "status",
        "attempts",
        "last_error",
        "created_at",
        "sent_at",
        "next_at",
        "id",
    )
    nothing_here = _("Nobody that your roles reach has been told anything yet.")
    list_before_template = "notifications_app/sink.html"
    change_form_outer_before_template = "notifications_app/message.html"
    actions_detail: ClassVar[tuple[str, ...]] = ("send_again",)

    def reached(self, request: HttpRequest) -> Q:
        """Return the filter on messages to people within reach, to oneself, and on cards of whole tenants in reach."""
        tenants = {tenant for reach in self.held(request) for tenant in reach.tenants}
        cards = Q(recipient__isnull=True, tenant__in=tenants)
        return super().reached(request) | Q(recipient=request.user.pk) | cards

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Say above the list whether this system sends anything."""
        return super().changelist_view(request, {**(extra_context or {}), "is_sink": not sends()})

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show above the fields what is, or would be, sent, and to whom."""
        context |= _preview(kwargs["obj"])
        return super().render_change_form(request, context, *args, **kwargs)

    @dialog_action(
        label=_("Send again"),
        icon="forward_to_inbox",
        form=ConfirmDialog,
        offered=may_send_again,
        explained=_("It is tried anew, as often as if it had never been tried. That you do so is recorded in the log."),
        variant=ActionVariant.PRIMARY,
    )
    def send_again(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self.run_verb(request, object_id, send_again, str(_("“{}” is sent again.")))

    @display(description=_("To"), ordering="recipient")
    def told(self, message: OutboxMessage) -> str:
        return str(message.recipient or _("Teams channel of {}").format(message.tenant))

    @display(
        description=_("Status"),
        ordering="status",
        label=Coloured(
            {
                str(OutboxMessage.Status.QUEUED.label): "info",
                str(OutboxMessage.Status.SENT.label): "success",
                str(OutboxMessage.Status.KEPT.label): "",
                str(OutboxMessage.Status.FAILED.label): "danger",
            }
        ),
    )
    def state(self, message: OutboxMessage) -> str:
        return message.get_status_display()


def _preview(message: OutboxMessage) -> dict[str, Any]:
    is_card = message.channel == Channel.TEAMS
    people = list(User.objects.filter(pk__in=message.mentioned).order_by("upn")) if is_card else []
    card = card_of(message, people) if is_card else {}
    content = card["attachments"][0]["content"] if card else {}
    return {
        "message": message,
        "is_sink": not sends(),
        "is_card": is_card,
        "to": ", ".join(str(person) for person in people) if is_card else address_of(message),
        "text": "" if is_card else text_of(message),
        "facts": next((part["facts"] for part in content.get("body", ()) if part["type"] == "FactSet"), ()),
        "actions": content.get("actions", ()),
        "card": json.dumps(card, indent=2, ensure_ascii=False) if card else "",
        "most_attempts": MAX_ATTEMPTS,
    }
