"""How the log stands, on the first page of those who audit or operate it, each tenant's apart."""

from __future__ import annotations

import pytest
from django.db import connection
from django.urls import reverse

from accounts_app.roles import Depth, Role
from audit_app import scheduled, triggers
from audit_app.checkpoints import checkpoint_due, sign_now
from audit_app.models import ProvisioningLog, VerificationRun
from audit_app.standing import standing_of
from requests_app.choices import State
from tests.factories import make_people, make_request, make_user
from tests.screens import client_of

pytestmark = pytest.mark.django_db


def first_page(person):
    return client_of(person).get(reverse("admin:index")).content.decode()


def standing(people):
    return standing_of(people.tenant.pk, begun_at=people.tenant.created_at)


def raw(statement, *values):
    connection.check_constraints()
    triggers.drop()
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_a_log_that_is_signed_and_verified_is_in_order(clock, people):
    make_request(State.REJECTED, people=people)
    sign_now()
    scheduled.verify(is_full=True)
    found = standing(people)
    assert (found.ok, found.findings, found.lacking) == (True, (), ())
    assert (found.entries, found.signed_at, found.all_verified_at) == (
        ProvisioningLog.objects.count(),
        clock.at,
        clock.at,
    )
    assert (found.anchored_at, found.is_worm, found.stamped_at) == (clock.at, False, None)
    page = first_page(people.auditor)
    assert f"The log of {people.tenant}" in page
    assert "not confirmed as WORM" in page
    assert reverse("admin:accounts_app_tenant_questions", args=[people.tenant.pk]) in page


def test_a_new_log_is_not_late(clock, people):
    assert standing(people).ok
    page = first_page(people.operator)
    assert "Not verified yet" in page
    assert "Needs attention" not in page


def test_what_has_not_happened_for_too_long_is_said(clock, people):
    clock.advance(minutes=16)
    assert standing(people).lacking == (
        "Nobody has signed for the log for a quarter of an hour.",
        "What is new in the log was not verified for a quarter of an hour.",
    )
    assert "Needs attention" in first_page(people.operator)
    sign_now()
    scheduled.verify(is_full=False)
    assert standing(people).ok
    clock.advance(hours=25)
    sign_now()
    scheduled.verify(is_full=False)
    assert standing(people).lacking == ("All of the log was not verified for a day.",)
    scheduled.verify(is_full=True)
    clock.advance(hours=24)
    scheduled.verify(is_full=False)
    checkpoint_due()
    assert standing(people).ok
    clock.advance(hours=2)
    checkpoint_due()
    scheduled.verify(is_full=False)
    assert standing(people).lacking == ("All of the log was not verified for a day.",)


def test_findings_are_shown_to_their_own_tenant_alone(clock, people):
    others = make_people()
    request = make_request(State.REJECTED, people=people)
    sign_now()
    raw("UPDATE audit_app_provisioninglog SET actor = %s WHERE chain = %s", "mallory", request.log_chain().key)
    scheduled.verify(is_full=True)

    mine, theirs = standing(people), standing(others)
    assert {finding["class"] for finding in mine.findings} == {"MODIFIED"}
    assert (theirs.findings, theirs.ok) == ((), True)
    page = first_page(people.operator)
    assert "Does not verify" in page
    assert request.log_chain().key in page
    assert "examiner" not in page.lower()  # what is taken out is the auditor's
    assert request.log_chain().key not in first_page(others.auditor)


def test_what_is_merely_worth_knowing_is_no_finding(clock, people):
    sign_now()
    clock.advance(hours=1)
    sign_now()
    scheduled.verify(is_full=True)
    run = VerificationRun.objects.get()
    assert [(each["class"], each.get("informational")) for each in run.findings] == [("HEARTBEAT_GAP", True)]
    assert standing(people).ok


def test_whoever_neither_audits_nor_operates_the_tenant_sees_none_of_it(people):
    of_unit = make_user(Role.AUDITOR, people.unit, Depth.LOCAL)
    for person in (people.requester, people.approver, people.governance_lead, of_unit):
        assert "The log of" not in first_page(person)
