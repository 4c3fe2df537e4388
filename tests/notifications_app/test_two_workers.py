"""Two workers deliver the outbox and no message is sent twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.core.mail.backends.locmem import EmailBackend
from pytest_django import Settings

from notifications_app.catalogue import Event
from notifications_app.delivery import deliver_due
from notifications_app.services import announce
from tests.factories import People, make_user


class SecondWorkerDeliversMeanwhile(EmailBackend):
    """Sends a message only after another worker has delivered all the others."""

    def send_messages(self, messages: Sequence[EmailMessage]) -> Any:
        deliver_due()
        return super().send_messages(messages)


@pytest.mark.django_db
def test_a_message_that_another_worker_has_claimed_is_left_to_it(people: People, settings: Settings) -> None:
    settings.NOTIFICATIONS = "send"
    settings.EMAIL_BACKEND = f"{__name__}.{SecondWorkerDeliversMeanwhile.__name__}"
    readers = [make_user() for _ in range(4)]
    words = {"name": "FIN-Claims-DEV", "decider": "Ada"}
    announce(Event.APPROVED, to=readers, tenant_id=people.tenant.pk, reference="REQ-00001", once="1", **words)
    deliver_due()
    assert sorted(to for message in mail.outbox for to in message.to) == sorted(user.upn for user in readers)
