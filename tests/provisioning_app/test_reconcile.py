"""The reconciler: what Microsoft, our rows and our intentions may differ in, found once, logged and listed."""

from __future__ import annotations

from uuid import uuid4

import pytest

from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from audit_app.verify import verify_log
from core_app.errors import DomainError, PermissionRefused
from microsoft_cloud.bap import Governance
from notifications_app.models import OutboxMessage
from provisioning_app import reconcile, services, tasks
from provisioning_app.choices import EnvironmentStatus, FindingKind
from provisioning_app.models import Environment, ReconciliationFinding, Slot
from requests_app.choices import State, Zone
from tests.faults.remote import JOIN
from tests.provisioning_app.reconciling import (
    failed_at_managed,
    findings_of,
    let_pass,
    make_environment,
    our_cloud,
    reconcile_now,
    vanish,
    where_creation_is_slow,
    with_one_clock,
)
from tests.screens import client_of, page_of


@pytest.fixture
def one_clock(world):
    """A tenant on both sides, under one clock, so that Microsoft's time stamps mean something to us."""
    return with_one_clock(world)


def test_a_healthy_tenant_has_no_findings(one_clock):
    one_clock.provision(Zone.ZONE_3)
    one_clock.approved(Zone.ZONE_2)

    for _ in range(3):
        let_pass(one_clock, minutes=5)
        reconcile_now()

    assert not ReconciliationFinding.objects.exists()


def test_an_environment_of_our_principal_without_an_owner_is_quarantined_and_found_once(world):
    stray = make_environment(world)

    for _ in range(3):
        reconcile_now()

    (finding,) = findings_of(world, FindingKind.ORPHAN_ENVIRONMENT)
    row = Environment.objects.get(environment_id=stray)
    assert (row.status, row.request, row.tenant) == (EnvironmentStatus.QUARANTINED, None, world.people.tenant)
    assert row.quarantined_at == world.clock.at
    assert "belongs to no request" in row.quarantine_reason
    entries = ProvisioningLog.objects.filter(tenant=world.people.tenant, environment_request=None)
    assert entries.filter(action=Action.ENVIRONMENT_QUARANTINED).count() == 1
    assert entries.filter(action=Action.FINDING_OPENED).count() == 1
    assert OutboxMessage.objects.filter(event="quarantined", recipient=world.people.operator).count() == 1
    assert finding.resolved_at is None
    assert verify_log().ok


def test_a_quarantined_orphan_that_was_deleted_leaves_the_list(world):
    stray = make_environment(world)
    reconcile_now()

    vanish(world, stray)
    reconcile_now()

    assert Environment.objects.get(environment_id=stray).status == EnvironmentStatus.DELETED
    (finding,) = findings_of(world, FindingKind.ORPHAN_ENVIRONMENT)
    assert finding.resolved_at is not None
    history = finding.history.order_by("history_date", "history_id")
    assert {was.resolved_at for was in history} == {None, finding.resolved_at}
    assert findings_of(world, FindingKind.ENVIRONMENT_VANISHED) == []


