"""A decision in somebody's place says so in the log."""

from __future__ import annotations

from accounts_app.models import Delegation, User
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from requests_app.models import EnvironmentRequest


def record_delegation(request: EnvironmentRequest, by: User, delegation: Delegation | None) -> None:
    """Record in whose place a person decided; nothing when it was by a role of their own."""
    if delegation is None:
        return
    used = {
        "delegation": str(delegation.pk),
        "delegator": delegation.delegator.upn,
        "until": str(delegation.ends_at),
    }
    record(Action.DELEGATION_USED, on=request, by=person(by), details=used)
