"""Somebody decides in another's place: for a time, within what was said, with the other's conflicts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts_app.models import Delegation
from accounts_app.roles import Depth, Role
from accounts_app.services import grant, revoke
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from audit_app.verify import verify_log
from core_app.errors import DomainError, InvalidInputError, PermissionRefused
from gates_app.delegations import Terms, delegate, revoke_delegation
from gates_app.levels import Outcome, Part
from gates_app.models import Decision, GateParty
from notifications_app.models import OutboxMessage
from requests_app import services
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from requests_app.services import sweeps
from tests.factories import decide, make_automation, make_people, make_request, make_user, unit_of
from tests.screens import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _stands_still(clock):
    """Delegations are about time."""


@pytest.fixture
def colleague(people):
    """Holds the requester's role in another unit and decides nothing of their own."""
    return make_user(Role.REQUESTER, unit_of(people.tenant, "Treasury"))


@pytest.fixture
def lend(clock):
    def make(delegator, to, *, by=None, days=7, starts=0, **terms):
        begins = clock.at + timedelta(days=starts)
        said = Terms(begins, begins + timedelta(days=days), terms.pop("reason", "On holiday."), **terms)
        return delegate(delegator, to, said, by=by or delegator)

    return make


def pending(people, zone=Zone.ZONE_2):
    return make_request(State.PENDING_APPROVAL, people=people, zone=zone)


def test_a_delegate_decides_in_the_delegators_place_and_the_log_says_so(people, colleague, lend):
    delegation = lend(people.approver, colleague)

    request = decide(pending(people), colleague)

    assert (request.state, request.approver) == (State.APPROVED, colleague)
    decision = Decision.objects.get(gate=request.gate)
    assert (decision.decided_by, decision.delegation) == (colleague, delegation)
    parts = dict(GateParty.objects.filter(gate=request.gate).values_list("person_key", "part"))
    assert parts[colleague.person_key] == Part.DECIDER
    assert parts[people.approver.person_key] == Part.DELEGATOR
    used = request.log_entries.get(action=Action.DELEGATION_USED)
    assert (used.actor, used.action_details["delegator"]) == (colleague.upn, people.approver.upn)
    assert verify_log().ok


def test_whoever_holds_the_role_decides_by_it_and_uses_no_delegation(people, lend):
    lend(people.approver, people.second_approver)

    request = decide(pending(people), people.second_approver)

    assert Decision.objects.get(gate=request.gate).delegation is None
    assert not request.log_entries.filter(action=Action.DELEGATION_USED).exists()


def test_it_counts_from_its_beginning_to_its_end_and_no_longer_once_it_is_revoked(people, colleague, lend, clock):
    planned = lend(people.approver, colleague, starts=1, days=2)
    request = pending(people, Zone.ZONE_3)
    with pytest.raises(PermissionRefused):
        decide(request, colleague)

    clock.advance(days=1)
    assert decide(request, colleague).state == State.PENDING_APPROVAL
    revoke_delegation(planned.pk, by=people.approver)
    with pytest.raises(PermissionRefused, match="needs the role"):
        decide(pending(people), colleague)

    lend(people.approver, colleague, days=2)
    clock.advance(days=2)
    with pytest.raises(PermissionRefused, match="needs the role"):
        decide(pending(people), colleague)


def test_c05_a_delegate_inherits_what_the_delegator_may_not_decide(people, colleague, lend):
    request = pending(people)
    grant(people.requester, Role.APPROVER, people.unit)
    lend(people.requester, colleague)
    with pytest.raises(PermissionRefused, match="who asked for this"):
        decide(request, colleague)

    # Nor by a role of their own: they stand in for the requester
    lend(people.requester, people.second_approver)
    with pytest.raises(PermissionRefused, match="who asked for this"):
        decide(request, people.second_approver)
    assert request.log_entries.filter(action=Action.DECISION_REFUSED).count() == 2


def test_nobody_decides_twice_neither_themselves_nor_through_a_delegate(people, colleague, lend):
    grant(people.approver, Role.COMPLIANCE_OFFICER, people.tenant)
    lend(people.approver, colleague)

    first = decide(pending(people, Zone.ZONE_3), colleague)
    with pytest.raises(PermissionRefused, match="A delegate has already decided here"):
        decide(first, people.approver)
    with pytest.raises(PermissionRefused, match="already decided"):
        decide(first, colleague)

    second = decide(pending(people, Zone.ZONE_3), people.approver)
    with pytest.raises(PermissionRefused, match="nobody decides twice"):
        decide(second, colleague)
    assert decide(second, people.compliance_officer).state == State.APPROVED


