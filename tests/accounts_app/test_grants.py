"""A role is granted and taken away by those who govern the tenant, and the log explains every role that is held."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from guardian.shortcuts import assign_perm, remove_perm

from accounts_app.models import BusinessUnit, Tenant, User
from accounts_app.privileges import verify_privileges
from accounts_app.roles import Depth, Role
from accounts_app.scope import scope_of
from accounts_app.services import HeldRole, grant, grant_role, holders_of_tenant, revoke, revoke_role, roles_of
from audit_app import triggers
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from core_app.errors import DomainError, InvalidInputError, PermissionRefused
from requests_app import services as requests
from tests.factories import People, make_people, make_request, make_user, unit_of
from tests.screens import client_of, page_of

pytestmark = pytest.mark.django_db
WHY = "She replaces Carl from Monday."


def entries(people: People, person: User) -> list[ProvisioningLog]:
    told = ProvisioningLog.objects.filter(
        tenant=people.tenant, action__in=(Action.ROLE_GRANTED, Action.ROLE_REVOKED)
    ).order_by("sequence")
    return [entry for entry in told if entry.action_details["person_id"] == str(person.pk)]


def findings() -> list[tuple[str, str]]:
    found = verify_privileges(is_production=False).findings
    return [(each.kind, each.subject) for each in found]


def test_a_role_is_granted_and_taken_away_with_who_what_where_and_why(people: People) -> None:
    colleague, lead = make_user(None, people.unit), people.governance_lead
    wanted = HeldRole.of(Role.APPROVER, people.unit, Depth.DEEP)

    grant_role(colleague.pk, wanted, by=lead, reason=f" {WHY} ")
    assert scope_of(colleague).holds(Role.APPROVER, unit_of(people.tenant, "Cards"))
    assert [str(each) for each in roles_of(colleague)] == ["ELM Approver over Retail and the units below it"]
    revoke_role(colleague.pk, wanted, by=lead, reason="She stays where she is.")

    assert (scope_of(colleague).reach, colleague.groups.count(), roles_of(colleague), findings()) == ({}, 0, [], [])
    granted, revoked = entries(people, colleague)
    assert (granted.action, granted.actor, revoked.action, revoked.actor) == (147, lead.upn, 148, lead.upn)
    assert granted.chain == people.tenant.log_chain().key
    assert granted.action_details == {
        "person": colleague.upn,
        "person_id": str(colleague.pk),
        "role": "ELM Approver",
        "depth": "deep",
        "over": "Retail",
        "over_id": str(people.unit.pk),
        "because": WHY,
    }
    assert revoked.action_details == {**granted.action_details, "because": "She stays where she is."}


def test_what_is_granted_twice_is_logged_once_and_what_is_not_held_is_not_taken(people: People) -> None:
    colleague = make_user(None, people.unit)
    for role, at in ((Role.REQUESTER, people.unit), (Role.AUDITOR, people.tenant)):
        assert [grant(colleague, role, at), grant(colleague, role, at)] == [True, False]
        assert [revoke(colleague, role, at), revoke(colleague, role, at)] == [True, False]
    assert [entry.action for entry in entries(people, colleague)] == [147, 148, 147, 148]

    held, lead = HeldRole.of(Role.AUDITOR, people.tenant), people.governance_lead
    with pytest.raises(DomainError, match="is not ELM Auditor over"):
        revoke_role(colleague.pk, held, by=lead, reason=WHY)
    grant_role(colleague.pk, held, by=lead, reason=WHY)
    with pytest.raises(DomainError, match="already"):
        grant_role(colleague.pk, held, by=lead, reason=WHY)
    with pytest.raises(InvalidInputError, match="Say why"):
        revoke_role(colleague.pk, held, by=lead, reason=" \u200b")


def test_the_permissions_of_a_role_go_with_its_last_grant(people: People) -> None:
    colleague = make_user(Role.OPERATOR, people.unit)
    grant(colleague, Role.OPERATOR, unit_of(people.tenant, "Treasury"))

    revoke(colleague, Role.OPERATOR, people.unit)
    assert colleague.groups.filter(name=Role.OPERATOR).exists()
    revoke(colleague, Role.OPERATOR, unit_of(people.tenant, "Treasury"))
    assert not colleague.groups.exists()


def test_only_another_governance_lead_of_the_tenant_changes_roles(people: People) -> None:
    colleague, lead = make_user(Role.AUDITOR, people.tenant), people.governance_lead
    double = make_user(Role.AUDITOR, people.tenant, entra_object_id=lead.entra_object_id)
    held = HeldRole.of(Role.AUDITOR, people.tenant)
    unheld = HeldRole.of(Role.OPERATOR, people.tenant)
    strangers = (people.operator, people.auditor, people.approver, make_people().governance_lead)
    for person, by in (*((colleague, stranger) for stranger in strangers), (lead, lead), (double, lead)):
        with pytest.raises(PermissionRefused):
            grant_role(person.pk, unheld, by=by, reason=WHY)
        with pytest.raises(PermissionRefused):
            revoke_role(person.pk, held, by=by, reason=WHY)
    assert roles_of(colleague) == roles_of(double) == [held]
    refused = ProvisioningLog.objects.filter(tenant=people.tenant, action=Action.DECISION_REFUSED).order_by("sequence")
    assert refused.count() == 12
    assert (refused.last().actor, refused.last().action_details) == (
        lead.upn,
        {"revoke": str(held), "person": double.upn},
    )


def test_a_lead_takes_a_role_away_on_the_page_and_it_ends_with_the_next_click(people: People) -> None:
    auditor, lead, page = people.auditor, client_of(people.governance_lead), page_of(people.auditor)
    working = client_of(auditor)
    assert working.get("/admin/accounts_app/tenant/").status_code == 200
    assert f"ELM Auditor over {people.tenant}" in lead.get(page).content.decode()
    held = HeldRole.of(Role.AUDITOR, people.tenant)
    said = {"_form_submitted": "on", "lost": held.key, "reason": WHY}
    for wrong in ({**said, "lost": "ELM Admin:organisation:1"}, {**said, "reason": " "}):
        assert lead.post(page_of(auditor, "revoke_role"), wrong).status_code == 200
    assert roles_of(auditor) == [held]

    lead.post(page_of(auditor, "revoke_role"), said)

    assert working.get("/admin/accounts_app/tenant/").status_code == 403
    assert (entries(people, auditor)[-1].actor, roles_of(auditor)) == (people.governance_lead.upn, [])
    assert lead.get(page_of(auditor, "revoke_role")).status_code == 403  # there is nothing left to take


def test_nobody_holds_a_role_in_two_tenants_and_no_automation_one_of_people(people: People) -> None:
    robot = make_user(None, people.unit, is_service_principal=True)
    for person, role, why in (
        (make_people().auditor, Role.AUDITOR, "another tenant"),
        (robot, Role.APPROVER, "service principal"),
    ):
        with pytest.raises(DomainError, match=why):
            grant(person, role, people.tenant)
    assert grant(robot, Role.ADMIN, people.tenant)
    everywhere = make_user()  # a break-glass account belongs to no tenant
    assert grant(everywhere, Role.AUDITOR, people.tenant)
    assert grant(everywhere, Role.AUDITOR, make_people().tenant)
    assert findings() == []


def test_a_tenant_that_nobody_governs_gets_its_first_lead_from_the_host_alone(people: People) -> None:
    colleague = make_user(None, people.tenant)
    lead, auditor = (HeldRole.of(role, people.tenant) for role in (Role.GOVERNANCE_LEAD, Role.AUDITOR))
    for wanted in (lead, auditor):
        with pytest.raises(PermissionRefused, match="Name the ELM Governance Lead"):
            grant_role(colleague.pk, wanted, by=None, reason=WHY)
    User.objects.filter(pk=people.governance_lead.pk).update(is_active=False)
    with pytest.raises(PermissionRefused, match="Name the ELM Governance Lead"):
        grant_role(colleague.pk, auditor, by=None, reason=WHY)
    grant_role(colleague.pk, lead, by=None, reason=WHY)
    assert entries(people, colleague)[-1].actor == "System"


def test_every_role_that_the_log_does_not_explain_is_found(people: People) -> None:
    colleague, request = make_user(None, people.unit), make_request(people=people)
    requests.share(request.pk, reader=people.auditor, by=people.requester)
    requests.share(request.pk, reader=people.operator, by=people.requester)
    requests.unshare(request.pk, reader=people.operator, by=people.requester)
    assert findings() == []

    assign_perm("accounts_app.auditor_organisation", colleague, people.tenant)
    assign_perm("accounts_app.approver_deep", colleague, people.unit)
    assign_perm("accounts_app.approver_deep", Group.objects.create(name="Friends"), people.unit)
    for role in (Role.REQUESTER, Role.AUDITOR):
        colleague.groups.add(Group.objects.get(name=role))
    for reader in (colleague, people.operator):
        assign_perm("requests_app.view_environmentrequest", reader, request)
    # Without the group, the row of an approver gives nothing
    assert [str(each) for each in roles_of(colleague)] == [f"ELM Auditor over {people.tenant}", "ELM Requester"]

    assert findings() == [
        ("UNEXPLAINED_GRANT", subject)
        for subject in (
            *sorted(
                (
                    f"{colleague.upn}: ELM Approver (deep) over Retail",
                    f"{colleague.upn}: ELM Auditor (organisation) over {people.tenant}",
                    f"{colleague.upn}: ELM Requester",
                )
            ),
            f"{colleague.upn}: member of ELM Auditor",
            f"{colleague.upn}: reader of {request}",
            f"{people.operator.upn}: reader of {request}",
            "Friends: approver_deep on Retail",
        )
    ]
    others = make_people()
    assert all(each.tenant_id == people.tenant.pk for each in verify_privileges(is_production=False).findings)
    assert verify_privileges(is_production=False).of_tenant(others.tenant.pk).ok


def test_a_role_that_the_log_gives_and_nobody_holds_is_found(people: People) -> None:
    remove_perm("accounts_app.auditor_organisation", people.auditor, people.tenant)

    assert findings() == [("MISSING_GRANT", f"{people.auditor.upn}: ELM Auditor (organisation) over {people.tenant}")]


def test_an_entry_that_was_spoiled_explains_nothing_and_stops_nothing(people: People) -> None:
    entry = entries(people, people.auditor)[0]
    triggers.drop()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE audit_app_provisioninglog SET action_details = '[]' WHERE chain = %s AND sequence = %s",
            [entry.chain, entry.sequence],
        )
    kinds = [kind for kind, subject in findings() if people.auditor.upn in subject]
    assert kinds == ["UNEXPLAINED_GRANT", "UNEXPLAINED_GRANT"]  # the row, and the membership


def role(*arguments: str) -> tuple[int, str]:
    """Run ``manage.py role``; return its exit code and what it said."""
    out, err = StringIO(), StringIO()
    try:
        call_command("role", *arguments, stdout=out, stderr=err)
    except SystemExit as ended:
        return int(ended.code or 0), err.getvalue()
    return 0, out.getvalue().strip()


def test_the_host_changes_roles_and_a_governance_lead_answers_for_it(people: People) -> None:
    colleague, name = make_user(None, people.unit), people.tenant.name
    over = ["--tenant", name.upper(), "--unit", "group/RETAIL", "--deep"]
    answering = ["--as", people.governance_lead.upn, "--reason", WHY]
    said = [colleague.upn, "ELM Approver", *over, *answering]

    assert role("grant", *said) == (0, f"{colleague} is ELM Approver over Retail and the units below it.")
    assert role("revoke", *said) == (0, f"{colleague} is no longer ELM Approver over Retail and the units below it.")

    assert [entry.actor for entry in entries(people, colleague)] == [people.governance_lead.upn] * 2
    BusinessUnit.objects.create(tenant=people.tenant, name="Retail", parent=unit_of(people.tenant, "Treasury"))
    for arguments, sentence in (
        (["revoke", colleague.upn, "ELM Auditor", "--tenant", name, "--reason", WHY], "answers for it with --as"),
        (["grant", colleague.upn, "ELM Auditor", "--tenant", name, "--reason", WHY], "Name the ELM Governance Lead"),
        (["grant", colleague.upn, "ELM Auditor", "--tenant", "Nowhere", *answering], f"There are: {name}."),
        (["grant", "nobody@contoso.example", "ELM Auditor", "--tenant", name, *answering], "There is nobody"),
        (["grant", colleague.upn, "ELM Auditor", "--tenant", name, "--deep", *answering], "--deep needs --unit"),
        (["grant", colleague.upn, "ELM Auditor", "--tenant", name, "--unit", "Retail", *answering], "fits 2 units"),
    ):
        code, told = role(*arguments)
        assert (code, sentence in told) == (2, True), told


def opened(*arguments: str, leads: Sequence[str]) -> tuple[int, str]:
    """Run ``manage.py create_tenant``; return its exit code and what it complained of."""
    err = StringIO()
    named = [word for lead in leads for word in ("--lead", lead)]
    try:
        call_command("create_tenant", *arguments, *named, stdout=StringIO(), stderr=err)
    except SystemExit as ended:
        return int(ended.code or 0), err.getvalue()
    return 0, ""


def test_a_tenant_is_opened_with_units_and_two_leads_whom_the_log_explains(db: None) -> None:
    entra, ids = str(uuid4()), {f"{name}@fabrikam.example": uuid4() for name in ("ana", "bob")}
    given = [f"{upn}={key}" for upn, key in ids.items()]
    units = ["--unit", "Group", "--unit", "Group/Retail"]

    assert opened("Fabrikam", "--entra-tenant-id", entra, *units, leads=given) == (0, "")

    tenant = Tenant.objects.get(name="Fabrikam")
    retail = unit_of(tenant, "Retail")
    assert (str(tenant.entra_tenant_id), retail.parent) == (entra, unit_of(tenant, "Group"))
    assert {user.upn: user.entra_object_id for user in holders_of_tenant(Role.GOVERNANCE_LEAD, tenant)} == ids
    told = ProvisioningLog.objects.filter(tenant=tenant).order_by("sequence").values_list("action", flat=True)
    assert list(told) == [Action.TENANT_CREATED, *[Action.PERSON_CREATED, Action.ROLE_GRANTED] * 2]
    assert findings() == []
    one, two = f"cy@fabrikam.example={uuid4()}", f"no name={uuid4()}"
    new = ["--entra-tenant-id", str(uuid4())]
    for arguments, leads, sentences in (
        (
            ["Fabrikam", "--entra-tenant-id", entra, "--key-vault-url", "x"],
            [one],
            ["x is no https", "a tenant Fabrikam", "here already", "Name two"],
        ),
        ([" ", *new, "--unit", " "], [one, two], ["at most 100", "' ': a unit", "no name is no user principal name"]),
        (["New", *new, "--unit", "A/B", "--unit", "a/b"], [one, *given], ["name A before", "twice", "account ana"]),
    ):
        code, complaint = opened(*arguments, leads=leads)
        assert (code, [each for each in sentences if each not in complaint]) == (2, []), complaint
    assert Tenant.objects.count() == 1
