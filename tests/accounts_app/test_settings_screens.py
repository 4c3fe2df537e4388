"""Settings on their pages: one Governance Lead fills in the form, another sees what changes, confirms or refuses."""

from __future__ import annotations

import pytest
from django.forms import BoundField
from django.urls import reverse

from accounts_app.models import TenantSettings
from accounts_app.roles import Role
from accounts_app.services import grant, propose_settings, settings_of
from accounts_app.tenant_settings import KINDS
from tests.factories import make_people, make_tenant, make_user
from tests.screens import client_of, page_of, told

pytestmark = pytest.mark.django_db

LIST = reverse("admin:accounts_app_tenantsettings_changelist")
ADD = reverse("admin:accounts_app_tenantsettings_add")


@pytest.fixture
def second(people):
    return make_user(Role.GOVERNANCE_LEAD, people.tenant)


def shown(client, address=ADD):
    """Return what a browser would send back from the form as it is shown."""
    form = client.get(address).context["adminform"].form
    values = {}
    for name in form.fields:
        bound: BoundField = form[name]
        value = bound.field.prepare_value(bound.value())
        if value or (value == 0 and value is not False):
            values[name] = "on" if value is True else value
    return values


def test_one_lead_proposes_and_another_sees_what_changes_and_confirms(people, second):
    client = client_of(people.governance_lead)
    typed = {
        **shown(client),
        "poll_limit": "60",
        "baselines__3__sharing_limit": "",
        "stages__2": "ELM Compliance Officer|ELM Approver",
        "baselines__1__blocking_steps": ["baseline", "dlp"],
        "allow_developer": "on",
    }

    made = client.post(ADD, typed)

    assert made.status_code == 302, made.context["adminform"].form.errors
    proposal = TenantSettings.objects.get(version=2)
    assert made["Location"] == page_of(proposal)
    assert proposal.values == {
        "undo_window_seconds": 0,
        "poll_limit": 60,
        "allow_developer": True,
        "stages": {"2": ["ELM Compliance Officer", "ELM Approver"]},
        "baselines": {"1": {"blocking_steps": ["baseline", "dlp"]}, "3": {"sharing_limit": None}},
    }
    page = client.get(made["Location"]).content.decode()
    dialog = client_of(second).get(page_of(proposal, "confirm")).content.decode()
    for text in (page, dialog):
        assert "Zone 3: sharing limit" in text
        assert "20 people" in text
        assert "no limit" in text
        assert "Undo window" not in text.partition("All of this version")[0]
    assert settings_of(people.tenant).version == 1

    answer = client_of(second).post(page_of(proposal, "confirm"), {"_form_submitted": "on"})

    assert told(answer, second) == [f"{proposal} are in force."]
    assert settings_of(people.tenant).poll_limit == 60
    statuses = [str(row.version) for row in client.get(LIST).context["cl"].result_list]
    assert statuses == ["2", "1"]
    assert "In force" in client.get(page_of(proposal)).content.decode()
    assert "Earlier" in client.get(LIST).content.decode()


def test_what_is_shown_can_be_sent_back_and_changes_nothing(people):
    client = client_of(people.governance_lead)

    same = client.post(ADD, shown(client))

    assert "Nothing differs from the settings in force." in same.content.decode()
    assert TenantSettings.objects.count() == 1


def test_every_setting_stands_in_the_form_with_meaning_and_range(people):
    page = client_of(people.governance_lead).get(ADD)
    form, text = page.context["adminform"].form, page.content.decode()
    for path, kind in KINDS.items():
        field = form.fields[path.replace(".", "__")]
        assert field.help_text == f"{kind.meaning} {kind.range}."
    assert text.count("Minutes, from 60 to 1440") == 3
    assert str(people.tenant) in text
    assert {str(form.fields[f"baselines__1__{name}"].label) for name in ("required_dlp_policy", "sharing_limit")} == {
        "Required DLP policy",
        "Sharing limit",
    }


