"""What the tests of Microsoft's faults share: which calls to hit, and how a request has to end."""

from __future__ import annotations

from provisioning_app import services
from provisioning_app.models import Slot
from requests_app.choices import State
from tests.provisioning_app.reconciling import (
    calls,
)

CREATE = {"method": "POST", "path": r"BusinessAppPlatform/environments\?"}
MANAGE = {"method": "POST", "path": "governanceConfiguration"}
JOIN = {"host": "power_platform", "method": "POST", "path": "addEnvironment"}
BUSY = {"status": 409, "body": {"error": {"code": "OperationNotStartable", "message": "busy"}}}
READ_ONE = {"host": "bap*", "method": "GET", "path": r"scopes/admin/environments/[^?]"}
READ_GROUP = {"host": "graph", "method": "GET", "path": r"/groups/"}
MISSING_GROUP = {"status": 404, "body": {"error": {"code": "Request_ResourceNotFound"}}}


def completed(world, request):
    """Say whether the request is completed with exactly one environment, the one it names."""
    request.refresh_from_db()
    assert request.state == State.COMPLETED, request.failure_reason
    ours = [item["id"] for item in world.environments if str(request.pk) in item["description"]]
    return ours == [request.environment_id]


def failed(request):
    request.refresh_from_db()
    return request.state == State.FAILED


def held_slots(world):
    return Slot.objects.filter(tenant=world.people.tenant, run__isnull=False).count()


def complaints(request, action=None):
    entries = request.log_entries.filter(success=False)
    return entries.filter(action=action) if action else entries


def sent(world, part, method="POST"):
    return [call for call in calls(world, part) if call["method"] == method]


def stands_at(request, step):
    return lambda: request.runs.filter(step=step).exists()


def retried(world, request, reason="It was mended."):
    services.retry(request.pk, by=world.people.operator, reason=reason)
    world.run_until_settled()
    return request
