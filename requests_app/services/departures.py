"""What people were to decide who left, or lost the role for it, goes to others."""

from __future__ import annotations

from accounts_app.roles import Role
from accounts_app.services import holders
from audit_app.actions import Action
from audit_app.actors import SYSTEM
from audit_app.log import record
from core_app.one_by_one import each
from core_app.transactions import transactional
from gates_app import departures
from gates_app import services as gates
from gates_app.models import Stage
from notifications_app.catalogue import Event
from requests_app.services.decisions import waiting_subject
from requests_app.services.rows import moment, tell
from requests_app.services.submission import GATE_KIND


def reassign_departed() -> int:
    """Hand on every open stage whose person may not decide any more; returns how many were handed on."""
    return each(departures.left_behind(GATE_KIND), _hand_on)


@transactional
def _hand_on(left: Stage) -> bool:
    """Hand one stage on, record it, and tell whoever is asked now; nobody left is told to the Governance Leads."""
    request = waiting_subject(left)
    handed = departures.hand_on(left.gate_id) if request else None
    if request is None or handed is None:
        return False
    stage, departed = handed
    details = {
        "stage": stage.number,
        "assigned_to": stage.assigned_to.upn if stage.assigned_to else None,
        "instead_of": departed.upn,
        "reason": "may not decide any more" if departed.is_active else "deactivated",
    }
    record(Action.STAGE_ASSIGNED, on=request, by=SYSTEM, details=details)
    request.approver = stage.assigned_to
    request.save()
    people, once = gates.expected_deciders(stage.gate, stage), f"{stage.pk}:{departed.pk}"
    tell(Event.DECISION_NEEDED, request, people, once=once, due=moment(stage.escalate_at))
    if not people:
        leads = holders(Role.GOVERNANCE_LEAD, request.business_unit)
        tell(Event.NOBODY_DECIDES, request, leads, once=once, person=departed, role=" or ".join(stage.roles))
    return True
