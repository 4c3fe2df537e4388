"""The parts of the demo, each for itself."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from rich.console import Console

from accounts_app.models import Tenant, TenantIdentity, User
from accounts_app.roles import Role
from accounts_app.services import holders, settings_of
from audit_app.verify import Finding, Report
from core_app.errors import DomainError
from elm_project.demo import people, simulator_seed, summary
from elm_project.demo.folder import Folder, choose
from elm_project.demo.progress import Progress, Row, rows_of
from requests_app.choices import State, Zone
from tests.factories import make_people, make_request, make_tenant

PASSWORD = "a password of the demo"
VAULT = "https://localhost:8443"


# People


@pytest.mark.django_db
def test_setting_up_twice_changes_nothing() -> None:
    people.set_up(password=PASSWORD, key_vault_url=VAULT)
    before = [User.objects.count(), Tenant.objects.count(), TenantIdentity.objects.count(), User.history.count()]
    people.set_up(password=PASSWORD, key_vault_url=VAULT)
    assert [
        User.objects.count(),
        Tenant.objects.count(),
        TenantIdentity.objects.count(),
        User.history.count(),
    ] == before


@pytest.mark.django_db
def test_another_start_brings_another_vault_and_password() -> None:
    people.set_up(password=PASSWORD, key_vault_url=VAULT)
    people.set_up(password="another password", key_vault_url="https://localhost:9443")
    assert set(Tenant.objects.values_list("key_vault_url", flat=True)) == {"https://localhost:9443"}
    assert all(user.check_password("another password") for user in User.objects.filter(is_staff=True))


@pytest.mark.django_db
def test_each_role_of_each_bank_has_a_person_who_can_sign_in() -> None:
    people.set_up(password=PASSWORD, key_vault_url=VAULT)
    tenants = Tenant.objects.all()
    assert len(tenants) == 2
    for tenant in tenants:
        found = {role: people.person_of(tenant, role) for role in Role}
        assert all(user.is_staff and user.check_password(PASSWORD) for user in found.values())
        assert all(user.groups.filter(name=role.value).exists() for role, user in found.items())


@pytest.mark.django_db
def test_every_requester_has_someone_who_may_decide_and_a_manager() -> None:
    people.set_up(password=PASSWORD, key_vault_url=VAULT)
    requesters = User.objects.filter(groups__name=Role.REQUESTER.value)
    assert {user.upn for user in requesters} == {
        "amy.adams@contoso.example",
        "ben.brown@contoso.example",
        "fay.fisher@fabrikam.example",
    }
    for user in requesters:
        assert holders(Role.APPROVER, user.business_unit).exclude(pk=user.pk).exists()
        assert user.manager is not None


@pytest.mark.django_db
def test_only_poll_interval_and_undo_window_are_shortened() -> None:
    people.set_up(password=PASSWORD, key_vault_url=VAULT)
    tenants = Tenant.objects.all()
    assert len(tenants) == 2
    for tenant in tenants:
        settings = settings_of(tenant)
        assert (settings.poll_interval_seconds, settings.undo_window_seconds) == (1, 3)
        assert tenant.current_settings.values == {**people.SHORTENED, **people.CHANNEL}


@pytest.mark.django_db
def test_a_database_with_real_tenants_is_refused() -> None:
    people.set_up(password=PASSWORD, key_vault_url=VAULT)
    people.require_database_of_the_demo()
    make_tenant()
    with pytest.raises(DomainError, match="a database of its own"):
        people.require_database_of_the_demo()


# Seed


@pytest.mark.django_db
def test_the_simulator_knows_the_same_people_and_identities(tmp_path: Path) -> None:
    people.set_up(password=PASSWORD, key_vault_url=VAULT)
    folder = Folder(tmp_path)
    simulator_seed.write(folder)
    tenants = json.loads(folder.seed.read_text())["tenants"]
    assert len(tenants) == Tenant.objects.count() == 2
    for seeded in tenants:
        tenant = Tenant.objects.get(entra_tenant_id=seeded["id"])
        known = {UUID(user["id"]): user["upn"] for user in seeded["users"]}
        assert known == dict(tenant.users.values_list("entra_object_id", "upn"))
        applications = {UUID(item["client_id"]) for item in seeded["applications"]}
        assert set(tenant.identities.values_list("client_id", flat=True)) < applications
        assert set(tenant.identities.values_list("secret_name", flat=True)) == set(seeded["key_vault_secrets"])
        names = {baseline.environment_group for baseline in settings_of(tenant).baselines.values()}
        assert names == {group["display_name"] for group in seeded["environment_groups"]}


def test_the_workload_alone_reads_the_vault_and_the_directory_reader_alone_reads_graph() -> None:
    for tenant in simulator_seed.seed("the workload's secret")["tenants"]:
        by_name = {item["display_name"]: item for item in tenant["applications"]}
        assert tenant["key_vault_readers"] == [by_name["ELM-Workload"]["client_id"]]
        assert {name: item["graph_permissions"] for name, item in by_name.items() if item["graph_permissions"]} == {
            "ELM-Directory-Reader": ["Group.Read.All", "GroupMember.Read.All", "User.Read.All"],
            "ELM-Credential-Rotation": ["Application.ReadWrite.OwnedBy"],
        }
        assert tenant["key_vault_officers"] == [by_name["ELM-Credential-Rotation"]["client_id"]]
        managing = {name for name, item in by_name.items() if item.get("management_application")}
        assert managing == {"ELM-Provisioning-ServicePrincipal"}


def test_secrets_differ_from_world_to_world_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert simulator_seed.write(folder)
    first = folder.seed.read_text(), folder.workload_secret.read_text()
    assert simulator_seed.write(folder)
    assert folder.seed.read_text() != first[0]
    assert folder.workload_secret.read_text() != first[1]
    assert {path.stat().st_mode & 0o077 for path in (folder.seed, folder.workload_secret)} == {0}


def test_a_world_that_is_kept_keeps_the_secret_by_which_the_workload_enters_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    simulator_seed.write(folder)
    secret = folder.workload_secret.read_text()
    folder.world.write_text("{}")
    assert not simulator_seed.write(folder)
    assert folder.workload_secret.read_text() == secret
    folder.workload_secret.unlink()
    assert simulator_seed.write(folder)
    assert not folder.world.exists()


@pytest.mark.django_db
def test_a_rotated_identity_stays_rotated_unless_the_cloud_is_a_new_one() -> None:
    people.set_up(password=PASSWORD, key_vault_url=VAULT)
    rotated = {"kind": TenantIdentity.Kind.CERTIFICATE, "secret_name": "ELM-ServicePrincipal-Certificate"}
    row = TenantIdentity.objects.filter(purpose=TenantIdentity.Purpose.PROVISIONING).first()
    assert row is not None
    TenantIdentity.objects.filter(pk=row.pk).update(**rotated)
    people.set_up(password=PASSWORD, key_vault_url=VAULT, is_new_cloud=False)
    assert TenantIdentity.objects.filter(pk=row.pk, **rotated).exists()
    people.set_up(password=PASSWORD, key_vault_url=VAULT)
    row.refresh_from_db()
    assert (row.kind, row.secret_name) == (TenantIdentity.Kind.SECRET, "ELM-ServicePrincipal-Secret")


# Folder


def test_the_folder_is_chosen_before_settings_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    choose(["--once", "--dir", str(tmp_path / "elsewhere"), "--json"])
    folder = Folder.at(tmp_path / "elsewhere")
    assert os.environ["ELM_STATE_DIR"] == str(folder.root)
    assert folder.is_chosen()
    assert not Folder.at(tmp_path / "another").is_chosen()


def test_without_a_folder_the_installations_own_is_meant() -> None:
    assert str(Folder.at(None).root) == os.environ["ELM_STATE_DIR"]


def test_one_demo_at_a_time_in_a_folder(tmp_path: Path) -> None:
    with Folder(tmp_path).held(), pytest.raises(DomainError, match="already running"), Folder(tmp_path).held():
        pass
    with Folder(tmp_path).held():
        pass


def test_a_folder_that_cannot_be_written_is_said_clearly(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DomainError, match="choose a folder with --dir"), Folder(tmp_path / "file" / "state").held():
        pass


def test_the_password_is_long_and_kept(tmp_path: Path) -> None:
    password = Folder(tmp_path).password()
    assert len(password) >= 12
    assert Folder(tmp_path).password() == password


# Table and summary


def test_rows_say_what_each_request_waits_for(people: Any) -> None:
    zone_2 = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    failed = make_request(State.FAILED, people=people)
    done = make_request(State.COMPLETED, people=people, zone=Zone.ZONE_3)
    rows = rows_of([done.pk, zone_2.pk, failed.pk])
    assert [row.state for row in rows] == [State.COMPLETED, State.PENDING_APPROVAL, State.FAILED]
    assert [row.step for row in rows] == ["", "decision 1: ELM Approver", "The quota is used up."]


def test_the_objection_window_counts_down(db: None, clock: Any) -> None:
    people = make_people(undo_window_seconds=30)
    request = make_request(State.PENDING_APPROVAL, people=people)
    clock.advance(seconds=10)
    assert rows_of([request.pk])[0].step == "objection window, 20 s left"
    clock.advance(seconds=30)
    assert rows_of([request.pk])[0].step == "approval by policy"


def a_row(step: str, state: State = State.PENDING_APPROVAL) -> Row:
    return Row("Contoso [bold]", "REQ-00001", Zone.ZONE_1, state, step, 1.5)


def test_where_nothing_can_move_only_changes_are_printed() -> None:
    out = io.StringIO()
    with Progress(Console(file=out, width=200)) as progress:
        for step in ("objection window, 3 s left", "objection window, 2 s left", "approval by policy"):
            progress.show([a_row(step)])
        progress.show([a_row("", State.COMPLETED)])
    lines = out.getvalue().splitlines()
    assert [line.split("PendingApproval")[-1].strip() for line in lines[:2]] == [
        "objection window, 3 s left",
        "approval by policy",
    ]
    assert "Contoso [bold]" in lines[0]
    assert len(lines) == 3


def test_on_a_terminal_a_table_moves() -> None:
    out = io.StringIO()
    with Progress(Console(file=out, width=120, force_terminal=True, legacy_windows=False)) as progress:
        progress.show([a_row("objection window, 3 s left")])
        progress.show([a_row("", State.COMPLETED)])
    assert "Elapsed" in out.getvalue()
    assert "Completed" in out.getvalue()


def test_what_did_not_complete_is_said(people: Any) -> None:
    failed = make_request(State.FAILED, people=people)
    done = make_request(State.COMPLETED, people=people)
    broken = Report(entries=1, findings=[Finding("MODIFIED", f"request:{uuid4()}#1", "The bytes differ.")])
    found = summary.problems([failed.pk, done.pk], broken)
    assert found[0].endswith(f"{failed} is Failed, not Completed: The quota is used up.")
    assert "The bytes differ." in found[1]
    assert len(found) == 2


def test_the_summary_shows_timeline_and_logins(people: Any) -> None:
    out = io.StringIO()
    console = Console(file=out, width=200)
    done = make_request(State.COMPLETED, people=people)
    summary.show(console, [done.pk], Report(entries=9))
    summary.show_logins(console, "http://127.0.0.1:8000/", "https://localhost:9000", PASSWORD)
    text = out.getvalue()
    assert "ProvisioningCompleted" in text
    assert "every chain walked: verified" in text
    assert "fay.fisher@fabrikam.example" in text
    assert PASSWORD in text
