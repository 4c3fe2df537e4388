"""The second trail: whoever reads the log, or tries to, is noted; and nobody is kept from reading by it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.test import Client
from django.urls import reverse
from structlog.testing import capture_logs

from accounts_app.models import User
from accounts_app.roles import Role
from accounts_app.services import grant
from audit_app.models import LogAccess
from elm_project.log_readers import PAGES
from requests_app.choices import State, Zone
from tests.factories import People, make_people, make_request
from tests.project.test_access_matrix import ADDRESSES
from tests.schemas import schema
from tests.screens import client_of, page_of

pytestmark = pytest.mark.django_db
LOG, READERS = "admin:audit_app_provisioninglog_changelist", "admin:audit_app_logaccess_changelist"


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.written: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(json.loads(record.getMessage()))


@pytest.fixture
def stream() -> Iterator[Lines]:
    lines, logger = Lines(), logging.getLogger("audit_app.stream")
    logger.addHandler(lines)
    yield lines
    logger.removeHandler(lines)


def noted() -> list[tuple[str, str, bool, int]]:
    rows = LogAccess.objects.order_by("at", "pk")
    return [(row.person, LogAccess.Page(row.page).name, row.refused, row.status) for row in rows]


def test_reading_the_log_is_noted_whatever_the_answer_is(people: People, stream: Lines) -> None:
    request = make_request(State.REJECTED, people=people, zone=Zone.ZONE_2)
    foreign = make_request(people=make_people())
    entry, theirs = request.log_entries.first(), foreign.log_entries.first()
    auditor, requester = client_of(people.auditor), client_of(people.requester)

    auditor.get(reverse(LOG), {"actor_type__exact": "1", "q": "REQ"})
    auditor.get(reverse("admin:audit_app_provisioninglog_change", args=[entry.pk]))
    auditor.get(reverse("log-proof", args=[entry.pk]))  # not signed for yet
    auditor.get(page_of(request))
    requester.get(reverse("admin:audit_app_provisioninglog_change", args=[theirs.pk]))
    requester.get(reverse("admin:accounts_app_tenant_export_evidence", args=[people.tenant.pk]))
    requester.get(reverse(READERS))
    Client().get(reverse(LOG))  # led to the sign-in, which says what came of it
    auditor.get(reverse("admin:requests_app_environmentrequest_changelist"))  # shows no entry

    upn, their = people.auditor.upn, people.requester.upn
    assert noted() == [
        (upn, "LOG", False, 200),
        (upn, "ENTRY", False, 200),
        (upn, "PROOF", True, 409),
        (upn, "REQUEST", False, 200),
        (their, "ENTRY", True, 404),
        (their, "EXPORT", True, 404),
        (their, "ACCESS", True, 403),
    ]
    first = LogAccess.objects.order_by("at").first()
    assert (first.tenant, first.address) == (people.tenant, f"{reverse(LOG)}?actor_type__exact=1&q=REQ")
    published = schema("log-access-1")
    assert [list(published.iter_errors(line)) for line in stream.written] == [[]] * 7
    stored = {(str(row.pk), row.request_id) for row in LogAccess.objects.all()}
    assert {(line["id"], line["request_id"]) for line in stream.written} == stored


def test_an_auditor_sees_who_read_the_log_of_their_tenant(people: People) -> None:
    others = make_people()
    client_of(others.auditor).get(reverse(LOG))
    client_of(people.requester).get(reverse(READERS))
    shown = client_of(people.auditor).get(reverse(READERS)).content.decode()
    assert people.requester.upn in shown
    assert "Refused" in shown
    assert others.auditor.upn not in shown


def test_break_glass_is_noted_in_each_tenant_that_it_was_granted(people: People) -> None:
    account = User.objects.create_user("glass@contoso.example", "x" * 20, is_superuser=True)
    client_of(account).get(reverse(LOG))
    assert noted() == []  # of no tenant: nothing was shown to it
    tenants = {people.tenant, make_people().tenant}
    for tenant in tenants:
        grant(account, Role.AUDITOR, tenant)
    client_of(account).get(reverse(LOG))
    assert {row.tenant for row in LogAccess.objects.all()} == tenants
    assert noted() == [("glass@contoso.example", "LOG", False, 200)] * 2


def test_what_was_noted_is_never_changed(people: People) -> None:
    client_of(people.auditor).get(reverse(LOG))
    with pytest.raises(IntegrityError, match="append-only"):
        LogAccess.objects.update(person="nobody")


@pytest.mark.sqlite
def test_a_database_that_takes_no_changes_still_lets_people_read(people: People, stream: Lines) -> None:
    client = client_of(people.auditor)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = ON")
        try:
            with capture_logs() as lines:
                answer = client.get(reverse(LOG))
        finally:
            cursor.execute("PRAGMA query_only = OFF")
    assert (answer.status_code, noted()) == (200, [])
    (failed,) = [line for line in lines if line["event"] == "log_access_not_stored"]
    assert failed["accesses"] == [line["id"] for line in stream.written]


def test_every_page_that_shows_the_log_is_listed() -> None:
    names = {address.name for address in ADDRESSES}
    assert set(PAGES) <= names
    of_the_log = {name for name in names if name.startswith(("admin:audit_app_", "log-"))}
    of_the_log |= {name for name in names if name.endswith(("_export_evidence", "_evidence_package", "_questions"))}
    without_entries = ("_add", "_delete", "_history", "_autocomplete")
    assert {name for name in of_the_log if not name.endswith(without_entries)} <= set(PAGES)
