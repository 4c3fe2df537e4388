"""The seed's error matrix; what a lying platform does to a run is in tests/faults."""

from __future__ import annotations

from audit_app.actions import Action
from notifications_app.models import OutboxMessage
from provisioning_app.models import Slot
from requests_app.choices import State

CREATE = {"method": "POST", "path": r"BusinessAppPlatform/environments\?"}


def held_slots(world):
    return Slot.objects.filter(tenant=world.people.tenant, run__isnull=False).count()


def failed_entries(request, action):
    return request.log_entries.filter(action=action, success=False)


def test_a_failed_creation_fails_the_request_and_frees_the_slot(world):
    world.fault(**CREATE, operation="Failed")

    request = world.provision()

    assert request.state == State.FAILED
    assert "could not create" in request.failure_reason
    assert failed_entries(request, Action.ENVIRONMENT_CREATED).exists()
    assert held_slots(world) == 0
    assert OutboxMessage.objects.filter(event="failed", recipient=world.people.requester).count() == 1
    assert OutboxMessage.objects.filter(event="failed", recipient=world.people.operator).count() == 1
