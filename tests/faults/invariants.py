"""What must hold whatever happened (durable-runner.md §1.4): I1 to I12, from our rows and from Microsoft's side.

I11 (nothing is due and unclaimed) is asked where workers were there to claim it, I10 (the log is anchored) where the
test can let the signer have its turn: under a clock of its own. Real workers sign by themselves, with a key of theirs.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from accounts_app.models import TenantIdentity
from accounts_app.services import settings_of
from audit_app import checkpoints
from audit_app.anchors import NOTE
from audit_app.models import Anchor, LogTree, ProvisioningLog, TreeLeaf
from audit_app.verify import verify_log
from core_app import clock
from gates_app.levels import Part
from gates_app.models import Decision, GateParty
from provisioning_app import plan
from provisioning_app.choices import LIVE_STATUSES, EnvironmentStatus, RemoteState, RunStatus, StepOutcome
from provisioning_app.lease import claimable
from provisioning_app.models import Environment, Gap, ProvisioningRun, Slot, StepRecord
from requests_app.choices import TERMINAL_STATES, State
from requests_app.models import EnvironmentRequest
from tests.microsoft import World

_TAG = re.compile(r"elm:request=([0-9a-f-]{36})")
_GONE = ("SoftDeleted", "Purged", "Deleting")
IN_THE_TREE_WITHIN, ANCHORED_WITHIN = timedelta(seconds=5), timedelta(seconds=60)
_ENDED = (RunStatus.COMPLETED, RunStatus.FAILED)


def check_invariants(world: World) -> None:
    """Assert everything but I11 of one tenant; the failing one is named in the assertion."""
    if isinstance(world.clock, clock.ManualClock):
        check_anchored(world.people.tenant.pk)
    check_log(world.people.tenant.pk)
    check_tenant(world)


def check_log(tenant_id: UUID | None = None) -> None:
    """Assert I5 and I6 of a tenant or of everybody: chains count 1..n without gaps and fold into their subject's state.

    On a server that several tests share, everybody's log is signed by the hosts of several tests. That nobody signed
    while time was let pass is no defect.
    """
    found = verify_log(tenant_id).defects
    assert found == [], f"I5, I6: {found}"


def check_anchored(*tenant_ids: UUID) -> None:
    """Assert I10 after a turn of the signer: all is in the tree and outside the database, unless the signer refuses.

    What is refused is an alarm, which halts the tenant.
    """
    checkpoints.checkpoint_due()
    refused = LogTree.objects.exclude(refused_because="").values_list("tenant", flat=True)
    for tenant_id in {*tenant_ids} - {*refused}:
        committed = ProvisioningLog.objects.filter(tenant=tenant_id)
        leaves = TreeLeaf.objects.filter(tenant=tenant_id)
        outside = committed.filter(timestamp__lt=clock.now() - IN_THE_TREE_WITHIN)
        outside = outside.exclude(pk__in=leaves.values("entry"))
        assert not outside.exists(), f"I10: {outside.count()} entries of {tenant_id} are not in the tree"
        sizes = Anchor.objects.filter(tenant=tenant_id, name__endswith=NOTE).values_list("checkpoint__size", flat=True)
        late = leaves.filter(index__gte=max(sizes, default=0)).values("entry")
        late = committed.filter(timestamp__lt=clock.now() - ANCHORED_WITHIN, pk__in=late)
        assert not late.exists(), f"I10: {late.count()} entries of {tenant_id} are not anchored"


def check_nothing_is_overdue() -> None:
    """Assert I11 of everybody: no run has been due and nobody's for longer than a minute; only where workers live."""
    overdue = claimable().filter(next_at__lt=clock.now() - timedelta(minutes=1))
    assert not overdue.exists(), f"I11: {list(overdue)} is due and nobody claims it"


