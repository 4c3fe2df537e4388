"""The quarterly privilege review: findings against the expected table, a disposition each, a signature."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import IntegrityError, transaction

from accounts_app.cloud import cloud_for
from accounts_app.roles import Role
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from audit_app.verify import verify_log
from core_app.errors import DomainError, PermissionRefused
from gates_app.delegations import Terms, delegate
from microsoft_cloud.applications import Credential, CredentialKind
from microsoft_cloud.operations import Operation, OperationState
from notifications_app.models import OutboxMessage
from provisioning_app import services
from provisioning_app.credentials import reviews
from provisioning_app.credentials.privileges import Expected, Observed, differences
from provisioning_app.models import Environment, PrivilegeFinding, PrivilegeReview
from requests_app.choices import Zone
from tests.factories import make_people
from tests.microsoft import World
from tests.rotating import Purpose, Rotating, make_rotating
from tests.screens import client_of, page_of, told

Kind, Status = PrivilegeFinding.Kind, PrivilegeReview.Status


@pytest.fixture
def rotating(world: World) -> Rotating:
    """A tenant whose every credential is in the inventory."""
    rotating = make_rotating(world)
    for purpose in (Purpose.PROVISIONING, Purpose.DIRECTORY, Purpose.ROTATION):
        rotating.rotate(purpose)
    return rotating


def reviewed(rotating: Rotating) -> PrivilegeReview:
    people = rotating.world.people
    review = services.start_review(people.tenant.pk, by=people.operator)
    services.collect_review(review.pk)
    review.refresh_from_db()
    return review


def found(review: PrivilegeReview) -> list[tuple[str, str]]:
    return [(finding.kind, finding.subject) for finding in review.findings.all()]


def entries(world: World, action: Action) -> Any:
    return ProvisioningLog.objects.filter(tenant_id=world.people.tenant.pk, action=action)


# Findings


def test_a_tenant_in_order_has_no_findings_and_the_review_says_what_it_saw(rotating):
    rotating.world.provision(Zone.ZONE_2)

    review = reviewed(rotating)

    assert (review.status, found(review), review.error) == (Status.OPEN, [], "")
    assert review.checked["management applications"] == 1
    assert review.checked["applications with credentials"] == 3
    assert review.checked["environments with roles"] == 1
    assert review.checked["operations of the principal"] >= 2
    told_to = set(OutboxMessage.objects.filter(event="privileges_found").values_list("recipient", flat=True))
    assert told_to == {rotating.world.people.operator.pk, rotating.world.people.governance_lead.pk}


def test_a_former_governance_lead_hears_of_no_review(rotating):
    people = rotating.world.people
    people.governance_lead.groups.remove(Group.objects.get(name=Role.GOVERNANCE_LEAD))

    reviewed(rotating)

    told_to = OutboxMessage.objects.filter(event="privileges_found").values_list("recipient__upn", flat=True)
    assert list(told_to) == [people.operator.upn]


@pytest.mark.simulated
def test_a_management_application_nobody_knows_is_found(rotating):
    stranger = str(uuid4())
    application = {"client_id": stranger, "display_name": "shadow", "management_application": True}
    rotating.world.simulator.control(
        "POST", "/seed", {"tenants": [{"id": str(rotating.world.tenant_id), "applications": [application]}]}
    )

    assert found(reviewed(rotating)) == [(Kind.UNEXPECTED_APPLICATION, stranger)]


@pytest.mark.simulated
def test_a_further_credential_of_one_of_our_applications_is_found(rotating):
    identity, application = rotating.identity(), rotating.application()
    again = {
        "client_id": str(identity.client_id),
        "object_id": application["object_id"],
        "display_name": "x",
        "secrets": [rotating.stored().value, "back-door-secret"],
        "management_application": True,
    }
    rotating.world.simulator.control(
        "POST", "/seed", {"tenants": [{"id": str(rotating.world.tenant_id), "applications": [again]}]}
    )

    kinds = {finding.kind for finding in reviewed(rotating).findings.all()}

    assert kinds == {Kind.UNEXPECTED_CREDENTIAL}


@pytest.mark.simulated
def test_a_permission_on_graph_that_an_identity_does_not_need_is_found(world):
    rotating = make_rotating(world, graph_permissions=["Application.ReadWrite.OwnedBy", "Application.ReadWrite.All"])
    for purpose in (Purpose.PROVISIONING, Purpose.DIRECTORY, Purpose.ROTATION):
        rotating.rotate(purpose)

    review = reviewed(rotating)

    client_id = rotating.identity(Purpose.ROTATION).client_id
    assert found(review) == [(Kind.GRAPH_PERMISSION, f"{client_id} Application.ReadWrite.All")]
    assert review.findings.get().expected == "at most Application.ReadWrite.OwnedBy"
    assert review.checked["Graph permissions"] == 2


@pytest.mark.simulated
def test_what_the_principal_did_outside_our_runs_is_found(rotating):
    request = rotating.world.provision(Zone.ZONE_2)
    rotating.world.pass_until(rotating.world.clock.at + timedelta(hours=2))
    environment = Environment.objects.get(request=request)
    cloud = cloud_for(rotating.world.people.tenant, Purpose.PROVISIONING, "by-hand")
    cloud.bap.patch_environment(environment.environment_id, description="somebody used the secret")

    ((kind, subject),) = found(reviewed(rotating))

    assert kind == Kind.UNEXPLAINED_OPERATION
    assert subject.startswith(environment.environment_id)


def test_without_a_rotation_identity_the_review_says_what_it_could_not_check(world):
    people = world.people

    review = services.start_review(people.tenant.pk, by=people.governance_lead)
    services.collect_review(review.pk)

    review.refresh_from_db()
    assert review.status == Status.OPEN
    assert {kind for kind, _ in found(review)} == {Kind.NOT_CHECKED}


@pytest.mark.simulated
def test_a_tenant_that_does_not_answer_is_collected_later(rotating):
    rotating.world.fault(host="bap", path="adminApplications", count=0, status=503)
    review = reviewed(rotating)
    assert review.status == Status.COLLECTING
    assert "503" in review.error
    assert reviews.to_collect() == [review.pk]

    rotating.world.simulator.control("DELETE", "/faults")
    services.collect_review(review.pk)
    services.collect_review(review.pk)

    review.refresh_from_db()
    assert (review.status, review.error) == (Status.OPEN, "")
    assert OutboxMessage.objects.filter(event="privileges_found", recipient=rotating.world.people.operator).count() == 1


@pytest.mark.simulated
def test_every_row_of_the_expected_table_has_its_finding():
    now = datetime(2026, 7, 1, tzinfo=UTC)
    wanted = Expected({"a": "ELM"}, {"a": "k1", "d": ""}, "System Administrator", {"e1": ((now, now),)})
    key = Credential("k1", CredentialKind.SECRET, "x", "abc", "", now, now)
    other = Credential("k2", CredentialKind.SECRET, "", "abc", "", now, None)
    inside = Operation("o1", "Update", OperationState.SUCCEEDED, "e1", "p", created_time=now)
    outside = Operation("o2", "Delete", OperationState.SUCCEEDED, "e2", "p", created_time=now)
    undated = Operation("o3", "Update", OperationState.SUCCEEDED, "e1", "p")
    observed = Observed(
        management_applications=frozenset({"b"}),
        credentials={"a": (key, other), "d": (key,)},
        principal_roles={"one": ("System Administrator",), "two": ("System Administrator", "Basic User"), "three": ()},
        operations={"e1": (inside, undated), "e2": (outside,)},
        graph_permissions={"a": frozenset({"User.Read.All"})},
        unchecked={"roles in four": "503"},
    )

    rows = [(each.kind, each.subject) for each in differences(wanted, observed)]

    assert rows == [
        (Kind.UNEXPECTED_APPLICATION, "b"),
        (Kind.MISSING_APPLICATION, "ELM a"),
        (Kind.UNEXPECTED_CREDENTIAL, "a k2"),
        (Kind.UNEXPECTED_CREDENTIAL, "d k1"),
        (Kind.GRAPH_PERMISSION, "a User.Read.All"),
        (Kind.PRINCIPAL_ROLES, "two"),
        (Kind.PRINCIPAL_ROLES, "three"),
        (Kind.UNEXPLAINED_OPERATION, "e1 o3"),
        (Kind.UNEXPLAINED_OPERATION, "e2 o2"),
        (Kind.NOT_CHECKED, "roles in four"),
    ]


# Dispose and sign


@pytest.fixture
def review(world: World) -> PrivilegeReview:
    """An open review with two findings: no rotation identity, so no application's credentials could be checked."""
    review = services.start_review(world.people.tenant.pk, by=world.people.operator)
    services.collect_review(review.pk)
    review.refresh_from_db()
    assert review.findings.count() == 2
    return review


