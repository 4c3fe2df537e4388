"""Every screen of the admin, for every role: it grows by itself with what is registered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.models import Model
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from unfold.decorators import action

from accounts_app.roles import PERMISSIONS, Role
from core_app import clock
from core_app.admin import GovernedAdmin, HistoryAdmin, ReadOnlyAdmin
from evidence_app import reviews
from gates_app.delegations import Terms, delegate
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from requests_app.services import comment, dispute_zone
from sign_in_app.mappings import Terms as MappingTerms
from sign_in_app.mappings import propose_mapping
from tests.factories import People, make_people, make_request, make_user
from tests.project.access_world import make_world
from tests.screens import client_of, page_of

SCREENS: dict[type[Model], Any] = dict(admin.site._registry)
ROLES = {
    Role.REQUESTER: "requester",
    Role.APPROVER: "approver",
    Role.COMPLIANCE_OFFICER: "compliance_officer",
    Role.GOVERNANCE_LEAD: "governance_lead",
    Role.OPERATOR: "operator",
    Role.AUDITOR: "auditor",
}
MECHANICS = {  # rows that only make a rule hold: counters, chain heads, trees, slots, who takes part, grants, ticks
    "NotificationChoice",  # its page is everybody's own
    "RequestCounter",
    "ChainHead",
    "LogTree",
    "TreeLeaf",
    "TreeNode",
    "Checkpoint",
    "CheckpointTimestamp",
    "Anchor",
    "VerificationRun",
    "Slot",
    "GateParty",
    "WorkerTick",
    "MappedGrant",
}


def label(screen: Any) -> str:
    return getattr(screen, "__name__", str(screen))


def address(model: type[Model], view: str) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}")


def may_view(role: Role, model: type[Model]) -> bool:
    return f"{model._meta.app_label}.view_{model._meta.model_name}" in PERMISSIONS[role]


@pytest.fixture
def people(db: None) -> People:
    """People of a tenant in which something of everything has happened."""
    people = make_people()
    for stage in (State.DRAFT, State.PENDING_APPROVAL, State.REJECTED, State.FAILED, State.COMPLETED):
        make_request(stage, people=people, zone=Zone.ZONE_3)
    now = clock.now()
    terms = Terms(now, now + timedelta(days=7), "On holiday.")
    delegate(people.approver, people.second_approver, terms, by=people.approver)
    reviews.take(people.tenant.pk, by=people.auditor)
    draft = make_request(people=people, zone=Zone.ZONE_2)
    dispute_zone(draft.pk, by=people.requester, wanted=Zone.ZONE_1, rationale="The data is made up.")
    comment(draft.pk, by=people.requester, text="Ask me.")
    mapping = MappingTerms(uuid4(), "SG-ELM-Operators", Role.OPERATOR)
    propose_mapping(people.tenant.pk, mapping, by=people.governance_lead)
    return people


def test_every_screen_is_governed() -> None:
    assert all(isinstance(screen, GovernedAdmin) for screen in SCREENS.values())
    assert Group not in SCREENS


def test_every_table_of_ours_has_a_screen() -> None:
    ours = [model for config in apps.get_app_configs() if config.name.endswith("_app") for model in config.get_models()]
    missing = {
        model.__name__
        for model in ours
        if model not in SCREENS
        and not model.__name__.startswith("Historical")
        and not model.__name__.endswith("ObjectPermission")
    }
    assert missing == MECHANICS


@pytest.mark.parametrize("model", SCREENS, ids=label)
def test_every_action_has_a_dialog_or_a_page_and_none_is_done_in_bulk(model: type[Model]) -> None:
    screen = SCREENS[model]

    assert screen.actions is None
    assert not screen.actions_list
    assert not screen.actions_row
    assert not screen.actions_submit_line
    for found in screen._get_base_actions_detail():
        assert getattr(found.method, "opens_page", False) or found.dialog["form_class"]
        assert found.method.offered


def test_a_bare_action_is_a_mistake_that_is_found_at_start_up() -> None:
    class Bare(ReadOnlyAdmin):
        actions_detail = ("act_on_get",)

        @action(description="Act")
        def act_on_get(self, request: Any, object_id: str) -> None:
            raise AssertionError

    with pytest.raises(ImproperlyConfigured, match="has no dialog"):
        Bare(EnvironmentRequest, admin.site).get_urls()


@pytest.mark.sqlite
def test_every_screen_opens_for_those_who_may_view_it_and_for_nobody_else(db: None) -> None:
    """A row's page is written out for each role, its list for the first of them."""
    people, opened, listed = make_world().home, set(), set()
    for role, name in ROLES.items():
        client = client_of(getattr(people, name))
        asked = RequestFactory().get("/")
        asked.user = getattr(people, name)
        for model in SCREENS:
            if not may_view(role, model):
                assert client.get(address(model, "changelist")).status_code == 403, (role, model)
                continue
            if model not in listed:
                assert client.get(address(model, "changelist")).status_code == 200, (role, model)
                listed.add(model)
            for row in SCREENS[model].get_queryset(asked)[:1]:
                assert client.get(page_of(row)).status_code == 200, (role, row)
                opened.add(model)
    assert opened == listed == {*SCREENS}, "a table that is empty for everybody proves nothing"


