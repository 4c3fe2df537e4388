"""The matrix of field, role and state: as the specification and our decisions want it, and as it really is."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib import admin
from django.core.management import call_command

from accounts_app.roles import PERMISSIONS, Role
from audit_app.models import ProvisioningLog
from evidence_app.services import export_evidence
from requests_app import services
from requests_app.choices import State, Zone
from requests_app.fields import COLUMNS, LOG_COLUMNS, NEW, REQUESTED, Access, log_rule, rule
from requests_app.forms import RequestForm
from requests_app.intake.payload import FIELDS
from requests_app.models import EnvironmentRequest
from requests_app.services import RequestFields
from tests.factories import PRINCIPAL, People, a_group, decide, make_people, make_request, make_user
from tests.requests_app.field_matrix import MODEL, ROWS, changed, columns_of, expected, one_of_each, written_by
from tests.screens import client_of, page_of

SEED_OF_THE_LOG: Final = (
    "pl_logid pl_environmentrequest pl_sequence pl_action pl_actiondetails pl_actor pl_actortype pl_timestamp "
    "pl_success pl_errormessage pl_correlationid"
)


# The table


def test_every_cell_of_the_matrix_is_as_specified() -> None:
    cells = list(product(ROWS, Role, (NEW, *State)))
    assert len(cells) == 37 * 7 * (1 + 9)
    assert [cell for cell in cells if rule(*cell) != expected(*cell)] == []


def test_every_column_has_its_line_and_the_specifications_name() -> None:
    assert sorted(column.name for column in COLUMNS) == sorted(MODEL) == sorted(ROWS)
    assert {column.name: column.seed or "-" for column in COLUMNS} == {name: cells[0] for name, cells in ROWS.items()}


def test_log_fields_are_created_by_the_automation_read_by_all_and_changed_by_nobody() -> None:
    assert list(LOG_COLUMNS) == [field.name for field in ProvisioningLog._meta.concrete_fields]
    assert [seed for seed in LOG_COLUMNS.values() if seed] == SEED_OF_THE_LOG.split()
    for name, role in product(LOG_COLUMNS, Role):
        assert log_rule(name, role) == {Access.READ} | ({Access.CREATE} if role == Role.ADMIN else set())
    for role, permissions in PERMISSIONS.items():
        may = {
            verb for verb in ("view", "add", "change", "delete") if f"audit_app.{verb}_provisioninglog" in permissions
        }
        assert may == {"view"} | ({"add"} if role == Role.ADMIN else set())


def test_a_field_that_does_not_exist_has_no_rule() -> None:
    with pytest.raises(KeyError):
        rule("password", Role.ADMIN, State.DRAFT)
    with pytest.raises(KeyError):
        log_rule("password", Role.ADMIN)


def test_the_page_in_the_documentation_is_up_to_date() -> None:
    page = StringIO()
    call_command("fields", "--markdown", stdout=page)
    committed = (Path(settings.BASE_DIR) / "docs" / "fields.md").read_text()
    assert committed == page.getvalue(), "Run make docs."


def test_the_command_names_every_cell() -> None:
    out = StringIO()
    call_command("fields", stdout=out)
    lines = out.getvalue().splitlines()
    assert len(lines) == (len(COLUMNS) + len(LOG_COLUMNS)) * len(Role)
    (line,) = (line for line in lines if line.startswith("environment_id ") and Role.ADMIN in line)
    assert line.endswith("r, w: Provisioning")


# What follows the table


def test_form_verbs_and_intake_take_what_the_table_says() -> None:
    asked = written_by(Role.REQUESTER, State.DRAFT)
    assert set(REQUESTED) == set(RequestFields.__annotations__) == asked
    assert set(RequestForm.base_fields) == written_by(Role.REQUESTER, NEW) == asked | {"business_unit"}
    assert {field.name for field in FIELDS} & set(MODEL) == asked - {"raised_zone"} | {"zone"}  # the zone is advice


def test_an_export_holds_every_column_and_names_the_specifications(people: People, tmp_path: Path) -> None:
    make_request(people=people)
    request = EnvironmentRequest.objects.get()
    quarter = f"{request.created_at:%Y}Q{(request.created_at.month + 2) // 3}"
    evidence = export_evidence(people.tenant.pk, quarter, tmp_path / "evidence", by=people.auditor)

    (row,) = map(json.loads, (tmp_path / "evidence" / "requests.ndjson").read_text().splitlines())
    names = {"requester__upn", "approver__upn", "business_unit__name"}
    assert set(row) == {field.attname for field in MODEL.values()} | names
    assert evidence.manifest["columns"]["requests"] == {
        MODEL[name].attname: seed for name, (seed, *_) in ROWS.items() if seed != "-"
    }


def test_who_sees_a_request_is_shown_its_fields_and_nobody_else_finds_it(people: People) -> None:
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    screen = admin.site._registry[EnvironmentRequest]
    hidden = {"id", "number", "request_number", "tenant", "content_hash"}  # the number is the page's title
    badges = {"zone": "zone_badge", "state": "state_badge", "zone_auto_flags": "flags"}
    for user in one_of_each(people).values():
        page = client_of(user).get(page_of(request))
        shown = [
            getattr(name, "__name__", name)
            for _, tab in screen.get_fieldsets(page.wsgi_request, request)
            for name in tab["fields"]
        ]
        assert sorted(shown) == sorted(badges.get(name, name) for name in MODEL if name not in hidden)
    stranger, colleague = make_people().governance_lead, make_user(Role.REQUESTER, people.unit)
    for user in (stranger, colleague):
        assert client_of(user).get(page_of(request)).status_code == 404
        assert client_of(user).post(page_of(request), {"environment_name": "FIN-Mine-DEV"}).status_code == 404


# What the verbs really change


def test_each_verb_changes_the_fields_that_its_role_writes_and_those_that_follow(people: People) -> None:
    request = make_request(people=people, zone=Zone.ZONE_3)
    run = {"by": PRINCIPAL, "run_id": uuid4()}
    ready = {"environment_id": str(uuid4()), "environment_url": "https://claims.crm4.dynamics.com/", "open_gaps": []}
    group = {"security_group_id"}
    routed = {"state", "requested_on", "approver", "gate", "domain_name", "content_hash", "settings_version"} | group
    shown: Callable[[], EnvironmentRequest] = lambda: EnvironmentRequest.objects.get(pk=request.pk)  # noqa: E731
    walk: list[tuple[Role, Callable[[], Any], set[str]]] = [
        (Role.REQUESTER, lambda: services.edit_draft(request.pk, by=people.requester, region=4), {"region"}),
        (Role.REQUESTER, lambda: services.submit(request.pk, by=people.requester, directory=a_group()), routed),
        (
            Role.APPROVER,
            lambda: services.assign(request.pk, to=people.second_approver, by=people.approver),
            {"approver"},
        ),
        (Role.APPROVER, lambda: decide(shown(), people.second_approver), {"approver"}),
        (
            Role.COMPLIANCE_OFFICER,
            lambda: decide(shown(), people.compliance_officer),
            {"state", "approver", "approved_on", "approval_comments"},
        ),
        (
            Role.ADMIN,
            lambda: services.begin_provisioning(request.pk, policy_version="settings-1", **run),
            {"state", "provisioning_started"},
        ),
        (
            Role.ADMIN,
            lambda: services.fail(request.pk, step="create", reason="The quota is used up.", **run),
            {"state", "failure_reason"},
        ),
        (
            Role.OPERATOR,
            lambda: services.retry(
                request.pk, by=people.operator, reason="More quota.", run_id=uuid4(), domain_name="next"
            ),
            {"state", "failure_reason", "domain_name"},
        ),
        (
            Role.ADMIN,
            lambda: services.complete(request.pk, **run, **ready),
            {"state", "environment_id", "environment_url", "provisioning_completed"},
        ),
    ]
    only_follow = {  # what a verb changes although its role does not say what the field holds
        (Role.REQUESTER, State.DRAFT): routed - group,
        (Role.OPERATOR, State.FAILED): {"state", "failure_reason", "domain_name"},
    }
    for role, verb, names in walk:
        before = columns_of(request)
        verb()
        assert changed(before, columns_of(request)) == names
        state = State(before["state"])
        follows = only_follow.get((role, state), set())
        assert all(Access.WRITE in rule(name, role, state) for name in names - follows)
    assert shown().state == State.COMPLETED
