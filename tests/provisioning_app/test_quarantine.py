"""Quarantine: on the list until a person has looked at it."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts_app.roles import Depth, Role
from audit_app.actions import Action
from core_app.errors import DomainError, PermissionRefused
from provisioning_app import services
from provisioning_app.choices import EnvironmentStatus
from provisioning_app.models import Environment
from requests_app.choices import State, Zone
from tests.factories import make_request, make_user
from tests.provisioning_app.reconciling import failed_at_managed, make_environment, reconcile_now
from tests.screens import client_of, page_of


@pytest.fixture
def quarantined(world):
    request = failed_at_managed(world)
    services.quarantine(request.environments.get().pk, by=world.people.operator, reason="Nobody knows this one.")
    return request


def test_an_operator_quarantines_and_releases_with_reasons_and_both_are_logged(world):
    request = world.provision(Zone.ZONE_2)
    row = request.environments.get()

    services.quarantine(row.pk, by=world.people.operator, reason="Looks wrong.")
    alike = make_request(State.PENDING_APPROVAL, people=world.people, zone=Zone.ZONE_2)
    brief = client_of(world.people.approver).get(page_of(alike, "brief")).content.decode()
    assert "Completed; its environment: quarantined" in brief
    row.refresh_from_db()
    assert (row.status, row.quarantine_reason, row.quarantined_at) == (
        EnvironmentStatus.QUARANTINED,
        "Looks wrong.",
        world.clock.at,
    )
    world.clock.advance(minutes=10)
    services.release_quarantine(row.pk, by=world.people.operator, reason="Looked, it is fine.")

    row.refresh_from_db()
    assert (row.status, row.quarantine_reason, row.quarantined_at) == (EnvironmentStatus.ACTIVE, "", None)
    entry = request.log_entries.get(action=Action.QUARANTINE_RELEASED)
    assert entry.actor == world.people.operator.upn
    assert entry.action_details["quarantined_seconds"] == 600
    assert request.log_entries.get(action=Action.ENVIRONMENT_QUARANTINED).actor == world.people.operator.upn


def test_a_quarantined_environment_is_neither_retried_nor_attested_nor_deleted(world, quarantined):
    people = world.people
    for verb in (services.retry, services.attest):
        with pytest.raises(DomainError, match="release it first"):
            verb(quarantined.pk, by=people.operator, reason="Go on.")
    with pytest.raises(DomainError):
        services.initiate_rollback(quarantined.pk, by=people.operator, reason="Away with it.")

    services.release_quarantine(quarantined.environments.get().pk, by=people.operator, reason="It is ours.")
    services.retry(quarantined.pk, by=people.operator, reason="Go on.")
    world.run_until_settled()

    quarantined.refresh_from_db()
    assert quarantined.state == State.COMPLETED, quarantined.failure_reason
    assert len(world.environments) == 1


@pytest.mark.parametrize("who", ["requester", "approver", "auditor", "governance_lead"])
def test_nobody_but_an_operator_quarantines_or_releases(world, quarantined, who):
    row, user = quarantined.environments.get(), getattr(world.people, who)

    with pytest.raises(PermissionRefused, match="ELM Operator"):
        services.release_quarantine(row.pk, by=user, reason="x")
    with pytest.raises(PermissionRefused, match="ELM Operator"):
        services.quarantine(row.pk, by=user, reason="x")


def test_quarantine_needs_reasons_and_happens_once(world, quarantined):
    row, operator = quarantined.environments.get(), world.people.operator

    with pytest.raises(DomainError, match="quarantined already"):
        services.quarantine(row.pk, by=operator, reason="Again.")
    with pytest.raises(DomainError, match="what you found out"):
        services.release_quarantine(row.pk, by=operator, reason=" \u200b ")
    services.release_quarantine(row.pk, by=operator, reason="Fine.")
    with pytest.raises(DomainError, match="not quarantined"):
        services.release_quarantine(row.pk, by=operator, reason="Fine.")
    with pytest.raises(DomainError, match="Say why"):
        services.quarantine(row.pk, by=operator, reason="")


def test_what_a_run_works_on_is_not_quarantined(world):
    request = world.approved(Zone.ZONE_2)
    world.run_until_settled(stop=lambda: request.runs.filter(step="managed").exists())

    with pytest.raises(DomainError, match="A run works on"):
        services.quarantine(request.environments.get().pk, by=world.people.operator, reason="Stop.")


def test_an_orphan_is_never_released_to_nobody(world):
    row = Environment.objects.none()
    make_environment(world)
    reconcile_now()
    row = Environment.objects.get(request=None)

    with pytest.raises(DomainError, match="belongs to no request"):
        services.release_quarantine(row.pk, by=world.people.operator, reason="Leave it.")


def test_an_operator_quarantines_and_releases_on_the_environments_page(world):
    row = world.provision(Zone.ZONE_2).environments.get()
    client = client_of(world.people.operator)
    page = page_of(row)
    assert f'hx-get="{page_of(row, "quarantine")}"' in client.get(page).content.decode()

    client.post(page_of(row, "quarantine"), {"_form_submitted": "on", "reason": "Looks wrong."})
    row.refresh_from_db()
    assert row.status == EnvironmentStatus.QUARANTINED
    assert f'hx-get="{page_of(row, "release")}"' in client.get(page).content.decode()
    assert client_of(world.people.auditor).get(page_of(row, "release")).status_code == 403
    client.post(page_of(row, "release"), {"_form_submitted": "on", "reason": "Looked."})
    row.refresh_from_db()
    assert row.status == EnvironmentStatus.ACTIVE


def test_the_operators_list_shows_the_orphan_and_an_operator_of_one_unit_does_not_see_it(world):
    make_environment(world)
    reconcile_now()
    row = Environment.objects.get(request=None)
    of_a_unit = make_user(Role.OPERATOR, world.people.unit, Depth.LOCAL)

    listed = client_of(world.people.operator).get(
        reverse("admin:provisioning_app_environment_changelist"), {"status__exact": EnvironmentStatus.QUARANTINED}
    )

    assert row.display_name in listed.content.decode()
    assert client_of(world.people.operator).get(page_of(row)).status_code == 200
    assert client_of(of_a_unit).get(page_of(row)).status_code == 404