@pytest.mark.sqlite
def test_history_is_read_and_never_written(db: None) -> None:
    client, seen = client_of(make_world().home.auditor), set()
    for model in (model for model, screen in SCREENS.items() if isinstance(screen, HistoryAdmin)):
        for row in client.get(address(model, "changelist")).context["cl"].result_list[:1]:
            seen.add(model)
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}_simple_history"
            old = reverse(name, args=[row.pk, row.history.latest().pk])
            before = model._default_manager.filter(pk=row.pk).values().get()

            assert client.get(page_of(row, "history")).status_code == 200, model
            assert client.get(old).status_code == 200, model
            for attempt in (client.post, client.put, client.patch, client.delete):
                assert attempt(old).status_code == 403, model
            assert client.post(old, {"state": "4", "name": "Changed", "_save": "Revert"}).status_code == 403, model
            assert model._default_manager.filter(pk=row.pk).values().get() == before
            assert client.get(reverse(name, args=[row.pk, "not-a-version"])).status_code == 404, model
    assert seen == {model for model, screen in SCREENS.items() if isinstance(screen, HistoryAdmin)}


def test_history_of_another_tenant_is_not_found(people: People) -> None:
    client, request = client_of(make_people().auditor), EnvironmentRequest.objects.first()
    old = reverse(
        "admin:requests_app_environmentrequest_simple_history", args=[request.pk, request.history.latest().pk]
    )

    assert client.get(page_of(request, "history")).status_code == 404
    assert client.get(old).status_code == 404


def test_a_list_costs_the_same_number_of_queries_however_long_it_is(people: People) -> None:
    client = client_of(people.auditor)

    def queries() -> dict[str, int]:
        counted = {}
        for model in SCREENS:
            with CaptureQueriesContext(connection) as captured:
                client.get(address(model, "changelist"))
            counted[model.__name__] = len(captured)
        return counted

    before = queries()
    for stage in (State.PENDING_APPROVAL, State.FAILED, State.COMPLETED):
        make_request(stage, people=people, zone=Zone.ZONE_2)
    make_user(Role.APPROVER, people.unit)
    assert queries() == before
    assert max(before.values()) <= 15


def test_the_page_of_a_request_costs_a_bounded_number_of_queries(people: People) -> None:
    request = EnvironmentRequest.objects.get(state=State.PENDING_APPROVAL)
    client = client_of(people.approver)

    with CaptureQueriesContext(connection) as captured:
        client.get(page_of(request))

    assert len(captured) <= 60
