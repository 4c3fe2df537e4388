"""Messages that no worker could handle: told once per task, in our words, and again after somebody closed it."""

from __future__ import annotations

import psycopg
import pytest
from django.db import OperationalError
from kombu.exceptions import OperationalError as BrokerError

from core_app.redaction import MASK, never_show
from notifications_app.catalogue import Event
from notifications_app.models import OutboxMessage
from provisioning_app import dead_letters, findings, services, tasks
from provisioning_app.choices import FindingKind
from provisioning_app.models import ReconciliationFinding
from tests.factories import make_people


def names(people):
    found = ReconciliationFinding.objects.filter(tenant=people.tenant, kind=FindingKind.DEAD_LETTER)
    return list(found.order_by("found_at").values_list("subject", flat=True))


def test_every_tenant_hears_of_a_task_once(people):
    others = make_people()
    for _ in range(3):
        dead_letters.set_aside("some.task", dead_letters.UNKNOWN)

    for told in (people, others):
        assert names(told) == ["some.task"]
        (message,) = OutboxMessage.objects.filter(recipient=told.operator, event=Event.FINDING_OPENED)
        assert "some.task" in message.body


def test_one_that_comes_after_somebody_closed_it_is_told_again(people):
    dead_letters.set_aside("some.task", dead_letters.UNKNOWN)
    finding = ReconciliationFinding.objects.get()
    assert findings.may_resolve(people.operator, finding)
    services.resolve_finding(finding.pk, by=people.operator, reason="An old beat still ran.")

    dead_letters.set_aside("some.task", dead_letters.UNKNOWN)
    assert names(people) == ["some.task"] * 2


def test_whoever_invents_names_does_not_fill_the_log(people):
    for number in range(dead_letters.MOST_NAMES + 5):
        dead_letters.set_aside(f"invented.{number}", dead_letters.UNKNOWN)
    dead_letters.set_aside("invented.0", dead_letters.UNKNOWN)

    assert len(names(people)) == dead_letters.MOST_NAMES + 1
    assert names(people)[-1] == dead_letters.OTHERS


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a\x00b\nc\x1b[31m\u202ed", "abc[31md"),
        ("x" * 500, "x" * 100),
        (None, dead_letters.NAMELESS),
        ("\n", dead_letters.NAMELESS),
        (["a", 1], "['a', 1]"),
        ("a.very-secret-name", f"a.{MASK}"),
    ],
)
def test_a_name_that_anybody_may_have_written_is_shown_harmless(people, written, shown):
    never_show("very-secret-name")
    dead_letters.set_aside(written, dead_letters.UNKNOWN)
    assert names(people) == [shown]


@pytest.mark.parametrize(
    ("error", "args", "reason"),
    [
        (TypeError(), (), "its arguments are not those of this version."),
        (TypeError(), ("a", "b"), "its arguments are not those of this version."),
        (ValueError("private"), ("a",), "the task ended with ValueError; the worker's log says more."),
        (BrokerError(), ("a",), None),
        (ConnectionResetError(), ("a",), None),
    ],
)
def test_a_message_is_to_blame_or_not(error, args, reason):
    assert dead_letters.reason_of_failure(tasks.advance.run, error, args, {}) == reason


def test_a_database_that_is_gone_is_no_fault_of_the_message():
    gone = OperationalError()
    gone.__cause__ = psycopg.OperationalError()
    assert dead_letters.reason_of_failure(tasks.advance.run, gone, ("a",), {}) is None
