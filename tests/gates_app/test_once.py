"""What happens at a gate happens once, whoever comes second."""

from __future__ import annotations

import pytest

from core_app.clock import ManualClock
from core_app.errors import DomainError
from gates_app import services as gates
from gates_app.levels import Outcome
from gates_app.models import Gate
from requests_app.choices import State, Zone
from requests_app.services import decisions
from requests_app.services.submission import GATE_KIND
from tests.factories import People, make_request


@pytest.mark.parametrize(("stage", "status"), [(State.APPROVED, "approved"), (State.REJECTED, "rejected")])
def test_a_closed_gate_takes_no_further_decision(people: People, stage: State, status: str) -> None:
    gate = Gate.objects.get(pk=make_request(stage, people=people, zone=Zone.ZONE_2).gate_id)
    with pytest.raises(DomainError, match=f"already decided: {status}"):
        gates.decide(
            gate.pk,
            by=people.second_approver,
            outcome=Outcome.APPROVE,
            comment="",
            content_hash=gate.content_hash,
            stored_hash=gate.content_hash,
        )


def test_a_sweep_with_an_old_list_sends_nothing_a_second_time(people: People, clock: ManualClock) -> None:
    make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    now = clock.advance(hours=48)
    due_for_reminder = gates.due_for_reminder(now, GATE_KIND).get()
    due_for_escalation = gates.due_for_escalation(now, GATE_KIND).get()
    assert [decisions._remind(due_for_reminder), decisions._remind(due_for_reminder)] == [True, False]
    assert [decisions._escalate(due_for_escalation), decisions._escalate(due_for_escalation)] == [True, False]