def check_tenant(world: World) -> None:
    """Assert everything but the log, which is everybody's, of one tenant."""
    state = world.simulator.control("GET", "/state", tenant=str(world.tenant_id))
    environments = [item for item in state["environments"] if not item["is_default"] and item["life"] not in _GONE]
    _one_live_run_per_request(world)
    _one_environment_per_request(environments)
    _every_environment_of_ours_has_an_owner(world, state, environments)
    _limits(world, state)
    _completed_is_governed(world, environments)
    _nobody_decided_on_their_own(world)
    _leases_only_grow(world)
    _nothing_terminal_changes(world)


def _runs(world: World) -> Any:
    return ProvisioningRun.objects.filter(tenant=world.people.tenant)


def _one_live_run_per_request(world: World) -> None:
    live = Counter(_runs(world).filter(status__in=LIVE_STATUSES).values_list("request_id", flat=True))
    assert all(count == 1 for count in live.values()), f"I1: {live}"


def _one_environment_per_request(environments: list[dict[str, Any]]) -> None:
    owners = Counter(tag.group(1) for item in environments if (tag := _TAG.search(item["description"])))
    assert all(count == 1 for count in owners.values()), f"I2: {owners}"


def _every_environment_of_ours_has_an_owner(
    world: World, state: dict[str, Any], environments: list[dict[str, Any]]
) -> None:
    identity = world.people.tenant.identities.get(purpose=TenantIdentity.Purpose.PROVISIONING)
    (tenant,) = state["tenants"]
    applications = {item["client_id"]: item["object_id"] for item in tenant["applications"]}
    register = {row.environment_id: row for row in Environment.objects.filter(tenant=world.people.tenant)}
    for item in environments:
        if item["created_by"]["id"] != applications.get(str(identity.client_id)):
            continue
        registered = register.get(item["id"])
        if registered is None:
            run = _runs(world).filter(domain_name=item["domain"]).order_by("-attempt").first()
            is_known = run is not None and (run.status in LIVE_STATUSES or run.remote_state == RemoteState.UNKNOWN)
            assert is_known, f"I3: {item['id']} ({item['domain']}) has no owner"
            continue
        is_owned = registered.request_id is not None or registered.status == EnvironmentStatus.QUARANTINED
        assert is_owned, f"I3: {registered} has no owner"


def _limits(world: World, state: dict[str, Any]) -> None:
    """From our rows, and from what Microsoft saw: its clock runs no slower than ours, so its minutes hold no more."""
    settings = settings_of(world.people.tenant)
    assert Slot.objects.filter(tenant=world.people.tenant, run__isnull=False).count() <= settings.concurrent_runs, "I4"
    dead = Slot.objects.filter(tenant=world.people.tenant, run__isnull=False).exclude(run__status__in=LIVE_STATUSES)
    assert not dead.exists(), "I4: a slot is held by an ended run"
    starts = sorted(_runs(world).filter(started_at__isnull=False).values_list("started_at", flat=True))
    _at_most(settings.starts_per_minute, starts)
    days = Counter(at.date() for at in _runs(world).values_list("creation_started_at", flat=True) if at)
    assert all(count <= settings.creations_per_day for count in days.values()), f"I4: {days}"
    creations = [item for item in state["operations"] if item["type"]["id"] == "Create"]
    _at_most(settings.starts_per_minute, sorted(datetime.fromisoformat(item["createdDateTime"]) for item in creations))


def _at_most(number: int, moments: list[datetime]) -> None:
    for first, later in zip(moments, moments[number:], strict=False):
        assert later - first >= timedelta(minutes=1), f"I4: more than {number} within a minute from {first}"


