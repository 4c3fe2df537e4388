"""A requester raises the zone, or disputes it before a Governance Lead; nobody else moves it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from accounts_app.models import User
from accounts_app.roles import Role
from accounts_app.services import grant, revoke
from audit_app.actions import Action
from core_app.clock import ManualClock
from core_app.errors import DomainError, InvalidInputError, PermissionRefused, SignInAgainError, StaleContentError
from evidence_app import dossier
from gates_app.delegations import Terms, delegate
from gates_app.levels import GateStatus, Outcome
from notifications_app.catalogue import Event
from notifications_app.models import OutboxMessage
from requests_app import services
from requests_app.choices import DataSensitivity, EnvironmentType, State, Zone
from requests_app.models import EnvironmentRequest, ZoneDispute
from requests_app.permissions import may_dispute, may_edit
from requests_app.services import disputes
from requests_app.services.sweeps import sweep
from requests_app.zones import governance_of
from tests.factories import People, a_group, decide, make_request, make_user

WHY = "The customer data is made up, for a training."


def disputed(people: People, zone: Zone = Zone.ZONE_3, wanted: Zone = Zone.ZONE_2) -> ZoneDispute:
    draft = make_request(people=people, zone=zone)
    return services.dispute_zone(draft.pk, by=people.requester, wanted=wanted, rationale=WHY)


def ruled(dispute: ZoneDispute, by: User, outcome: Outcome = Outcome.APPROVE, **said: Any) -> ZoneDispute:
    values = {"comment": "It is test data indeed.", "content_hash": dispute.gate.content_hash, **said}
    return services.decide_dispute(dispute.pk, by=by, outcome=outcome, **values)


def fresh(request: EnvironmentRequest) -> EnvironmentRequest:
    return EnvironmentRequest.objects.get(pk=request.pk)


def entry(request: EnvironmentRequest, action: Action) -> Any:
    return request.log_entries.filter(action=action).latest("sequence")


def events(person: User) -> list[str]:
    return list(OutboxMessage.objects.filter(recipient=person).values_list("event", flat=True))


# Raising


def test_a_requester_raises_the_zone_and_the_log_says_so(people: People) -> None:
    draft = make_request(people=people)
    raised = services.edit_draft(draft.pk, by=people.requester, raised_zone=Zone.ZONE_2)

    assert raised.zone == Zone.ZONE_2
    assert raised.flags == []
    details = entry(raised, Action.ZONE_CLASSIFIED).action_details
    assert (details["zone"], details["zone_by_the_rules"], details["raised_to"]) == (2, 1, 2)
    assert governance_of(raised).reasons == ("The requester raised it from Zone 1 to Zone 2.",)

    back = services.edit_draft(draft.pk, by=people.requester, raised_zone=None)
    assert back.zone == Zone.ZONE_1


def test_answers_that_ask_for_more_win_over_what_it_was_raised_to(people: People) -> None:
    draft = make_request(people=people, raised_zone=Zone.ZONE_2)
    assert draft.zone == Zone.ZONE_2
    higher = services.edit_draft(draft.pk, by=people.requester, has_customer_data=True)
    assert higher.zone == Zone.ZONE_3


def test_a_requester_never_lowers_the_zone(people: People) -> None:
    draft = make_request(people=people, zone=Zone.ZONE_3)
    with pytest.raises(InvalidInputError, match="can only raise the zone"):
        make_request(people=people, zone=Zone.ZONE_3, raised_zone=Zone.ZONE_2)
    with pytest.raises(InvalidInputError, match="can only raise the zone") as refused:
        services.edit_draft(draft.pk, by=people.requester, raised_zone=Zone.ZONE_1)
    assert [field for field, _ in refused.value.problems] == ["raised_zone"]


# Disputing


def test_a_dispute_opens_a_gate_for_the_governance_lead_and_holds_the_draft(people: People) -> None:
    dispute = disputed(people)

    draft = dispute.request
    assert (dispute.gate.kind, dispute.gate.status) == ("zone_dispute", GateStatus.OPEN)
    assert [stage.role for stage in dispute.gate.stages.all()] == [Role.GOVERNANCE_LEAD]
    assert entry(draft, Action.ZONE_DISPUTED).action_details["rationale"] == WHY
    assert events(people.governance_lead) == [Event.ZONE_DISPUTED]
    assert not may_edit(people.requester, draft)
    assert not may_dispute(people.requester, draft)
    with pytest.raises(PermissionRefused, match="in dispute"):
        services.edit_draft(draft.pk, by=people.requester, region=4)
    with pytest.raises(PermissionRefused, match="in dispute"):
        services.dispute_zone(draft.pk, by=people.requester, wanted=Zone.ZONE_1, rationale=WHY)
    with pytest.raises(InvalidInputError, match="in dispute"):
        services.submit(draft.pk, by=people.requester, directory=a_group())
    second = ZoneDispute.objects.get(pk=dispute.pk)
    second.pk, second.gate_id = uuid4(), make_request(State.PENDING_APPROVAL, people=people).gate_id
    with pytest.raises(IntegrityError, match=r"request_id|one_open_dispute"), transaction.atomic():
        second.save(force_insert=True)


def test_a_lead_lowers_the_zone_for_these_answers_alone(people: People) -> None:
    dispute = disputed(people)
    ruled(dispute, people.governance_lead)

    draft = fresh(dispute.request)
    assert draft.zone == Zone.ZONE_2
    overridden = entry(draft, Action.ZONE_OVERRIDDEN)
    assert (overridden.actor, overridden.policy_version) == (people.governance_lead.upn, draft.rule_set_version)
    said = overridden.action_details
    assert (said["previous_zone"], said["zone"], said["zone_asked_for"], said["rationale"]) == (3, 2, 2, WHY)
    assert "A Governance Lead lowered it from Zone 3 to Zone 2" in governance_of(draft).reasons[-1]
    assert events(people.requester) == [Event.DISPUTE_DECIDED]
    (told,) = dossier._disputes(draft)  # what an examiner reads of it in the request's package
    assert (told["outcome"], told["decided_by"], told["rationale"]) == ("Approved", people.governance_lead.upn, WHY)

    renamed = services.edit_draft(draft.pk, by=people.requester, environment_name="FIN-Renamed-DEV")
    assert renamed.zone == Zone.ZONE_2  # the answers are the same
    assert services.edit_draft(draft.pk, by=people.requester, has_external_access=True).zone == Zone.ZONE_3
    assert services.edit_draft(draft.pk, by=people.requester, has_external_access=False).zone == Zone.ZONE_2
    details = entry(draft, Action.ZONE_CLASSIFIED).action_details
    assert (details["zone"], details["lowered_by_dispute"]) == (2, str(dispute.pk))


def test_a_lead_leaves_the_zone_as_it_is(people: People) -> None:
    dispute = disputed(people)
    ruled(dispute, people.governance_lead, Outcome.REJECT, comment="Training data is copied from real customers.")

    draft = fresh(dispute.request)
    assert draft.zone == Zone.ZONE_3
    assert "copied from real customers" in entry(draft, Action.ZONE_DISPUTE_REJECTED).action_details["comment"]
    assert may_edit(people.requester, draft)
    with pytest.raises(DomainError, match="already decided"):
        ruled(dispute, people.governance_lead)
    with pytest.raises(DomainError, match="decided already"):
        services.withdraw_dispute(dispute.pk, by=people.requester)


def test_who_lowered_the_zone_has_changed_the_request_and_never_approves_it(people: People) -> None:
    """Nor does the person in whose place it was done."""
    delegate_, lead = people.approver, people.governance_lead
    grant(lead, Role.APPROVER, people.unit)
    now = people.tenant.created_at
    terms = Terms(now, now + timedelta(days=30), "On holiday.", Role.GOVERNANCE_LEAD)
    delegate(lead, delegate_, terms, by=lead)
    dispute = disputed(people)
    ruled(dispute, delegate_)
    assert entry(dispute.request, Action.DELEGATION_USED).action_details["delegator"] == lead.upn

    request = services.submit(dispute.request_id, by=people.requester, directory=a_group())
    assert request.approver is None  # not assigned to the manager, who may not decide any more
    for person in (delegate_, lead):
        with pytest.raises(PermissionRefused, match=r"You edited this request|who asked for this or edited it"):
            decide(request, person)
    assert decide(request, people.second_approver).state == State.APPROVED


def test_segregation_of_duties_holds_at_the_dispute_too(people: People) -> None:
    grant(people.requester, Role.GOVERNANCE_LEAD, people.tenant)
    second_account = make_user(Role.GOVERNANCE_LEAD, people.tenant, entra_object_id=people.requester.entra_object_id)
    dispute = disputed(people)

    for person in (people.requester, second_account):
        with pytest.raises(PermissionRefused, match="asked for this yourself"):
            ruled(dispute, person)
    with pytest.raises(PermissionRefused, match="needs the role ELM Governance Lead"):
        ruled(dispute, people.approver)
    refusals = dispute.request.log_entries.filter(action=Action.DECISION_REFUSED)
    assert [each.actor for each in refusals.order_by("sequence")] == [
        people.requester.upn,
        second_account.upn,
        people.approver.upn,
    ]
    assert fresh(dispute.request).zone == Zone.ZONE_3


def test_a_decision_binds_to_what_was_shown_and_needs_words(people: People) -> None:
    dispute = disputed(people)
    with pytest.raises(StaleContentError):
        ruled(dispute, people.governance_lead, content_hash="0" * 64)
    with pytest.raises(DomainError, match="needs a comment"):
        ruled(dispute, people.governance_lead, comment=" \u200b ")
    with pytest.raises(DomainError, match="needs a comment"):
        ruled(dispute, people.governance_lead, Outcome.REJECT, comment="")
    assert dispute.gate.decisions.count() == 0


def test_a_decision_about_zone_3_needs_a_recent_sign_in(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    about_3, about_2 = disputed(people), disputed(people, Zone.ZONE_2, Zone.ZONE_1)
    monkeypatch.setattr(User, "authenticated_at", None)
    with pytest.raises(SignInAgainError):
        ruled(about_3, people.governance_lead)
    ruled(about_2, people.governance_lead)
    assert fresh(about_2.request).zone == Zone.ZONE_1


@pytest.mark.parametrize(
    ("zone", "changes", "wanted", "rationale", "field"),
    [
        (Zone.ZONE_2, {}, Zone.ZONE_2, WHY, "wanted_zone"),
        (Zone.ZONE_2, {}, Zone.ZONE_3, WHY, "wanted_zone"),
        (Zone.ZONE_2, {"raised_zone": Zone.ZONE_3}, Zone.ZONE_1, WHY, "wanted_zone"),
        (Zone.ZONE_3, {}, Zone.ZONE_2, " \n", "rationale"),
    ],
)
def test_what_is_wrong_with_a_dispute_is_said(
    people: People, zone: Zone, changes: dict[str, Any], wanted: Zone, rationale: str, field: str
) -> None:
    draft = make_request(people=people, zone=zone, **changes)
    with pytest.raises(InvalidInputError) as refused:
        services.dispute_zone(draft.pk, by=people.requester, wanted=wanted, rationale=rationale)
    assert [name for name, _ in refused.value.problems] == [field]


def test_where_nobody_could_decide_there_is_no_dispute(people: People) -> None:
    revoke(people.governance_lead, Role.GOVERNANCE_LEAD, people.tenant)
    draft = make_request(people=people, zone=Zone.ZONE_2)
    with pytest.raises(InvalidInputError, match="Nobody who may decide holds the role ELM Governance Lead"):
        services.dispute_zone(draft.pk, by=people.requester, wanted=Zone.ZONE_1, rationale=WHY)


def test_only_the_requester_disputes_and_only_a_draft(people: People) -> None:
    draft = make_request(people=people, zone=Zone.ZONE_2)
    pending = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    for request, by in ((draft, people.approver), (pending, people.requester)):
        with pytest.raises(PermissionRefused):
            services.dispute_zone(request.pk, by=by, wanted=Zone.ZONE_1, rationale=WHY)
        assert not may_dispute(by, request)
    assert may_dispute(people.requester, draft)


def test_the_requester_takes_a_dispute_back_or_withdraws_the_request_with_it(people: People) -> None:
    one, other = disputed(people), disputed(people)
    with pytest.raises(PermissionRefused, match="Only the requester"):
        services.withdraw_dispute(one.pk, by=people.governance_lead)
    assert services.withdraw_dispute(one.pk, by=people.requester).closed_at
    assert may_edit(people.requester, fresh(one.request))
    services.withdraw(other.request_id, by=people.requester)
    for dispute in (one, other):
        dispute.gate.refresh_from_db()
        assert dispute.gate.status == GateStatus.CLOSED
        assert entry(dispute.request, Action.ZONE_DISPUTE_WITHDRAWN).actor == people.requester.upn
        with pytest.raises(DomainError, match="already decided"):
            ruled(dispute, people.governance_lead)


def test_the_leads_are_reminded_once_and_never_of_what_is_decided(people: People, clock: ManualClock) -> None:
    dispute, decided = disputed(people), disputed(people, Zone.ZONE_2, Zone.ZONE_1)
    stale = decided.gate.stages.get()
    ruled(decided, people.governance_lead)
    clock.advance(hours=37)
    for _ in range(2):
        sweep()
    assert events(people.governance_lead).count(Event.DISPUTE_REMINDER) == 1
    assert entry(dispute.request, Action.REMINDER_SENT).action_details["to"] == [people.governance_lead.upn]
    assert not decided.request.log_entries.filter(action=Action.REMINDER_SENT).exists()
    assert not disputes._remind(stale)  # read before it was decided


def test_a_lower_zone_is_what_is_routed_and_hashed(people: People) -> None:
    dispute = disputed(people, Zone.ZONE_2, Zone.ZONE_1)
    ruled(dispute, people.governance_lead)
    request = services.submit(dispute.request_id, by=people.requester, directory=a_group())
    assert (request.zone, request.gate.level) == (Zone.ZONE_1, 1)
    assert request.data_sensitivity == DataSensitivity.CONFIDENTIAL
    assert request.environment_type == EnvironmentType.SANDBOX
