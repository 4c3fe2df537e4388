"""What a person of one tenant could learn of another without seeing a row: counts, words, errors, uniqueness."""

from __future__ import annotations

import hashlib
import json
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.cache import cache
from django.db.models import UniqueConstraint
from django.test import Client
from django.urls import reverse

from accounts_app.models import BusinessUnit
from accounts_app.roles import Role
from accounts_app.services import grant, revoke
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from tests.factories import make_people, make_request, make_user, unit_of
from tests.project.access_world import FOREIGN_TENANT, make_world
from tests.requests_app.payloads import payload_of
from tests.screens import client_of, page_of

pytestmark = pytest.mark.sqlite  # without PostgreSQL's second wall behind it: the first one holds alone
LIST = reverse("admin:requests_app_environmentrequest_changelist")
# Values that no two rows of the installation share, and why nobody of a tenant can ask for one and be refused
OF_THE_INSTALLATION = {
    "accounts_app.Tenant.name": "made by whoever runs the installation",
    "accounts_app.Tenant.entra_tenant_id": "made by whoever runs the installation",
    "accounts_app.User.upn": "given by the directory, in which it is unique as well",
    "accounts_app.BusinessUnit.path": "made of random ids",
    "audit_app.ProvisioningLog.chain": "made of a random id",
}


@pytest.fixture
def two(db):
    """People of two tenants, each with a request on its way."""
    both = make_people(), make_people()
    for people in both:
        make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    return both


ONE_NAME = {"X-Correlation-ID": "leads-to-the-log"}  # what a page that refuses names differs from call to call


def without(content, *words):
    text = content.decode()
    for word in words:
        text = text.replace(str(word), "…")
    return text


def test_what_belongs_to_another_tenant_is_answered_like_what_does_not_exist(db):
    world = make_world()
    client = client_of(world.home.auditor, headers=ONE_NAME)
    for model in admin.site._registry:
        foreign = world.row(Role.AUDITOR, model, FOREIGN_TENANT)
        assert foreign is not None, f"the other tenant has no {model._meta.verbose_name}"
        absent = uuid4() if isinstance(foreign.pk, UUID) else 987_654_321
        for view in ("change", "history", "delete"):
            hidden = client.get(page_of(foreign, view))
            missing = client.get(page_of(model(pk=absent), view))
            assert hidden.status_code == missing.status_code == 404, (model, view)
            named = [page_of(foreign, view), page_of(model(pk=absent), view), str(absent)]
            named += [str(foreign.pk)] if isinstance(foreign.pk, UUID) else []  # a small number is part of anything
            assert without(hidden.content, *named) == without(missing.content, *named), (model, view)
            assert {*hidden.headers} == {*missing.headers}


@pytest.mark.parametrize("verb", ["approve", "reject", "share", "withdraw", "submit"])
def test_a_verb_on_another_tenants_request_is_answered_like_one_on_none(two, verb):
    ours, theirs = two
    client, foreign, absent = (
        client_of(ours.approver, headers=ONE_NAME),
        EnvironmentRequest.objects.get(tenant=theirs.tenant),
        uuid4(),
    )
    for method in ("get", "post"):
        hidden = getattr(client, method)(page_of(foreign, verb), {"comment": "Fine."})
        missing = getattr(client, method)(page_of(EnvironmentRequest(pk=absent), verb), {"comment": "Fine."})
        assert hidden.status_code == missing.status_code == 404
        assert without(hidden.content, foreign.pk) == without(missing.content, absent)