def test_the_database_itself_refuses_a_delegator_with_another_part(people, colleague, lend):
    request = pending(people)
    with (
        pytest.raises(IntegrityError, match=r"one_part_per_person_at_a_gate|gateparty\.person_key"),
        transaction.atomic(),
    ):
        GateParty.objects.create(gate=request.gate, person_key=people.requester.person_key, part=Part.DELEGATOR)


def test_no_more_is_lent_than_was_said_and_than_the_delegator_has(people, colleague, lend):
    cards, treasury = unit_of(people.tenant, "Cards"), unit_of(people.tenant, "Treasury")
    lend(people.approver, colleague, business_unit=treasury)
    with pytest.raises(PermissionRefused):
        decide(pending(people), colleague)  # the request is of Retail

    grant(people.approver, Role.COMPLIANCE_OFFICER, people.tenant)
    lend(people.approver, colleague, role=Role.COMPLIANCE_OFFICER)
    request = pending(people, Zone.ZONE_3)
    with pytest.raises(PermissionRefused):
        decide(request, colleague)
    assert decide(decide(request, people.second_approver), colleague).state == State.APPROVED

    local = make_user(Role.APPROVER, cards)
    lend(local, colleague)
    with pytest.raises(PermissionRefused):
        decide(pending(people), colleague)


def test_what_the_delegator_loses_the_delegate_loses_with_the_next_click(people, colleague, lend):
    request = pending(people)
    lend(people.approver, colleague)
    revoke(people.approver, Role.APPROVER, unit_of(people.tenant, "Group"), Depth.DEEP)

    with pytest.raises(PermissionRefused):
        decide(request, colleague)


def test_what_is_lent_is_not_lent_on(people, colleague, lend):
    further = make_user(Role.APPROVER, unit_of(people.tenant, "Treasury"))
    lend(people.approver, further)
    lend(further, colleague)

    with pytest.raises(PermissionRefused):
        decide(pending(people), colleague)


def test_while_the_delegator_is_away_new_work_goes_to_the_delegate(people, colleague, lend, clock):
    lend(people.approver, colleague)

    request = pending(people)

    assert request.approver == colleague
    told = OutboxMessage.objects.filter(event="decision_needed", reference=request.request_number)
    assert [message.recipient for message in told] == [colleague]


def test_without_absence_work_stays_with_the_delegator_and_the_delegate_is_told_too(people, colleague, lend, clock):
    lend(people.approver, colleague, is_absence=False)

    request = pending(people)

    assert request.approver == people.approver
    told = OutboxMessage.objects.filter(event="decision_needed", reference=request.request_number)
    assert {message.recipient for message in told} == {people.approver, colleague}
    clock.advance(hours=24)
    sweeps.sweep()
    reminded = OutboxMessage.objects.filter(event="reminder", reference=request.request_number)
    assert {message.recipient for message in reminded} == {people.approver, colleague}


def test_a_delegate_sees_what_they_decide_on_and_only_while_they_do(people, colleague, lend, clock):
    request = pending(people)
    page = reverse("admin:requests_app_environmentrequest_change", args=[request.pk])
    mine = reverse("admin:requests_app_environmentrequest_changelist") + "?view=pending-mine"
    client = client_of(colleague)
    assert client.get(page).status_code == 404

    lend(people.approver, colleague, days=1)
    assert client.get(page).status_code == 200
    assert request.request_number in client.get(mine).content.decode()

    clock.advance(days=1)
    assert client_of(colleague).get(page).status_code == 404


def test_only_the_delegator_or_a_governance_lead_delegates_and_ends_it(people, colleague, lend):
    with pytest.raises(PermissionRefused):
        lend(people.approver, colleague, by=colleague)
    with pytest.raises(PermissionRefused):
        lend(people.approver, colleague, by=make_people().governance_lead)
    assert not Delegation.objects.exists()

    delegation = lend(people.approver, colleague, by=people.governance_lead, reason="In hospital.")
    with pytest.raises(PermissionRefused):
        revoke_delegation(delegation.pk, by=colleague)
    revoke_delegation(delegation.pk, by=people.governance_lead)
    with pytest.raises(DomainError, match="ended already"):
        revoke_delegation(delegation.pk, by=people.approver)

    entries = ProvisioningLog.objects.filter(
        tenant_id=people.tenant.pk, action__in=(Action.DELEGATION_CREATED, Action.DELEGATION_REVOKED)
    )
    assert [(entry.action, entry.actor) for entry in entries.order_by("sequence")] == [
        (Action.DELEGATION_CREATED, people.governance_lead.upn),
        (Action.DELEGATION_REVOKED, people.governance_lead.upn),
    ]


def test_who_belongs_to_no_tenant_delegates_nothing(people, colleague, lend):
    with pytest.raises(DomainError, match="belongs to no tenant"):
        lend(make_user(None, is_superuser=True), colleague)


