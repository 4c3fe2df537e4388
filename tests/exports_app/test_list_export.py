"""Lists of requests and of the log as files: who may, which rows, which columns, what the log says of it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from base64 import b64decode
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts_app.models import User
from accounts_app.roles import Depth, Role
from accounts_app.services import grant
from audit_app.actions import Action
from audit_app.canonical import digest
from audit_app.models import ProvisioningLog
from core_app.clock import ManualClock
from exports_app import rows, services
from exports_app.files import Format
from exports_app.services import Order
from exports_app.tables import LOG, REQUESTS, Names, Table
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from requests_app.services import create_draft
from tests.factories import People, facts, make_people, make_request, make_user, unit_of
from tests.screens import client_of

LISTS = {
    REQUESTS: "admin:requests_app_environmentrequest_export",
    LOG: "admin:audit_app_provisioninglog_export",
}
HOSTILE = '=HYPERLINK("https://evil.example","Claims")'


def order(user: User, table: Table = REQUESTS, *, asked: str = "", **said: Any) -> Any:
    tenant = services.exportable_tenants(user).first()
    values = {"file_format": "csv", "names": "ours", "tenant": tenant.pk if tenant else "", **said}
    return client_of(user).post(reverse(LISTS[table]) + asked, values)


def received(answer: Any) -> tuple[dict[str, Any], bytes]:
    """Return the manifest and the file of a download, which is to end."""
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read(services.MANIFEST))
        content = archive.read(manifest["file"]["name"])
        assert len(archive.namelist()) == 2
    assert manifest["file"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert manifest["file"]["bytes"] == len(content)
    return manifest, content


def table_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def entries(people: People, action: Action) -> list[ProvisioningLog]:
    return list(ProvisioningLog.objects.filter(tenant=people.tenant, action=action).order_by("timestamp", "sequence"))


@pytest.fixture
def requests(people: People) -> list[Any]:
    """Three requests of a unit and one beside it, one of them with a formula in its text."""
    beside = make_user(Role.REQUESTER, unit_of(people.tenant, "Treasury"), manager=people.approver)
    return [
        make_request(State.FAILED, people=people, zone=Zone.ZONE_2),
        make_request(State.DRAFT, people=people, business_justification=HOSTILE),
        make_request(State.COMPLETED, people=people, zone=Zone.ZONE_3),
        create_draft(by=beside, **facts()),
    ]


def test_a_list_is_exported_as_it_is_filtered_and_the_log_says_so(people: People, requests: list[Any]) -> None:
    manifest, content = received(order(people.auditor, asked=f"?state__exact=8&q={requests[0].request_number}&o=1&p=1"))

    (row,) = table_of(content)
    assert row["request_number"] == requests[0].request_number
    assert (row["state"], row["state_label"]) == ("8", "Failed")
    assert (row["requester"], row["business_unit"]) == (people.requester.upn, "Retail")
    asked = {"state__exact": "8", "q": requests[0].request_number}
    assert (manifest["rows"], manifest["filter"], manifest["scope"]) == (1, asked, "tenant")
    assert manifest["filter_in_words"] == ["state: Failed", f"search: {requests[0].request_number}"]
    (begun,), (ended,) = entries(people, Action.EXPORT_STARTED), entries(people, Action.LIST_EXPORTED)
    assert begun.action_details == {
        "table": "requests",
        "filter": asked,
        "format": "csv",
        "names": "ours",
        "scope": "tenant",
    }
    assert ended.success
    assert ended.actor == people.auditor.upn
    assert ended.action_details["export"] == str(begun.pk) == manifest["export"]
    assert (ended.action_details["rows"], ended.action_details["filter"]) == (1, asked)
    assert ended.action_details["sha256"] == manifest["file"]["sha256"]


def test_no_text_becomes_a_formula_and_ndjson_keeps_it_as_it_is(people: People, requests: list[Any]) -> None:
    _, content = received(order(people.auditor))
    shown = {row["request_number"]: row["business_justification"] for row in table_of(content)}
    assert shown[requests[1].request_number] == f"'{HOSTILE}"

    manifest, content = received(order(people.auditor, file_format="ndjson"))
    documents = [json.loads(line) for line in content.splitlines()]
    assert len(documents) == manifest["rows"] == 4
    kept = {document["request_number"]: document for document in documents}
    assert kept[requests[1].request_number]["business_justification"] == HOSTILE
    assert kept[requests[0].request_number]["state"] == 8
    assert kept[requests[0].request_number]["has_customer_data"] is False
    assert manifest["choices"]["state"]["8"] == "Failed"


@pytest.mark.parametrize(
    ("table", "names", "wanted"),
    [
        (REQUESTS, Names.SPECIFICATION, {"er_requestid", "er_requestnumber", "er_state", "er_zoneautoflags"}),
        (REQUESTS, Names.PUBLISHER, {"fsi_requestid", "fsi_requestnumber", "fsi_state", "fsi_zoneautoflags"}),
        (LOG, Names.SPECIFICATION, {"pl_logid", "pl_environmentrequest", "pl_action", "pl_timestamp"}),
        (LOG, Names.OURS, {"id", "environment_request", "action", "action_label", "canonical", "entry_hash"}),
    ],
)
def test_columns_stand_under_the_names_that_were_asked_for(
    people: People, requests: list[Any], table: Table, names: Names, wanted: set[str]
) -> None:
    manifest, content = received(order(people.auditor, table, names=names))

    columns = set(table_of(content)[0])
    assert columns >= wanted
    seeds = {name for name in table.seeds.values() if name}
    if names == Names.SPECIFICATION:
        assert columns == seeds == set(manifest["columns"])
    if names == Names.PUBLISHER:
        assert len(columns) == len(seeds) == 22


def test_an_exported_log_entry_can_be_checked_against_its_hash(people: People, requests: list[Any]) -> None:
    asked = f"?environment_request={requests[0].pk}"
    manifest, content = received(order(people.auditor, LOG, file_format="ndjson", asked=asked))

    documents = [json.loads(line) for line in content.splitlines()]
    assert manifest["rows"] == len(documents) == requests[0].log_entries.count()
    assert manifest["filter_in_words"] == [f"environment_request: {requests[0].pk}"]
    assert [document["timestamp"] for document in documents] == sorted(each["timestamp"] for each in documents)
    for document in documents:
        assert digest(b64decode(document["canonical"])) == document["entry_hash"]


@pytest.mark.parametrize("table", LISTS, ids=lambda table: table.key)
def test_only_auditors_export_and_only_what_they_audit(people: People, requests: list[Any], table: Table) -> None:
    listed = reverse(LISTS[table]).replace("export/", "")
    address = reverse(LISTS[table])
    for role in ("requester", "approver", "compliance_officer", "governance_lead", "operator"):
        client = client_of(getattr(people, role))
        assert client.get(address).status_code == 403, role
        assert client.post(address, {"file_format": "csv"}).status_code == 403, role
        assert f'href="{address}"' not in client.get(listed).content.decode(), role
    assert f'href="{address}?q=REQ"' in client_of(people.auditor).get(f"{listed}?q=REQ&p=1").content.decode()
    breaker = make_user(Role.REQUESTER, people.unit, is_superuser=True)
    assert client_of(breaker).get(address).status_code == 403
    assert not entries(people, Action.EXPORT_STARTED)

    of_a_unit = make_user(Role.AUDITOR, people.unit, Depth.LOCAL)
    grant(of_a_unit, Role.OPERATOR, people.tenant)  # sees everything, audits one unit
    manifest, content = received(order(of_a_unit, table))
    number = "request_number" if table is REQUESTS else "subject"
    assert {row[number] for row in table_of(content)} == {each.request_number for each in requests[:3]}
    assert manifest["scope"] == "business units"

    others = make_people()
    assert received(order(others.auditor, table))[0]["rows"] == (0 if table is REQUESTS else manifest_rows(others))
    values = {"file_format": "csv", "names": "ours", "tenant": people.tenant.pk}
    assert client_of(others.auditor).post(address, values).status_code == 200  # the form again: no tenant of theirs
    with pytest.raises(services.PermissionRefused):
        services.audited(others.auditor, table, people.tenant)


def manifest_rows(people: People) -> int:
    """Return how many entries a tenant had before its first export began."""
    (begun,) = entries(people, Action.EXPORT_STARTED)
    return ProvisioningLog.objects.filter(tenant=people.tenant, timestamp__lt=begun.timestamp).count()


def test_the_page_says_what_would_be_exported(people: People, requests: list[Any]) -> None:
    page = client_of(people.auditor).get(reverse(LISTS[REQUESTS]) + "?state__exact=1&view=mine").content.decode()

    assert "<li>state: Draft</li>" in page
    assert "<li>view: My Requests</li>" in page
    assert f"0 rows of {people.tenant}" in " ".join(page.split())
    page = client_of(people.auditor).get(reverse(LISTS[REQUESTS])).content.decode()
    assert "Everything that the list shows" in page
    assert f"4 rows of {people.tenant}" in " ".join(page.split())
    refused = client_of(people.auditor).get(reverse(LISTS[REQUESTS]) + "?requested_on__gte=yesterday")
    assert refused.status_code == 400
    assert "Open the page again" in refused.content.decode()
    assert client_of(people.auditor).get(reverse(LISTS[REQUESTS]) + "?content_hash=a").status_code == 400


def test_who_signed_in_long_ago_signs_in_again_first(people: People, clock: ManualClock) -> None:
    client = client_of(people.auditor)
    clock.advance(minutes=30)

    values = {"file_format": "ndjson", "names": "ours", "tenant": str(people.tenant.pk)}
    answer = client.post(reverse(LISTS[REQUESTS]) + "?state__exact=8", values)

    assert answer.status_code == 403
    assert client.get(reverse(LISTS[REQUESTS])).context["form"].initial == values
    assert "export%2F%3Fstate__exact%3D8" in answer.content.decode()
    assert not entries(people, Action.EXPORT_STARTED)


def test_nobody_exports_over_and_over(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MOST_AN_HOUR", 1)
    received(order(people.auditor))

    answer = order(people.auditor)

    assert answer.status_code == 409
    assert "within an hour" in answer.content.decode()


def test_a_download_that_is_ended_early_is_logged_with_what_had_left_and_does_not_open(
    people: People, requests: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "PAGE", 2)
    everything = Order(REQUESTS, EnvironmentRequest.objects.all(), {}, (), Format.CSV, Names.OURS)
    download = services.stream(services.start_export(people.tenant.pk, everything, by=people.auditor))
    left = next(download) + next(download)
    download.close()  # as the web server does when nobody listens any more

    (ended,) = entries(people, Action.LIST_EXPORTED)
    assert not ended.success
    assert (ended.action_details["rows"], ended.error_message) == (2, "The download ended before the last row.")
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(left))


def test_an_export_that_breaks_is_logged_as_a_failure(
    people: People, requests: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = order(people.auditor)
    monkeypatch.setattr(services, "lines", None)  # whatever goes wrong on the way

    with pytest.raises(TypeError):
        b"".join(answer.streaming_content)

    (ended,) = entries(people, Action.LIST_EXPORTED)
    assert (ended.success, ended.error_message) == (False, "The export broke off: TypeError.")


@pytest.mark.parametrize("table", LISTS, ids=lambda table: table.key)
def test_rows_are_read_page_by_page_each_once(
    people: People, requests: list[Any], table: Table, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    for _ in range(3):  # entries of one moment, more than a page of them
        make_request(State.COMPLETED, people=people, zone=Zone.ZONE_3)
    clock.advance(seconds=1)
    whole = {row["id"] for row in table_of(received(order(people.auditor, table))[1])}
    monkeypatch.setattr(rows, "PAGE", 3)

    with CaptureQueriesContext(connection) as captured:
        manifest, content = received(order(people.auditor, table))

    read = [row["id"] for row in table_of(content)]
    assert len(read) == len(set(read)) == manifest["rows"]
    assert whole <= set(read)
    pages = [query for query in captured if query["sql"].endswith("LIMIT 3")]
    assert len(pages) == len(read) // 3 + 1
