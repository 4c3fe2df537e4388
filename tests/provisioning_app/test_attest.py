"""Attestation: "done in the portal" is believed only after it was read back."""

from __future__ import annotations

import time

import pytest

from audit_app.actions import Action
from audit_app.verify import verify_log
from core_app.errors import DomainError, PermissionRefused
from provisioning_app import attest as attestation
from provisioning_app import services
from requests_app.choices import State, Zone
from tests.provisioning_app.reconciling import BASELINE, MANAGED, REFUSED, calls, enable_managed, failed_at_managed
from tests.screens import press, state_of, told

pytestmark = pytest.mark.simulated

SAID = "I enabled it in the admin center."
BLOCKING = {"2": {"blocking_steps": ["environment_group", "baseline", "people", "dlp"]}}


def attest(world, request, **changes):
    return services.attest(request.pk, **{"by": world.people.operator, "reason": SAID, **changes})


def writes(world):
    changing = [call for call in calls(world) if call["method"] != "GET" and call["host"] != "login"]
    return [f"{call['method']} {call['url']}" for call in changing if "checkMemberGroups" not in call["url"]]


@pytest.mark.walk
def test_what_was_done_in_the_portal_is_read_back_and_provisioning_goes_on(world):
    request = failed_at_managed(world)
    enable_managed(world, request)
    world.fault(**MANAGED, **REFUSED, count=0)  # we still cannot do it ourselves

    run = attest(world, request)
    assert (run.attempt, run.step) == (2, "managed")
    world.run_until_settled()

    request.refresh_from_db()
    assert request.state == State.COMPLETED, request.failure_reason
    entry = request.log_entries.get(action=Action.STEP_ATTESTED)
    assert (entry.actor, entry.action_details["reason"]) == (world.people.operator.upn, SAID)
    proofs = {proof["setting"]: proof["after"] for proof in entry.action_details["proof"]}
    assert proofs == {"protectionLevel": "Standard", **BASELINE}
    assert verify_log().ok


def test_what_was_not_done_is_refused_with_what_differs_and_nothing_is_changed(world):
    request = failed_at_managed(world)
    world.simulator.control("DELETE", "/journal")

    with pytest.raises(DomainError, match="protectionLevel is Basic, not Standard"):
        attest(world, request)

    assert writes(world) == []
    request.refresh_from_db()
    assert request.state == State.FAILED
    assert not request.log_entries.filter(action=Action.STEP_ATTESTED).exists()


def test_a_person_waits_for_the_look_only_so_long(world, monkeypatch):
    assert attestation.ANSWER_SECONDS == 20
    monkeypatch.setattr(attestation, "ANSWER_SECONDS", 0.5)
    request, began = failed_at_managed(world), time.monotonic()
    world.fault(host="bap", method="GET", delay=30, count=0)

    with pytest.raises(DomainError, match="could not be read back, so it is not accepted"):
        attest(world, request)

    assert time.monotonic() - began < 15


def test_one_wrong_setting_is_named_and_the_right_ones_are_not(world):
    request = failed_at_managed(world)
    enable_managed(world, request, maxLimitUserSharing="500")

    with pytest.raises(DomainError) as refused:
        attest(world, request)

    assert "maxLimitUserSharing is 500, not 50" in str(refused.value)
    assert "solutionCheckerMode" not in str(refused.value)


@pytest.mark.parametrize(
    ("fault", "differs"),
    [
        ({"host": "power_platform", "method": "POST", "path": "addEnvironment"}, "environment group is none"),
        ({"host": "dataverse", "method": "PATCH", "path": "/organizations"}, "isauditenabled is false, not true"),
        ({"host": "dataverse", "method": "POST", "path": "/teams"}, "group team is none"),
    ],
)
def test_every_step_that_can_fail_looks_without_changing(make_world, fault, differs):
    world = make_world(baselines=BLOCKING)
    world.fault(**fault, status=400, body={"error": {"code": "0x1", "message": "no"}}, count=0)
    request = world.provision(Zone.ZONE_2)
    assert request.state == State.FAILED
    world.simulator.control("DELETE", "/faults")
    world.simulator.control("DELETE", "/journal")

    with pytest.raises(DomainError, match=differs):
        attest(world, request)

    assert writes(world) == []


def test_what_cannot_be_read_back_is_not_accepted(world):
    request = failed_at_managed(world)
    enable_managed(world, request)
    world.fault(host="bap", method="GET", path="scopes/admin/environments/", status=500, count=0)

    with pytest.raises(DomainError, match="could not be read back"):
        attest(world, request)


def test_before_an_environment_exists_there_is_nothing_to_attest(world):
    world.fault(host="bap", method="GET", path="/locations", status=400, body={"error": {"code": "x"}})
    request = world.provision(Zone.ZONE_2)

    with pytest.raises(DomainError, match="retry it instead"):
        attest(world, request)


def test_a_completed_request_has_nothing_to_attest(world):
    with pytest.raises(DomainError, match="no failed step"):
        attest(world, world.provision(Zone.ZONE_2))


@pytest.mark.parametrize("who", ["requester", "approver", "auditor", "governance_lead"])
def test_only_an_operator_attests_and_says_what_was_done(world, who):
    request = failed_at_managed(world)

    with pytest.raises(PermissionRefused):
        attest(world, request, by=getattr(world.people, who))
    with pytest.raises(DomainError, match="what was done"):
        attest(world, request, reason=" \u200b ")


def test_an_operator_attests_on_the_requests_page_and_reads_there_what_differs(world):
    request, operator = failed_at_managed(world), world.people.operator

    refused = press(operator, request, "attest", reason=SAID)
    (message,) = told(refused, operator)
    assert "protectionLevel is Basic, not Standard" in message
    enable_managed(world, request)
    accepted = press(operator, request, "attest", reason=SAID)

    assert told(accepted, operator) == [f"{request} was read back and goes on."]
    assert state_of(request) == State.PROVISIONING
