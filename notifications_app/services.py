"""Announce an event: a message for each person who is told, and a card for the tenant's Teams channel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.conf import settings
from django.db.models import Model
from django.urls import reverse
from django.utils.translation import override

from accounts_app.models import TenantSettings, User
from core_app import clock
from core_app.doorbell import ring
from notifications_app.catalogue import CATALOGUE, Channel, Event
from notifications_app.choices import reached
from notifications_app.models import OutboxMessage

DELIVER = "notifications_app.tasks.deliver"


def announce(
    event: Event,
    *,
    to: Iterable[User],
    tenant_id: UUID,
    reference: str,
    once: str,
    about: Model | None = None,
    **words: object,
) -> int:
    """Put a message for each person into the outbox, and one for the Teams channel, in the caller's transaction.

    Args:
        event: What happened.
        to: Who hears about it; inactive accounts are left out, and so is who switched the event off.
        tenant_id: Whose message it is.
        reference: What it is about, as people call it.
        once: Key under which the same person, or channel, is told only once.
        about: The row whose page the message leads to.
        words: Values for the placeholders of the event's words.

    Returns:
        How many messages were new.
    """
    people = list({person.pk: person for person in to if person.is_active}.values())
    wanted = reached(event, people)
    now = clock.now()
    common = {
        "tenant_id": tenant_id,
        "event": event,
        "reference": reference[:100],
        "link": _page_of(about),
        "once": f"{event}:{once}"[:200],
        "created_at": now,
        "next_at": now,
        **_in_words(event, {"number": reference, **words}),
    }
    mailed = wanted.get(Channel.EMAIL, [])
    messages = [OutboxMessage(recipient=person, **common) for person in mailed]
    if people and Channel.TEAMS in wanted and _has_teams(tenant_id):
        mentioned = [str(person.pk) for person in wanted[Channel.TEAMS]]
        messages.append(OutboxMessage(channel=Channel.TEAMS, mentioned=mentioned, **common))
    return _put(messages, mailed)


def _put(messages: list[OutboxMessage], people: list[User]) -> int:
    if not messages:
        return 0
    told = OutboxMessage.objects.told(messages[0].tenant_id, people, messages[0].once)
    known = set(told.values_list("channel", "recipient"))
    new = [message for message in messages if (message.channel, message.recipient_id) not in known]
    if new:  # what a sweep finds again and again must not wake the sweep again and again
        OutboxMessage.objects.bulk_create(new, ignore_conflicts=True)  # somebody else may tell them at this moment
        ring(DELIVER)
    return len(new)


def _in_words(event: Event, words: Mapping[str, object]) -> dict[str, str]:
    notice = CATALOGUE[event]
    with override(settings.LANGUAGE_CODE):  # the reader's, not that of whoever happened to act
        return {
            "subject": " ".join(str(notice.subject).format(**words).split())[:200],
            "body": str(notice.body).format(**words),
        }


def _has_teams(tenant_id: UUID) -> bool:
    in_force = TenantSettings.objects.filter(tenant=tenant_id, confirmed_at__isnull=False).order_by("-version")
    values = in_force.values_list("values", flat=True).first() or {}  # not all settings: this is asked for every event
    return bool(values.get("teams_webhook_secret"))


def _page_of(row: Model | None) -> str:
    if row is None:
        return ""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
