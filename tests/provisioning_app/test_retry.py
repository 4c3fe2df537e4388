"""Failed to Provisioning: a person's decision, with a reason."""

from __future__ import annotations

import pytest

from audit_app.actions import Action
from core_app.errors import DomainError, PermissionRefused
from provisioning_app import services
from requests_app.choices import State, Zone


@pytest.fixture
def failed(world):
    world.fault(
        method="POST", path="governanceConfiguration", status=400, body={"error": {"code": "InvalidRequestContent"}}
    )
    request = world.provision(Zone.ZONE_2)
    assert request.state == State.FAILED
    return request


def test_an_operator_retries_from_the_step_that_failed(world, failed):
    run = services.retry(failed.pk, by=world.people.operator, reason="The platform was mended.")

    assert (run.step, run.attempt, run.environment_id) == ("managed", 2, failed.runs.get(attempt=1).environment_id)
    failed.refresh_from_db()
    assert failed.state == State.PROVISIONING
    assert failed.log_entries.get(action=Action.RETRY_REQUESTED).actor == world.people.operator.upn
    world.run_until_settled()
    failed.refresh_from_db()
    assert failed.state == State.COMPLETED
    assert len(world.environments) == 1


@pytest.mark.parametrize("who", ["requester", "approver", "auditor", "governance_lead"])
def test_nobody_but_an_operator_retries(world, failed, who):
    with pytest.raises(PermissionRefused, match="ELM Operator"):
        services.retry(failed.pk, by=getattr(world.people, who), reason="Please.")

    failed.refresh_from_db()
    assert failed.state == State.FAILED


def test_a_retry_needs_a_reason(world, failed):
    with pytest.raises(DomainError, match="needs a reason"):
        services.retry(failed.pk, by=world.people.operator, reason=" \u200b ")

    assert failed.runs.count() == 1


def test_c09_ten_clicks_make_one_run(world, failed):
    services.retry(failed.pk, by=world.people.operator, reason="Mended.")

    for _ in range(9):
        with pytest.raises(DomainError):
            services.retry(failed.pk, by=world.people.operator, reason="Mended.")

    assert failed.runs.count() == 2


def test_only_an_operator_of_the_tenant_resumes_it_and_says_why(world):
    tenant = world.people.tenant
    services.halt(tenant.pk, "AADSTS7000222: the secret expired")

    with pytest.raises(PermissionRefused):
        services.resume(tenant.pk, by=world.people.requester, reason="x")
    with pytest.raises(DomainError, match="what was mended"):
        services.resume(tenant.pk, by=world.people.operator, reason=" ")
    services.resume(tenant.pk, by=world.people.operator, reason="A new secret is in the vault.")
    with pytest.raises(DomainError, match="not halted"):
        services.resume(tenant.pk, by=world.people.operator, reason="again")