def _completed_is_governed(world: World, environments: list[dict[str, Any]]) -> None:
    tenant = world.people.tenant
    existing = {item["id"]: item for item in environments}
    runs: dict[UUID, list[ProvisioningRun]] = defaultdict(list)
    for run in _runs(world).filter(status=RunStatus.COMPLETED):
        runs[run.request_id].append(run)
    outcomes: dict[UUID, dict[str, int]] = defaultdict(dict)
    records = StepRecord.objects.filter(run__tenant=tenant).order_by("run__attempt", "began_at", "attempt")
    for request_id, step, outcome in records.values_list("run__request_id", "step", "outcome"):
        outcomes[request_id][step] = outcome
    gaps: dict[UUID, dict[str, bool]] = defaultdict(dict)  # request → step → whether it is still open
    found = Gap.objects.filter(request__tenant=tenant).order_by("opened_at")
    for request_id, step, closed_at in found.values_list("request_id", "step", "closed_at"):
        gaps[request_id][step] = gaps[request_id].get(step, False) or closed_at is None
    settings = cache(lambda version: settings_of(tenant, version))
    for request in EnvironmentRequest.objects.filter(tenant=tenant, state=State.COMPLETED):
        (run,) = runs[request.pk]
        assert request.environment_id == run.environment_id != "", f"I7: {request} has no environment"
        baseline = settings(run.settings_version).baselines[request.zone]
        for step in plan.PLANS[run.plan_version]:
            may_be_open = step.key in gaps[request.pk] and not step.blocks(baseline)
            done = outcomes[request.pk].get(step.key) == StepOutcome.DONE
            assert done or may_be_open, f"I7: {request} is completed without {step.key}"
        actual = existing.get(request.environment_id)
        if actual is not None:  # a person may have deleted it since
            _really_governed(request, actual, {step for step, is_open in gaps[request.pk].items() if is_open})


def _really_governed(request: EnvironmentRequest, actual: dict[str, Any], gaps: set[str]) -> None:
    assert actual["protection_level"] == "Standard", f"I7: {request} is not managed"
    assert (actual["security_group_id"] or "") == request.security_group_id, f"I7: {request} is open to others"
    assert actual["environment_group_id"] or "environment_group" in gaps, f"I7: {request} is in no group"
    organization = actual["dataverse"]["organization"]
    assert organization["isauditenabled"] or "baseline" in gaps, f"I7: {request} is not audited"


def _nobody_decided_on_their_own(world: World) -> None:
    parts: dict[tuple[UUID, str], set[int]] = defaultdict(set)
    parties = GateParty.objects.filter(gate__tenant=world.people.tenant)
    for gate_id, key, part in parties.values_list("gate_id", "person_key", "part"):
        parts[gate_id, key].add(part)
    decisions = Decision.objects.filter(gate__tenant=world.people.tenant, decided_by__isnull=False)
    for decision in decisions.select_related("decided_by"):
        person = decision.decided_by
        assert person is not None
        key = str(person.entra_object_id or person.pk)
        assert parts[decision.gate_id, key] == {Part.DECIDER}, f"I8: {person} also had another part at {decision.gate}"


def _leases_only_grow(world: World) -> None:
    records: dict[UUID, list[StepRecord]] = defaultdict(list)
    for record in StepRecord.objects.filter(run__tenant=world.people.tenant).defer("proof", "error"):
        records[record.run_id].append(record)
    for run in _runs(world):
        place = {step.key: number for number, step in enumerate(plan.PLANS[run.plan_version])}
        ordered = sorted(records[run.pk], key=lambda record: (place[record.step], record.attempt))
        tokens = [record.lease_token for record in ordered]
        assert tokens == sorted(tokens), f"I9: an older token wrote into {run}: {tokens}"
        assert all(token <= run.lease_token for token in tokens), f"I9: {run}"


def _nothing_terminal_changes(world: World) -> None:
    moves = ProvisioningLog.objects.filter(tenant_id=world.people.tenant.pk, to_state__isnull=False)
    ended: set[str] = set()
    for chain, to_state in moves.order_by("chain", "sequence").values_list("chain", "to_state"):
        assert chain not in ended, f"I12: {chain} went on after its end"
        if to_state in TERMINAL_STATES:
            ended.add(chain)
    statuses: dict[UUID, list[int]] = defaultdict(list)
    history = ProvisioningRun.history.filter(tenant=world.people.tenant).order_by("history_date")
    for run_id, status in history.values_list("id", "status"):
        statuses[run_id].append(status)
    for run_id, seen in statuses.items():
        after_end = seen[next((index for index, status in enumerate(seen) if status in _ENDED), len(seen)) :]
        assert len(set(after_end)) <= 1, f"I12: run {run_id} went on after its end: {seen}"
