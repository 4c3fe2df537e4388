"""A request that was changed behind the verbs: no decision on it is taken, the log says so, and somebody is told."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext_lazy

from accounts_app.roles import Role
from accounts_app.services import holders
from audit_app.actions import Action
from audit_app.actors import Actor
from audit_app.log import record
from core_app.errors import AlteredContentError
from core_app.recorded import recorded
from core_app.transactions import transactional
from notifications_app.catalogue import Event
from requests_app.services.rows import locked, tell


@transactional
def raise_alarm(request_id: UUID, by: Actor, outcome: str, altered: AlteredContentError) -> None:
    """Record that a decision was refused, after its verb rolled back, and tell leads and operators once of the request.

    Args:
        request_id: What was to be decided on.
        by: Who wanted to decide.
        outcome: How.
        altered: Why it was refused.
    """
    request = locked(request_id)
    details = {"outcome": outcome, "altered": True}
    record(Action.DECISION_REFUSED, on=request, by=by, details=details, error=recorded(altered), success=False)
    told = [*holders(Role.GOVERNANCE_LEAD, request.business_unit), *holders(Role.OPERATOR, request.business_unit)]
    kind = gettext_lazy("changed behind the program")
    tell(Event.FINDING_OPENED, request, told, once="altered", kind=kind, detail=altered)