def dispose_all(review: PrivilegeReview, by: Any) -> None:
    for finding in review.findings.all():
        services.dispose_of_finding(finding.pk, by=by, disposition="accepted", comment="The identity follows in May.")


def test_a_review_is_signed_once_every_finding_has_a_disposition(world, review):
    people = world.people
    with pytest.raises(DomainError, match=r"2 finding\(s\) have no disposition"):
        services.sign_review(review.pk, by=people.governance_lead)
    first = review.findings.first()
    services.dispose_of_finding(first.pk, by=people.operator, disposition="mended", comment="Done by hand.")
    with pytest.raises(DomainError, match=r"1 finding\(s\) have no disposition"):
        services.sign_review(review.pk, by=people.governance_lead)
    dispose_all(review, people.operator)

    signed = services.sign_review(review.pk, by=people.governance_lead)

    assert (signed.status, signed.signed_by) == (Status.SIGNED, people.governance_lead)
    entry = entries(world, Action.ACCESS_REVIEWED).get()
    assert entry.actor == people.governance_lead.upn
    assert {each["disposition"] for each in entry.action_details["findings"]} == {"accepted"}
    assert entries(world, Action.PRIVILEGE_FINDING_DISPOSED).count() == 3
    assert verify_log().ok
    with pytest.raises(DomainError, match="signed"):
        services.sign_review(review.pk, by=people.governance_lead)
    with pytest.raises(DomainError, match="signed"):
        services.dispose_of_finding(first.pk, by=people.operator, disposition="mended", comment="Too late.")


