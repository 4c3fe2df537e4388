"""The views that provisioning adds to the list of requests: open gaps and quarantined environments."""

from __future__ import annotations

from django.urls import reverse

from provisioning_app import services
from requests_app.choices import Zone
from tests.screens import LIST, client_of, tabs_of

GROUP = {"host": "power_platform", "method": "POST", "path": "addEnvironment", "status": 500, "count": 0}


def test_views_of_what_provisioning_left_are_offered_to_those_who_may_see_that(world):
    people = world.people
    world.fault(**GROUP)
    with_a_gap = world.provision(Zone.ZONE_2)
    world.simulator.control("DELETE", "/faults")
    quarantined = world.provision(Zone.ZONE_2)
    services.quarantine(quarantined.environments.get().pk, by=people.operator, reason="Nobody knows this one.")

    def listed(user, view):
        return set(client_of(user).get(reverse(LIST), {"view": view}).context["cl"].result_list)

    assert [tab["title"] for tab in tabs_of(people.operator)][-2:] == ["Open Gaps 1", "Quarantined 1"]
    assert listed(people.operator, "gaps") == {with_a_gap}
    assert listed(people.operator, "quarantined") == {quarantined}
    assert tabs_of(people.requester)[-1]["title"] == "Overdue 0"
    assert listed(people.requester, "gaps") == {with_a_gap, quarantined}  # no view of theirs, so nothing is filtered
