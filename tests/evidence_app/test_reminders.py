"""Who is reminded of the quarter's access review, and when."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core_app import clock as core_clock
from evidence_app import reviews, tasks
from notifications_app.models import OutboxMessage
from tests.factories import make_people

pytestmark = pytest.mark.django_db


def told():
    return OutboxMessage.objects.filter(event="access_review_due")


def until(clock, month, day):
    moment = datetime(2026, month, day, 9, tzinfo=UTC)
    clock.advance(seconds=(moment - core_clock.now()).total_seconds())
    tasks.remind()


def test_who_audits_governs_or_watches_over_compliance_is_reminded_once_a_quarter(people, clock):
    clock.advance(days=29)  # from the second of March: the last day of the first quarter
    people_told = {people.auditor, people.governance_lead, people.compliance_officer}
    for _ in range(2):
        tasks.remind()
    assert {message.recipient for message in told()} == people_told
    assert told().count() == 3
    assert "2026Q1, which ends on 2026-03-31" in told().first().body

    until(clock, 5, 20)
    assert told().count() == 3  # the next quarter ends on the thirtieth of June: it is not due yet
    until(clock, 6, 2)
    until(clock, 6, 20)
    assert told().count() == 6


def test_a_signed_review_of_the_quarter_is_not_asked_for_and_an_unsigned_or_foreign_one_helps_nobody(people, clock):
    other = make_people()
    reviews.sign(reviews.take(people.tenant.pk, by=people.auditor).pk, by=people.auditor)
    reviews.take(other.tenant.pk, by=other.auditor)

    clock.advance(days=29)
    tasks.remind()

    assert {message.tenant for message in told()} == {other.tenant}