def test_counts_filters_search_and_suggestions_know_one_tenant_only(two):
    ours, theirs = two
    hidden = EnvironmentRequest.objects.get(tenant=theirs.tenant)
    BusinessUnit.objects.create(tenant=theirs.tenant, name="Secret Merger Desk")
    for person in (ours.auditor, ours.operator, ours.governance_lead, ours.requester):
        client = client_of(person)
        page = client.get(LIST)
        assert page.context["cl"].result_count == 1
        assert page.context["cl"].full_result_count in (None, 1)
        for word in (theirs.tenant.pk, theirs.unit.pk, hidden.pk, theirs.requester.display_name):
            assert str(word) not in page.content.decode()
        for word in (hidden.environment_name, theirs.requester.upn, theirs.requester.display_name):
            assert client.get(LIST, {"q": word}).context["cl"].result_count == 0
        assert hidden not in client.get(LIST, {"business_unit__id__exact": theirs.unit.pk}).context["cl"].result_list
        for name, term in (("business_unit", "Secret"), ("requester", theirs.requester.upn)):
            asked = {"app_label": "requests_app", "model_name": "environmentrequest", "field_name": name, "term": term}
            answer = client.get(reverse("admin:autocomplete"), asked)
            assert answer.status_code in (403, 404) or answer.json()["results"] == []
        assert "Secret Merger Desk" not in client.get(reverse("admin:index")).content.decode()


def test_a_name_a_number_and_a_payload_id_taken_elsewhere_are_free_here(two, settings, tmp_path):
    ours, theirs = two
    taken = EnvironmentRequest.objects.get(tenant=theirs.tenant)
    mine = make_request(State.PENDING_APPROVAL, people=ours, zone=Zone.ZONE_2, environment_name=taken.environment_name)
    assert mine.environment_name == taken.environment_name
    assert mine.domain_name != taken.domain_name
    assert EnvironmentRequest.objects.filter(request_number=taken.request_number).count() == 2

    cache.clear()
    tokens = tmp_path / "tokens.json"
    holders = {hashlib.sha256(p.tenant.name.encode()).hexdigest(): p for p in two}
    tokens.write_text(json.dumps({k: {"name": "agent", "tenant": str(p.tenant.pk)} for k, p in holders.items()}))
    settings.API_TOKENS_FILE = str(tokens)

    def deliver(people, payload):
        headers = {"Authorization": f"Bearer {people.tenant.name}"}
        return Client().post("/api/intake", payload, content_type="application/json", headers=headers)

    payload = payload_of(theirs)
    assert deliver(theirs, payload).status_code == 201
    same_id = payload_of(ours, requestId=payload["requestId"])
    assert deliver(ours, same_id).status_code == 201
    # Somebody of the other tenant, and nobody at all, are the same to a program
    foreign = deliver(ours, payload_of(ours, requester__upn=theirs.requester.upn))
    nobody = deliver(ours, payload_of(ours, requester__upn="nobody@contoso.example"))
    assert foreign.status_code == nobody.status_code == 400
    assert without(foreign.content, theirs.requester.upn) == without(nobody.content, "nobody@contoso.example")


def test_no_unique_value_of_ours_is_taken_across_tenants():
    across = set()
    for config in apps.get_app_configs():
        for model in config.get_models() if config.name.endswith("_app") else ():
            if model.__name__.startswith("Historical"):
                continue
            groups = [(field.name,) for field in model._meta.fields if field.unique and not field.primary_key]
            for constraint in model._meta.constraints:
                if isinstance(constraint, UniqueConstraint):
                    names = constraint.fields or tuple(e.name for e in constraint.expressions if hasattr(e, "name"))
                    groups.append(tuple(names))
            for names in groups:
                of_one_tenant = any(model._meta.get_field(name).remote_field for name in names)
                if not of_one_tenant:
                    across.add(f"{model._meta.label}.{names[0]}")
    assert across == set(OF_THE_INSTALLATION)


def test_a_role_that_is_taken_away_shows_nothing_at_the_next_click_of_the_same_session(two):
    ours, _ = two
    request = EnvironmentRequest.objects.get(tenant=ours.tenant)
    person, elsewhere = make_user(Role.AUDITOR, ours.tenant), unit_of(ours.tenant, "Treasury")
    grant(person, Role.AUDITOR, elsewhere)
    client = client_of(person)
    assert client.get(page_of(request)).status_code == 200
    assert client.get(LIST).context["cl"].result_count == 1

    revoke(person, Role.AUDITOR, ours.tenant)

    assert client.get(page_of(request)).status_code == 404
    assert client.get(LIST).context["cl"].result_count == 0

    revoke(person, Role.AUDITOR, elsewhere)
    assert client.get(LIST).status_code == 403
    person.is_active = False
    person.save()
    assert client.get(LIST).status_code == 302  # to the sign-in page: the session is nobody's any more
