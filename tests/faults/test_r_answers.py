"""R7 to R9, R11 to R13 and R27 to R29 of the fault list: answers that are late, odd, lost or not there at all."""

from __future__ import annotations

import base64
import gzip
import json
import socket
from copy import deepcopy
from datetime import timedelta

import pytest
import trustme

from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from microsoft_cloud import http
from provisioning_app.models import CircuitBreaker, Gap
from requests_app.choices import State
from tests.faults.remote import (
    BUSY,
    MANAGE,
    READ_ONE,
    complaints,
    completed,
    sent,
    stands_at,
)
from tests.provisioning_app.reconciling import (
    calls,
    with_one_clock,
)

pytestmark = pytest.mark.simulated


def test_r07_a_busy_answer_right_after_the_creation_is_waited_out_and_verified_never_taken_for_success(world):
    world.fault(**MANAGE, **BUSY, count=3)

    request = world.provision()

    assert completed(world, request)
    assert [call["status"] for call in sent(world, "governanceConfiguration")] == [409, 409, 409, 202]
    proof = request.log_entries.get(action=Action.MANAGED_ENABLED).action_details["proof"]
    assert [item["after"] for item in proof] == ["Standard"]
    assert not complaints(request).exists()


def test_r08_a_conflict_with_the_desired_state_is_verified_and_done(world):
    world.fault(**MANAGE, status=409, body={"error": {"code": "AlreadyManaged"}}, after=True)

    request = world.provision()

    assert completed(world, request)
    assert len(sent(world, "governanceConfiguration")) == 1
    assert world.environments[0]["protection_level"] == "Standard"


def test_r09_after_an_empty_conflict_the_environment_is_read_again(world):
    world.fault(**MANAGE, status=409)

    request = world.provision()

    assert completed(world, request)
    refused, accepted = sent(world, "governanceConfiguration")
    between = [call for call in calls(world) if refused["seq"] < call["seq"] < accepted["seq"]]
    assert any(request.environment_id in call["url"] and call["method"] == "GET" for call in between)
    assert not complaints(request).exists()


def test_r11_every_form_of_retry_after_is_honoured_clamped_and_pauses_the_tenant(world):
    with_one_clock(world)
    for nth, form in enumerate(("seconds", "http-date", "absent", "negative", "huge"), 1):
        world.fault(**MANAGE, nth=nth, throttle=form, retry_after=40)

    request = world.provision()

    assert completed(world, request)
    assert [call["status"] for call in sent(world, "governanceConfiguration")] == [429] * 5 + [202]
    assert not complaints(request).exists()
    took = request.provisioning_completed - request.provisioning_started
    assert timedelta(seconds=40 + 40 + 15 + 300) <= took <= timedelta(minutes=15)
    breaker = CircuitBreaker.objects.get(tenant=world.people.tenant)
    assert (breaker.service, breaker.opened_until) == ("bap", None)
    opened = ProvisioningLog.objects.filter(tenant_id=world.people.tenant.pk, action=Action.CIRCUIT_OPENED)
    assert opened.count() == 1  # only the clamped one was long enough


def test_r12_a_mutation_that_failed_after_it_was_executed_is_read_before_it_is_repeated(brief):
    mutations = {
        "BusinessAppPlatform/environments?": 500,
        "governanceConfiguration": 502,
        "addEnvironment": 503,
        "teams": 504,
        "teamroles_association": 499,
    }
    for part, status in mutations.items():
        brief.fault(method="POST", path=part.replace("?", r"\?"), status=status, after=True)

    request = brief.provision()

    assert completed(brief, request)
    assert not Gap.objects.filter(request=request).exists()
    for part in ("BusinessAppPlatform/environments?", "governanceConfiguration", "teamroles_association"):
        assert len(sent(brief, part)) == 1, part


@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
def test_r12_a_lost_answer_to_an_idempotent_change_is_read_before_it_is_repeated(world, fault):
    world.fault(**MANAGE, **{fault: True})

    assert completed(world, world.provision())
    assert sum(call["processed"] for call in sent(world, "governanceConfiguration")) == 1


