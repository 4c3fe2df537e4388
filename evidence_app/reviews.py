"""What can happen to an access review: it is taken, and a person signs it. Both are entries of the tenant's chain."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from accounts_app.locks import locked_tenant
from accounts_app.models import Tenant, User
from accounts_app.privilege_report import digest
from accounts_app.privileges import verify_privileges
from accounts_app.roles import Role
from accounts_app.scope import scope_of
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from core_app import clock
from core_app.errors import DomainError, InvalidInputError, PermissionRefused
from core_app.recorded import as_recorded
from core_app.text import clean, has_content
from core_app.transactions import transactional
from evidence_app.models import AccessReview

_REVIEWERS = (Role.AUDITOR, Role.GOVERNANCE_LEAD)


def may_review(user: User, tenant: Tenant) -> bool:
    """Say whether a person reviews the access of a whole tenant themselves; this is not lent by a delegation."""
    return scope_of(user).holds_tenant(tenant.pk, *_REVIEWERS)


def may_sign(user: User, review: AccessReview) -> bool:
    """Say whether a person may sign a review."""
    return review.signed_at is None and may_review(user, review.tenant)


@transactional
def take(tenant_id: UUID, *, by: User) -> AccessReview:
    """Compare what is expected with what is effective in a tenant, and keep what was found.

    Raises:
        PermissionRefused: unless the person is an ELM Auditor or Governance Lead of the tenant.
    """
    tenant = locked_tenant(tenant_id)
    _require_review(by, tenant)
    with as_recorded():
        found = verify_privileges(is_production=settings.PRODUCTION).of_tenant(tenant.pk)
    review = AccessReview(
        tenant=tenant, taken_at=clock.now(), taken_by=by, ok=found.ok, document=found.as_json(), sha256=found.sha256
    )
    _record(review, by, act="taken")
    review.save(force_insert=True)
    return review


@transactional
def sign(review_id: UUID, *, by: User, statement: str = "") -> AccessReview:
    """Sign for a review.

    Args:
        review_id: The review.
        by: Who answers for it.
        statement: What they say about it; needed when there are findings.

    Raises:
        PermissionRefused: unless the person is an ELM Auditor or Governance Lead of the review's tenant.
        InvalidInputError: there are findings and the statement says nothing about them.
        DomainError: it is signed already, or is not what was taken.
    """
    tenant_id = AccessReview.objects.values_list("tenant_id", flat=True).get(pk=review_id)
    tenant = locked_tenant(tenant_id)
    _require_review(by, tenant)
    review = AccessReview.objects.select_for_update(no_key=True).get(pk=review_id)
    if review.signed_at:
        raise DomainError(_("%(review)s is signed already.") % {"review": review})
    if digest(review.document) != review.sha256:
        raise DomainError(_("This is not what was taken: its SHA-256 differs. Take another and have this looked at."))
    if review.document["findings"] and not has_content(statement):
        raise InvalidInputError([("statement", _("There are findings; say what becomes of each."))])
    review.signed_by, review.signed_at, review.statement = by, clock.now(), clean(statement)
    _record(review, by, act="signed", statement=review.statement)
    review.save(update_fields=["signed_by", "signed_at", "statement"])
    return review


def _record(review: AccessReview, by: User, **details: str) -> None:
    facts = {"review": str(review.pk), "findings": len(review.document["findings"]), "sha256": review.sha256}
    record(Action.ACCESS_REVIEWED, on=review.tenant, by=person(by), details={**facts, **details}, success=review.ok)


def _require_review(user: User, tenant: Tenant) -> None:
    if not may_review(user, tenant):
        named = " or ".join(role.value for role in _REVIEWERS)
        raise PermissionRefused(
            _("Access in %(tenant)s is reviewed by its %(named)s.") % {"tenant": tenant, "named": named}
        )
