"""R20, R21, R24 and R25 of the fault list: settings that do not stick, and other hands on the environment."""

from __future__ import annotations

import pytest

from audit_app.actions import Action
from provisioning_app import services
from provisioning_app.choices import RemoteState, StepOutcome
from provisioning_app.models import Gap
from tests.faults.remote import (
    JOIN,
    complaints,
    completed,
    failed,
    stands_at,
)
from tests.provisioning_app.reconciling import (
    vanish,
)

pytestmark = pytest.mark.simulated


def test_r20_a_group_that_refuses_three_times_opens_a_gap_that_a_sweep_closes(world):
    world.fault(**JOIN, status=500, body={"error": {"code": "x"}}, count=3)

    request = world.provision()

    assert completed(world, request)
    assert complaints(request, Action.GROUP_ASSIGNED).count() == 3
    gap = Gap.objects.get(request=request)
    assert (gap.step, gap.owner, gap.closed_at) == ("environment_group", world.people.operator, None)
    environment = request.environments.get()
    assert environment.governed_at is None

    for _ in range(6):
        world.clock.advance(minutes=6)
        services.retry_gaps()
    gap.refresh_from_db()
    assert gap.closed_at is not None
    assert request.log_entries.filter(action=Action.GAP_CLOSED).exists()
    environment.refresh_from_db()
    assert environment.governed_at is not None


def test_r20_where_the_zone_blocks_on_the_group_the_request_is_not_completed(make_world):
    world = make_world(baselines={"3": {"blocking_steps": ["environment_group"]}})
    world.fault(**JOIN, status=500, count=0)

    request = world.provision()

    assert failed(request)
    assert complaints(request, Action.GROUP_ASSIGNED).count() == 3
    assert not Gap.objects.filter(request=request).exists()
    assert len(world.environments) == 1


def test_r21_one_setting_of_six_that_did_not_stick_repeats_only_its_step_and_is_named(world):
    request = world.approved()
    world.run_until_settled(stop=stands_at(request, "environment_group"))
    (environment,) = world.environments
    stale = environment["dataverse"]["organization"] | {
        "isauditenabled": True,
        "isuseraccessauditenabled": True,
        "isreadauditenabled": True,
        "auditretentionperiodv2": 2557,
        "sessiontimeoutenabled": True,
        "sessiontimeoutinmins": 1440,
    }
    world.fault(host="dataverse", method="GET", path="/organizations", nth=2, status=200, body={"value": [stale]})
    world.run_until_settled()

    assert completed(world, request)
    run = request.runs.get()
    repeated = run.steps.filter(attempt=2)
    assert [(record.step, record.outcome) for record in repeated] == [("baseline", StepOutcome.DONE)]
    complaint = complaints(request).get()
    assert complaint.error_message == "Read back: sessiontimeoutinmins is 1440, not 120."


def test_r24_an_environment_deleted_by_a_person_is_not_created_again(world):
    request = world.approved()
    world.run_until_settled(stop=stands_at(request, "managed"))
    vanish(world, world.environments[0]["id"])
    world.run_until_settled()

    assert failed(request)
    assert "no longer exists" in request.failure_reason
    assert request.runs.get().remote_state == RemoteState.ABSENT
    assert world.environments == []


def test_r25_an_environment_renamed_by_a_person_is_followed_by_its_id(world):
    request = world.approved()
    world.run_until_settled(stop=stands_at(request, "readiness"))
    (environment,) = world.environments
    asked = {"tenant": str(world.tenant_id), "upn": world.people.approver.upn}
    token = world.simulator.control("POST", "/tokens", asked)["access_token"]
    origin = world.simulator.ready["endpoints"]["bap"]
    path = f"/providers/Microsoft.BusinessAppPlatform/scopes/admin/environments/{environment['id']}"
    renamed = world.simulator.http.patch(
        f"{origin}{path}?api-version=2021-04-01",
        json={"properties": {"displayName": "Ours now"}},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert renamed.status_code == 202
    world.run_until_settled()

    assert completed(world, request)
    assert [item["display_name"] for item in world.environments] == ["Ours now"]
