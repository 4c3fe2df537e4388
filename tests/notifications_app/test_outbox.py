"""The outbox: written with the change, delivered after it, each message once."""

from __future__ import annotations

from smtplib import SMTPRecipientsRefused

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import transaction
from django.urls import reverse

from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from core_app.errors import DomainError, PermissionRefused
from elm_project.notification_settings import mode
from notifications_app.catalogue import CATALOGUE, Event
from notifications_app.delivery import MAX_ATTEMPTS, deliver_due, send_again
from notifications_app.models import OutboxMessage
from notifications_app.services import announce
from notifications_app.tasks import deliver
from requests_app.choices import State
from tests.factories import make_request, make_user
from tests.screens import client_of, page_of

pytestmark = pytest.mark.django_db
LIST = reverse("admin:notifications_app_outboxmessage_changelist")


class RefusesForGood(EmailBackend):
    """A mail server that knows nobody of that name."""

    def send_messages(self, messages):
        raise SMTPRecipientsRefused({to: (550, b"No such user") for message in messages for to in message.to})


class BreaksOnARequester(EmailBackend):
    """A mail server whose answer nobody has foreseen."""

    def send_messages(self, messages):
        if any(to.startswith("requester") for message in messages for to in message.to):
            raise KeyError("unforeseen")
        return super().send_messages(messages)


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
    assert set(CATALOGUE) == set(Event)


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
    settings.NOTIFICATIONS = "sink"
    tell(people)

    deliver()

    message = OutboxMessage.objects.get()
    assert (message.status, message.body) == (OutboxMessage.Status.KEPT, "FIN-Claims-DEV was rejected by Ada: No.")
    assert mail.outbox == []
    reader = client_of(people.operator)
    banner = "This system sends nothing"
    assert banner in reader.get(LIST).content.decode()
    page = reader.get(page_of(message)).content.decode()
    assert banner in page
    assert "What would have been sent" in page
    assert people.requester.upn in page
    settings.NOTIFICATIONS = "send"
    assert banner not in reader.get(LIST).content.decode()


def test_mail_goes_out_once(people, settings):
    settings.NOTIFICATIONS = "send"
    tell(people)

    assert deliver_due() == 1
    assert deliver_due() == 0
    (sent,) = mail.outbox
    assert (sent.subject, sent.to) == ("REQ-00001 was rejected", [people.requester.upn])


def test_a_mail_server_that_is_down_is_tried_again_later_and_given_up_in_the_end(people, settings, clock):
    settings.NOTIFICATIONS = "send"
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


def test_an_operator_sends_again_what_was_given_up_and_the_log_says_so(people, settings):
    settings.NOTIFICATIONS = "send"
    settings.EMAIL_BACKEND = f"{__name__}.{RefusesForGood.__name__}"
    tell(people)
    deliver_due()
    message = OutboxMessage.objects.get()
    assert (message.status, message.attempts) == (OutboxMessage.Status.FAILED, 1)
    assert message.last_error == "SMTPRecipientsRefused: 550"
    for person in (people.auditor, people.requester):
        with pytest.raises(PermissionRefused, match="ELM Operator"):
            send_again(message.pk, by=person)

    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    address = reverse("admin:notifications_app_outboxmessage_send_again", args=[message.pk])
    assert "550" in client_of(people.operator).get(page_of(message)).content.decode()
    assert client_of(people.operator).post(address, {"_form_submitted": "on"}).status_code == 302
    deliver_due()

    message.refresh_from_db()
    assert (message.status, message.attempts, message.last_error) == (OutboxMessage.Status.SENT, 1, "")
    assert [sent.to for sent in mail.outbox] == [[people.requester.upn]]
    entry = ProvisioningLog.objects.get(action=Action.NOTIFICATION_SENT_AGAIN)
    assert (entry.actor, entry.action_details["failed_with"]) == (people.operator.upn, "SMTPRecipientsRefused: 550")
    with pytest.raises(DomainError, match="only a failed one"):
        send_again(message.pk, by=people.operator)


def test_a_mail_that_is_sent_twice_can_be_known_by_its_id_and_leads_to_its_page(people, settings):
    settings.NOTIFICATIONS, settings.PUBLIC_URL = "send", "https://elm.example"
    request = make_request(State.PENDING_APPROVAL, people=people)
    deliver_due()
    sent = next(each for each in mail.outbox if each.to == [people.requester.upn])
    assert sent.extra_headers["Message-ID"].endswith("@localhost>")
    assert sent.body.endswith(f"https://elm.example{page_of(request)}")


def test_s4_a_line_break_cannot_forge_a_mail_header(people, settings):
    settings.NOTIFICATIONS = "send"
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


def test_one_that_breaks_its_channel_stops_none_of_the_others_and_is_given_up(people, settings, clock):
    settings.NOTIFICATIONS = "send"
    settings.EMAIL_BACKEND = f"{__name__}.BreaksOnARequester"
    tell(people, people.requester, people.approver)

    assert deliver_due() == 2
    for _ in range(MAX_ATTEMPTS - 1):
        clock.advance(hours=2)
        deliver_due()
    broken = OutboxMessage.objects.get(recipient=people.requester)
    assert (broken.status, broken.attempts, broken.last_error) == (
        OutboxMessage.Status.FAILED,
        MAX_ATTEMPTS,
        "KeyError",
    )
    assert OutboxMessage.objects.get(recipient=people.approver).status == OutboxMessage.Status.SENT


@pytest.mark.parametrize(
    ("said", "has_mail", "is_production", "expected"),
    [
        ("", True, False, "sink"),
        ("", True, True, "send"),
        ("", False, True, "sink"),
        ("send", True, False, "send"),
        ("sink", True, True, "sink"),
    ],
)
def test_only_production_sends_without_being_told_to(monkeypatch, said, has_mail, is_production, expected):
    monkeypatch.setenv("ELM_NOTIFICATIONS", said)
    assert mode(has_mail=has_mail, is_production=is_production) == expected
