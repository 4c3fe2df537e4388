"""The live run: each step with its state, attempts, times and proofs; it renews itself and stops when the run ends."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import quote_plus

import pytest
from django.test import Client
from django.urls import reverse

from core_app.live import BACKGROUND
from provisioning_app import lease, plan, runner, services, watch
from provisioning_app.choices import FindingKind
from provisioning_app.models import ProvisioningRun
from provisioning_app.progress import Progress, Standing, has_progress, progress_of
from requests_app.choices import State, Zone
from tests.factories import make_people, make_request
from tests.provisioning_app.reconciling import failed_at_managed, findings_of, let_pass
from tests.screens import client_of, page_of

GROUP = {"host": "power_platform", "method": "POST", "path": "addEnvironment", "status": 500, "count": 0}
ALL = len(plan.PLANS[plan.CURRENT_VERSION])


def seen(request, run=None) -> Progress:
    request.refresh_from_db()
    return progress_of(request, run or request.runs.order_by("-attempt").first())


def standings(request, run=None) -> dict[Standing, int]:
    return Counter(line.standing for line in seen(request, run).lines)


def part_of(row, user, **query: str) -> str:
    answer = client_of(user).get(page_of(row, "progress"), query, headers={"HX-Request": "true", BACKGROUND: "1"})
    assert answer.status_code == 200
    return answer.content.decode()


def ways_in(page: str) -> list[str]:
    return re.findall(r'hx-get="[^"]*/([a-z_]+)/?"', page)


def test_a_run_is_followed_from_the_queue_to_its_end(world):
    people = world.people
    request = world.approved(Zone.ZONE_3)
    assert seen(request).headline == "It waits for a free slot; its place in the queue is 1."
    assert standings(request) == {Standing.AHEAD: ALL}
    assert has_progress(request)
    assert "hx-get" in part_of(request, people.requester)

    services.dispatch(people.tenant.pk)
    assert "Step 1 of 11, Preflight: waiting." in seen(request).headline
    assert "for its turn; looks again now" in seen(request).lines[0].note

    world.run_until_settled(stop=lambda: request.runs.filter(waiting_for__contains="creation").exists())
    assert standings(request) == {Standing.DONE: 2, Standing.WAITING: 1, Standing.AHEAD: ALL - 3}
    assert re.search(r"^for creation .+; looks again (now|in \d+ s)$", seen(request).lines[2].note)
    for role in ("requester", "approver", "auditor"):
        page = part_of(request, getattr(people, role))
        assert "Step 3 of 11, Await creation: waiting." in page
        assert "settings read back" in page
        assert str(request.runs.get().pk) in page  # the correlation id

    world.run_until_settled()
    run = request.runs.get()
    assert standings(request) == {Standing.DONE: ALL}
    assert seen(request).headline.startswith("It was completed in ")
    for row in (request, run):
        page = part_of(row, people.operator)
        assert f'href="{run.environment_url}"' in page
        assert "hx-get" not in page
        assert all(f">{proof['setting']}</td>" in page for record in run.steps.all() for proof in record.proof)


def test_what_stands_above_the_tabs_follows_when_there_is_news(world):
    request = world.approved(Zone.ZONE_2)
    page = client_of(world.people.requester).get(page_of(request)).content.decode()
    assert 'id="request-status" role="status"' in page
    assert "activeFieldsetTab: 'provisioning'" in page
    told = re.search(r"progress/\?seen=(\w+)", page)[1]

    assert "hx-swap-oob" not in part_of(request, world.people.requester, seen=told)
    world.run_until_settled()
    page = part_of(request, world.people.requester, seen=told)
    assert '<p id="request-status" hx-swap-oob="innerHTML">It was completed in' in page
    assert "Completed" in page[page.index('id="request-state" hx-swap-oob') :]


def test_a_step_that_fails_is_tried_again_then_a_gap_and_later_done(world):
    world.fault(**GROUP)
    request = world.approved(Zone.ZONE_2)
    world.run_until_settled(stop=lambda: request.runs.filter(step_attempt=2).exists())
    assert standings(request)[Standing.AGAIN] == 1
    line = next(line for line in seen(request).lines if line.standing == Standing.AGAIN)
    assert re.search(r"The next attempt is (now|in \d+ s)\.$", line.note)

    world.run_until_settled()
    assert "1 control is not applied yet and is tried again by itself." in seen(request).headline
    line = next(line for line in seen(request).lines if line.standing == Standing.GAP)
    assert (line.attempts, line.note) == ("3 of 3", request.gaps.get().reason)

    world.simulator.control("DELETE", "/faults")
    world.clock.advance(minutes=61)
    for _ in range(4):
        services.retry_gaps()
        world.clock.advance(minutes=61)
    assert standings(request) == {Standing.DONE: ALL}
    assert "applied later; the gap is closed" in part_of(request, world.people.operator)


def test_a_failed_run_offers_its_ways_out_to_those_who_operate_it(world):
    people, request = world.people, failed_at_managed(world)
    run, environment = request.runs.get(), request.environments.get()
    assert seen(request).headline == "It failed at step 5 of 11, Managed environment."
    assert standings(request) == {Standing.DONE: 4, Standing.FAILED: 1, Standing.AHEAD: ALL - 5}

    page = part_of(run, people.operator)
    assert ways_in(page) == ["retry", "attest", "roll_back", "quarantine"]
    assert "Retry from Managed environment" in page
    assert "How far it had come: After Create, before Managed." in page
    for onlooker in (people.requester, people.auditor):
        assert ways_in(part_of(request, onlooker)) == []
        assert "The operators of Retail have been told" in part_of(request, onlooker)

    services.quarantine(environment.pk, by=people.operator, reason="Nobody knows this one.")
    page = part_of(run, people.operator)
    assert ways_in(page) == ["release"]
    assert "The environment is quarantined: Nobody knows this one." in page

    services.release_quarantine(environment.pk, by=people.operator, reason="It is ours.")
    services.retry(request.pk, by=people.operator, reason="Mended.")
    assert seen(request).headline == "It waits for a free slot; its place in the queue is 1."
    assert "hx-get" not in part_of(run, people.operator)  # of the attempt before: it has ended
    world.run_until_settled()
    assert standings(request) == {Standing.DONE: ALL}
    assert seen(request).lines[0].note == "in attempt 1 of provisioning"
    assert standings(request, run)[Standing.FAILED] == 1


def test_an_environment_that_appeared_late_is_adopted_from_here(make_world):
    world = make_world(timing={"create_polls": None, "create_seconds": 600}, poll_limit=4)
    request = world.provision()
    page = part_of(request, world.people.operator)
    assert "Whether it was created is not known." in page
    assert "begins anew as soon as a slot is free, and adopts" in page

    for _ in range(3):
        let_pass(world, minutes=16)
        watch.look_for_late()
    assert findings_of(world, FindingKind.ENVIRONMENT_APPEARED)

    assert "Retry and adopt" in part_of(request, world.people.operator)


def test_a_worker_at_a_step_is_seen_and_one_that_fell_silent_too(world):
    request = world.approved(Zone.ZONE_2)
    services.dispatch(world.people.tenant.pk)
    runner._begin(lease.claim(request.runs.get().pk))
    assert seen(request).lines[0].standing == Standing.RUNNING

    world.clock.advance(minutes=10)

    assert seen(request).lines[0].standing == Standing.UNKNOWN
    assert seen(request).lines[0].note == "begun; whoever goes on finds out what came of it"


def test_a_run_that_this_release_cannot_continue_is_parked(world, monkeypatch):
    request = world.approved(Zone.ZONE_2)
    world.run_until_settled(stop=lambda: request.runs.filter(step="await_creation").exists())

    monkeypatch.delitem(plan.PLANS, 1)

    assert seen(request).headline.startswith("It is parked: it waits for a release that knows step await_creation")
    # The clock stands still: without a plan nothing says which of those of one moment came first
    assert {line.label for line in seen(request).lines} == {"preflight", "create", "await_creation"}


def test_while_the_tenant_is_halted_the_queue_says_so(people):
    request = make_request(State.APPROVED, people=people)
    services.halt(people.tenant.pk, "The secret has expired.")

    request = type(request).objects.get(pk=request.pk)

    assert seen(request).headline == f"It waits: provisioning in {people.tenant} is halted."


def test_zone_1_is_live_from_its_window_on_and_others_from_their_approval(people):
    window = make_request(State.PENDING_APPROVAL, people=make_people(undo_window_seconds=60))
    assert has_progress(window)
    assert "unless somebody objects before." in seen(window).headline
    assert f"{window.gate.undo_until:%Y-%m-%d %H:%M:%S} UTC" in seen(window).headline
    assert not has_progress(make_request(State.DRAFT, people=people))
    waiting = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    assert not has_progress(waiting)
    page = client_of(people.requester).get(page_of(waiting)).content.decode()
    assert "Provisioning begins when the request is approved." in page
    assert seen(waiting).headline == "Provisioning begins when the request is approved."
    assert 'id="request-status"' not in page


def test_the_part_is_read_only_and_leads_who_is_signed_out_to_the_sign_in_as_a_whole(people):
    request = make_request(State.APPROVED, people=people)
    address, page = page_of(request, "progress"), f"{page_of(request)}?a=b"
    asked = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{page}"}

    assert client_of(people.requester).post(address).status_code == 405
    assert Client().get(address, headers=asked)["HX-Redirect"] == f"{reverse('admin:login')}?next={quote_plus(page)}"
    assert Client().get(address).status_code == 302


@pytest.mark.sqlite
def test_looking_at_a_run_costs_the_same_however_often_its_steps_were_tried(world, django_assert_max_num_queries):
    world.fault(**GROUP)
    request = world.provision(Zone.ZONE_2)
    run = ProvisioningRun.objects.select_related("request").get(request=request)

    with django_assert_max_num_queries(2):
        progress_of(run.request, run)
