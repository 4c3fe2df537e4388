"""The outbox: written with the change, delivered after it, each message once."""

from __future__ import annotations

import pytest
from django.core import mail
from django.db import transaction

from notifications_app.catalogue import WORDS, Event
from notifications_app.models import OutboxMessage
from notifications_app.services import MAX_ATTEMPTS, announce, deliver_due
from notifications_app.tasks import deliver
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def tell(people, *recipients, once="1"):
    return announce(
        Event.REJECTED,
        to=recipients or [people.requester],
        tenant_id=people.tenant.pk,
        reference="REQ-00001",
        once=once,
        name="FIN-Claims-DEV",
        decider="Ada",
        comment="No.",
    )


def test_every_event_has_words():
    assert set(WORDS) == set(Event)


def test_a_person_is_told_once_per_key_and_twice_for_two_keys(people):
    assert tell(people) == 1
    assert tell(people) == 0
    assert tell(people, once="2") == 1
    assert OutboxMessage.objects.count() == 2


def test_disabled_accounts_are_left_out(people):
    assert tell(people, make_user(None, people.unit, is_active=False)) == 0


def test_a_change_that_rolls_back_tells_nobody(people):
    with transaction.atomic():
        tell(people)
        transaction.set_rollback(True)

    assert not OutboxMessage.objects.exists()


def test_a_system_that_sends_nothing_keeps_its_messages_readable(people, settings):
    settings.NOTIFICATIONS_SINK = True
    tell(people)

    deliver()

    message = OutboxMessage.objects.get()
    assert (message.status, message.body) == (OutboxMessage.Status.KEPT, "FIN-Claims-DEV was rejected by Ada: No.")
    assert mail.outbox == []


def test_mail_goes_out_once(people, settings):
    settings.NOTIFICATIONS_SINK = False
    tell(people)

    assert deliver_due() == 1
    assert deliver_due() == 0
    (sent,) = mail.outbox
    assert (sent.subject, sent.to) == ("REQ-00001 was rejected", [people.requester.upn])


def test_a_mail_server_that_is_down_is_tried_again_later_and_given_up_in_the_end(people, settings, clock):
    settings.NOTIFICATIONS_SINK = False
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 1, 1
    tell(people)

    assert deliver_due() == 1
    assert deliver_due() == 0
    for _ in range(MAX_ATTEMPTS - 1):
        clock.advance(hours=2)
        assert deliver_due() == 1
    message = OutboxMessage.objects.get()
    assert (message.status, message.attempts) == (OutboxMessage.Status.FAILED, MAX_ATTEMPTS)
    assert message.last_error == "ConnectionRefusedError"


def test_s4_a_line_break_cannot_forge_a_mail_header(people, settings):
    settings.NOTIFICATIONS_SINK = False
    announce(
        Event.READY,
        to=[people.requester],
        tenant_id=people.tenant.pk,
        reference="REQ-1",
        once="x",
        name="FIN\r\nBcc: all@bank.example",
        url="https://x",
        gaps="none",
    )

    deliver_due()

    assert mail.outbox[0].subject == "REQ-1: FIN Bcc: all@bank.example is ready"
