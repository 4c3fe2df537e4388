"""The second half of W12: runs whose plan, or whose step, this release does not know are parked, shown and resumed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core_app.errors import DomainError
from notifications_app.models import OutboxMessage
from provisioning_app import lease, plan, services
from provisioning_app.choices import FindingKind, RunStatus
from provisioning_app.models import ProvisioningRun, Slot
from requests_app.choices import State, Zone
from tests.provisioning_app.reconciling import MANAGED, REFUSED, findings_of, let_pass, reconcile_now, with_one_clock
from tests.screens import client_of, page_of

pytestmark = pytest.mark.simulated

ANOTHER_PLAN = {2: plan.PLANS[1]}
ANOTHER_STEP = {
    1: tuple(replace(step, key="governance") if step.key == "managed" else step for step in plan.PLANS[1]),
    2: plan.PLANS[1],
}


@pytest.fixture
def deploy(monkeypatch):
    """Let another release run, which knows other plans."""

    def change(plans):
        for version in list(plan.PLANS):
            monkeypatch.delitem(plan.PLANS, version)
        for version, steps in plans.items():
            monkeypatch.setitem(plan.PLANS, version, steps)
        monkeypatch.setattr(plan, "CURRENT_VERSION", max(plans))

    return change


@pytest.mark.parametrize("plans", [ANOTHER_PLAN, ANOTHER_STEP], ids=["plan removed", "step renamed"])
def test_w12_a_run_whose_plan_is_unknown_is_parked_shown_and_goes_on_by_itself(world, deploy, plans):
    known = dict(plan.PLANS)
    request = with_one_clock(world).approved()
    world.run_until_settled(stop=lambda: request.runs.filter(step="managed").exists())
    run = request.runs.get()
    deploy(plans)

    let_pass(world, minutes=2)
    assert services.due_runs() == []  # no tick takes it up, so none of them stumbles over it
    services.advance(run.pk)
    assert lease.claim(run.pk) is None
    for _ in range(2):
        reconcile_now()

    parked = ProvisioningRun.objects.get(pk=run.pk)
    assert (parked.status, parked.lease_token) == (RunStatus.RUNNING, run.lease_token)
    assert parked.waiting_for == "a release that knows step managed of plan version 1"
    (finding,) = findings_of(world, FindingKind.PARKED_RUN)
    assert finding.detail == (
        f"{run} is parked: it waits for a release that knows step managed of plan version 1. "
        "Deploy that release; the run then goes on by itself."
    )
    assert OutboxMessage.objects.filter(event="finding_opened", recipient=world.people.operator).count() == 1
    page = client_of(world.people.operator).get(page_of(run)).content.decode()
    assert parked.waiting_for in page
    runs = client_of(world.people.operator).get(page_of(run).split(str(run.pk))[0]).content.decode()
    assert "Parked" in runs
    other = world.approved()
    world.run_until_settled(stop=other.runs.filter(status=RunStatus.COMPLETED).exists)  # others go on meanwhile
    assert not other.runs.exclude(status=RunStatus.COMPLETED).exists()

    deploy({**plans, **known})
    world.run_until_settled()
    reconcile_now()

    request.refresh_from_db()
    assert request.state == State.COMPLETED, request.failure_reason
    assert request.runs.get().steps.filter(step="managed", attempt=1).count() == 1
    (finding,) = findings_of(world, FindingKind.PARKED_RUN)
    assert finding.resolved_at is not None


def test_w12_a_retry_that_waits_for_its_slot_is_parked_without_one(world, deploy):
    known = dict(plan.PLANS)
    world.fault(**MANAGED, **REFUSED)
    request = world.provision(Zone.ZONE_2)
    services.retry(request.pk, by=world.people.operator, reason="The platform was mended.")
    deploy(ANOTHER_PLAN)
    let_pass(world, minutes=2)

    assert services.dispatch(world.people.tenant.pk) == 0
    reconcile_now()

    assert not Slot.objects.filter(tenant=world.people.tenant, run__isnull=False).exists()
    assert len(findings_of(world, FindingKind.PARKED_RUN)) == 1
    deploy(known)
    world.run_until_settled()
    request.refresh_from_db()
    assert request.state == State.COMPLETED, request.failure_reason


def test_w12_a_failed_run_whose_plan_is_unknown_is_neither_retried_nor_attested_but_can_be_looked_at(world, deploy):
    known = dict(plan.PLANS)
    world.fault(**MANAGED, **REFUSED)
    request = world.provision(Zone.ZONE_2)
    deploy(ANOTHER_PLAN)

    for verb in (services.retry, services.attest):
        with pytest.raises(DomainError, match="a release that knows step managed of plan version 1; deploy that"):
            verb(request.pk, by=world.people.operator, reason="It was mended in the portal.")
    assert client_of(world.people.operator).get(page_of(request)).status_code == 200
    deploy(known)


def test_w12_a_gap_whose_plan_is_unknown_waits_and_keeps_no_other_from_being_closed(world, deploy):
    known = dict(plan.PLANS)
    world.fault(method="POST", path="addEnvironment", status=400, body={"error": {"code": "No"}}, count=0)
    request = world.provision(Zone.ZONE_2)
    assert request.gaps.filter(step="environment_group", closed_at__isnull=True).exists()
    world.simulator.control("DELETE", "/faults")
    deploy(ANOTHER_PLAN)
    let_pass(world, minutes=6)

    assert services.retry_gaps() == 0
    assert request.gaps.get().attempts == 0
    deploy(known)
    for _ in range(3):
        services.retry_gaps()
        let_pass(world, minutes=1)
    assert request.gaps.get().closed_at is not None
