"""R1 to R6, R10, R22, R23, R26, R30 and R33 of the fault list: what may happen to a creation at Microsoft."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from audit_app.actions import Action
from core_app.errors import InvalidInputError
from notifications_app.models import OutboxMessage
from provisioning_app.choices import FindingKind, RemoteState
from requests_app.choices import EnvironmentType
from requests_app.policies.naming import domain_name
from tests.faults.remote import (
    BUSY,
    CREATE,
    READ_ONE,
    complaints,
    completed,
    failed,
    held_slots,
    retried,
    sent,
)
from tests.provisioning_app.reconciling import (
    findings_of,
    let_pass,
    make_environment,
    reconcile_now,
    vanish,
)

pytestmark = pytest.mark.simulated


@pytest.mark.parametrize(("fault", "creations"), [("drop_after", 1), ("drop_before", 2)])
def test_r01_a_reset_connection_is_probed_and_the_environment_made_once(brief, fault, creations):
    brief.fault(**CREATE, **{fault: True})

    request = brief.provision()

    assert completed(brief, request)
    assert len(sent(brief, "BusinessAppPlatform/environments?")) == creations
    assert request.log_entries.filter(action=Action.ENVIRONMENT_ADOPTED).exists() == (fault == "drop_after")


def test_r02_a_200_counts_only_when_an_environment_with_our_tag_can_be_read(make_world):
    world = make_world(poll_limit=4, propagation_seconds=120)
    foreign = make_environment(world, description="made by hand")
    world.fault(**CREATE, status=200, body={"name": foreign})
    lied_to = world.provision()
    assert failed(lied_to)
    assert lied_to.runs.get().remote_state == RemoteState.UNKNOWN
    assert not lied_to.environments.exists()  # somebody else's environment is never entered as ours

    retried(world, lied_to)
    assert completed(world, lied_to)

    world.fault(**CREATE, status=200, body={}, after=True)
    assert completed(world, world.provision())
    vanish(world, foreign)


def test_r03_a_creation_without_location_is_found_by_domain_and_tag_and_not_repeated(world):
    world.fault(**CREATE, remove_headers=["Location"])

    assert completed(world, world.provision())
    assert len(sent(world, "BusinessAppPlatform/environments?")) == 1


def test_r04_a_location_on_a_foreign_host_is_never_followed_and_a_retry_adopts_what_was_created(world):
    world.fault(**CREATE, hostile_location=True)

    request = world.provision()
    assert failed(request)
    assert "attacker.example" not in request.runs.get().operation_url
    assert request.runs.get().remote_state == RemoteState.UNKNOWN

    assert completed(world, retried(world, request, "The proxy that rewrote the address was removed."))
    assert len(sent(world, "BusinessAppPlatform/environments?")) == 1


def test_r05_an_empty_environment_id_is_looked_up_and_a_list_in_place_of_it_is_an_error(world):
    nameless = {"id": "o", "state": {"id": "Succeeded"}, "links": {"environment": {"path": ""}}}
    world.fault(host="bap*", method="GET", path="lifecycleOperations/", status=200, body=nameless)
    world.fault(**READ_ONE, nth=3, status=200, body={"value": [{"name": "a"}, {"name": "b"}]})

    request = world.provision()

    assert failed(request)
    assert "not the environment that was asked for" in request.failure_reason
    assert completed(world, retried(world, request))


def test_r06_an_operation_that_succeeded_is_verified_until_the_environment_can_be_worked_on(make_world):
    world = make_world(
        timing={
            "metadata_reads": None,
            "management_reads": None,
            "metadata_seconds": 600,
            "dataverse_denials": None,
            "token_denials": None,
            "dataverse_seconds": 600,
        }
    )
    world.fault(**READ_ONE, status=404, body={"error": {"code": "EnvironmentNotFound"}}, count=3)

    request = world.provision()

    assert completed(world, request)
    assert request.provisioning_completed - request.provisioning_started >= timedelta(minutes=10)
    assert not complaints(request).exists()


def test_r10_a_domain_name_that_others_hold_is_replaced_by_the_next_one_and_our_own_is_adopted(world, settings):
    request = world.approved()
    make_environment(world, domain_name=request.domain_name, description="made by hand")

    world.run_until_settled()

    following = domain_name(request.environment_name, request.pk, 2, settings.DOMAIN_NAME_KEY)
    assert completed(world, request)
    assert (request.runs.get().domain_name, request.runs.get().generation) == (following, 2)
    checked = request.log_entries.get(action=Action.PREFLIGHT_CHECKED).action_details["proof"]
    assert [(p["before"], p["after"]) for p in checked if p["setting"] == "domain name"] == [
        (request.domain_name, following)
    ]

    ours = world.approved()
    wanted = {"sku": EnvironmentType(ours.environment_type).label, "description": f"elm:request={ours.pk}"}
    make_environment(world, domain_name=ours.domain_name, **wanted)
    world.run_until_settled()
    assert completed(world, ours)
    assert ours.log_entries.filter(action=Action.ENVIRONMENT_ADOPTED).exists()
    vanish(world, next(item["id"] for item in world.environments if item["description"] == "made by hand"))


def test_r22_a_creation_that_takes_61_minutes_fails_as_unknown_is_proposed_and_adopted(make_world):
    world = make_world(
        timing={"create_polls": None, "create_seconds": 61 * 60}, poll_interval_seconds=300, poll_limit=12
    )
    request = world.provision()
    run = request.runs.get()
    assert failed(request)
    assert "PollTimeout" in request.failure_reason
    assert run.remote_state == RemoteState.UNKNOWN
    assert 59 < (run.finished_at - run.started_at).total_seconds() / 60 <= 66
    assert OutboxMessage.objects.filter(event="poll_timeout", recipient=world.people.operator).count() == 1

    let_pass(world, minutes=10)
    reconcile_now()
    (finding,) = findings_of(world, FindingKind.ENVIRONMENT_APPEARED)
    assert finding.request == request
    assert OutboxMessage.objects.filter(event="finding_opened", recipient=world.people.operator).exists()

    assert completed(world, retried(world, request, "It appeared."))
    assert request.log_entries.filter(action=Action.ENVIRONMENT_ADOPTED).exists()


def test_r23_a_status_that_flaps_is_final_only_when_the_resource_says_so(world):
    for nth, state in enumerate(("Running", "NotStarted", "Failed"), 1):
        body = {"id": "o", "state": {"id": state}, "links": {"environment": {"path": ""}}}
        world.fault(host="bap*", method="GET", path="lifecycleOperations/", nth=nth, status=200, body=body)

    request = world.provision()

    assert completed(world, request)
    assert not complaints(request).exists()


def test_r26_a_tenant_without_capacity_gets_no_second_attempt_and_is_told_what_to_do(world):
    full = {"status": 409, "body": {"error": {"code": "InsufficientCapacity_StorageDriven", "message": "full"}}}
    world.fault(**CREATE, **full, count=0)

    request = world.provision()

    assert failed(request)
    assert request.failure_reason == "The tenant has no database capacity left; free some or buy more, then retry."
    assert len(sent(world, "BusinessAppPlatform/environments?")) == 1
    assert held_slots(world) == 0


def test_r30_an_environment_of_the_same_display_name_without_our_tag_is_never_adopted(world):
    request = world.approved()
    by_hand = make_environment(world, display_name=request.environment_name)

    world.run_until_settled()

    assert completed(world, request)
    assert request.environment_id != by_hand
    assert not request.log_entries.filter(action=Action.ENVIRONMENT_ADOPTED).exists()
    vanish(world, by_hand)


def test_r30_an_environment_that_took_our_domain_name_meanwhile_is_never_adopted(world):
    request = world.approved()
    world.fault(**CREATE, **BUSY)
    world.run_until_settled(stop=lambda: request.runs.filter(step="create", waiting_for__gt="").exists())
    taken = request.runs.get().domain_name
    by_hand = make_environment(world, domain_name=taken, description="made by hand")

    world.run_until_settled()

    assert failed(request)
    assert f"The domain name {taken} belongs to another environment" in request.failure_reason
    assert not request.environments.exists()
    assert completed(world, retried(world, request, "The next domain name is free."))
    assert request.environment_id != by_hand
    vanish(world, by_hand)


def test_r33_of_two_requests_for_one_name_the_second_is_refused_and_domains_never_meet(world):
    first = world.pending(environment_name="FIN-Twin-DEV")
    with pytest.raises(InvalidInputError, match="FIN-Twin-DEV"):
        world.pending(environment_name="FIN-Twin-DEV")

    other = domain_name("FIN-Twin-DEV", uuid4(), 1, b"key")
    assert other != domain_name("FIN-Twin-DEV", first.pk, 1, b"key")
