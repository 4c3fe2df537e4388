"""Whoever reads a shared request sees what was built for it, as far as their role reads such tables at all."""

from __future__ import annotations

from accounts_app.roles import Role
from requests_app import services
from requests_app.choices import Zone
from tests.factories import make_user, unit_of
from tests.screens import client_of, page_of


def test_an_operator_of_another_unit_sees_the_run_and_environment_of_a_shared_request(world):
    people, another = world.people, world.approved(Zone.ZONE_1)
    row = world.approved(Zone.ZONE_1)
    world.run_until_settled()
    run = row.runs.get()
    environment = row.environments.get()
    pages = [page_of(each) for each in (run, run.steps.first(), environment, environment.controls.first())]
    operator = make_user(Role.OPERATOR, unit_of(people.tenant, "Treasury"))
    client = client_of(operator)
    assert {client.get(page).status_code for page in pages} == {404}

    services.share(row.pk, reader=operator, by=people.requester)

    assert {client.get(page).status_code for page in pages} == {200}
    assert client.get(page_of(run, "retry")).status_code == 403
    assert client.get(page_of(environment, "quarantine")).status_code == 403
    assert client.get(page_of(another.runs.get())).status_code == 404
    services.unshare(row.pk, reader=operator, by=people.requester)
    assert {client.get(page).status_code for page in pages} == {404}