def test_who_disposed_of_a_finding_does_not_sign(world, review):
    dispose_all(review, world.people.governance_lead)

    with pytest.raises(PermissionRefused, match="disposed of none"):
        services.sign_review(review.pk, by=world.people.governance_lead)


def test_only_operators_and_leads_of_the_tenant_start_and_dispose_and_only_leads_sign(world, review):
    people, stranger, finding = world.people, make_people(), review.findings.first()
    for person in (people.auditor, people.approver, people.requester, stranger.operator, stranger.governance_lead):
        with pytest.raises(PermissionRefused):
            services.start_review(people.tenant.pk, by=person)
        with pytest.raises(PermissionRefused):
            services.dispose_of_finding(finding.pk, by=person, disposition="accepted", comment="Fine.")
    for person in (people.operator, people.auditor, stranger.governance_lead):
        with pytest.raises(PermissionRefused):
            services.sign_review(review.pk, by=person)


@pytest.mark.parametrize(
    ("disposition", "comment", "said"),
    [("accepted", " \u200b ", "Say why"), ("shrugged", "Why not.", "no disposition")],
)
def test_a_disposition_says_what_and_why(world, review, disposition, comment, said):
    with pytest.raises(DomainError, match=said):
        services.dispose_of_finding(
            review.findings.first().pk, by=world.people.operator, disposition=disposition, comment=comment
        )


