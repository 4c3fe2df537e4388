"""R1 to R33 of the fault list: what Microsoft's services do to a run, one test per item.

Elsewhere: R22 as a late watch (test_late_watch), R29 (test_breaker), R30 to R32 of the reconciler and the rollback
(test_reconcile, test_rollback), the clients' part of most items (tests/microsoft_cloud). R34 belongs to the anchors.
"""

from __future__ import annotations

import base64
import gzip
import json
from datetime import timedelta
from uuid import uuid4

import pytest
import trustme

from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from core_app.errors import InvalidInputError
from microsoft_cloud import http
from notifications_app.models import OutboxMessage
from provisioning_app import services
from provisioning_app.choices import FindingKind, RemoteState, StepOutcome
from provisioning_app.models import CircuitBreaker, Gap, Slot
from requests_app.choices import State, Zone
from requests_app.directory import look_up
from requests_app.policies.naming import domain_name
from tests.factories import make_request
from tests.microsoft import GROUP_NAME
from tests.provisioning_app.reconciling import (
    calls,
    findings_of,
    let_pass,
    make_environment,
    reconcile_now,
    vanish,
    with_one_clock,
)
from tests.rotating import make_rotating

pytestmark = pytest.mark.simulated

CREATE = {"method": "POST", "path": r"BusinessAppPlatform/environments\?"}
MANAGE = {"method": "POST", "path": "governanceConfiguration"}
JOIN = {"host": "power_platform", "method": "POST", "path": "addEnvironment"}
BUSY = {"status": 409, "body": {"error": {"code": "OperationNotStartable", "message": "busy"}}}
READ_ONE = {"host": "bap*", "method": "GET", "path": r"scopes/admin/environments/[^?]"}
READ_GROUP = {"host": "graph", "method": "GET", "path": r"/groups/"}
MISSING_GROUP = {"status": 404, "body": {"error": {"code": "Request_ResourceNotFound"}}}


@pytest.fixture
def brief(make_world):
    """A tenant that probes two minutes for what may have been created."""
    return make_world(propagation_seconds=120)


def completed(world, request):
    """Say whether the request is completed with exactly one environment, the one it names."""
    request.refresh_from_db()
    assert request.state == State.COMPLETED, request.failure_reason
    ours = [item["id"] for item in world.environments if str(request.pk) in item["description"]]
    return ours == [request.environment_id]


def failed(request):
    request.refresh_from_db()
    return request.state == State.FAILED


def held_slots(world):
    return Slot.objects.filter(tenant=world.people.tenant, run__isnull=False).count()


def complaints(request, action=None):
    entries = request.log_entries.filter(success=False)
    return entries.filter(action=action) if action else entries


def sent(world, part, method="POST"):
    return [call for call in calls(world, part) if call["method"] == method]


def stands_at(request, step):
    return lambda: request.runs.filter(step=step).exists()


def retried(world, request, reason="It was mended."):
    services.retry(request.pk, by=world.people.operator, reason=reason)
    world.run_until_settled()
    return request


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
    make_environment(world, domain_name=ours.domain_name, description=f"elm:request={ours.pk}")
    world.run_until_settled()
    assert completed(world, ours)
    assert ours.log_entries.filter(action=Action.ENVIRONMENT_ADOPTED).exists()
    vanish(world, next(item["id"] for item in world.environments if item["description"] == "made by hand"))


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


def test_r14_one_401_is_answered_with_a_fresh_token(world):
    world.fault(host="bap", path="/tenant", status=401)

    request = world.provision()

    assert completed(world, request)
    assert not complaints(request).exists()
    assert [call["status"] for call in calls(world, "/tenant?")] == [401, 200]


@pytest.mark.parametrize(("status", "asked"), [(401, 2), (403, 1)])
def test_r14_a_refused_principal_halts_its_tenant_only_alerts_once_and_burns_no_retries(make_world, status, asked):
    halted, healthy = make_world(), make_world()
    refusal = {"status": status, "body": {"error": {"code": "Forbidden", "message": "no"}}, "count": 0}
    halted.fault(host="bap", path=r"/tenant\?", **refusal)

    first, second = halted.provision(Zone.ZONE_2), halted.approved(Zone.ZONE_2)
    halted.run_until_settled()

    assert failed(first)
    assert len(calls(halted, "/tenant?")) == asked
    second.refresh_from_db()
    assert second.state == State.APPROVED
    assert completed(healthy, healthy.provision(Zone.ZONE_2))
    assert halted.halted
    alerts = OutboxMessage.objects.filter(event="tenant_halted")
    assert [alert.recipient for alert in alerts] == [halted.people.operator]

    halted.simulator.control("DELETE", "/faults")
    services.resume(halted.people.tenant.pk, by=halted.people.operator, reason="Registered again.")
    halted.run_until_settled()
    assert completed(halted, second)


