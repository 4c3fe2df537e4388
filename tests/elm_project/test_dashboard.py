"""The overview: every figure is that of the rows behind its link, and nobody is told of rows that they may not see."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils.html import strip_tags

from accounts_app.models import TenantIdentity, User
from accounts_app.roles import Role
from core_app.clock import ManualClock
from elm_project.dashboard.charts import slices_of
from elm_project.dashboard.requests import start_of_week
from provisioning_app import services
from requests_app import services as requests
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.factories import PRINCIPAL, People, make_people, make_request, make_user
from tests.screens import client_of, rows_behind

LINK = re.compile(r'<a (?:[^>]*?)href="([^"]+)"[^>]*>(.*?)</a>', re.DOTALL)
GROUP = {"host": "power_platform", "method": "POST", "path": "addEnvironment", "status": 500, "count": 0}


def overview(user: User) -> str:
    page = client_of(user).get(reverse("admin:index")).content.decode()
    assert "Environment Lifecycle Overview" in page
    return page[page.index('<div id="overview"') : page.index("</body>")]


def figures(user: User) -> dict[str, int]:
    """Return the address of every list that a figure leads to, with the number of rows that the figure promises."""
    found = {}
    for address, words in LINK.findall(overview(user)):
        number = re.match(r"\s*(\d+)(?! min| s|d| h)\b", strip_tags(words))
        if number and "_changelist" not in address and not re.search(r"/change/$", address):
            found[unescape(address)] = int(number[1])
    return found


def assert_each_figure_is_that_of_its_rows(user: User) -> dict[str, int]:
    promised = figures(user)
    assert {address: rows_behind(user, address) for address in promised} == promised
    return promised


def test_every_figure_leads_to_as_many_rows(clock: ManualClock, people: People) -> None:
    make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    make_request(State.FAILED, people=people, zone=Zone.ZONE_3)
    clock.advance(hours=49)
    for stage in (State.DRAFT, State.PENDING_APPROVAL, State.PROVISIONING, State.FAILED, State.COMPLETED):
        make_request(stage, people=people, zone=Zone.ZONE_2)
    make_request(State.FAILED)  # of another tenant

    for role in ("requester", "approver", "auditor"):
        promised = assert_each_figure_is_that_of_its_rows(getattr(people, role))

        assert len(promised) >= 15
        of_zones = [rows for address, rows in promised.items() if address.endswith("zone__exact=2")]
        assert sum(of_zones) == 12  # each once in its state's bar and once in the pie


def test_nobody_is_told_of_what_they_do_not_see(people: People) -> None:
    make_request(State.FAILED, people=people, zone=Zone.ZONE_2)
    colleague = make_user(Role.REQUESTER, people.unit)

    assert "You have not asked for an environment yet" in overview(colleague)
    assert "Ask for an environment" in overview(colleague)
    assert "No request that you may see has been made yet" in overview(make_people().approver)
    assert "Queue and limits" in overview(people.operator)
    assert "Queue and limits" not in overview(people.approver)
    assert "The quota is used up." in overview(people.requester)


def test_the_average_is_that_of_completed_requests(clock: ManualClock, people: People) -> None:
    assert "Average provisioning time" not in overview(people.auditor)  # there is nothing to count
    make_request(State.DRAFT, people=people)
    assert re.search(r'class="figure"[^>]*>-</a>', overview(people.auditor))

    started = make_request(State.APPROVED, people=people)
    _complete(started, clock, minutes=3)
    clock.advance(days=40)
    _complete(make_request(State.APPROVED, people=people), clock, minutes=9)

    page = overview(people.auditor)
    assert ">6 min 0 s</a>" in page
    assert "1 completed this month, 9 min 0 s each</a>" in page


def _complete(request: EnvironmentRequest, clock: ManualClock, *, minutes: int) -> None:
    run = uuid4()
    requests.begin_provisioning(request.pk, by=PRINCIPAL, run_id=run, policy_version="settings-1")
    clock.advance(minutes=minutes)
    address = "https://claims.crm4.dynamics.com/"
    facts = {"environment_id": str(uuid4()), "environment_url": address, "open_gaps": []}
    requests.complete(request.pk, by=PRINCIPAL, run_id=run, **facts)


def test_a_week_begins_on_monday_and_forgets_what_was_requested_before(clock: ManualClock, people: People) -> None:
    clock.at = start_of_week(clock.at) - timedelta(seconds=1)
    make_request(State.FAILED, people=people)
    assert "Show the 1 request" in overview(people.auditor)

    clock.advance(seconds=1)

    assert "None of the requests of this week has failed." in overview(people.auditor)
    assert "1 failed in all" in overview(people.auditor)


def test_what_operators_look_after_is_counted_and_linked(world) -> None:
    people = world.people
    assert "No control was proved in the last 30 days" in overview(people.operator)
    world.fault(**GROUP)
    world.provision(Zone.ZONE_2)
    world.simulator.control("DELETE", "/faults")
    quarantined = world.provision(Zone.ZONE_2)
    services.quarantine(quarantined.environments.get().pk, by=people.operator, reason="Nobody knows this one.")
    world.clock.advance(minutes=70)

    promised = assert_each_figure_is_that_of_its_rows(people.operator)

    assert promised[reverse("admin:provisioning_app_gap_changelist") + "?is=open"] == 1
    assert promised[reverse("admin:provisioning_app_environment_changelist") + "?status__exact=3"] == 1
    page = overview(people.operator)
    assert "the oldest for 1 h " in page
    assert "age unknown; rotate it once" in page
    assert ">2</strong> of 50</a>" in page
    for begin, end in (('class="figures"', "</section>"), ('class="pie-tile"', "</div>"), ('class="limits"', "</dl>")):
        part = page[page.index(begin) : page.index(end, page.index(begin))]
        beside_links = strip_tags(re.sub(r"<(a|svg) .*?</\1>", "", part, flags=re.DOTALL))
        assert not re.search(r"\d", re.sub(r"Zone \d", "", beside_links)), beside_links


@pytest.mark.parametrize(
    ("age", "words", "is_due"),
    [(0, "90 days", False), (80, "10 days", True), (89, "1 day", True), (100, "10 days overdue", True)],
)
def test_the_days_left_of_a_credential_are_told(
    clock: ManualClock, people: People, age: int, words: str, is_due: bool
) -> None:
    TenantIdentity.objects.create(
        tenant=people.tenant,
        purpose=TenantIdentity.Purpose.PROVISIONING,
        display_name="Principal",
        client_id=uuid4(),
        created_on=clock.at - timedelta(days=age),
    )

    page = overview(people.operator)

    assert f"Principal</strong>: {words}</a>" in page
    assert ("is-well" not in page) == is_due


def test_a_pie_goes_round_once() -> None:
    half, rest, none = slices_of([("a", 2, "#"), ("b", 2, "#"), ("c", 0, "#")])

    assert half.path == "M0 0L0.000 -50.000A50 50 0 0 1 0.000 50.000Z"
    assert rest.path.startswith("M0 0L0.000 50.000A50 50 0 0 1 -0.000 -50.000")
    assert (none.path, none.percent, none.is_whole) == ("", 0, False)
    assert slices_of([("a", 3, "#"), ("b", 0, "#")])[0].is_whole
    assert slices_of([("a", 3, "#"), ("b", 1, "#")])[0].path.count(" 0 1 1 ") == 1
    assert [each.percent for each in slices_of([("a", 0, "#")])] == [0]