def test_what_is_wrong_stands_beside_its_field_and_nothing_typed_is_lost(people):
    client = client_of(people.governance_lead)
    typed = {
        **shown(client),
        "poll_limit": "1001",
        "baselines__2__session_timeout_minutes": "59",
        "baselines__3__environment_group": "\u200b",
        "baselines__1__environment_group": "Own & only",
    }

    by_form = client.post(ADD, typed)
    by_verb = client.post(ADD, {**typed, "poll_limit": "60", "baselines__2__session_timeout_minutes": "60"})

    wrong = by_form.context["adminform"].form.errors
    assert set(wrong) == {"poll_limit", "baselines__2__session_timeout_minutes"}
    assert by_verb.context["adminform"].form.errors == {"baselines__3__environment_group": ["must not be empty."]}
    for page in (by_form, by_verb):
        assert "Own &amp; only" in page.content.decode()
    assert TenantSettings.objects.count() == 1


def test_what_changed_meanwhile_is_said_in_the_form(people, second):
    client = client_of(people.governance_lead)
    typed = {**shown(client), "poll_limit": "60"}
    propose_settings(people.tenant.pk, by=second, values={"poll_limit": 90})

    page = client.post(ADD, typed)

    assert "already wait for a second person" in page.content.decode()
    assert 'value="60"' in page.content.decode()


def test_the_proposer_takes_back_but_does_not_confirm_nor_does_their_second_account(people, second):
    twin = make_user(Role.GOVERNANCE_LEAD, people.tenant, entra_object_id=people.governance_lead.entra_object_id)
    proposal = propose_settings(people.tenant.pk, by=people.governance_lead, values={"poll_limit": 60})
    for person in (people.governance_lead, twin):
        assert client_of(person).get(page_of(proposal, "confirm")).status_code == 403
        assert client_of(person).post(page_of(proposal, "confirm"), {"_form_submitted": "on"}).status_code == 403
    client_of(second).get(page_of(proposal, "reject"))
    empty = client_of(second).post(page_of(proposal, "reject"), {"_form_submitted": "on", "reason": "\u200b"})
    assert "Say why" in empty.content.decode()
    assert TenantSettings.objects.get(version=2).is_open

    answer = client_of(second).post(page_of(proposal, "reject"), {"_form_submitted": "on", "reason": "Too short."})

    assert told(answer, second) == [f"{proposal} are refused."]
    assert "Too short." in client_of(people.auditor).get(page_of(proposal)).content.decode()


def test_only_governance_leads_of_the_tenant_find_the_form_and_the_buttons(people, second):
    proposal = propose_settings(people.tenant.pk, by=people.governance_lead, values={"poll_limit": 60})
    elsewhere = make_people().governance_lead
    for person in (people.requester, people.approver, people.operator, people.auditor):
        client = client_of(person)
        assert client.get(ADD).status_code == 403
        assert client.post(ADD, {"poll_limit": "1"}).status_code == 403
    for person, status in ((people.auditor, 403), (people.operator, 403), (elsewhere, 404)):
        for verb in ("confirm", "reject"):
            sent = client_of(person).post(page_of(proposal, verb), {"_form_submitted": "on", "reason": "No."})
            assert sent.status_code == status
    assert client_of(elsewhere).get(f"{ADD}?tenant={people.tenant.pk}").status_code == 302
    crafted = client_of(elsewhere).post(f"{ADD}?tenant={people.tenant.pk}", shown(client_of(elsewhere)))
    assert crafted.status_code == 302
    assert people.tenant.settings.count() == 2


def test_who_governs_two_tenants_chooses_whose_settings_they_change(people, second):
    other = make_tenant(poll_limit=77)
    everywhere = make_user(Role.GOVERNANCE_LEAD, people.tenant, tenant=None)  # who belongs to one governs no other
    grant(everywhere, Role.GOVERNANCE_LEAD, other)
    client = client_of(everywhere)

    page = client.get(ADD, follow=True)

    assert f"{ADD}?tenant={other.pk}" in page.content.decode()
    address = f"{ADD}?tenant={other.pk}"
    assert shown(client, address)["poll_limit"] == 77
    client.post(address, {**shown(client, address), "poll_limit": "78"})
    assert (other.settings.count(), people.tenant.settings.count()) == (2, 1)
