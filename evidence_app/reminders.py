"""Reminds people of what they owe an examiner: the access review of the quarter."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from accounts_app.models import Tenant
from accounts_app.roles import Role
from accounts_app.services import holders_of_tenant
from core_app import clock
from core_app.transactions import transactional
from evidence_app.models import AccessReview
from evidence_app.quarters import Quarter, quarter_named, quarter_of
from notifications_app.catalogue import Event
from notifications_app.services import announce

BEFORE_THE_END: Final = timedelta(days=30)
TOLD: Final = (Role.AUDITOR, Role.GOVERNANCE_LEAD, Role.COMPLIANCE_OFFICER)


def remind_of_access_reviews() -> int:
    """Tell a tenant's auditors, leads and compliance officers, once per quarter, that its review is not signed.

    They are told 30 days before the quarter ends, or as soon as somebody looks after that.

    Returns:
        How many messages were new.
    """
    now = clock.now()
    quarter = quarter_named(quarter_of(now), now)
    if now < quarter.end - BEFORE_THE_END:
        return 0
    signed = AccessReview.objects.filter(taken_at__gte=quarter.begin, signed_at__isnull=False).values("tenant")
    return sum(_remind(tenant, quarter) for tenant in Tenant.objects.exclude(pk__in=signed).order_by("pk"))


@transactional
def _remind(tenant: Tenant, quarter: Quarter) -> int:
    return announce(
        Event.ACCESS_REVIEW_DUE,
        to=[person for role in TOLD for person in holders_of_tenant(role, tenant)],
        tenant_id=tenant.pk,
        reference=quarter.name,
        once=f"{tenant.pk}:{quarter.name}",
        about=tenant,
        tenant=tenant,
        quarter=quarter.name,
        until=f"{quarter.end - timedelta(days=1):%Y-%m-%d}",
    )
