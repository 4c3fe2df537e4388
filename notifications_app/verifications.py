"""Tells people that a tenant's log does not verify: the log itself is below and knows nobody."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from itertools import product
from typing import Any, Final

from accounts_app.models import Tenant
from accounts_app.roles import Role
from accounts_app.services import holders_of_tenant
from audit_app.models import VerificationRun
from audit_app.standing import defects_of
from core_app import clock
from core_app.one_by_one import each
from core_app.transactions import transactional
from notifications_app.catalogue import Event
from notifications_app.services import announce

_RECENT: Final = timedelta(days=2)  # longer than between two verifications of everything
_TOLD: Final = (Role.AUDITOR, Role.GOVERNANCE_LEAD, Role.COMPLIANCE_OFFICER, Role.OPERATOR)


def announce_defects() -> int:
    """Tell those who answer for a tenant's log what the newest failed verifications found in it, each finding once.

    A finding that names no tenant, as a missing trigger, is told in every tenant.

    Returns:
        Of how many new findings somebody was told, tenant by tenant.
    """
    failed = VerificationRun.objects.filter(ok=False, started_at__gte=clock.now() - _RECENT).order_by("-started_at")
    runs = [run for run in (failed.filter(is_full=True).first(), failed.filter(is_full=False).first()) if run]
    if not runs:
        return 0
    return each(product(runs, Tenant.objects.order_by("pk")), lambda pair: _announce(*pair))


@transactional
def _announce(run: VerificationRun, tenant: Tenant) -> bool:
    defects = defects_of(run, tenant.pk)
    if not defects:
        return False
    messages = announce(
        Event.LOG_VERIFICATION_FAILED,
        to=[person for role in _TOLD for person in holders_of_tenant(role, tenant)],
        tenant_id=tenant.pk,
        reference=tenant.name,
        once=f"{tenant.pk}:{_digest(defects)}",
        about=tenant,
        at=f"{run.started_at:%Y-%m-%d %H:%M} UTC",
        count=len(defects),
        classes=", ".join(sorted({str(defect["class"]) for defect in defects})),
    )
    return messages > 0


def _digest(defects: list[dict[str, Any]]) -> str:
    """Return what tells these defects from others: the same ones, found every five minutes, are told once."""
    places = sorted(f"{defect['class']} {defect['entry']}" for defect in defects)
    return sha256("\n".join(places).encode()).hexdigest()
