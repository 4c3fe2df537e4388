"""Settings of a tenant: checked as a whole, agreed on by two people, kept by version."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from accounts_app.models import TenantSettings
from accounts_app.roles import Role
from accounts_app.services import confirm_settings, create_tenant, grant, propose_settings, settings_of
from accounts_app.tenant_settings import Settings, parse
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from core_app.clock import ManualClock
from core_app.errors import DomainError, InvalidInputError, PermissionRefused
from tests.factories import People, make_people, make_user


def test_nothing_set_means_the_defaults_of_the_specification() -> None:
    settings = parse(7, {})
    assert (settings.version, settings.undo_window_seconds) == (7, 30)
    assert (settings.poll_interval_seconds, settings.poll_limit, settings.creation_seconds) == (30, 120, 3600)
    assert (settings.concurrent_runs, settings.starts_per_minute, settings.creations_per_day) == (5, 10, 50)
    assert settings.escalation_hours == {2: 48, 3: 72}
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
    assert settings.escalation_hours == {2: 24, 3: 72}
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
        ("escalation_hours", 48, "must be an object whose names are zones."),
        ("escalation_hours", {"4": 48}, "zone '4' does not exist"),
        ("escalation_hours", {"2": 0}, "hours must be a whole number"),
        ("escalation_hours", {"2": True}, "hours must be a whole number"),
        ("stages", ["ELM Approver"], "must be an object whose names are zones."),
        ("stages", {"2": "ELM Approver"}, "stages are a list of roles"),
        ("stages", {"2": ["ELM Auditor"]}, "stages are a list of roles"),
        ("stages", {"2": ["ELM Approver", "ELM Approver"]}, "each stage needs another role."),
        ("baselines", {"1": {"colour": "red"}}, "unknown baseline setting colour"),
        ("baselines", {"1": 5}, "must be an object"),
        ("baselines", {"1": {"solution_checker": "maybe"}}, "solution_checker must be one of"),
        ("baselines", {"1": {"blocking_steps": ["create"]}}, "blocking_steps knows"),
        ("baselines", {"1": {"audit_retention_days": 30}}, "audit_retention_days must be from 31 to 24855."),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right(key: str, value: Any, sentence: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse(1, {key: value})
    ((where, what),) = caught.value.problems
    assert where == key
    assert sentence in what


def test_every_problem_is_listed_at_once() -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse(1, {"poll_limit": 0, "colour": "red", "undo_window_seconds": 30})
    assert [where for where, _ in caught.value.problems] == ["poll_limit", "colour"]


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
    entries = ProvisioningLog.objects.filter(chain=people.tenant.log_chain().key).order_by("sequence")
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


def test_the_database_too_refuses_one_person_as_both(people: People) -> None:
    proposal = propose_settings(people.tenant.pk, by=people.governance_lead, values={})
    with pytest.raises(IntegrityError), transaction.atomic():
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


def test_settings_are_confirmed_once_and_never_after_newer_ones(people: People) -> None:
    second = make_user(Role.GOVERNANCE_LEAD, people.tenant)
    older = propose_settings(people.tenant.pk, by=people.governance_lead, values={"poll_limit": 60})
    newer = propose_settings(people.tenant.pk, by=people.governance_lead, values={"poll_limit": 90})
    confirm_settings(newer.pk, by=second)
    with pytest.raises(DomainError, match="already in force"):
        confirm_settings(newer.pk, by=second)
    with pytest.raises(DomainError, match="older than the settings in force"):
        confirm_settings(older.pk, by=second)


def test_a_tenant_without_confirmed_settings_says_so(people: People) -> None:
    people.tenant.settings.update(confirmed_at=None)
    with pytest.raises(TenantSettings.DoesNotExist, match="no confirmed settings"):
        settings_of(people.tenant)