def test_r13_answers_nobody_can_read_are_passing_faults_and_a_bomb_is_cut_off(world):
    deep, latin = "[" * 100 + "]" * 100, base64.b64encode('{"name": "é"}'.encode("latin-1")).decode()
    world.fault(host="bap", path="/locations", html_502=True)
    world.fault(method="PATCH", host="dataverse", path="/organizations", html_502=True)
    world.fault(host="bap", path="/tenant", truncated_json=True)
    world.fault(host="bap", path="/environmentGroups", status=200, body=deep)
    world.fault(**READ_ONE, status=200, body_base64=latin)
    bomb = base64.b64encode(gzip.compress(b" " * 51_000_000)).decode()
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    world.fault(host="bap", path="/policies", status=200, body_base64=bomb, headers=headers)

    request = world.provision()

    assert completed(world, request)
    gap = Gap.objects.get(request=request)
    assert (gap.step, "is larger than" in gap.reason) == ("dlp", True)


def test_r27_a_certificate_of_another_authority_fails_closed_and_is_logged(world, settings, tmp_path):
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    other = tmp_path / "endpoints.json"
    other.write_text(json.dumps(world.simulator.ready | {"ca": str(tmp_path / "other.pem")}))
    request = world.approved()
    settings.CLOUD_ENDPOINTS_FILE = str(other)

    world.run_until_settled(hours=1)

    request.refresh_from_db()
    assert request.state != State.COMPLETED
    assert (world.environments, calls(world)) == ([], [])  # not one request left this house
    entries = ProvisioningLog.objects.filter(tenant_id=world.people.tenant.pk, success=False)
    assert entries.exists()


def test_r28_a_body_that_trickles_ends_at_the_deadline_of_the_whole_call(world, monkeypatch):
    monkeypatch.setattr(http, "CALL_SECONDS", 1.0)
    world.fault(host="bap", path="/locations", trickle=0.1)

    request = world.provision()

    assert completed(world, request)
    assert not complaints(request).exists()


@pytest.fixture
def nameless(world, monkeypatch, settings, tmp_path):
    """Return a switch for the host's resolver: it fails for Microsoft's names, as when no DNS server can be reached."""
    document = deepcopy(world.simulator.ready)
    for service in ("bap", "power_platform", "graph", "login"):
        document["endpoints"][service] = f"https://{service.replace('_', '-')}.elm.invalid"
        document["trusted_hosts"].append(f"{service.replace('_', '-')}.elm.invalid")
    table = tmp_path / "endpoints.json"
    table.write_text(json.dumps(document))
    resolve = socket.getaddrinfo

    def fail_for_microsoft(host, *arguments, **options):
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", fail_for_microsoft)

    def switch(*, on):
        settings.CLOUD_ENDPOINTS_FILE = str(table if on else world.simulator.ready_file)

    return switch


def test_r29_ten_minutes_without_name_resolution_open_the_breaker_and_burn_no_attempt(world, nameless):
    request = world.approved()
    world.run_until_settled(stop=stands_at(request, "managed"))
    back_at = world.clock.at + timedelta(minutes=10)

    nameless(on=True)
    world.run_until_settled(stop=lambda: world.clock.at >= back_at)

    breaker = CircuitBreaker.objects.get(tenant=world.people.tenant, opened_at__isnull=False)
    assert "could not be reached" in breaker.reason
    run = request.runs.get()
    assert (run.waiting_for, run.step_attempt) == ("Microsoft to answer again", 1)
    assert breaker.failures <= 6  # asked again now and then, not all the time

    nameless(on=False)
    world.run_until_settled()
    assert completed(world, request)
    assert set(run.steps.values_list("attempt", flat=True)) == {1}
    assert not Gap.objects.filter(request=request).exists()
    assert not complaints(request).exists()
    log = ProvisioningLog.objects.filter(tenant_id=world.people.tenant.pk)
    assert log.filter(action=Action.CIRCUIT_OPENED).count() == 1
    assert log.filter(action=Action.CIRCUIT_CLOSED).count() == 1
