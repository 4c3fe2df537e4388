"""What is too much or unreadable is refused before a screen reads it, in words that say what to do."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory
from django.urls import reverse
from structlog.contextvars import bound_contextvars

from elm_project.outage import handler500
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.factories import People, make_request
from tests.screens import ADD, client_of, dialog_of, state_of

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"business_justification": "x" * (2 * 1024 * 1024 + 1)}, "larger than 2 MB"),
        ({f"field{number}": "x" for number in range(501)}, "More than 500 fields"),
        ({"attachment": SimpleUploadedFile("plan.svg", b"<svg onload=alert(1)>")}, "takes no files"),
    ],
    ids=["body", "fields", "files"],
)
def test_too_much_is_refused_with_413_and_nothing_is_stored(people: People, sent: dict, words: str) -> None:
    client = client_of(people.requester)
    answer = client.post(reverse(ADD), sent)

    assert answer.status_code == 413
    assert words in answer.content.decode()
    assert not EnvironmentRequest.objects.exists()


def test_a_dialog_says_it_above_its_fields(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    body = {"_form_submitted": "on", "comment": "x" * (2 * 1024 * 1024 + 1)}
    answer = client_of(people.approver).post(dialog_of(request, "approve"), body, headers={"HX-Request": "true"})

    assert (answer.status_code, answer["HX-Retarget"]) == (200, "#dialog-form")
    assert "larger than 2 MB" in answer.content.decode()
    assert state_of(request) == State.PENDING_APPROVAL


def test_a_body_that_cannot_be_read_is_refused_with_400(people: People) -> None:
    broken = "multipart/form-data; boundary="
    answer = client_of(people.requester).post(reverse(ADD), b"x", content_type=broken)

    assert answer.status_code == 400
    assert "cannot be read" in answer.content.decode()


@pytest.mark.parametrize(
    ("who", "address", "status"),
    [
        ("requester", "/admin/nothing-here/", 404),
        ("requester", "/admin/operations/", 403),
        ("requester", "/admin/accounts_app/tenant/?nonsense=1", 403),
    ],
)
def test_a_page_that_refuses_leads_back_and_names_the_lines_of_the_log(
    people: People, who: str, address: str, status: int
) -> None:
    client = client_of(getattr(people, who), headers={"X-Correlation-ID": "leads-to-the-log"})
    page = client.get(address)

    assert page.status_code == status
    assert "<code>leads-to-the-log</code>" in page.content.decode()
    assert 'href="/admin/"' in page.content.decode()


def test_so_does_the_page_of_a_mistake() -> None:
    with bound_contextvars(correlation_id="leads-to-the-log"):
        page = handler500(RequestFactory().get("/"))

    assert page.status_code == 500
    assert "<code>leads-to-the-log</code>" in page.content.decode()
    assert "Look at the record before you repeat" in page.content.decode()


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "localhost@evil.example", "[::1", "a b"])
def test_a_foreign_host_name_is_refused_and_appears_nowhere(client: Client, host: str) -> None:
    answer = client.get("/admin/login/", headers={"host": host, "x-forwarded-host": "evil.example"})

    assert answer.status_code == 400
    assert "not served under the name" in answer.content.decode()
    assert "evil.example" not in answer.content.decode() + str(answer.headers)


def test_a_host_that_a_proxy_names_is_not_believed(client: Client) -> None:
    answer = client.get("/", headers={"x-forwarded-host": "evil.example"})
    assert "evil.example" not in answer["Location"]


@pytest.mark.parametrize("path", ["/admin/login/", "/nothing-here/", "/admin/", "/api/intake", "/admin/logout/"])
def test_every_answer_carries_the_security_headers(client: Client, path: str) -> None:
    answer = client.get(path)
    assert {name: answer.get(name) for name in HEADERS} == HEADERS
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self' 'unsafe-eval';" in f"{policy};"
    assert "unsafe-inline" not in policy.replace("style-src 'self' 'unsafe-inline'", "")


def test_what_a_person_sees_is_kept_by_no_cache(people: People) -> None:
    request = make_request(people=people)
    for address in ("/admin/", f"/admin/requests_app/environmentrequest/{request.pk}/change/"):
        assert "no-store" in client_of(people.requester).get(address)["Cache-Control"]
