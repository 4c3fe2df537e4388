"""A person signs in with Microsoft: every step over TLS, against the simulated authorize, token and keys endpoints."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from accounts_app.models import User
from accounts_app.people import deactivate
from accounts_app.roles import Role
from accounts_app.scope import scope_of
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from sign_in_app.mappings import Terms, confirm_mapping, end_mapping, propose_mapping
from tests.entra import Entra
from tests.factories import make_user, unit_of

HOME = "/admin/"


def mapping(entra: Entra, role: Role, **more: Any) -> tuple[str, Any]:
    """Map a new group to a role, by two people; return the group and the mapping."""
    group = uuid4()
    second = make_user(Role.GOVERNANCE_LEAD, entra.people.tenant)
    made = propose_mapping(entra.people.tenant.pk, Terms(group, "SG", role, **more), by=entra.people.governance_lead)
    return str(group), confirm_mapping(made.pk, by=second)


def newcomer() -> User:
    """Somebody whom Entra knows and this application does not."""
    return User(upn=f"new.{uuid4().hex[:6]}@contoso.example", entra_object_id=uuid4(), display_name="New Colleague")


def logged(action: Action) -> list[dict[str, Any]]:
    return list(ProvisioningLog.objects.filter(action=action).values_list("action_details", flat=True))


def test_a_person_signs_in_and_comes_to_the_page_they_wanted(entra: Entra) -> None:
    entra.seed(entra.people.approver)
    asked = entra.leave(next="/admin/requests_app/environmentrequest/")
    query = {name: values[0] for name, values in parse_qs(urlsplit(asked).query).items()}
    assert query["code_challenge_method"] == "S256"
    assert query["code_challenge"]
    assert len(query["nonce"]) >= 32

    page = entra.come_back(entra.choose(asked, entra.people.approver))

    assert page["Location"] == "/admin/requests_app/environmentrequest/"
    assert entra.signed_in == str(entra.people.approver.pk)
    assert entra.client.get(page["Location"]).status_code == 200
    assert scope_of(entra.people.approver).own.keys() == {Role.APPROVER}  # given by hand: it stays


def test_nobody_is_sent_to_a_page_elsewhere(entra: Entra) -> None:
    entra.seed(entra.people.approver)
    assert entra.sign_in(entra.people.approver, next="https://attacker.example/")["Location"] == HOME


def test_a_name_alone_lets_nobody_in(entra: Entra) -> None:
    namesake = User(upn=entra.people.approver.upn, entra_object_id=uuid4(), display_name="Mallory")
    entra.seed(namesake)
    page = entra.sign_in(namesake)
    assert page.status_code == 403
    assert "belongs to another Entra identity" in page.content.decode()
    assert entra.signed_in is None
    assert logged(Action.SIGN_IN_REFUSED) == [{"object_id": str(namesake.entra_object_id)}]


def test_groups_give_roles_units_and_take_them_back(entra: Entra) -> None:
    treasury = unit_of(entra.people.tenant, "Treasury")
    auditors, _ = mapping(entra, Role.AUDITOR)
    makers, _ = mapping(entra, Role.REQUESTER, business_unit=treasury)
    person = newcomer()
    entra.seed(person, groups={auditors: [person], makers: [person]})

    assert entra.sign_in(person)["Location"] == HOME
    account = User.objects.get(entra_object_id=person.entra_object_id)
    assert (account.tenant, account.business_unit, account.is_staff) == (entra.people.tenant, treasury, True)
    assert not account.has_usable_password()
    assert scope_of(account).own[Role.AUDITOR].tenants == {entra.people.tenant.pk}
    assert set(account.groups.values_list("name", flat=True)) == {Role.AUDITOR, Role.REQUESTER}

    entra.seed(groups={auditors: []})
    entra.sign_in(person)
    assert Role.AUDITOR not in scope_of(account).own
    assert set(account.groups.values_list("name", flat=True)) == {Role.REQUESTER}
    taken = logged(Action.ROLES_SYNCHRONISED)[-1]
    assert [words.split(" over ")[0] for words in taken["taken"]] == [Role.AUDITOR]


def test_a_mapping_that_ends_takes_its_role_back_at_once(entra: Entra) -> None:
    auditors, made = mapping(entra, Role.AUDITOR)
    person = newcomer()
    entra.seed(person, groups={auditors: [person]})
    entra.sign_in(person)
    log = "/admin/audit_app/provisioninglog/"
    assert entra.client.get(log).status_code == 200
    end_mapping(made.pk, by=entra.people.governance_lead)
    assert entra.client.get(log).status_code == 403


def test_who_has_no_role_is_not_let_in_and_no_account_is_made(entra: Entra) -> None:
    person = newcomer()
    entra.seed(person)
    page = entra.sign_in(person)
    assert page.status_code == 403
    assert "None of your Entra groups has a role here" in page.content.decode()
    assert not User.objects.filter(entra_object_id=person.entra_object_id).exists()


def test_more_groups_than_fit_are_refused_clearly(entra: Entra) -> None:
    group, _ = mapping(entra, Role.AUDITOR)
    person = entra.people.auditor
    groups = {str(uuid4()): [person] for _ in range(200)}
    entra.seed(person, groups={group: [person], **groups})
    page = entra.sign_in(person)
    assert page.status_code == 403
    assert "more Entra groups than fit" in page.content.decode()
    assert entra.signed_in is None


def test_a_deactivated_person_is_out_with_the_next_click_and_stays_out(entra: Entra) -> None:
    person = entra.people.approver
    entra.seed(person)
    entra.sign_in(person)
    assert entra.client.get(HOME).status_code == 200
    deactivate(person.pk, by=entra.people.governance_lead, reason="Has left the bank.")
    assert entra.client.get(HOME).status_code == 302
    page = entra.sign_in(person)
    assert page.status_code == 403
    assert "deactivated" in page.content.decode()


def test_an_answer_to_another_browser_is_worth_nothing(entra: Entra) -> None:
    entra.seed(entra.people.approver)
    answer = entra.choose(entra.leave(), entra.people.approver)
    victim = Entra(entra.simulator, entra.people, entra.client_id)
    assert victim.come_back(answer).status_code == 403
    # Nor with the victim's own state: the code was bound to another verifier
    state = parse_qs(urlsplit(victim.leave()).query)["state"][0]
    code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    assert victim.client.get("/sign-in/entra/callback/", {"code": code, "state": state}).status_code == 403
    assert victim.signed_in is None


def test_a_token_with_the_nonce_of_another_sign_in_is_refused(entra: Entra) -> None:
    entra.seed(entra.people.approver)
    asked = entra.leave()
    nonce = parse_qs(urlsplit(asked).query)["nonce"][0]
    page = entra.come_back(entra.choose(asked.replace(nonce, "x" * 32), entra.people.approver))
    assert page.status_code == 403
    assert "could not be verified" in page.content.decode()
    assert entra.signed_in is None


def test_a_tenant_that_is_not_set_up_here_gets_nowhere(entra: Entra) -> None:
    stranger = newcomer()
    entra.seed(stranger, id=str(uuid4()))
    page = entra.sign_in(stranger)
    assert page.status_code == 403
    assert "not set up here" in page.content.decode()


@pytest.mark.parametrize("path", ["/keys", "/token", "openid-configuration"])
def test_a_microsoft_that_does_not_answer_is_said_in_words(entra: Entra, path: str) -> None:
    entra.seed(entra.people.approver)
    tenant = "/organizations/"
    entra.simulator.fault(host="login", path=f"{tenant}.*{path}", status=503, count=1, nth=2 if "openid" in path else 1)
    try:
        page = entra.sign_in(entra.people.approver)
    finally:
        entra.simulator.control("DELETE", "/faults")
    assert page.status_code == 403
    assert "Try again" in page.content.decode()
    assert entra.signed_in is None


def test_who_cancels_comes_back_to_the_sign_in(entra: Entra) -> None:
    entra.seed(entra.people.approver)
    page = entra.come_back(entra.choose(f"{entra.leave()}&cancel=1", None))
    assert page.status_code == 403
    assert "/admin/login/" in page.content.decode()
