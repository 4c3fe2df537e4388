"""Taking a request back before it is decided."""

from __future__ import annotations

import pytest

from audit_app.actions import Action
from core_app.errors import DomainError, PermissionRefused
from gates_app.levels import GateStatus, StageStatus
from requests_app import services
from requests_app.choices import State, Zone
from tests.factories import People, decide, make_request


@pytest.mark.parametrize("state", [State.DRAFT, State.SUBMITTED, State.PENDING_APPROVAL])
def test_the_requester_withdraws_what_is_not_decided(people: People, state: State) -> None:
    request = make_request(state, people=people, zone=Zone.ZONE_2)
    withdrawn = services.withdraw(request.pk, by=people.requester)
    assert withdrawn.state == State.WITHDRAWN
    entry = withdrawn.log_entries.get(action=Action.REQUEST_WITHDRAWN)
    assert (entry.from_state, entry.to_state, entry.actor) == (state, State.WITHDRAWN, people.requester.upn)


def test_its_gate_closes_and_nobody_can_decide_any_more(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    withdrawn = services.withdraw(request.pk, by=people.requester)
    withdrawn.gate.refresh_from_db()
    assert withdrawn.gate.status == GateStatus.CLOSED
    assert withdrawn.gate.stages.get().status == StageStatus.CLOSED
    assert withdrawn.approver is None
    with pytest.raises(DomainError, match="nothing left to decide"):
        decide(request, people.approver)


@pytest.mark.parametrize(
    "state", [State.APPROVED, State.REJECTED, State.PROVISIONING, State.COMPLETED, State.FAILED, State.WITHDRAWN]
)
def test_c11_what_is_decided_is_not_withdrawn(people: People, state: State) -> None:
    request = make_request(state, people=people, zone=Zone.ZONE_2)
    with pytest.raises(DomainError, match="it cannot withdraw now"):
        services.withdraw(request.pk, by=people.requester)
    request.refresh_from_db()
    assert request.state == state


@pytest.mark.parametrize("somebody", ["approver", "governance_lead", "operator", "auditor"])
def test_nobody_else_withdraws_it(people: People, somebody: str) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    with pytest.raises(PermissionRefused, match="Only its requester"):
        services.withdraw(request.pk, by=getattr(people, somebody))


def test_a_disabled_account_withdraws_nothing(people: People) -> None:
    request = make_request(State.DRAFT, people=people)
    people.requester.is_active = False
    people.requester.save()
    with pytest.raises(PermissionRefused):
        services.withdraw(request.pk, by=people.requester)
