"""A Zone 3 decision and an export of evidence want a sign-in of the last minutes (ASVS 7.5.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from accounts_app.models import User
from core_app.clock import ManualClock
from core_app.errors import PermissionRefused, SignInAgainError
from evidence_app.services import export_evidence
from gates_app.levels import Outcome
from requests_app import services
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.entra import Entra
from tests.factories import PASSWORD, People, make_request
from tests.screens import client_of, dialog_of, page_of, state_of

COMMENT = "The data inventory names these tables."


@pytest.fixture
def request_(people: People) -> EnvironmentRequest:
    return make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_3)


def approve(client: Client, request: EnvironmentRequest, **headers: str) -> Any:
    said = {"_form_submitted": "on", "content_hash": request.content_hash, "comment": COMMENT}
    return client.post(dialog_of(request, "approve"), said, headers=headers)


def stage_of(request: EnvironmentRequest) -> int:
    return request.gate.decisions.count()  # type: ignore[union-attr]


@pytest.mark.parametrize("age", [None, 601], ids=["unknown", "stale"])
def test_the_verb_itself_refuses_whoever_calls_it(
    request_: EnvironmentRequest, people: People, clock: ManualClock, age: int | None, tmp_path: Path
) -> None:
    """Whatever calls it, a screen, a bulk action, an API: a verb decides, and it wants a fresh sign-in."""
    person, auditor = User.objects.get(pk=people.approver.pk), User.objects.get(pk=people.auditor.pk)
    person.authenticated_at = auditor.authenticated_at = None
    if age is not None:
        person.authenticated_at = auditor.authenticated_at = clock.at
        clock.advance(seconds=age)
    for outcome in Outcome:
        with pytest.raises(SignInAgainError, match="Sign in again"):
            services.decide(
                request_.pk, by=person, outcome=outcome, comment=COMMENT, content_hash=request_.content_hash
            )
    assert stage_of(request_) == 0
    with pytest.raises(SignInAgainError):
        export_evidence(people.tenant.pk, f"{clock.at.year}Q1", tmp_path / "evidence", by=auditor)
    assert not (tmp_path / "evidence").exists()


def test_ten_minutes_are_fresh_enough(request_: EnvironmentRequest, people: People, clock: ManualClock) -> None:
    person = User.objects.get(pk=people.approver.pk)
    person.authenticated_at = clock.at
    clock.advance(minutes=10)
    services.decide(
        request_.pk, by=person, outcome=Outcome.APPROVE, comment=COMMENT, content_hash=request_.content_hash
    )
    assert stage_of(request_) == 1


def test_lower_zones_and_those_who_may_not_decide_need_not_sign_in_again(
    request_: EnvironmentRequest, people: People
) -> None:
    lower = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    person, requester = User.objects.get(pk=people.approver.pk), User.objects.get(pk=people.requester.pk)
    person.authenticated_at = requester.authenticated_at = None
    services.decide(lower.pk, by=person, outcome=Outcome.APPROVE, comment="", content_hash=lower.content_hash)
    assert state_of(lower) == State.APPROVED
    with pytest.raises(PermissionRefused):
        services.decide(
            request_.pk, by=requester, outcome=Outcome.APPROVE, comment="", content_hash=request_.content_hash
        )


def test_a_stale_session_is_led_to_the_password_and_back_with_the_comment(
    request_: EnvironmentRequest, people: People, clock: ManualClock
) -> None:
    client = client_of(people.approver)
    clock.advance(minutes=11)

    again = approve(client, request_, **{"HX-Request": "true"})["HX-Redirect"]
    assert stage_of(request_) == 0
    assert COMMENT not in again
    assert "Sign in again" in client.get(again).content.decode()
    assert client.post(again, {"password": "wrong"}).status_code == 403
    assert stage_of(request_) == 0
    assert approve(client, request_)["Location"] == again

    back = client.post(again, {"password": PASSWORD})
    assert back["Location"] == page_of(request_)
    assert client.get(back["Location"]).status_code == 200
    assert COMMENT in client.get(dialog_of(request_, "approve")).content.decode()
    approve(client, request_)
    assert stage_of(request_) == 1


def test_a_stale_session_of_microsoft_is_led_there_and_back_with_the_comment(entra: Entra, now: ManualClock) -> None:
    request = make_request(State.PENDING_APPROVAL, people=entra.people, zone=Zone.ZONE_3)
    approver, other = entra.people.approver, entra.people.second_approver
    entra.seed(approver, other)
    entra.sign_in(approver)
    entra.simulator.control("POST", "/clock", {"advance_seconds": 900})
    now.advance(minutes=15)

    again = approve(entra.client, request)["Location"]
    asked = entra.leave(again)
    query = parse_qs(urlsplit(asked).query)
    assert (query["prompt"], query["max_age"]) == (["login"], ["0"])
    assert "Pick an account" in entra.choose(asked, None).text  # the session at Microsoft does not answer for it

    wrong = entra.come_back(entra.choose(asked, other))
    assert wrong.status_code == 403
    assert "somebody else" in wrong.content.decode()
    assert approve(entra.client, request)["Location"] == again

    back = entra.come_back(entra.choose(entra.leave(again), approver))
    assert back["Location"] == page_of(request)
    assert COMMENT in entra.client.get(dialog_of(request, "approve")).content.decode()
    approve(entra.client, request)
    assert stage_of(request) == 1


def test_an_old_sign_in_at_microsoft_is_not_taken_for_a_fresh_one(entra: Entra, now: ManualClock) -> None:
    """Single sign-on lets a person in who proved themselves long ago: auth_time tells, not the moment of arrival."""
    request = make_request(State.PENDING_APPROVAL, people=entra.people, zone=Zone.ZONE_3)
    entra.seed(entra.people.approver)
    entra.sign_in(entra.people.approver)
    entra.client.logout()
    entra.simulator.control("POST", "/clock", {"advance_seconds": 900})
    now.advance(minutes=15)

    silently = entra.leave().replace("prompt=select_account", "prompt=none")
    entra.come_back(entra.choose(silently, None))
    assert entra.signed_in == str(entra.people.approver.pk)
    again = approve(entra.client, request)["Location"]
    assert again.startswith("/sign-in/again/")
    assert stage_of(request) == 0

    ignored = entra.leave(again).replace("prompt=login", "prompt=none").replace("max_age=0", "max_age=9999")
    page = entra.come_back(entra.choose(ignored, None))
    assert "auth_time" in page.content.decode()
    assert approve(entra.client, request)["Location"] == again
