"""What the passing of time asks for: one by one, and none stops the others."""

from __future__ import annotations

from typing import Any

import pytest

from audit_app.actions import Action
from core_app.clock import ManualClock
from core_app.one_by_one import each
from notifications_app.catalogue import Event
from notifications_app.models import OutboxMessage
from requests_app import services, tasks
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from requests_app.services import sweeps
from tests.factories import GRAPH_IS_DOWN, make_people, make_request
from tests.microsoft import GROUP_NAME, World


def states() -> list[int]:
    return list(EnvironmentRequest.objects.order_by("number").values_list("state", flat=True))


@pytest.mark.django_db
def test_a_tick_approves_what_nobody_objected_to_and_nothing_earlier(clock: ManualClock) -> None:
    people = make_people(undo_window_seconds=30)
    make_request(State.PENDING_APPROVAL, people=people)
    clock.advance(seconds=29)
    make_request(State.PENDING_APPROVAL, people=people)
    tasks.tick()
    assert states() == [State.PENDING_APPROVAL, State.PENDING_APPROVAL]
    clock.advance(seconds=1)
    tasks.tick()
    assert states() == [State.APPROVED, State.PENDING_APPROVAL]
    assert sweeps.approve_due() == 0


@pytest.mark.django_db
def test_a_tick_decides_nothing_of_other_zones(clock: ManualClock) -> None:
    make_request(State.PENDING_APPROVAL, zone=Zone.ZONE_2)
    clock.advance(days=30)
    tasks.tick()
    assert states() == [State.PENDING_APPROVAL]


@pytest.mark.django_db
def test_one_row_that_is_refused_never_stops_the_others(clock: ManualClock) -> None:
    people = make_people()
    broken, sound = (make_request(State.PENDING_APPROVAL, people=people) for _ in range(2))
    broken.gate.level = 2  # a gate that no longer agrees with its request
    broken.gate.save()
    assert sweeps.approve_due() == 1
    sound.refresh_from_db()
    assert sound.state == State.APPROVED


def test_each_counts_what_was_done_and_logs_what_broke(caplog: pytest.LogCaptureFixture) -> None:
    def act(item: int) -> Any:
        return [True, False, None, 1 / (item - 3) if item == 3 else None][item]

    assert each(range(4), act) == 2
    assert "one_of_many_broke" in caplog.text


def test_a_sweep_routes_what_had_to_wait_for_the_directory(world: World) -> None:
    request = make_request(State.SUBMITTED, people=world.people, zone=Zone.ZONE_2, security_group_name=GROUP_NAME)
    tasks.sweep()
    request.refresh_from_db()
    assert (request.state, request.security_group_id) == (State.PENDING_APPROVAL, world.group_id)


def test_while_the_directory_is_down_a_sweep_repeats_itself_without_a_word(world: World) -> None:
    world.fault(host="graph", status=503, count=0)
    request = make_request(State.SUBMITTED, people=world.people, zone=Zone.ZONE_2, security_group_name=GROUP_NAME)
    for _ in range(3):
        sweeps.route_waiting()
    request.refresh_from_db()
    assert request.state == State.SUBMITTED
    reasons = request.log_entries.filter(action=Action.ROUTING_DELAYED).values_list("error_message", flat=True)
    assert len(reasons) == 2
    assert reasons[0] == GRAPH_IS_DOWN.unavailable
    assert "(graph: " in reasons[1]


def test_a_group_that_turns_out_not_to_exist_is_told_to_the_requester(world: World) -> None:
    request = make_request(State.SUBMITTED, people=world.people, zone=Zone.ZONE_2, security_group_name="SG-Nobody")
    sound = make_request(State.SUBMITTED, people=world.people, zone=Zone.ZONE_2, security_group_name=GROUP_NAME)
    sweeps.route_waiting()
    sweeps.route_waiting()
    assert states() == [State.SUBMITTED, State.PENDING_APPROVAL]
    told = OutboxMessage.objects.filter(reference=request.request_number, event=Event.ROUTING_DELAYED)
    assert len([message for message in told if "no group 'SG-Nobody'" in message.body]) == 1
    assert services.withdraw(request.pk, by=world.people.requester).state == State.WITHDRAWN
    assert sound.pk != request.pk


@pytest.mark.django_db
def test_a_sweep_reminds_and_escalates(clock: ManualClock) -> None:
    request = make_request(State.PENDING_APPROVAL, zone=Zone.ZONE_2)
    clock.advance(hours=24)
    tasks.sweep()
    tasks.sweep()
    assert request.log_entries.filter(action=Action.REMINDER_SENT).count() == 1
    clock.advance(hours=24)
    tasks.sweep()
    tasks.sweep()
    assert request.log_entries.filter(action=Action.ESCALATION_RAISED).count() == 1