def made_by_a_person(world, name):
    """Let an administrator make an environment in the admin center."""
    world.simulator.control(
        "POST",
        "/seed",
        {"tenants": [{"id": str(world.tenant_id), "users": [{"id": str(uuid4()), "upn": "admin@contoso.example"}]}]},
    )
    token = world.simulator.control(
        "POST", "/tokens", {"tenant": str(world.tenant_id), "upn": "admin@contoso.example"}
    )["access_token"]
    origin = world.simulator.ready["endpoints"]["bap"]
    answer = world.simulator.http.post(
        f"{origin}/providers/Microsoft.BusinessAppPlatform/environments?api-version=2023-06-01",
        json={"location": "europe", "properties": {"displayName": name, "environmentSku": "Sandbox"}},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 201


def test_r30_an_environment_that_somebody_else_made_is_none_of_our_business(world):
    made_by_a_person(world, "FIN-Claims-DEV")

    reconcile_now()

    assert not ReconciliationFinding.objects.exists()
    assert not Environment.objects.exists()


def test_a_second_environment_with_the_tag_of_a_completed_request_is_an_orphan(world):
    request = world.provision(Zone.ZONE_2)
    twin = make_environment(world, description=f"elm:request={request.pk}")

    reconcile_now()

    assert Environment.objects.get(environment_id=twin).status == EnvironmentStatus.QUARANTINED
    assert request.environments.get().status == EnvironmentStatus.ACTIVE


def test_r24_an_environment_that_vanished_is_confirmed_found_once_and_taken_off_the_register(world):
    request = world.provision(Zone.ZONE_2)
    vanish(world, request.environment_id)

    reconcile_now()
    reconcile_now()

    (finding,) = findings_of(world, FindingKind.ENVIRONMENT_VANISHED)
    assert (finding.environment_id, finding.request, finding.run) == (
        request.environment_id,
        request,
        request.runs.get(),
    )
    assert finding.resolved_at is None
    assert request.environments.get().status == EnvironmentStatus.DELETED
    assert request.log_entries.filter(action=Action.FINDING_OPENED).count() == 1
    request.refresh_from_db()
    assert request.state == State.COMPLETED  # nothing terminal changes


def test_what_is_known_of_one_that_vanished_is_kept_when_microsoft_fails_at_the_next(world):
    gone, unknown = (world.provision(Zone.ZONE_1) for _ in range(2))
    for request in (gone, unknown):
        vanish(world, request.environment_id)
    world.fault(host="bap", method="GET", path=rf"environments/{unknown.environment_id}", status=503, count=0)

    reconcile_now()

    (finding,) = findings_of(world, FindingKind.ENVIRONMENT_VANISHED)
    assert finding.request == gone
    assert gone.log_entries.filter(action=Action.FINDING_OPENED).count() == 1
    assert OutboxMessage.objects.filter(event="finding_opened", reference=gone.request_number).exists()
    assert unknown.environments.get().status == EnvironmentStatus.ACTIVE


def test_a_history_that_cannot_be_read_ends_no_pass(one_clock):
    broken, readable = (one_clock.provision(Zone.ZONE_1) for _ in range(2))
    let_pass(one_clock, minutes=30)
    our_cloud(one_clock).bap.patch_environment(readable.environment_id, description="Somebody used our credential")
    path = rf"environments/{broken.environment_id}/operations"
    one_clock.fault(host="bap", method="GET", path=path, status=400, count=0)

    reconcile_now()

    (finding,) = findings_of(one_clock, FindingKind.UNEXPLAINED_OPERATION)
    assert finding.environment_id == readable.environment_id
    assert not Environment.objects.filter(operations_read_at=None).exists()


def test_a_list_that_leaves_an_environment_out_is_not_believed(world):
    request = world.provision(Zone.ZONE_2)
    world.fault(host="bap", method="GET", path=r"scopes/admin/environments\?", status=200, body={"value": []}, count=0)

    reconcile_now()

    assert findings_of(world, FindingKind.ENVIRONMENT_VANISHED) == []
    assert request.environments.get().status == EnvironmentStatus.ACTIVE


def test_a_person_closes_what_has_happened_and_says_what_they_found_out(world):
    request = world.provision(Zone.ZONE_2)
    vanish(world, request.environment_id)
    reconcile_now()
    (finding,) = findings_of(world, FindingKind.ENVIRONMENT_VANISHED)

    with pytest.raises(PermissionRefused):
        services.resolve_finding(finding.pk, by=world.people.auditor, reason="I saw it.")
    with pytest.raises(DomainError, match="what you found out"):
        services.resolve_finding(finding.pk, by=world.people.operator, reason=" \u200b ")
    services.resolve_finding(finding.pk, by=world.people.operator, reason="Deleted on purpose, ticket 4711.")
    reconcile_now()

    (finding,) = findings_of(world, FindingKind.ENVIRONMENT_VANISHED)
    assert finding.resolved_at is not None
    entry = request.log_entries.get(action=Action.FINDING_RESOLVED)
    assert (entry.actor, entry.action_details["how"]) == (
        world.people.operator.upn,
        "Deleted on purpose, ticket 4711.",
    )
    with pytest.raises(DomainError, match="closed already"):
        services.resolve_finding(finding.pk, by=world.people.operator, reason="Again.")


def test_what_closes_by_itself_is_not_closed_by_hand(world):
    make_environment(world)
    reconcile_now()
    (finding,) = findings_of(world, FindingKind.ORPHAN_ENVIRONMENT)

    with pytest.raises(DomainError, match="by itself"):
        services.resolve_finding(finding.pk, by=world.people.operator, reason="Never mind.")


@pytest.mark.simulated
def test_r22_a_run_that_gave_up_too_early_is_proposed_for_adoption_until_it_is_retried(make_world):
    world = where_creation_is_slow(make_world)
    request = world.provision()
    assert request.state == State.FAILED
    reconcile_now()
    assert findings_of(world, FindingKind.ENVIRONMENT_APPEARED) == []
    let_pass(world, minutes=20)

    reconcile_now()
    reconcile_now()

    (finding,) = findings_of(world, FindingKind.ENVIRONMENT_APPEARED)
    assert finding.resolved_at is None
    assert findings_of(world, FindingKind.ORPHAN_ENVIRONMENT) == []
    services.retry(request.pk, by=world.people.operator, reason="It appeared.")
    world.run_until_settled()
    reconcile_now()
    finding.refresh_from_db()
    assert finding.resolved_at is not None
    request.refresh_from_db()
    assert request.state == State.COMPLETED, request.failure_reason
    assert len(world.environments) == 1


def test_a_slot_that_an_ended_run_still_holds_is_freed(world):
    request = world.provision(Zone.ZONE_2)
    slot = Slot.objects.filter(tenant=world.people.tenant).first()
    slot.run = request.runs.get()
    slot.save()

    reconcile_now()

    slot.refresh_from_db()
    assert slot.run is None
    (finding,) = findings_of(world, FindingKind.DEAD_SLOT)
    assert finding.run == request.runs.get()
    reconcile_now()
    finding.refresh_from_db()
    assert finding.resolved_at is not None


def test_an_approved_request_that_nobody_began_is_begun_and_found(world):
    request = world.approved(Zone.ZONE_2)
    let_pass(world, minutes=11)

    reconcile_now()

    request.refresh_from_db()
    assert request.state == State.PROVISIONING
    (finding,) = findings_of(world, FindingKind.UNDISPATCHED)
    assert finding.request == request


def test_a_request_that_waits_for_its_place_is_no_finding(make_world):
    world = make_world(concurrent_runs=1)
    requests = [world.approved(Zone.ZONE_1) for _ in range(2)]
    services.dispatch(world.people.tenant.pk)
    let_pass(world, minutes=11)

    reconcile_now()

    assert findings_of(world, FindingKind.UNDISPATCHED) == []
    assert sum(request.runs.count() for request in requests) == 1


@pytest.mark.simulated
def test_an_operation_of_our_principal_outside_every_run_is_found_once(one_clock):
    request = one_clock.provision(Zone.ZONE_2)
    let_pass(one_clock, minutes=30)
    our_cloud(one_clock).bap.patch_environment(request.environment_id, description="Somebody used our credential")
    let_pass(one_clock, minutes=1)

    reconcile_now()
    reconcile_now()

    (finding,) = findings_of(one_clock, FindingKind.UNEXPLAINED_OPERATION)
    assert (finding.environment_id, finding.request) == (request.environment_id, request)
    assert "started Edit" in finding.detail
    services.resolve_finding(finding.pk, by=one_clock.people.operator, reason="A rehearsal.")
    reconcile_now()
    assert len(findings_of(one_clock, FindingKind.UNEXPLAINED_OPERATION)) == 1


@pytest.mark.simulated
def test_an_operation_of_our_principal_on_a_quarantined_orphan_is_found_and_its_creation_is_not_found_twice(one_clock):
    stray = make_environment(one_clock)
    reconcile_now()
    assert findings_of(one_clock, FindingKind.UNEXPLAINED_OPERATION) == []
    our_cloud(one_clock).bap.patch_environment(stray, description="Somebody used our credential")

    let_pass(one_clock, minutes=5)
    reconcile_now()

    (finding,) = findings_of(one_clock, FindingKind.UNEXPLAINED_OPERATION)
    assert (finding.environment_id, finding.request) == (stray, None)
    assert "started Edit" in finding.detail


@pytest.mark.simulated
def test_what_was_done_on_an_orphan_while_its_requests_run_was_at_work_is_explained(one_clock):
    request = failed_at_managed(one_clock)
    tag = f"elm:request={request.pk}"
    twin = make_environment(one_clock, description=tag)
    our_cloud(one_clock).bap.patch_environment(twin, description=f"{tag} by the run")

    reconcile_now()

    assert Environment.objects.get(environment_id=twin).status == EnvironmentStatus.QUARANTINED
    assert findings_of(one_clock, FindingKind.UNEXPLAINED_OPERATION) == []


@pytest.mark.simulated
def test_an_operation_of_our_principal_where_it_has_no_business_is_found_in_its_turn(one_clock, monkeypatch):
    monkeypatch.setattr(reconcile, "HISTORIES_PER_PASS", 1)
    foreign = f"Default-{one_clock.tenant_id}"  # every tenant has one, and nobody here has made it
    made_by_a_person(one_clock, "Somebody else's")
    reconcile_now()
    our_cloud(one_clock).bap.patch_environment(foreign, description="Somebody used our credential")

    for _ in range(2):
        let_pass(one_clock, minutes=5)
        reconcile_now()

    (finding,) = findings_of(one_clock, FindingKind.UNEXPLAINED_OPERATION)
    assert (finding.environment_id, finding.request) == (foreign, None)
    assert "which is none of ours" in finding.detail


@pytest.mark.simulated
def test_the_operations_of_many_environments_are_read_in_turn(one_clock, monkeypatch):
    monkeypatch.setattr(reconcile, "HISTORIES_PER_PASS", 1)
    requests = [one_clock.provision(Zone.ZONE_1) for _ in range(2)]

    reconcile_now()
    let_pass(one_clock, minutes=5)
    reconcile_now()

    read = {request.environments.get().operations_read_at for request in requests}
    assert len(read) == 2
    assert None not in read


def test_one_tenant_that_does_not_answer_never_stops_the_others(make_world):
    silent, healthy = make_world(), make_world()
    silent.fault(host="bap", status=500, count=0)
    stray = make_environment(healthy)

    reconcile_now()

    assert Environment.objects.get(environment_id=stray).tenant == healthy.people.tenant


def test_the_sweep_reconciles_and_a_ready_worker_asks_for_it(world):
    stray = make_environment(world)
    asked = []

    class App:
        def send_task(self, name, **options):
            asked.append((name, options["retry"]))

    tasks.sweep_at_start(sender=type("Consumer", (), {"app": App()})())
    assert asked == [(tasks.sweep.name, False)]
    tasks.sweep()

    assert Environment.objects.filter(environment_id=stray).exists()


def test_an_environment_that_came_back_after_it_was_deleted_is_quarantined(make_world):
    world = with_one_clock(make_world())
    request = world.provision(Zone.ZONE_2)
    bap = our_cloud(world).bap
    row = request.environments.get()
    vanished = {"host": "bap", "method": "GET", "path": request.environment_id, "status": 404}
    world.fault(host="bap", method="GET", path=r"scopes/admin/environments\?", status=200, body={"value": []})
    world.fault(**vanished, body={"error": {"code": "EnvironmentNotFound"}})
    reconcile_now()
    row.refresh_from_db()
    assert row.status == EnvironmentStatus.DELETED
    assert bap.get_environment(request.environment_id).id == request.environment_id

    reconcile_now()

    row.refresh_from_db()
    assert (row.status, row.quarantine_reason) == (
        EnvironmentStatus.QUARANTINED,
        "It had been deleted and exists again.",
    )
    services.release_quarantine(row.pk, by=world.people.operator, reason="It was recovered on purpose.")
    row.refresh_from_db()
    assert row.status == EnvironmentStatus.ACTIVE


def test_an_operator_closes_a_finding_on_its_page(world):
    request = world.provision(Zone.ZONE_2)
    vanish(world, request.environment_id)
    reconcile_now()
    (finding,) = findings_of(world, FindingKind.ENVIRONMENT_VANISHED)
    button = f'hx-get="{page_of(finding, "resolve")}"'
    assert button not in client_of(world.people.auditor).get(page_of(finding)).content.decode()
    client = client_of(world.people.operator)
    assert button in client.get(page_of(finding)).content.decode()

    client.post(page_of(finding, "resolve"), {"_form_submitted": "on", "reason": "Deleted on purpose."})

    finding.refresh_from_db()
    assert finding.resolved_at is not None
    assert button not in client.get(page_of(finding)).content.decode()


@pytest.mark.simulated
def test_an_environment_that_somebody_makes_unmanaged_is_a_finding_until_it_is_managed_again(one_clock):
    one_clock.fault(**JOIN, status=500, body={"error": {"code": "x"}}, count=3)  # a group would lock its settings
    request = one_clock.provision(Zone.ZONE_2)
    let_pass(one_clock, minutes=30)
    reconcile_now()
    assert findings_of(one_clock, FindingKind.NOT_MANAGED) == []

    our_cloud(one_clock).bap.set_governance_configuration(request.environment_id, Governance("Basic"))
    let_pass(one_clock, minutes=5)
    reconcile_now()
    reconcile_now()

    (finding,) = findings_of(one_clock, FindingKind.NOT_MANAGED)
    assert (finding.environment_id, finding.request, finding.resolved_at) == (request.environment_id, request, None)
    assert "is none any more" in finding.detail

    our_cloud(one_clock).bap.set_governance_configuration(request.environment_id, Governance())
    let_pass(one_clock, minutes=5)
    reconcile_now()
    assert findings_of(one_clock, FindingKind.NOT_MANAGED, resolved_at__isnull=True) == []
