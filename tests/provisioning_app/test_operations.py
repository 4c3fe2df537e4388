"""The operations page: who sees it, what goes on, what waits, and whether anything is worked on at all."""

from __future__ import annotations

from django.urls import reverse

from accounts_app.roles import Depth, Role
from core_app.live import BACKGROUND
from microsoft_cloud.errors import TransientError
from provisioning_app import breaker, findings, lease, liveness, plan, services
from provisioning_app.choices import FindingKind
from provisioning_app.findings import Difference
from provisioning_app.models import ProvisioningRun
from requests_app.choices import State, Zone
from tests.factories import make_people, make_request, make_user
from tests.screens import client_of, page_of


def operations(user) -> str:
    answer = client_of(user).get(reverse("operations"))
    assert answer.status_code == 200
    return answer.content.decode()


def now(user) -> str:
    part = client_of(user).get(reverse("operations-now"), headers={"HX-Request": "true", BACKGROUND: "1"})
    assert part.status_code == 200
    return part.content.decode()


def test_whether_anything_is_worked_on_is_told_by_the_last_tick(people, clock):
    assert "no worker has done a tick of beat yet" in operations(people.operator)

    liveness.commit_tick()
    clock.advance(seconds=7)
    assert "Workers and beat are at work: the last tick was 7 s ago." in now(people.operator)

    clock.advance(minutes=3)
    assert "the last tick of beat that a worker did was 3 min 7 s ago" in now(people.operator)


def test_what_runs_what_is_due_and_what_waits_is_listed_with_slots_and_limits(world):
    people = world.people
    assert "No run goes on." in operations(people.operator)
    assert "Nothing waits" in operations(people.operator)
    running = world.approved(Zone.ZONE_2)
    services.dispatch(people.tenant.pk)
    waiting = make_request(State.APPROVED, people=people, zone=Zone.ZONE_2)

    page = operations(people.auditor)

    run = running.runs.get()
    assert f'href="{page_of(run)}">{run}</a>' in page
    assert "1 is due and waits for a worker." in page
    assert f"{waiting}</a> {waiting.environment_name}, approved at" in page
    assert ">1</strong> of 5</a>" in page
    assert page.count(">free<") + page.count("free</li>") == 4

    lease.claim(run.pk)
    page = now(people.auditor)
    assert "0 are due and wait for a worker." in page
    assert ProvisioningRun.objects.get(pk=run.pk).lease_owner in page


def test_what_stands_in_the_way_is_told(world, monkeypatch, settings):
    people = world.people
    world.approved(Zone.ZONE_2)
    services.dispatch(people.tenant.pk)
    for _ in range(breaker.FAILURES):
        breaker.failed(people.tenant.pk, TransientError("BAP does not answer.", service="bap"))
    findings.open_finding(people.tenant.pk, Difference(FindingKind.DEAD_LETTER, "x", "Nobody knows this task."))
    services.halt(people.tenant.pk, "The secret has expired.")
    monkeypatch.setattr(plan, "PLANS", {2: plan.PLANS[1]})  # another release
    settings.FLOWER_URL = "https://flower.example/"

    page = operations(people.operator)

    assert f"Provisioning in {people.tenant} is halted: The secret has expired." in " ".join(page.split())
    assert f'href="{page_of(people.tenant)}"' in page
    assert "does not answer well; runs wait until" in page
    assert "1 open finding<" in page
    assert "a release that knows step preflight of plan version 1" in page
    assert 'href="https://flower.example/"' in page


def test_a_page_of_runs_is_for_those_who_see_runs_and_limits_for_those_who_see_all_of_a_tenant(people):
    for role in ("requester", "approver", "compliance_officer"):
        assert client_of(getattr(people, role)).get(reverse("operations")).status_code == 403
        assert client_of(getattr(people, role)).get(reverse("operations-now")).status_code == 403
    of_a_unit = make_user(Role.OPERATOR, people.unit, Depth.LOCAL)

    assert "Queue and limits" not in operations(of_a_unit)
    assert "Queue and limits" in operations(people.operator)
    assert str(people.tenant) not in operations(make_people().operator)
