"""Settings of a tenant: checked as a whole, agreed on by two people, kept by version."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from accounts_app.models import TenantSettings
from accounts_app.roles import Role
from accounts_app.services import (
    confirm_settings,
    create_tenant,
    grant,
    propose_settings,
    reject_settings,
    settings_of,
)
from accounts_app.tenant_settings import KINDS, Settings, by_path, changes, differences, parse
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from audit_app.verify import verify_log
from core_app.clock import ManualClock
from core_app.errors import DomainError, InvalidInputError, PermissionRefused
from gates_app.delegations import Terms, delegate
from tests.factories import People, make_people, make_user


def test_nothing_set_means_the_defaults_of_the_specification() -> None:
    settings = parse(7, {})
    assert (settings.version, settings.undo_window_seconds) == (7, 30)
    assert (settings.poll_interval_seconds, settings.poll_limit, settings.creation_seconds) == (30, 120, 3600)
    assert (settings.concurrent_runs, settings.starts_per_minute, settings.creations_per_day) == (5, 10, 50)
    assert settings.escalation_hours == {1: 48, 2: 48, 3: 72}
    assert settings.stages == {1: (), 2: (Role.APPROVER,), 3: (Role.APPROVER, Role.COMPLIANCE_OFFICER)}
    assert [settings.baselines[zone].audit_retention_days for zone in (1, 2, 3)] == [180, 365, 2557]
    assert [settings.baselines[zone].session_timeout_minutes for zone in (1, 2, 3)] == [1440, 480, 120]
    assert [settings.baselines[zone].sharing_limit for zone in (1, 2, 3)] == [None, 50, 20]
    assert [settings.baselines[zone].solution_checker for zone in (1, 2, 3)] == ["none", "warn", "block"]


def test_what_is_set_replaces_only_itself() -> None:
    settings = parse(
        1,
        {
            "undo_window_seconds": 0,
            "allow_developer": True,
            "escalation_hours": {"2": 24},
            "stages": {"2": ["ELM Approver", "ELM Governance Lead"]},
            "baselines": {"3": {"session_timeout_minutes": 60, "blocking_steps": ["baseline"]}},
        },
    )
    assert (settings.undo_window_seconds, settings.allow_developer) == (0, True)
    assert settings.escalation_hours == {1: 48, 2: 24, 3: 72}
    assert settings.stages[2] == (Role.APPROVER, Role.GOVERNANCE_LEAD)
    assert settings.stages[3] == Settings().stages[3]
    assert settings.baselines[3].session_timeout_minutes == 60
    assert settings.baselines[3].blocking_steps == ("baseline",)
    assert settings.baselines[3].environment_group == "FSI-Enterprise-Production"
    assert settings.baselines[2] == Settings().baselines[2]


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("poll_interval", 30, "is not a setting; known are"),
        ("poll_interval_seconds", 0, "must be a whole number from 1 to 300."),
        ("poll_interval_seconds", 301, "must be a whole number from 1 to 300."),
        ("poll_interval_seconds", 1.5, "must be a whole number"),
        ("poll_interval_seconds", True, "must be a whole number"),
        ("concurrent_runs", "5", "must be a whole number from 1 to 50."),
        ("allow_developer", 1, "must be true or false."),
        ("escalation_hours", 48, "must be an object; its names are out of 1, 2, 3."),
        ("escalation_hours.4", 48, "is not a setting; known are 1, 2, 3."),
        ("escalation_hours.2", 0, "must be a whole number from 1 to 8760."),
        ("escalation_hours.2", True, "must be a whole number"),
        ("retention_years.1", 2, "must be a whole number from 3 to 100."),
        ("retention_years.2", 5, "must be a whole number from 6 to 100."),
        ("retention_years.3", None, "must be a whole number from 6 to 100."),
        ("stages", ["ELM Approver"], "must be an object; its names are out of 1, 2, 3."),
        ("stages.2", "ELM Approver", "must be a list out of ELM Approver"),
        ("stages.2", ["ELM Auditor"], "must be a list out of ELM Approver"),
        ("stages.2", ["ELM Approver", "ELM Approver"], "names the same one twice"),
        ("stages.2", [], "must name at least 1."),
        ("baselines.1.colour", "red", "is not a setting; known are audit_retention_days"),
        ("baselines.1", 5, "must be an object"),
        ("baselines.1.solution_checker", "maybe", "must be one of none, warn, block."),
        ("baselines.1.blocking_steps", ["create"], "must be a list out of environment_group"),
        ("baselines.1.audit_retention_days", 30, "must be a whole number from 31 to 24855."),
        ("baselines.1.session_timeout_minutes", 59, "must be a whole number from 60 to 1440."),
        ("baselines.1.sharing_limit", 0, "must be a whole number from 1 to 100000 or nothing."),
        ("baselines.1.environment_group", " \u200b", "must not be empty."),
        ("baselines.1.environment_group", "x" * 101, "must be text of up to 100 characters."),
        ("baselines.1.environment_group", "A\x00B", "NUL"),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right(key: str, value: Any, sentence: str) -> None:
    for name in reversed(key.split(".")):
        value = {name: value}
    with pytest.raises(InvalidInputError) as caught:
        parse(1, value)
    ((where, what),) = caught.value.problems
    assert where == key
    assert sentence in what


def test_every_problem_is_listed_at_once() -> None:
    wrong = {"1": {"sharing_limit": -1}, "3": {"audit_retention_days": 1, "session_timeout_minutes": 60}}
    with pytest.raises(InvalidInputError) as caught:
        parse(1, {"poll_limit": 0, "colour": "red", "undo_window_seconds": 30, "baselines": wrong})
    places = ["poll_limit", "colour", "baselines.1.sharing_limit", "baselines.3.audit_retention_days"]
    assert [where for where, _ in caught.value.problems] == places


def test_what_is_stored_are_the_differences_and_they_mean_the_same() -> None:
    values = {
        "poll_limit": 60,
        "stages": {"3": ["ELM Compliance Officer", "ELM Approver"]},
        "baselines": {"2": {"sharing_limit": None, "blocking_steps": ["dlp"]}},
    }
    settings = parse(3, values)
    assert differences(by_path(settings)) == values
    assert parse(3, differences(by_path(settings))) == settings
    assert differences(by_path(Settings())) == {}
    assert changes(Settings(), settings) == [
        {"setting": "Poll limit", "before": "120 looks", "after": "60 looks"},
        {"setting": "Zone 2: sharing limit", "before": "50 people", "after": "no limit"},
        {"setting": "Zone 2: blocking steps", "before": "none beyond those", "after": "DLP"},
        {
            "setting": "Zone 3: stages",
            "before": "ELM Approver, then ELM Compliance Officer",
            "after": "ELM Compliance Officer, then ELM Approver",
        },
    ]


def test_every_setting_says_what_it_means_and_what_it_takes() -> None:
    assert set(by_path(Settings())) == set(KINDS)
    for path, value in by_path(Settings()).items():
        assert KINDS[path].meaning.endswith("."), path
        assert KINDS[path].range, path
        assert KINDS[path].in_words(value), path
        assert KINDS[path].checked(value) == value, path


@pytest.mark.django_db
def test_wrong_settings_create_no_tenant() -> None:
    with pytest.raises(InvalidInputError):
        create_tenant("Wrong", uuid4(), settings={"poll_limit": 0})
    assert not TenantSettings.objects.exists()


def test_settings_hold_when_a_second_person_confirms_them(people: People, clock: ManualClock) -> None:
    second = make_user(Role.GOVERNANCE_LEAD, people.tenant)
    proposal = propose_settings(people.tenant.pk, by=people.governance_lead, values={"poll_limit": 60})
    assert settings_of(people.tenant).poll_limit == 120
    confirmed = confirm_settings(proposal.pk, by=second)
    assert (confirmed.version, confirmed.confirmed_by, confirmed.confirmed_at) == (2, second, clock.at)
    assert (settings_of(people.tenant).version, settings_of(people.tenant).poll_limit) == (2, 60)
    assert settings_of(people.tenant, 1).poll_limit == 120
    told = ProvisioningLog.objects.filter(chain=people.tenant.log_chain().key, policy_version__startswith="settings-")
    entries = list(told.order_by("sequence"))
    assert [entry.action for entry in entries][1:] == [Action.SETTINGS_PROPOSED, Action.SETTINGS_CONFIRMED]
    assert [entry.actor for entry in entries][1:] == [people.governance_lead.upn, second.upn]
    assert [entry.policy_version for entry in entries] == ["settings-1", "settings-2", "settings-2"]


def test_the_proposer_and_their_second_account_do_not_confirm(people: People) -> None:
    twin = make_user(Role.GOVERNANCE_LEAD, people.tenant, entra_object_id=people.governance_lead.entra_object_id)
    proposal = propose_settings(people.tenant.pk, by=people.governance_lead, values={})
    for person in (people.governance_lead, twin):
        with pytest.raises(PermissionRefused, match="second person"):
            confirm_settings(proposal.pk, by=person)
    assert settings_of(people.tenant).version == 1
    refused = ProvisioningLog.objects.filter(action=Action.DECISION_REFUSED, success=False).order_by("sequence")
    assert [entry.actor for entry in refused] == [people.governance_lead.upn, twin.upn]
    assert verify_log().ok


def test_the_database_too_refuses_one_person_as_both(people: People) -> None:
    proposal = propose_settings(people.tenant.pk, by=people.governance_lead, values={})
    with pytest.raises(IntegrityError, match="settings_need_a_second_person"), transaction.atomic():
        TenantSettings.objects.filter(pk=proposal.pk).update(confirmed_by=people.governance_lead)


def test_only_governance_leads_of_the_tenant_propose_and_confirm(people: People) -> None:
    elsewhere = make_people().governance_lead
    local = make_user()
    grant(local, Role.GOVERNANCE_LEAD, people.unit)
    proposal = propose_settings(people.tenant.pk, by=people.governance_lead, values={})
    for person in (people.approver, people.operator, people.auditor, elsewhere, local):
        with pytest.raises(PermissionRefused, match="Governance Leads"):
            propose_settings(people.tenant.pk, by=person, values={})
        with pytest.raises(PermissionRefused, match="Governance Leads"):
            confirm_settings(proposal.pk, by=person)


def test_wrong_settings_are_not_even_proposed(people: People) -> None:
    with pytest.raises(InvalidInputError):
        propose_settings(people.tenant.pk, by=people.governance_lead, values={"poll_limit": 0})
    assert people.tenant.settings.count() == 1


def test_settings_are_confirmed_or_refused_once(people: People) -> None:
    lead, second = people.governance_lead, make_user(Role.GOVERNANCE_LEAD, people.tenant)
    confirmed = propose_settings(people.tenant.pk, by=lead, values={"poll_limit": 60})
    confirm_settings(confirmed.pk, by=second)
    refused = propose_settings(people.tenant.pk, by=lead, values={"poll_limit": 90})
    reject_settings(refused.pk, by=second, reason="Creations take longer.")
    for row, said in ((confirmed, "already confirmed"), (refused, "already refused")):
        with pytest.raises(DomainError, match=said):
            confirm_settings(row.pk, by=second)
        with pytest.raises(DomainError, match=said):
            reject_settings(row.pk, by=second, reason="Again.")
    assert settings_of(people.tenant).version == 2


def test_one_proposal_waits_at_a_time_and_the_next_follows_its_refusal(people: People, clock: ManualClock) -> None:
    lead, second = people.governance_lead, make_user(Role.GOVERNANCE_LEAD, people.tenant)
    first = propose_settings(people.tenant.pk, by=lead, values={"poll_limit": 60})
    with pytest.raises(InvalidInputError, match="v2 already wait for a second person"):
        propose_settings(people.tenant.pk, by=second, values={"poll_limit": 90})
    with (
        pytest.raises(IntegrityError, match=r"one_open_proposal_per_tenant|tenantsettings\.tenant_id"),
        transaction.atomic(),
    ):
        people.tenant.settings.create(version=9, values={}, proposed_by=second, proposed_at=clock.at)

    with pytest.raises(InvalidInputError, match="Say why"):
        reject_settings(first.pk, by=second, reason=" \u200b")
    with pytest.raises(PermissionRefused):
        reject_settings(first.pk, by=people.operator, reason="Not mine.")
    refused = reject_settings(first.pk, by=second, reason="Creations take longer.")

    assert (refused.rejected_by, refused.rejected_at) == (second, clock.at)
    entry = ProvisioningLog.objects.get(action=Action.SETTINGS_REJECTED)
    assert (entry.actor, entry.policy_version) == (second.upn, "settings-2")
    assert entry.action_details["settings"] == {"poll_limit": 60}
    assert entry.action_details["reason"] == "Creations take longer."
    assert propose_settings(people.tenant.pk, by=second, values={"poll_limit": 90}).version == 3


def test_who_proposed_takes_their_proposal_back(people: People) -> None:
    proposal = propose_settings(people.tenant.pk, by=people.governance_lead, values={"poll_limit": 60})
    reject_settings(proposal.pk, by=people.governance_lead, reason="A mistake.")
    assert ProvisioningLog.objects.get(action=Action.SETTINGS_REJECTED).actor == people.governance_lead.upn


def test_nothing_is_proposed_that_changes_nothing_or_other_settings_than_those_shown(people: People) -> None:
    lead, tenant = people.governance_lead, people.tenant
    with pytest.raises(InvalidInputError, match="Nothing differs"):
        propose_settings(tenant.pk, by=lead, values={"undo_window_seconds": 0})
    confirm_settings(
        propose_settings(tenant.pk, by=lead, values={"poll_limit": 60}, based_on=1).pk,
        by=make_user(Role.GOVERNANCE_LEAD, tenant),
    )
    with pytest.raises(InvalidInputError, match="open this form anew"):
        propose_settings(tenant.pk, by=lead, values={"poll_limit": 90}, based_on=1)
    assert tenant.settings.count() == 2


def test_a_delegate_neither_proposes_nor_confirms(people: People, clock: ManualClock) -> None:
    lead = people.governance_lead
    delegate(lead, people.requester, Terms(clock.at, clock.at + timedelta(days=7), "On holiday."), by=lead)
    proposal = propose_settings(people.tenant.pk, by=lead, values={})
    for verb in (
        lambda: propose_settings(people.tenant.pk, by=people.requester, values={"poll_limit": 60}),
        lambda: confirm_settings(proposal.pk, by=people.requester),
        lambda: reject_settings(proposal.pk, by=people.requester, reason="No."),
    ):
        with pytest.raises(PermissionRefused, match="Governance Leads"):
            verb()


def test_what_is_stored_is_in_unicode_normal_form_and_without_what_is_the_default(people: People) -> None:
    values = {"poll_limit": 120, "baselines": {"1": {"environment_group": " Bu\u0308ro "}}}
    proposal = propose_settings(people.tenant.pk, by=people.governance_lead, values=values)
    assert proposal.values == {"baselines": {"1": {"environment_group": "Büro"}}}


def test_a_tenant_without_confirmed_settings_says_so(people: People) -> None:
    people.tenant.settings.update(confirmed_at=None)
    with pytest.raises(TenantSettings.DoesNotExist, match="no confirmed settings"):
        settings_of(people.tenant)


@pytest.mark.django_db
@pytest.mark.parametrize(("zone", "years"), [("1", 2), ("2", 5), ("3", 0), ("3", 5.5)])
def test_the_database_itself_keeps_records_as_long_as_the_law_asks(people: People, zone: str, years: float) -> None:
    """Whoever goes around the code gets no shorter retention into force."""
    with pytest.raises(IntegrityError, match=f"zone_{zone}_is_kept_for"), transaction.atomic():
        TenantSettings.objects.filter(tenant=people.tenant).update(values={"retention_years": {zone: years}})
    TenantSettings.objects.filter(tenant=people.tenant).update(values={"retention_years": {zone: 7}})
    assert settings_of(people.tenant).retention_years[int(zone)] == 7