def test_r15_a_secret_rotated_in_the_middle_of_a_run_and_revoked_early_is_picked_up(world):
    rotating = make_rotating(world)
    request = world.approved()
    world.run_until_settled(stop=stands_at(request, "managed"))
    old = rotating.key_ids()

    row = rotating.until_settled(rotating.rotate())
    assert rotating.key_ids() != old  # the one the run began with is revoked
    world.run_until_settled()

    assert completed(world, request)
    assert not complaints(request).exists()
    rotated = ProvisioningLog.objects.get(tenant_id=world.people.tenant.pk, action=Action.CREDENTIAL_ROTATED)
    assert rotated.action_details["revoked_key_id"] == row.old_key_id


def test_r16_a_vault_that_is_silent_is_waited_for_and_one_that_refuses_halts_with_no_other_secret(world):
    world.fault(host="key_vault", drop_before=True, count=0)
    request = world.approved()
    later = world.clock.at + timedelta(minutes=10)
    world.run_until_settled(stop=lambda: world.clock.at >= later)
    assert not complaints(request).exists()
    assert set(request.runs.get().steps.values_list("attempt", flat=True)) <= {1}

    world.simulator.control("DELETE", "/faults")
    world.fault(host="key_vault", status=403, body={"error": {"code": "Forbidden"}}, count=0)
    world.run_until_settled()
    assert failed(request)
    assert world.halted
    assert world.environments == []
    assert [call for call in calls(world) if call["host"] == "bap"] == []  # nobody got a token by another way

    world.simulator.control("DELETE", "/faults")
    services.resume(world.people.tenant.pk, by=world.people.operator, reason="The access policy was mended.")
    assert completed(world, retried(world, request))


def test_r17_a_security_group_that_is_missing_stops_the_run_before_anything_exists_and_may_come_later(world):
    world.fault(**READ_GROUP, **MISSING_GROUP, count=0)
    request = world.provision()
    assert failed(request)
    assert "SecurityGroupNotFound" in request.failure_reason
    assert (world.environments, held_slots(world)) == ([], 0)

    let_pass(world, minutes=3)
    world.simulator.control("DELETE", "/faults")

    assert completed(world, retried(world, request, "The group was created."))


def test_r18_what_is_no_security_group_of_the_tenant_is_refused_before_anybody_approves(make_world):
    world, other = make_world(), make_world()
    list_id = str(uuid4())
    groups = [
        {"id": world.group_id, "display_name": GROUP_NAME},
        {"id": list_id, "display_name": "Everybody", "security_enabled": False},
    ]
    world.simulator.control("POST", "/seed", {"tenants": [{"id": str(world.tenant_id), "groups": groups}]})
    person_id = str(world.people.requester.entra_object_id)

    for unusable in (other.group_id, person_id, list_id):
        draft = make_request(people=world.people, zone=Zone.ZONE_2, security_group_name="", security_group_id=unusable)
        with pytest.raises(InvalidInputError, match="group"):
            look_up(draft)
        draft.refresh_from_db()
        assert draft.state == State.DRAFT


def test_r19_a_group_deleted_between_approval_and_binding_stops_the_run(world):
    request = world.approved()
    world.run_until_settled(stop=stands_at(request, "managed"))

    world.simulator.control("DELETE", f"/tenants/{world.tenant_id}/groups/{world.group_id}")
    world.run_until_settled()

    assert failed(request)
    assert "SecurityGroupNotFound" in request.failure_reason
    assert (request.runs.get().step, held_slots(world)) == ("security_group", 0)


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
    assert complaint.error_message == "Read back: sessiontimeoutinmins is 1440 instead of 120."


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


def test_r26_a_tenant_without_capacity_gets_no_second_attempt_and_is_told_what_to_do(world):
    full = {"status": 409, "body": {"error": {"code": "InsufficientCapacity_StorageDriven", "message": "full"}}}
    world.fault(**CREATE, **full, count=0)

    request = world.provision()

    assert failed(request)
    assert request.failure_reason == "The tenant has no database capacity left; free some or buy more, then retry."
    assert len(sent(world, "BusinessAppPlatform/environments?")) == 1
    assert held_slots(world) == 0


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


def test_r30_an_environment_of_the_same_display_name_without_our_tag_is_never_adopted(world):
    request = world.approved()
    by_hand = make_environment(world, display_name=request.environment_name)

    world.run_until_settled()

    assert completed(world, request)
    assert request.environment_id != by_hand
    assert not request.log_entries.filter(action=Action.ENVIRONMENT_ADOPTED).exists()
    vanish(world, by_hand)


def test_r33_of_two_requests_for_one_name_the_second_is_refused_and_domains_never_meet(world):
    first = world.pending(environment_name="FIN-Twin-DEV")
    with pytest.raises(InvalidInputError, match="FIN-Twin-DEV"):
        world.pending(environment_name="FIN-Twin-DEV")

    other = domain_name("FIN-Twin-DEV", uuid4(), 1, b"key")
    assert other != domain_name("FIN-Twin-DEV", first.pk, 1, b"key")
