"""Keeps somebody from reading everything over and over (ASVS 2.4.1)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import structlog
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts_app.models import Tenant, User
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.models import ProvisioningLog
from core_app import clock
from core_app.errors import DomainError

log = structlog.get_logger(__name__)


OF_QUARTERS: Final = Q(action=Action.EVIDENCE_EXPORTED) & ~Q(action_details__has_key="question")
OF_ANSWERS: Final = Q(action=Action.EVIDENCE_EXPORTED, action_details__has_key="question")
OF_LISTS: Final = Q(action=Action.EXPORT_STARTED)


def require_patience(tenant: Tenant, by: User, taken: Q, most: int) -> None:
    """Refuse one more export within an hour.

    Args:
        tenant: Whose records they are.
        by: Who asks.
        taken: Which entries of the log count: ``OF_QUARTERS``, ``OF_ANSWERS`` or ``OF_LISTS``.
        most: How many an hour may hold.

    Raises:
        DomainError: so many were taken by the person already.
    """
    lately = ProvisioningLog.objects.filter(
        taken,
        chain=tenant.log_chain().key,
        actor=person(by).name,
        timestamp__gt=clock.now() - timedelta(hours=1),
    )
    if lately.count() >= most:
        log.warning("export_throttled", tenant=str(tenant.pk), actor=person(by).name)
        raise DomainError(
            _("You have exported %(most)s times within an hour. Wait, then export again.") % {"most": most}
        )
