"""How sessions end: idle, old, by an administrator, with the account; and who may use a password."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, connection
from django.test import Client

from accounts_app.models import User
from accounts_app.people import deactivate, end_sessions, may_reactivate, reactivate
from accounts_app.roles import Role
from accounts_app.services import revoke
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from core_app.clock import ManualClock
from core_app.errors import DomainError, InvalidInputError, PermissionRefused
from notifications_app.catalogue import Event
from notifications_app.models import OutboxMessage
from sign_in_app import checks
from tests.factories import PASSWORD, People, make_people, make_user
from tests.screens import client_of, page_of

HOME, LOGIN = "/admin/", "/admin/login/"


def is_in(client: Client) -> bool:
    return client.get(HOME).status_code == 200


def sign_in(user: User, password: str = PASSWORD) -> tuple[Client, Any]:
    client = Client()
    return client, client.post(LOGIN, {"username": user.upn, "password": password, "next": HOME})


def test_an_idle_session_ends_and_leads_back_to_where_one_was(people: People, clock: ManualClock) -> None:
    client = client_of(people.auditor)
    for _ in range(3):
        clock.advance(minutes=50)
        assert is_in(client)
    clock.advance(minutes=61)
    answer = client.get(HOME + "?view=mine")
    assert answer["Location"] == f"{LOGIN}?next=%2Fadmin%2F%3Fview%3Dmine"
    assert "You were away" in client.get(answer["Location"]).content.decode()
    assert not is_in(client)


def test_what_a_page_asks_for_by_itself_keeps_no_session_alive(people: People, clock: ManualClock) -> None:
    client = client_of(people.auditor)
    part = {"X-Background": "1", "HX-Request": "true", "HX-Current-URL": "http://testserver/admin/operations/?a=b"}
    for _ in range(3):
        clock.advance(minutes=20)
        assert client.get(HOME, headers=part).status_code == 200

    clock.advance(minutes=1)

    assert client.get(HOME, headers=part)["HX-Redirect"] == f"{LOGIN}?next=%2Fadmin%2Foperations%2F%3Fa%3Db"


def test_a_session_ends_after_its_longest_time_however_busy(people: People, clock: ManualClock) -> None:
    client = client_of(people.auditor)
    for _ in range(12):
        clock.advance(minutes=50)
        assert is_in(client)
    clock.advance(minutes=1)
    assert not is_in(client)


def test_a_dialog_of_an_ended_session_leads_the_whole_page_to_the_sign_in(people: People, clock: ManualClock) -> None:
    client = client_of(people.auditor)
    clock.advance(days=1)
    assert client.get(HOME, headers={"HX-Request": "true"})["HX-Redirect"].startswith(LOGIN)


def test_an_administrator_ends_every_session_of_a_person(people: People) -> None:
    first, second, other = client_of(people.auditor), client_of(people.auditor), client_of(people.approver)
    operator = client_of(people.operator)
    dialog = page_of(people.auditor, "end_sessions")
    assert other.post(dialog, {"_form_submitted": "on", "reason": "x"}).status_code in (403, 404)
    assert is_in(first)
    operator.post(dialog, {"_form_submitted": "on", "reason": "A laptop was stolen."})
    assert not is_in(first)
    assert not is_in(second)
    assert is_in(other)
    assert is_in(client_of(people.auditor))
    entry = ProvisioningLog.objects.get(action=Action.SESSIONS_ENDED)
    assert (entry.actor, entry.action_details["person"]) == (people.operator.upn, people.auditor.upn)


def test_c08_who_is_deactivated_is_out_everywhere_until_somebody_lets_them_in(people: People) -> None:
    client, lead = client_of(people.auditor), client_of(people.governance_lead)
    lead.post(page_of(people.auditor, "deactivate"), {"_form_submitted": "on", "reason": "On leave."})
    assert not is_in(client)
    assert sign_in(people.auditor)[1].status_code == 200  # the form again, with its error
    with pytest.raises(DomainError, match="deactivated already"):
        deactivate(people.auditor.pk, by=people.governance_lead, reason="Again.")
    reactivate(people.auditor.pk, by=people.governance_lead, reason="Back.")
    assert not is_in(client)
    assert is_in(sign_in(people.auditor)[0])


@pytest.mark.parametrize("verb", [deactivate, reactivate, end_sessions])
def test_only_those_who_govern_look_after_accounts(people: People, verb: Any) -> None:
    for stranger in (people.approver, people.auditor, make_people().governance_lead):
        with pytest.raises(PermissionRefused):
            verb(people.requester.pk, by=stranger, reason="Because.")
    with pytest.raises(InvalidInputError, match="Say why"):
        verb(people.requester.pk, by=people.governance_lead, reason=" \u200b")


def test_nobody_deactivates_themselves_with_a_second_account_either(people: People) -> None:
    lead = people.governance_lead
    second = make_user(Role.GOVERNANCE_LEAD, people.tenant, entra_object_id=lead.entra_object_id)
    for account in (lead, second):
        with pytest.raises(PermissionRefused, match="Another"):
            deactivate(account.pk, by=lead, reason="Because.")


def test_nobody_lets_themselves_in_again_with_a_second_account(people: People) -> None:
    lead, other = people.governance_lead, make_user(Role.GOVERNANCE_LEAD, people.tenant)
    second = make_user(Role.GOVERNANCE_LEAD, people.tenant, entra_object_id=lead.entra_object_id)
    lead = deactivate(lead.pk, by=other, reason="On leave.")
    assert (may_reactivate(second, lead), may_reactivate(other, lead)) == (False, True)
    with pytest.raises(PermissionRefused, match="Another"):
        reactivate(lead.pk, by=second, reason="Because.")


@pytest.fixture
def break_glass(db: None) -> User:
    return User.objects.create_superuser("break.glass@contoso.example", PASSWORD)


def test_a_break_glass_sign_in_is_logged_and_raises_an_alarm_in_every_tenant(people: People, break_glass: User) -> None:
    other = make_people()
    assert is_in(sign_in(break_glass)[0])
    entries = ProvisioningLog.objects.filter(action=Action.BREAK_GLASS_SIGNED_IN, actor=break_glass.upn)
    assert {entry.tenant_id for entry in entries} == {people.tenant.pk, other.tenant.pk}
    told = set(OutboxMessage.objects.filter(event=Event.BREAK_GLASS).values_list("recipient", flat=True))
    expected = {each.pk for team in (people, other) for each in (team.governance_lead, team.compliance_officer)}
    assert told == expected


def test_a_former_governance_lead_hears_of_no_break_glass_sign_in(people: People, break_glass: User) -> None:
    revoke(people.governance_lead, Role.GOVERNANCE_LEAD, people.tenant)
    people.governance_lead.groups.add(Group.objects.get(name=Role.GOVERNANCE_LEAD))
    assert is_in(sign_in(break_glass)[0])
    told = OutboxMessage.objects.filter(event=Event.BREAK_GLASS)
    assert [message.recipient for message in told] == [people.compliance_officer]


def test_without_its_log_entry_there_is_no_break_glass_sign_in(people: People, break_glass: User) -> None:
    def no_log(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("INSERT INTO") and "provisioninglog" in sql:
            raise OperationalError("The disk is full.")
        return execute(sql, params, many, context)

    client = Client(raise_request_exception=False)
    with connection.execute_wrapper(no_log):
        client.post(LOGIN, {"username": break_glass.upn, "password": PASSWORD, "next": HOME})
    assert not is_in(client)


def test_in_production_a_password_opens_break_glass_accounts_alone(
    people: People, break_glass: User, settings: Any
) -> None:
    open_session = client_of(people.auditor)
    assert is_in(open_session)
    settings.LOCAL_PASSWORDS = False
    assert not is_in(sign_in(people.auditor)[0])
    assert not is_in(open_session)
    assert is_in(sign_in(break_glass)[0])


def test_s14_guessing_a_password_is_throttled_for_a_quarter_of_an_hour(people: People) -> None:
    user = people.auditor
    User.objects.filter(pk=user.pk).update(is_staff=True)
    for _ in range(4):
        assert sign_in(user, "wrong")[1].status_code == 200
    assert sign_in(user, "wrong")[1].status_code == 429
    client, answer = sign_in(user)
    assert answer.status_code == 429
    assert "Wait 15 minutes" in answer.content.decode()
    assert not is_in(client)
    colleague = people.operator
    User.objects.filter(pk=colleague.pk).update(is_staff=True)
    assert is_in(sign_in(colleague)[0])


def test_guessing_at_the_second_sign_in_is_throttled_too(people: People) -> None:
    client = client_of(people.auditor)
    answers = [client.post("/sign-in/again/", {"password": "wrong"}).status_code for _ in range(6)]
    assert answers[0] == 403
    assert answers[-1] == 429


def test_without_a_way_to_microsoft_its_addresses_are_not_found(db: None) -> None:
    assert Client().get("/sign-in/entra/").status_code == 404
    assert Client().get("/sign-in/entra/callback/?code=x&state=y").status_code == 404
    assert "Sign in with Microsoft" not in Client().get(LOGIN).content.decode()


def test_the_sign_in_offers_microsoft_first(db: None, settings: Any) -> None:
    settings.ENTRA_SIGN_IN_CLIENT_ID, settings.LOCAL_PASSWORDS = "client", False
    page = Client().get(f"{LOGIN}?next=/admin/audit_app/provisioninglog/").content.decode()
    assert '/sign-in/entra/?next=/admin/audit_app/provisioninglog/"' in page
    assert "for emergencies only" in page


def test_a_production_without_microsoft_or_limits_is_named(settings: Any) -> None:
    settings.PRODUCTION, settings.ENTRA_SIGN_IN_CLIENT_ID, settings.ENTRA_SIGN_IN_SECRET_FILE = True, "", ""
    settings.SESSION_HOURS = 1000
    assert [message.id for message in checks.people_can_sign_in()] == ["elm.E030", "elm.W030"]
    settings.PRODUCTION = False
    assert checks.people_can_sign_in() == []
