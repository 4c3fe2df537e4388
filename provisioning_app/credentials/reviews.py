"""The quarterly privilege review: start, collect, dispose of each finding, sign (seed, Privilege Review)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext as _

from accounts_app.locks import locked_tenant
from accounts_app.models import Tenant, TenantIdentity, User
from accounts_app.roles import Role
from accounts_app.services import holders_of_tenant
from audit_app.actions import Action
from audit_app.actors import SYSTEM, person
from audit_app.log import record as log_entry
from core_app import clock
from core_app.doorbell import ring
from core_app.errors import DomainError, PermissionRefused
from core_app.one_by_one import each
from core_app.text import clean, has_content
from core_app.transactions import transactional
from microsoft_cloud.errors import CloudError
from notifications_app.catalogue import Event
from notifications_app.services import announce
from provisioning_app.credentials.observation import expected_of, observe
from provisioning_app.credentials.permissions import require
from provisioning_app.credentials.privileges import Difference, differences
from provisioning_app.models import PrivilegeFinding, PrivilegeReview
from provisioning_app.tenants import halt_where_refused, operators

Status, Disposition = PrivilegeReview.Status, PrivilegeFinding.Disposition
EVERY: Final = timedelta(days=90)


@transactional
def start_review(tenant_id: UUID, *, by: User | None) -> PrivilegeReview:
    """Start a review of the time since the last one; a worker collects its findings.

    Args:
        tenant_id: Whose principals.
        by: An operator or Governance Lead of the tenant; None for the system itself.

    Raises:
        PermissionRefused: for anyone else.
        DomainError: a review of the tenant is not signed yet.
    """
    tenant = locked_tenant(tenant_id)
    if by is not None:
        require(by, tenant, "Starting a privilege review", Role.OPERATOR, Role.GOVERNANCE_LEAD)
    if unsigned := tenant.privilege_reviews.exclude(status=Status.SIGNED).first():
        raise DomainError(_("The review %(unsigned)s is not signed yet; sign it first.") % {"unsigned": unsigned})
    last = tenant.privilege_reviews.order_by("-covers_until").first()
    now = clock.now()
    review = PrivilegeReview.objects.create(
        tenant=tenant,
        covers_from=last.covers_until if last else now - EVERY,
        covers_until=now,
        started_by=by,
        started_at=now,
    )
    _log(Action.PRIVILEGE_REVIEW_STARTED, review, by, {"from": _day(review.covers_from), "until": _day(now)})
    ring("provisioning_app.tasks.collect_review", str(review.pk))
    return review


def collect(review_id: UUID) -> None:
    """Look at Microsoft and enter the findings; trouble is noted on the review and the sweep tries again."""
    review = PrivilegeReview.objects.select_related("tenant").filter(pk=review_id, status=Status.COLLECTING).first()
    if review is None:
        return
    try:
        observed = observe(review)
    except CloudError as error:
        halt_where_refused(review.tenant_id, error)
        PrivilegeReview.objects.filter(pk=review_id, status=Status.COLLECTING).update(error=str(error))
        return
    _enter(review, differences(expected_of(review.tenant), observed), observed.counted())


@transactional
def _enter(seen: PrivilegeReview, found: tuple[Difference, ...], counted: dict[str, int]) -> None:
    tenant = locked_tenant(seen.tenant_id)
    review = _locked(seen.pk)
    if review.status != Status.COLLECTING:
        return  # another worker was quicker
    for difference in {(one.kind, one.subject): one for one in found}.values():
        PrivilegeFinding.objects.create(
            review=review,
            kind=difference.kind,
            subject=difference.subject[:200],
            expected=difference.expected,
            observed=difference.observed,
        )
    review.status, review.collected_at, review.checked, review.error = Status.OPEN, clock.now(), counted, ""
    review.save()
    announce(
        Event.PRIVILEGES_FOUND,
        to=[*operators(tenant), *holders_of_tenant(Role.GOVERNANCE_LEAD, tenant)],
        tenant_id=tenant.pk,
        reference=tenant.name,
        once=str(review.pk),
        about=review,
        count=review.findings.count(),
        tenant=tenant,
    )


@transactional
def dispose(finding_id: UUID, *, by: User, disposition: str, comment: str) -> PrivilegeFinding:
    """Say what becomes of a finding; until the review is signed this may be changed.

    Raises:
        PermissionRefused: for anyone but an operator or Governance Lead of the tenant.
        DomainError: the review is signed, the disposition is unknown, or the comment says nothing.
    """
    finding = PrivilegeFinding.objects.select_related("review").get(pk=finding_id)
    tenant = locked_tenant(finding.review.tenant_id)
    review = _locked(finding.review_id)
    require(by, tenant, "Disposing of a finding", Role.OPERATOR, Role.GOVERNANCE_LEAD)
    if review.status != Status.OPEN:
        raise DomainError(
            _("The review %(review)s is %(state)s; nothing is disposed of now.")
            % {"review": review, "state": review.get_status_display().lower()}
        )
    if disposition not in Disposition:
        raise DomainError(
            _("%(disposition)s is no disposition; choose %(choices)s.")
            % {"disposition": disposition, "choices": ", ".join(Disposition)}
        )
    if not has_content(comment):
        raise DomainError(_("Say why; an examiner reads it."))
    finding.disposition, finding.comment = disposition, clean(comment)
    finding.disposed_by, finding.disposed_at = by, clock.now()
    _log(Action.PRIVILEGE_FINDING_DISPOSED, review, by, _as_details(finding))
    finding.save()
    return finding


@transactional
def sign(review_id: UUID, *, by: User) -> PrivilegeReview:
    """Sign a review whose every finding has a disposition.

    Raises:
        PermissionRefused: for anyone but a Governance Lead of the tenant, and for who disposed of one of its findings.
        DomainError: it is not open, or a finding has no disposition.
    """
    tenant = locked_tenant(PrivilegeReview.objects.values_list("tenant_id", flat=True).get(pk=review_id))
    review = _locked(review_id)
    require(by, tenant, "Signing a privilege review", Role.GOVERNANCE_LEAD)
    if review.status != Status.OPEN:
        raise DomainError(
            _("The review %(review)s is %(state)s; only an open one is signed.")
            % {"review": review, "state": review.get_status_display().lower()}
        )
    findings = list(review.findings.select_related("disposed_by"))
    if open_ones := [finding for finding in findings if not finding.disposition]:
        raise DomainError(
            _("%(number)s finding(s) have no disposition yet, first: %(finding)s.")
            % {"number": len(open_ones), "finding": open_ones[0]}
        )
    if any(finding.disposed_by and finding.disposed_by.person_key == by.person_key for finding in findings):
        raise PermissionRefused(_("A review is signed by somebody who disposed of none of its findings."))
    review.status, review.signed_by, review.signed_at = Status.SIGNED, by, clock.now()
    details = {
        "from": _day(review.covers_from),
        "until": _day(review.covers_until),
        "checked": review.checked,
        "findings": [_as_details(finding) for finding in findings],
    }
    _log(Action.ACCESS_REVIEWED, review, by, details)
    review.save()
    return review


def to_collect() -> list[UUID]:
    """Return reviews whose findings are not collected yet."""
    return list(PrivilegeReview.objects.filter(status=Status.COLLECTING).values_list("pk", flat=True))


def start_due() -> int:
    """Start the review of each tenant whose last one, or whose beginning, lies a quarter back; return how many."""
    before = clock.now() - EVERY
    recent = PrivilegeReview.objects.filter(covers_until__gt=before).values("tenant")
    unsigned = PrivilegeReview.objects.exclude(status=Status.SIGNED).values("tenant")
    due = Tenant.objects.filter(created_at__lte=before, identities__purpose=TenantIdentity.Purpose.PROVISIONING)
    tenants = due.exclude(pk__in=recent).exclude(pk__in=unsigned).values_list("pk", flat=True)
    return each(list(tenants), lambda tenant_id: start_review(tenant_id, by=None))


def _locked(review_id: UUID) -> PrivilegeReview:
    return (
        PrivilegeReview.objects.select_for_update(no_key=True, of=("self",)).select_related("tenant").get(pk=review_id)
    )


def _log(action: Action, review: PrivilegeReview, by: User | None, details: dict[str, Any]) -> None:
    log_entry(
        action,
        on=review.tenant,
        by=person(by) if by else SYSTEM,
        details={"review": str(review.pk), **details},
        correlation_id=str(review.pk),
    )


def _as_details(finding: PrivilegeFinding) -> dict[str, str]:
    return {
        "finding": finding.kind,
        "subject": finding.subject,
        "expected": finding.expected,
        "observed": finding.observed,
        "disposition": finding.disposition,
        "comment": finding.comment,
        "disposed_by": finding.disposed_by.upn if finding.disposed_by else "",
    }


def _day(moment: Any) -> str:
    return f"{moment:%Y-%m-%d}"
