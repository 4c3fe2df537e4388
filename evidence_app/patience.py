"""Keeps somebody from reading everything over and over (ASVS 2.4.1)."""

from __future__ import annotations

from datetime import timedelta

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


def require_patience(tenant: Tenant, by: User, most: int, *, of_answers: bool = False) -> None:
    """Refuse one more export within an hour; packages and answers to single questions are counted apart.

    Raises:
        DomainError: so many were taken by the person already.
    """
    lately = ProvisioningLog.objects.filter(
        Q(action_details__has_key="question") if of_answers else ~Q(action_details__has_key="question"),
        chain=tenant.log_chain().key,
        action=Action.EVIDENCE_EXPORTED,
        actor=person(by).name,
        timestamp__gt=clock.now() - timedelta(hours=1),
    )
    if lately.count() >= most:
        log.warning("export_throttled", tenant=str(tenant.pk), actor=person(by).name)
        raise DomainError(
            _("You have exported %(most)s times within an hour. Wait, then export again.") % {"most": most}
        )
