"""What the passing of time asks for: approvals by policy, routing that had to wait, reminders, escalations.

Every request is a transaction of its own, and one that breaks never stops the others.
"""

from __future__ import annotations

from core_app import clock
from core_app.errors import DomainError
from core_app.one_by_one import each
from core_app.recorded import recorded
from requests_app.directory import look_up
from requests_app.models import EnvironmentRequest
from requests_app.services.decisions import approve_by_policy, escalate_overdue, remind_overdue
from requests_app.services.departures import reassign_departed
from requests_app.services.disputes import remind_disputes
from requests_app.services.submission import delay_routing, route


def approve_due() -> int:
    """Approve every Zone 1 request whose objection window is over; returns how many were approved."""
    due = EnvironmentRequest.objects.awaiting_policy(clock.now()).values_list("pk", flat=True)
    return each(list(due), approve_by_policy)


def route_waiting() -> int:
    """Ask the directory again for every submitted request; returns how many went through without an error."""
    return each(list(EnvironmentRequest.objects.awaiting_routing()), _route)


def sweep() -> None:
    """Do what may wait for a minute."""
    route_waiting()
    reassign_departed()
    remind_overdue()
    remind_disputes()
    escalate_overdue()


def _route(request: EnvironmentRequest) -> None:
    try:
        route(request.pk, directory=look_up(request))
    except DomainError as refused:
        delay_routing(request.pk, why=recorded(refused))
