"""A region that is closed to the tenant is refused when the request is submitted, not when it is provisioned."""

from __future__ import annotations

import pytest

from core_app.errors import InvalidInputError
from requests_app import services as requests
from requests_app.choices import Region, State, Zone
from requests_app.directory import look_up
from tests.factories import facts
from tests.microsoft import GROUP_NAME


def draft(world, region, zone=Zone.ZONE_1):
    named = {"security_group_name": GROUP_NAME} if zone != Zone.ZONE_1 else {}
    return requests.create_draft(by=world.people.requester, **facts(zone, region=region, **named))


def submit(world, request):
    return requests.submit(request.pk, by=world.people.requester, directory=look_up(request))


@pytest.mark.parametrize("zone", [Zone.ZONE_1, Zone.ZONE_2])
def test_a_closed_region_is_refused_at_submit_with_the_open_ones(make_world, zone):
    world = make_world(seed={"locations": {"australia": {"disabled": True}}})
    request = draft(world, Region.AUSTRALIA, zone)

    with pytest.raises(InvalidInputError) as refused:
        submit(world, request)

    ((field, sentence),) = refused.value.problems
    assert field == "region"
    assert "may not create environments in Australia; choose one of United States, Europe, United Kingdom" in sentence
    request.refresh_from_db()
    assert request.state == State.DRAFT
    assert submit(world, draft(world, Region.EUROPE, zone)).state == State.PENDING_APPROVAL


def test_when_the_platform_cannot_be_asked_the_preflight_decides_later(make_world):
    world = make_world(seed={"locations": {"australia": {"disabled": True}}})
    world.fault(host="bap", method="GET", path="/locations", status=403, body={"error": {"code": "Forbidden"}})

    assert submit(world, draft(world, Region.AUSTRALIA)).state == State.PENDING_APPROVAL