def test_one_review_at_a_time_and_the_next_one_begins_where_it_ended(world, review):
    people = world.people
    with pytest.raises(DomainError, match="not signed yet"):
        services.start_review(people.tenant.pk, by=people.operator)
    dispose_all(review, people.operator)
    services.sign_review(review.pk, by=people.governance_lead)
    world.clock.advance(days=30)

    following = services.start_review(people.tenant.pk, by=people.operator)

    assert following.covers_from == review.covers_until


def test_a_delegate_of_a_lead_decides_at_gates_and_signs_no_review(world, review, clock):
    people = world.people
    terms = Terms(clock.at, clock.at + timedelta(days=7), "On holiday.")
    delegate(people.governance_lead, people.requester, terms, by=people.governance_lead)

    with pytest.raises(PermissionRefused, match="needs the role"):
        services.sign_review(review.pk, by=people.requester)
    with pytest.raises(PermissionRefused, match="needs the role"):
        services.start_review(people.tenant.pk, by=people.requester)


def test_the_database_refuses_a_signature_without_a_signer_and_a_disposition_without_a_person(review):
    with pytest.raises(IntegrityError, match="signed_reviews_name_the_signer"), transaction.atomic():
        PrivilegeReview.objects.filter(pk=review.pk).update(status=Status.SIGNED)
    with pytest.raises(IntegrityError, match="a_disposition_names_who_and_when"), transaction.atomic():
        review.findings.update(disposition="accepted")


def test_the_sweep_starts_a_review_each_quarter(world):
    tenant = world.people.tenant
    type(tenant).objects.filter(pk=tenant.pk).update(created_at=world.clock.at)
    services.sweep_credentials()
    assert not PrivilegeReview.objects.exists()

    world.clock.advance(days=90)
    services.sweep_credentials()
    services.sweep_credentials()

    review = PrivilegeReview.objects.get()
    assert (review.started_by, review.covers_until - review.covers_from) == (None, timedelta(days=90))
    assert entries(world, Action.PRIVILEGE_REVIEW_STARTED).get().actor == "System"


# The command and the screens


def test_the_command_prints_the_findings(world):
    out = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("review_privileges", "--tenant", world.people.tenant.name, stdout=out)

    assert end.value.code == 1
    assert "2 finding(s)." in out.getvalue()
    again = StringIO()
    with pytest.raises(SystemExit):
        call_command("review_privileges", "--tenant", world.people.tenant.name, "--json", stdout=again)
    assert '"kind": "not_checked"' in again.getvalue()
    assert PrivilegeReview.objects.count() == 1


def test_the_command_says_why_it_could_not_collect(world):
    world.fault(host="bap", path="adminApplications", count=0, status=503)
    err = StringIO()
    for name in (world.people.tenant.name, "Nobody"):
        with pytest.raises(SystemExit) as end:
            call_command("review_privileges", "--tenant", name, stderr=err)
        assert end.value.code == 2
    assert "503" in err.getvalue()


def test_the_review_is_walked_on_its_pages(world, review):
    people = world.people
    for finding in review.findings.all():
        answer = client_of(people.operator).post(
            page_of(finding, "dispose"), {"_form_submitted": "on", "disposition": "accepted", "comment": "Known."}
        )
        assert told(answer, people.operator) == ["The finding has its disposition."]
    assert client_of(people.operator).get(page_of(review, "sign")).status_code == 403

    answer = client_of(people.governance_lead).post(page_of(review, "sign"), {"_form_submitted": "on"})

    assert told(answer, people.governance_lead) == [f"The review {review} is signed."]
    tenant = page_of(people.tenant, "start_review")
    answer = client_of(people.operator).post(tenant, {"_form_submitted": "on"})
    assert told(answer, people.operator) == [f"The privileges in {people.tenant} are being reviewed."]
