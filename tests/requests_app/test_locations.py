"""A region in which the tenant may create nothing is refused before anybody decides on it."""

from __future__ import annotations

import pytest

from core_app.errors import InvalidInputError
from requests_app import services
from requests_app.choices import LOCATION, Region, State
from requests_app.directory import Directory
from tests.factories import People, make_request


@pytest.mark.parametrize(
    ("closed", "advice"),
    [
        ({Region.EUROPE, Region.AUSTRALIA}, "choose one of United States, United Kingdom"),
        (set(Region), "choose another region"),
    ],
)
def test_a_closed_region_is_refused_with_the_open_ones(people: People, closed: set[Region], advice: str) -> None:
    request = make_request(people=people, region=Region.EUROPE)
    directory = Directory(unusable_locations=frozenset(LOCATION[region] for region in closed))
    with pytest.raises(InvalidInputError) as refused:
        services.submit(request.pk, by=people.requester, directory=directory)
    ((where, what),) = refused.value.problems
    assert where == "region"
    assert "may not create environments in Europe" in what
    assert advice in what
    request.refresh_from_db()
    assert request.state == State.DRAFT


def test_an_open_region_is_accepted_while_others_are_closed(people: People) -> None:
    request = make_request(people=people, region=Region.EUROPE)
    directory = Directory(unusable_locations=frozenset({LOCATION[Region.AUSTRALIA]}))
    assert services.submit(request.pk, by=people.requester, directory=directory).state == State.PENDING_APPROVAL
