"""The clocks of credentials: 90 days with 14 days' notice for secrets, a year with 30 for certificates."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError, connection

from accounts_app.models import TenantIdentity
from core_app.clock import ManualClock
from notifications_app.models import OutboxMessage
from provisioning_app import services
from provisioning_app.credentials import clocks
from provisioning_app.credentials.clocks import announce_due, days_left, is_due, rotate_by
from tests.factories import People, make_people

Kind, Purpose = TenantIdentity.Kind, TenantIdentity.Purpose


def an_identity(people: People, clock: ManualClock, **fields: object) -> TenantIdentity:
    values: dict[str, object] = {
        "purpose": Purpose.PROVISIONING,
        "display_name": "ELM-Provisioning-ServicePrincipal",
        "client_id": uuid4(),
        "secret_name": "ELM-ServicePrincipal-Secret",
        "secret_version": "v1",
        "created_on": clock.at,
        "expires_on": clock.at + timedelta(days=180),
        **fields,
    }
    return TenantIdentity.objects.create(tenant=people.tenant, **values)


def messages() -> list[str]:
    return [message.subject for message in OutboxMessage.objects.filter(event="credential_due")]


@pytest.mark.parametrize(
    ("kind", "validity", "day", "left", "due"),
    [
        (Kind.SECRET, 180, 0, 90, False),
        (Kind.SECRET, 180, 75, 15, False),
        (Kind.SECRET, 180, 76, 14, True),
        (Kind.SECRET, 180, 90, 0, True),
        (Kind.SECRET, 180, 91, -1, True),
        (Kind.SECRET, 30, 15, 15, False),
        (Kind.SECRET, 30, 16, 14, True),
        (Kind.CERTIFICATE, 365, 334, 31, False),
        (Kind.CERTIFICATE, 365, 335, 30, True),
    ],
)
def test_the_notice_period_begins_in_time_and_an_earlier_end_date_counts(
    people: People, clock: ManualClock, kind: str, validity: int, day: int, left: int, due: bool
) -> None:
    identity = an_identity(people, clock, kind=kind, expires_on=clock.at + timedelta(days=validity))

    clock.advance(days=day)

    assert (days_left(identity), is_due(identity)) == (left, due)


def test_a_credential_of_unknown_age_is_due_and_has_no_days_left(people: People, clock: ManualClock) -> None:
    identity = an_identity(people, clock, created_on=None)

    assert (rotate_by(identity), days_left(identity), is_due(identity)) == (None, None, True)
    assert announce_due() == 1
    assert "is of unknown age" in OutboxMessage.objects.get().body


def test_a_credential_without_an_end_date_is_still_rotated_by_its_age(people: People, clock: ManualClock) -> None:
    assert rotate_by(an_identity(people, clock, expires_on=None)) == clock.at + timedelta(days=90)


def test_the_operators_are_told_once_per_credential_version(people: People, clock: ManualClock) -> None:
    identity = an_identity(people, clock)
    services.sweep_credentials()
    assert messages() == []

    for _ in range(30):
        clock.advance(days=1)
        services.sweep_credentials()
    assert messages() == []
    clock.advance(days=46)
    for _ in range(3):
        clock.advance(minutes=5)
        services.sweep_credentials()

    assert messages() == ["ELM-Provisioning-ServicePrincipal needs a new client secret"]
    message = OutboxMessage.objects.get(event="credential_due")
    assert message.recipient == people.operator
    assert "(13 days left)" in message.body
    assert f'rotate_credential --tenant "{people.tenant}" --purpose provisioning' in message.body

    identity.secret_version, identity.created_on = "v2", clock.at
    identity.save()
    services.sweep_credentials()
    assert len(messages()) == 1
    clock.advance(days=100)
    services.sweep_credentials()
    assert len(messages()) == 2
    assert "was due on" in OutboxMessage.objects.filter(event="credential_due").order_by("-created_at")[0].body


def test_a_credential_that_cannot_be_announced_keeps_no_other_waiting(people: People, clock: ManualClock) -> None:
    broken, sound = (an_identity(each, clock, created_on=None) for each in (people, make_people()))

    def full(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("INSERT") and str(broken.pk) in str(params):
            raise OperationalError("The disk is full.")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(full):
        services.sweep_credentials()

    assert OutboxMessage.objects.get().tenant == sound.tenant


def test_every_kind_has_a_schedule() -> None:
    assert set(clocks.SCHEDULES) == set(Kind)
    assert all(each.notice < each.period <= each.validity for each in clocks.SCHEDULES.values())