def test_everything_that_is_wrong_is_said_at_once(people, colleague, lend):
    stranger = make_people().approver
    for wrong, place in (
        ({"to": stranger}, "delegate"),
        ({"to": make_user(None, people.unit)}, "delegate"),
        ({"to": make_automation(Role.APPROVER, people.unit)}, "delegate"),
        ({"to": make_user(Role.APPROVER, people.unit, entra_object_id=people.approver.entra_object_id)}, "delegate"),
        ({"days": 0}, "ends_at"),
        ({"days": 93}, "ends_at"),
        ({"starts": -9}, "ends_at"),
        ({"role": Role.GOVERNANCE_LEAD}, "role"),
        ({"business_unit": unit_of(stranger.tenant, "Group")}, "business_unit"),
        ({"reason": " \u200b"}, "reason"),
    ):
        with pytest.raises(InvalidInputError) as refused:
            lend(people.approver, **{"to": colleague, **wrong})
        assert [where for where, _ in refused.value.problems] == [place], wrong
    with pytest.raises(InvalidInputError) as refused:
        lend(people.requester, people.requester, days=0, reason="")
    assert [where for where, _ in refused.value.problems] == ["delegate", "role", "ends_at", "reason"]


class TestScreen:
    """Delegations are made and ended in the admin."""

    LIST = reverse("admin:accounts_app_delegation_changelist")
    ADD = reverse("admin:accounts_app_delegation_add")

    def filled(self, people, colleague, clock, **changes):
        ends = clock.at + timedelta(days=3)
        return {
            "delegate": colleague.upn.upper(),
            "role": "",
            "business_unit": "",
            "begins_at_0": clock.at.strftime("%Y-%m-%d"),
            "begins_at_1": clock.at.strftime("%H:%M:%S"),
            "ends_at_0": ends.strftime("%Y-%m-%d"),
            "ends_at_1": ends.strftime("%H:%M:%S"),
            "is_absence": "on",
            "reason": "On holiday.",
            **changes,
        }

    def test_an_approver_makes_one_and_ends_it(self, people, colleague, clock):
        client = client_of(people.approver)

        made = client.post(self.ADD, self.filled(people, colleague, clock))

        assert made.status_code == 302, made.context["adminform"].form.errors
        delegation = Delegation.objects.get()
        assert (delegation.delegator, delegation.delegate) == (people.approver, colleague)
        assert str(colleague) in client.get(self.LIST).content.decode()
        end = reverse("admin:accounts_app_delegation_end", args=[delegation.pk])
        client.get(end)
        assert Delegation.objects.get().revoked_at is None
        client.post(end, {"_form_submitted": "on"})
        assert Delegation.objects.get().revoked_at is not None

    def test_what_is_wrong_comes_back_with_everything_that_was_typed(self, people, colleague, clock):
        client = client_of(people.approver)

        unknown = client.post(self.ADD, self.filled(people, colleague, clock, delegate="nobody@contoso.example"))
        too_long = client.post(self.ADD, self.filled(people, colleague, clock, ends_at_0="2027-03-02"))

        assert "Nobody active in your organisation has this UPN" in unknown.content.decode()
        assert "lasts 92 days at most" in too_long.content.decode()
        assert "On holiday." in too_long.content.decode()
        assert not Delegation.objects.exists()

    def test_each_sees_their_own_and_leads_and_auditors_see_those_of_the_tenant(self, people, colleague, lend):
        lend(people.approver, colleague)
        others = make_people()
        for person, seen in (
            (people.approver, 1),
            (colleague, 1),
            (people.auditor, 1),
            (people.governance_lead, 1),
            (people.second_approver, 0),
            (people.requester, 0),
            (others.auditor, 0),
            (others.governance_lead, 0),
        ):
            client = client_of(person)
            assert client.get(self.LIST).context["cl"].result_count == seen, person

    def test_who_decides_nothing_makes_none(self, people, colleague, clock):
        for person in (people.requester, people.auditor, people.operator):
            client = client_of(person)
            assert client.post(self.ADD, self.filled(people, colleague, clock)).status_code == 403
        assert not Delegation.objects.exists()

    def test_only_units_that_one_decides_for_are_offered(self, people, colleague, clock):
        client = client_of(people.approver)
        foreign = unit_of(make_people().tenant, "Group")

        refused = client.post(self.ADD, self.filled(people, colleague, clock, business_unit=str(foreign.pk)))

        assert "Select a valid choice" in refused.content.decode()
        assert not Delegation.objects.exists()


def test_an_objection_in_zone_1_can_be_delegated_too(colleague, lend, people, clock):
    people = make_people(people.tenant)
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_1)
    lend(people.approver, colleague)

    services.decide(
        request.pk, by=colleague, outcome=Outcome.REJECT, comment="Use ours.", content_hash=request.content_hash
    )

    assert EnvironmentRequest.objects.get(pk=request.pk).state == State.REJECTED
