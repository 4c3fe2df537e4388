"""R31 and R32 of the fault list: a deletion that is denied, and one that races with people who use the environment."""

from __future__ import annotations

import pytest
from django.urls import reverse

from audit_app.actions import Action
from core_app.errors import DomainError
from notifications_app.models import OutboxMessage
from provisioning_app import matrix, services
from provisioning_app.choices import EnvironmentStatus, RollbackStatus
from provisioning_app.matrix import Choice
from provisioning_app.models import Rollback
from requests_app.choices import Zone
from tests.faults.remote import sent
from tests.provisioning_app.reconciling import (
    MANAGED,
    REFUSED,
    failed_at_managed,
    give_rollback_credential,
    let_pass,
    our_cloud,
    roll_back,
    with_one_clock,
)
from tests.screens import client_of

pytestmark = pytest.mark.simulated


@pytest.fixture
def deletable(world):
    """A tenant with the second credential and a request that failed before its environment was managed."""
    give_rollback_credential(world)
    return failed_at_managed(world)


def begin(world, request):
    return services.initiate_rollback(request.pk, by=world.people.operator, reason="Asked for twice.")


def enter(world, request):
    """Let a person begin to use the environment."""
    person = str(world.people.requester.entra_object_id)
    our_cloud(world).bap.add_user(request.environments.get().environment_id, person)
    let_pass(world, seconds=30)


def asked_to_delete(world):
    return len(sent(world, "DELETE https://", "DELETE"))


def listed_in_quarantine(world, person):
    """Return what the register's list of quarantined environments shows a person."""
    address = reverse("admin:provisioning_app_environment_changelist")
    page = client_of(person).get(address, {"status__exact": EnvironmentStatus.QUARANTINED})
    return [row.pk for row in page.context["cl"].result_list]


def test_r31_a_deletion_that_is_denied_fails_and_stays_on_a_persons_list(world, deletable):
    world.fault(host="bap", method="DELETE", path="scopes/admin/environments", status=403, count=0)

    begin(world, deletable)
    roll_back(world)

    rollback = Rollback.objects.get()
    assert (rollback.status, rollback.attempts, asked_to_delete(world)) == (RollbackStatus.FAILED, 1, 1)
    failed = deletable.log_entries.get(action=Action.ROLLBACK_FAILED)
    assert (failed.success, failed.error_message) == (False, rollback.error)
    row = deletable.environments.get()
    assert row.status == EnvironmentStatus.QUARANTINED
    assert "Its rollback failed" in row.quarantine_reason
    assert OutboxMessage.objects.filter(event="quarantined", recipient=world.people.operator).count() == 1
    assert listed_in_quarantine(world, world.people.operator) == [row.pk]
    assert not world.halted  # the principal that provisions is another one

    let_pass(world, minutes=30)
    assert services.due_rollbacks() == []  # nothing is tried again until a person says so
    services.release_quarantine(row.pk, by=world.people.operator, reason="The principal may delete now.")
    assert listed_in_quarantine(world, world.people.operator) == []


def test_r32_an_environment_that_a_person_has_entered_is_never_deleted(world, deletable):
    enter(world, deletable)

    with pytest.raises(DomainError, match="People have entered it"):
        begin(world, deletable)

    assert asked_to_delete(world) == 0
    assert not Rollback.objects.exists()
    assert deletable.environments.get().status == EnvironmentStatus.PROVISIONING


def test_r32_a_person_who_enters_after_the_decision_stops_it(world, deletable):
    begin(world, deletable)
    enter(world, deletable)

    roll_back(world)

    assert Rollback.objects.get().error == "People have entered it."
    assert asked_to_delete(world) == 0
    assert deletable.environments.get().status == EnvironmentStatus.QUARANTINED


def test_r32_a_decision_that_is_carried_out_too_late_deletes_nothing(world, deletable):
    begin(world, deletable)
    let_pass(world, minutes=6)

    roll_back(world, minutes=1)

    assert "more than five minutes ago" in Rollback.objects.get().error
    assert asked_to_delete(world) == 0
    assert listed_in_quarantine(world, world.people.operator) == [deletable.environments.get().pk]


def test_r32_microsofts_own_record_of_the_creation_counts_as_well(make_world):
    world = with_one_clock(make_world(timing={"create_seconds": 5, "create_polls": None}))
    give_rollback_credential(world)
    request = world.approved(Zone.ZONE_2)
    world.fault(**MANAGED, **REFUSED)
    world.run_until_settled(stop=lambda: request.runs.filter(step="await_creation").exists())
    let_pass(world, minutes=7)  # no worker for seven minutes: we see the environment for the first time after them
    world.run_until_settled()
    request.refresh_from_db()
    assert Choice.DELETE not in matrix.options(request, world.people.operator)

    with pytest.raises(DomainError, match="only within 5 minutes of a creation"):
        begin(world, request)

    assert asked_to_delete(world) == 0
