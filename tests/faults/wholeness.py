"""What holds for a tenant at any moment: its transitions are whole, its log verifies and its state follows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from django.db import connection, transaction

from accounts_app.models import Tenant
from audit_app.actions import Action
from audit_app.verify import verify_log
from core_app import clock
from core_app.clock import ManualClock
from gates_app.levels import GateStatus
from gates_app.models import Decision
from notifications_app.models import OutboxMessage
from provisioning_app.choices import LIVE_STATUSES, RunStatus
from requests_app import services as requests
from requests_app.choices import State
from requests_app.models import EnvironmentRequest
from tests.faults.invariants import check_invariants
from tests.microsoft import World

GATE = {
    State.PENDING_APPROVAL: {GateStatus.OPEN},
    State.APPROVED: {GateStatus.APPROVED},
    State.PROVISIONING: {GateStatus.APPROVED},
    State.COMPLETED: {GateStatus.APPROVED},
    State.FAILED: {GateStatus.APPROVED},
}
RUN = {
    State.PROVISIONING: set(LIVE_STATUSES),
    State.COMPLETED: {RunStatus.COMPLETED},
    State.FAILED: {RunStatus.FAILED},
}


def assert_whole(tenant: Tenant, *, settled: bool = False) -> None:
    """Assert that what one transition writes, in every package, is there together or not at all.

    Args:
        tenant: Whose requests.
        settled: Nothing is under way any more, so that every request has come to its end.
    """
    connection.close_if_unusable_or_obsolete()  # as before every request: one that died meanwhile is made anew
    with transaction.atomic():
        with connection.cursor() as cursor:  # one moment, whatever goes on meanwhile
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert verify_log(tenant.pk).findings == []
        for request in tenant.environment_requests.select_related("gate"):
            state = State(request.state)
            entries = list(request.log_entries.values_list("action", flat=True))
            assert request.gate is None or request.gate.status in GATE[state], f"{request}: {request.gate.status}"
            newest = request.runs.order_by("-attempt").values_list("status", flat=True).first()
            assert (newest is None) == (state not in RUN), f"{request} has a run too many or too few"
            assert newest is None or newest in RUN[state], f"{request}: {newest}"
            for action, event in ((Action.APPROVED, "approved"), (Action.PROVISIONING_COMPLETED, "ready")):
                messages = OutboxMessage.objects.filter(tenant_id=tenant.pk, reference=request.request_number)
                told = messages.filter(event=event).exists()
                assert told == (action in entries), f"{request}: {event}"
                assert entries.count(action) <= 1, f"{request}: {action} twice"
            assert not settled or state in (State.DRAFT, State.SUBMITTED, State.COMPLETED), f"{request} {state}"


def approvals_of(request: EnvironmentRequest) -> tuple[int, int, int]:
    """Return how often the log, the decisions and the request itself say that it was approved."""
    entries = request.log_entries.filter(action=Action.APPROVED).count()
    request.refresh_from_db()
    return entries, Decision.objects.filter(gate=request.gate).count(), int(request.state == State.APPROVED)


def settle(world: World) -> None:
    """Let this process finish what others left, in simulated time from now on, and assert the invariants."""
    connection.close_if_unusable_or_obsolete()
    for request in world.people.tenant.environment_requests.filter(state=State.PENDING_APPROVAL):
        requests.approve_by_policy(request.pk)
    manual = world.clock if isinstance(world.clock, ManualClock) else ManualClock(datetime.now(UTC))
    with clock.using(manual):
        replace(world, clock=manual).run_until_settled()
    check_invariants(world)
