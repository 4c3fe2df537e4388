"""Access reviews: taken by who audits or governs the tenant, signed by a person, logged, of one tenant only."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import IntegrityError, transaction
from django.urls import reverse
from guardian.shortcuts import assign_perm

from accounts_app.roles import Role
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from audit_app.verify import verify_log
from core_app.errors import DomainError, InvalidInputError, PermissionRefused
from evidence_app import reviews
from evidence_app.models import AccessReview
from gates_app.delegations import Terms, delegate
from tests.factories import make_people, make_user
from tests.screens import client_of, page_of, told

pytestmark = pytest.mark.django_db

LIST = reverse("admin:evidence_app_accessreview_changelist")


@pytest.fixture
def excess(people):
    """A role that may do more than the table says."""
    group = Group.objects.get(name=Role.REQUESTER.value)
    group.permissions.add(Permission.objects.get(codename="decide_environmentrequest"))


def entries(tenant):
    return ProvisioningLog.objects.filter(tenant_id=tenant.pk, action=Action.ACCESS_REVIEWED).order_by("sequence")


def test_a_review_is_taken_and_signed_and_both_are_logged(people, clock):
    review = reviews.take(people.tenant.pk, by=people.auditor)
    assert (review.ok, review.quarter, review.document["findings"]) == (True, "2026Q1", [])
    reviews.sign(review.pk, by=people.governance_lead)

    signed = AccessReview.objects.get()
    assert (signed.signed_by, signed.signed_at, signed.statement) == (people.governance_lead, clock.at, "")
    first, second = entries(people.tenant)
    assert (first.actor, first.action_details["act"], first.success) == (people.auditor.upn, "taken", True)
    assert (second.actor, second.action_details["act"]) == (people.governance_lead.upn, "signed")
    assert first.action_details["sha256"] == second.action_details["sha256"] == signed.sha256
    assert verify_log().ok


def test_the_page_lists_what_is_as_it_should_be_and_an_older_review_says_what_was_not_looked_at(people):
    review = reviews.take(people.tenant.pk, by=people.auditor)
    address, browser = reverse("admin:evidence_app_accessreview_change", args=[review.pk]), client_of(people.auditor)
    page = browser.get(address).content.decode()
    triggers = [name for each in review.document["triggers"] for name in each["effective"]]
    assert triggers
    assert all(page.count(name) >= 2 for name in triggers)  # expected and effective
    assert "organisation" in page
    assert "not looked at" not in page
    assert all(f"{each['role']} ({each['standing']})" in page for each in review.document["database_rights"][:1])

    older = {name: part for name, part in review.document.items() if name not in ("triggers", "grants")}
    AccessReview.objects.update(document=older)
    assert browser.get(address).content.decode().count("not looked at") == 2


def test_findings_are_signed_with_a_statement_only(people, excess):
    review = reviews.take(people.tenant.pk, by=people.auditor)
    assert [each["class"] for each in review.document["findings"]] == ["EXCESS"]
    with pytest.raises(InvalidInputError, match="what becomes of each"):
        reviews.sign(review.pk, by=people.auditor, statement=" \u200b")
    with pytest.raises(IntegrityError, match="signed_access_reviews_name_the_signer"), transaction.atomic():
        AccessReview.objects.update(signed_by=people.auditor, signed_at=review.taken_at)

    reviews.sign(review.pk, by=people.auditor, statement="Taken away by the next migration.")

    last = entries(people.tenant).last()
    assert (last.success, last.action_details["statement"]) == (False, "Taken away by the next migration.")


def test_a_review_is_signed_once_and_only_as_it_was_taken(people):
    review = reviews.take(people.tenant.pk, by=people.auditor)
    AccessReview.objects.update(document={**AccessReview.objects.get().document, "notes": ["All is well."]})
    with pytest.raises(DomainError, match="not what was taken"):
        reviews.sign(review.pk, by=people.auditor)

    another = reviews.take(people.tenant.pk, by=people.auditor)
    reviews.sign(another.pk, by=people.auditor)
    with pytest.raises(DomainError, match="signed already"):
        reviews.sign(another.pk, by=people.governance_lead)


def test_only_auditors_and_leads_of_the_whole_tenant_take_and_sign(people, clock):
    review = reviews.take(people.tenant.pk, by=people.governance_lead)
    others, of_a_unit = make_people(), make_user(Role.AUDITOR, people.unit)
    terms = Terms(clock.at, clock.at + timedelta(days=7), "On holiday.")
    delegate(people.governance_lead, people.requester, terms, by=people.governance_lead)
    disabled = make_user(Role.AUDITOR, people.tenant, is_active=False)
    for person in (people.requester, people.approver, people.operator, of_a_unit, others.auditor, disabled):
        with pytest.raises(PermissionRefused, match="reviewed by its ELM Auditor or ELM Governance Lead"):
            reviews.take(people.tenant.pk, by=person)
        with pytest.raises(PermissionRefused):
            reviews.sign(review.pk, by=person)
    assert entries(people.tenant).count() == 1


def test_a_review_says_nothing_about_people_of_another_tenant(people):
    others = make_people()
    others.approver.user_permissions.add(Permission.objects.get(codename="decide_environmentrequest"))
    others.operator.user_permissions.add(Permission.objects.get(codename="delete_provisioninglog"))
    assign_perm("accounts_app.auditor_organisation", people.auditor, others.tenant)
    make_user(None, others.unit, is_superuser=True)

    ours, theirs = (reviews.take(who.tenant.pk, by=who.governance_lead) for who in (people, others))

    assert (ours.ok, ours.document["findings"]) == (True, [])
    assert not any("break-glass" in note for note in ours.document["notes"])
    kinds = [each["class"] for each in theirs.document["findings"]]
    assert kinds == [
        "LOG_CAN_BE_CHANGED",
        "DIRECT_PERMISSION",
        "DIRECT_PERMISSION",
        "FOREIGN_GRANT",
        "UNEXPLAINED_GRANT",
    ]
    assert any("break-glass" in note for note in theirs.document["notes"])


def test_it_is_taken_read_and_signed_on_its_pages(people, excess):
    auditor = client_of(people.auditor)
    answer = auditor.post(page_of(people.tenant, "review_access"), {"_form_submitted": "on"})
    assert told(answer, people.auditor) == [
        f"Access in {people.tenant} is reviewed; sign the result under Access reviews."
    ]
    review = AccessReview.objects.get()
    page = auditor.get(page_of(review)).content.decode()
    for text in ("EXCESS", "provisioning log", "By table and role", "(expected: ", review.sha256, "Findings"):
        assert text in page
    silent = auditor.post(page_of(review, "sign"), {"_form_submitted": "on", "statement": ""})
    assert "say what becomes of each" in silent.content.decode()

    answer = auditor.post(page_of(review, "sign"), {"_form_submitted": "on", "statement": "Taken away today."})

    assert told(answer, people.auditor) == ["The review is signed."]
    assert "Taken away today." in auditor.get(page_of(review)).content.decode()
    assert auditor.get(page_of(review, "sign")).status_code == 403


def test_who_finds_the_reviews(people):
    review = reviews.take(people.tenant.pk, by=people.auditor)
    of_a_unit = make_user(Role.AUDITOR, people.unit)
    for person, status in (
        (people.governance_lead, 200),
        (of_a_unit, 404),
        (make_people().auditor, 404),
        (people.operator, 403),
        (people.requester, 403),
    ):
        client = client_of(person)
        assert client.get(page_of(review)).status_code in (status, 404 if status == 403 else status), person
        assert client.get(LIST).status_code == (403 if status == 403 else 200)
        if status != 200:
            assert client.post(page_of(review, "sign"), {"_form_submitted": "on"}).status_code in (403, 404)
    assert client_of(people.operator).get(page_of(people.tenant, "review_access")).status_code == 403
    assert AccessReview.objects.get().signed_at is None
