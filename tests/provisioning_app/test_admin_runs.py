"""The screens of provisioning: runs with their proofs, the retry on two pages, and starting a halted tenant again."""

from __future__ import annotations

import pytest
from django.urls import reverse

from audit_app.actions import Action
from requests_app.choices import State, Zone
from tests.screens import client_of, page_of, press, state_of, told


@pytest.fixture
def failed(world):
    world.fault(
        method="POST", path="governanceConfiguration", status=400, body={"error": {"code": "InvalidRequestContent"}}
    )
    request = world.provision(Zone.ZONE_2)
    assert request.state == State.FAILED
    return request


def test_an_operator_retries_on_the_requests_page(world, failed):
    operator = world.people.operator
    page = client_of(operator).get(page_of(failed)).content.decode()
    assert "Attempt 1" in page

    answer = press(operator, failed, "retry", reason="The platform was mended.")

    assert told(answer, operator) == [f"{failed} is tried again."]
    assert state_of(failed) == State.PROVISIONING
    world.run_until_settled()
    assert state_of(failed) == State.COMPLETED


def test_an_operator_retries_on_the_runs_page(world, failed):
    run = failed.runs.get()
    client = client_of(world.people.operator)
    assert f'hx-get="{page_of(run, "retry")}"' in client.get(page_of(run)).content.decode()

    client.post(page_of(run, "retry"), {"_form_submitted": "on", "reason": "The platform was mended."})

    assert state_of(failed) == State.PROVISIONING
    assert f'hx-get="{page_of(run, "retry")}"' not in client.get(page_of(run)).content.decode()


@pytest.mark.parametrize("who", ["governance_lead", "auditor"])
def test_who_does_not_operate_retries_on_neither_page(world, failed, who):
    client, run = client_of(getattr(world.people, who)), failed.runs.get()

    for row in (failed, run):
        assert client.get(page_of(row, "retry")).status_code == 403
        assert client.post(page_of(row, "retry"), {"_form_submitted": "on", "reason": "Please."}).status_code == 403
    assert state_of(failed) == State.FAILED


def test_a_retry_without_a_visible_reason_stays_in_the_dialog(world, failed):
    answer = press(world.people.operator, failed, "retry", reason=" \u200b ")

    assert answer.status_code == 200
    assert "Say what has changed" in answer.content.decode()
    assert state_of(failed) == State.FAILED


def test_a_run_shows_the_proof_of_every_setting(world):
    run = world.provision(Zone.ZONE_3).runs.get()

    page = client_of(world.people.auditor).get(page_of(run)).content.decode()

    proofs = [proof for record in run.steps.all() for proof in record.proof]
    assert proofs
    for proof in proofs:
        assert f">{proof['setting']}</td>" in page


def test_an_operator_lets_a_halted_tenant_go_on(world):
    people = world.people
    world.fault(path="/oauth2/v2.0/token", status=401, body={"error": "invalid_client"})
    world.provision(Zone.ZONE_2)
    assert world.halted
    address = page_of(people.tenant, "resume")

    assert client_of(people.auditor).post(address, {"_form_submitted": "on", "reason": "x"}).status_code == 403
    assert world.halted
    client_of(people.operator).post(address, {"_form_submitted": "on", "reason": "The secret was renewed."})
    assert not world.halted


def test_a_run_and_its_environment_name_each_other_the_steps_and_the_seconds_per_control(world):
    request = world.provision(Zone.ZONE_3)
    run, environment = request.runs.get(), request.environments.get()
    client = client_of(world.people.operator)
    of_run, of_environment, of_request = (
        client.get(page_of(row)).content.decode() for row in (run, environment, request)
    )

    assert page_of(environment) in of_run
    assert page_of(run) in of_environment
    assert page_of(environment) in of_request
    assert page_of(run) in of_request
    assert "Auditing and session" in of_run
    assert "await_creation" not in of_run
    for control in environment.controls.all():
        for page in (of_run, of_environment, of_request):
            assert f">{control.control}</td>" in page
            assert f">{control.seconds} s</td>" in page

    answer = client.post(page_of(environment, "quarantine"), {"_form_submitted": "on", "reason": " "})
    assert "Say why; it is kept in the log" in answer.content.decode()


def test_the_controls_of_a_failed_environment_are_shown_as_not_proved(world, failed):
    page = client_of(world.people.operator).get(page_of(failed)).content.decode()

    assert page.count("not proved yet, still growing") == 8


def test_history_and_log_say_what_numbers_stand_for_and_name_the_service_principal(world):
    request = world.provision(Zone.ZONE_2)
    entry = request.log_entries.get(action=Action.PROVISIONING_COMPLETED)
    client = client_of(world.people.auditor)
    name = world.people.tenant.identities.get(purpose="provisioning").display_name

    history = client.get(page_of(request, "history")).content.decode()
    assert "Provisioning → Completed" in history
    assert "Deleted" not in history
    assert "+00:00" not in history
    listed = client.get(reverse("admin:audit_app_provisioninglog_changelist")).content.decode()
    assert name in listed
    assert entry.actor not in listed
    page = client.get(page_of(entry)).content.decode()
    assert f"{name} ({entry.actor})" in page
    assert "Provisioning → Completed" in page
