"""A single request shared with a colleague: they read it and nothing else, until the next click after it ends."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts_app.models import User
from accounts_app.roles import Role
from accounts_app.scope import scope_of
from audit_app.actions import Action
from audit_app.verify import verify_log
from core_app.errors import DomainError, PermissionRefused
from notifications_app.models import OutboxMessage
from requests_app import services
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest, EnvironmentRequestUserObjectPermission
from requests_app.visibility import shared_with, visible_requests
from tests.factories import decide, make_automation, make_people, make_request, make_user, unit_of
from tests.screens import LIST, client_of, page_of, press, told

pytestmark = pytest.mark.django_db

LOG = reverse("admin:audit_app_provisioninglog_changelist")


@pytest.fixture
def request_(people):
    return make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)


@pytest.fixture
def colleague(people):
    return make_user(Role.REQUESTER, unit_of(people.tenant, "Treasury"))


def seen_by(user):
    found = EnvironmentRequest.objects.filter(visible_requests(scope_of(user), shared_with(user.pk)))
    return set(found)


def test_the_colleague_is_told_each_time_a_request_is_shared_with_them(people, request_, colleague):
    for _ in range(2):
        services.share(request_.pk, reader=colleague, by=people.requester)
        services.unshare(request_.pk, reader=colleague, by=people.requester)

    messages = OutboxMessage.objects.filter(recipient=colleague)
    assert {message.subject for message in messages} == {f"{request_} was shared with you"}
    assert messages.count() == 2
    assert not OutboxMessage.objects.filter(event="shared").exclude(recipient=colleague).exists()


def test_the_requester_shares_and_both_acts_are_in_the_requests_chain(people, request_, colleague):
    assert seen_by(colleague) == set()

    services.share(request_.pk, reader=colleague, by=people.requester)
    assert seen_by(colleague) == {request_}
    services.unshare(request_.pk, reader=colleague, by=people.requester)
    assert seen_by(colleague) == set()

    entries = request_.log_entries.filter(action__in=(Action.REQUEST_SHARED, Action.REQUEST_UNSHARED))
    said = [(entry.action, entry.actor, entry.action_details) for entry in entries.order_by("sequence")]
    assert said == [
        (Action.REQUEST_SHARED, people.requester.upn, {"reader": colleague.upn}),
        (Action.REQUEST_UNSHARED, people.requester.upn, {"reader": colleague.upn}),
    ]
    assert verify_log().ok


def test_a_governance_lead_of_the_unit_shares_too_and_nobody_else(people, request_, colleague):
    services.share(request_.pk, reader=colleague, by=people.governance_lead)
    elsewhere = make_user(Role.GOVERNANCE_LEAD, unit_of(people.tenant, "Treasury"))
    disabled = make_user(Role.GOVERNANCE_LEAD, people.tenant, is_active=False)
    others = make_people()
    for person in (people.approver, people.auditor, people.operator, colleague, elsewhere, disabled, others.requester):
        for verb in (services.share, services.unshare):
            with pytest.raises(PermissionRefused, match="shared by its requester or a Governance Lead"):
                verb(request_.pk, reader=colleague, by=person)
    assert request_.log_entries.filter(action=Action.REQUEST_SHARED).count() == 1


def test_it_is_shared_with_active_colleagues_who_hold_a_role_once(people, request_, colleague):
    unit, others = people.unit, make_people()
    for reader, why in (
        (others.auditor, "colleagues of your organisation"),
        (make_user(Role.REQUESTER, unit, is_active=False), "colleagues of your organisation"),
        (make_automation(Role.REQUESTER, unit), "colleagues of your organisation"),
        (make_user(None, unit), "has no role here"),
        (people.requester, "own request"),
    ):
        with pytest.raises(DomainError, match=why):
            services.share(request_.pk, reader=reader, by=people.requester)
    services.share(request_.pk, reader=colleague, by=people.requester)
    with pytest.raises(DomainError, match="already"):
        services.share(request_.pk, reader=colleague, by=people.requester)
    with pytest.raises(DomainError, match="not shared with"):
        services.unshare(request_.pk, reader=people.auditor, by=people.requester)
    assert EnvironmentRequestUserObjectPermission.objects.count() == 1


def test_a_share_ends_with_the_account_and_does_not_follow_a_person_into_another_tenant(people, request_, colleague):
    services.share(request_.pk, reader=colleague, by=people.requester)
    other = make_people()

    for change in ({"is_active": False}, {"is_active": True, "tenant": other.tenant}):
        User.objects.filter(pk=colleague.pk).update(**change)
        assert shared_with(colleague.pk) == []


def test_the_reader_sees_this_request_its_log_and_gate_and_nothing_else(people, request_, colleague):
    another = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    client = client_of(colleague)
    own = (page_of(request_), page_of(request_, "history"), page_of(request_.gate))
    entry = request_.log_entries.first()
    assert {client.get(page).status_code for page in (*own, page_of(entry))} == {404}

    services.share(request_.pk, reader=colleague, by=people.requester)

    assert {client.get(page).status_code for page in (*own, page_of(entry))} == {200}
    assert f"Shared with {colleague}." in client.get(page_of(request_)).content.decode()
    assert list(client.get(reverse(LIST)).context["cl"].result_list) == [request_]
    logged = client.get(LOG).context["cl"].result_list
    assert {entry.environment_request_id for entry in logged} == {request_.pk}
    for page in (page_of(another), page_of(another.gate), page_of(another.log_entries.first())):
        assert client.get(page).status_code == 404

    services.unshare(request_.pk, reader=colleague, by=people.governance_lead)
    assert {client.get(page).status_code for page in (*own, page_of(entry))} == {404}


def test_reading_is_all_that_a_share_gives(people, request_):
    reader = make_user(Role.APPROVER, unit_of(people.tenant, "Treasury"))
    draft = make_request(people=people)
    for row in (request_, draft):
        services.share(row.pk, reader=reader, by=people.requester)

    with pytest.raises(PermissionRefused):
        decide(request_, reader)
    assert client_of(reader).post(page_of(draft), {"environment_name": "FIN-Mine-DEV"}).status_code == 403
    for verb in ("withdraw", "share", "unshare", "submit"):
        assert client_of(reader).get(page_of(draft, verb)).status_code == 403, verb
    for verb, said in (("approve", {}), ("withdraw", {}), ("share", {"person": reader.upn})):
        assert press(reader, request_, verb, **said).status_code == 403, verb
    assert EnvironmentRequest.objects.get(pk=request_.pk).state == State.PENDING_APPROVAL


def test_it_is_shared_and_ended_on_the_requests_page(people, request_, colleague):
    unknown = press(people.requester, request_, "share", person=make_people().requester.upn)
    assert "Nobody active in your organisation has this UPN" in unknown.content.decode()
    assert client_of(people.requester).get(page_of(request_, "unshare")).status_code == 403

    shared = press(people.requester, request_, "share", person=colleague.upn.upper())
    assert told(shared, people.requester) == [f"{request_} is shared with {colleague}."]

    dialog = client_of(people.requester).get(page_of(request_, "unshare")).content.decode()
    assert str(colleague) in dialog
    ended = press(people.requester, request_, "unshare", reader=str(colleague.pk))
    assert told(ended, people.requester) == [f"{request_} is no longer shared with {colleague}."]
    assert seen_by(colleague) == set()


def test_lists_cost_the_same_number_of_queries_however_much_is_shared(people, request_, colleague):
    client = client_of(colleague)
    services.share(request_.pk, reader=colleague, by=people.requester)

    def queries():
        counted = []
        for page in (reverse(LIST), LOG, page_of(request_)):
            with CaptureQueriesContext(connection) as captured:
                client.get(page)
            counted.append(len(captured))
        return counted

    before = queries()
    for _ in range(3):
        row = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
        services.share(row.pk, reader=colleague, by=people.requester)
    assert queries() == before
