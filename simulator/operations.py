"""Lifecycle operations: what a 202 starts, how it progresses, how it is shown (contract §4, §11.2)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from simulator.clock import bap_time, plain_time

SYSTEM = {"id": "SYSTEM", "displayName": "SYSTEM", "type": "Service"}
BAP = "/providers/Microsoft.BusinessAppPlatform"
_DISPLAY_NAMES = {
    "EnableGovernanceConfiguration": "Enable Managed Environment",
    "UpdateGovernanceConfiguration": "Update Managed Environment",
    "DisableGovernanceConfiguration": "Disable Managed Environment",
}
_STAGES = ("Validate", "Prepare", "Run", "Finalize")


@dataclass
class Operation:
    """One asynchronous operation on one environment."""

    type: str
    tenant_id: str
    environment_id: str
    requested_by: dict[str, str]
    created: datetime
    polls: int | None  # looks after which it is finished; None: looks do not matter
    due: datetime | None
    outcome: str = "Succeeded"  # Failed ends badly, Stuck never ends
    kind: Literal["lifecycle", "group"] = "lifecycle"
    on_end: Callable[[bool], None] = lambda succeeded: None
    id: str = field(default_factory=lambda: str(uuid4()))
    looks: int = 0
    ended: datetime | None = None
    last_action: datetime | None = None

    @property
    def state(self) -> str:
        if self.ended:
            return self.outcome
        return "NotStarted" if self.looks <= 1 and (self.polls or 0) > 2 else "Running"

    def look(self, now: datetime) -> None:
        """Count one look, and end the operation when its looks or its time are used up."""
        self.looks += 1
        self.settle(now)

    def settle(self, now: datetime) -> None:
        if self.ended:
            return
        self.last_action = now
        enough = self.polls is not None and self.looks >= self.polls
        overdue = self.due if self.due is not None and now >= self.due else None
        if self.outcome != "Stuck" and (enough or overdue):
            self.ended = self.last_action = overdue or now  # it ended in time, whoever looks late
            self.on_end(self.outcome == "Succeeded")

    def as_bap(self) -> dict[str, Any]:
        """Render as `lifecycleOperations` does; a create tells its environment only when it succeeded (E1)."""
        hidden = self.type == "Create" and self.state != "Succeeded"
        environment = "" if hidden else f"{BAP}/environments/{self.environment_id}"
        return {
            "id": self.id,
            "links": {
                "self": {"path": f"{BAP}/lifecycleOperations/{self.id}"},
                "environment": {"path": environment},
            },
            "type": {"id": self.type},
            "typeDisplayName": _DISPLAY_NAMES.get(self.type, self.type),
            "state": {"id": self.state},
            "createdDateTime": bap_time(self.created),
            "lastActionDateTime": bap_time(self.last_action or self.created),
            "requestedBy": self.requested_by,
            "stages": self._stages(),
        }

    def as_power_platform(self, updated: dict[str, Any] | None) -> dict[str, Any]:
        """Render as the Power Platform API does (contract §11.2)."""
        status = {"NotStarted": "Queued", "Running": "InProgress"}.get(self.state, self.state)
        failed = status == "Failed"
        return {
            "operationId": self.id,
            "name": self.type,
            "status": status,
            "startTime": plain_time(self.created),
            "endTime": plain_time(self.ended) if self.ended else None,
            "requestedBy": self.requested_by,
            "stageStatuses": [
                {"name": stage["name"], "status": stage["state"]["id"].replace("Running", "InProgress")}
                for stage in self._stages()
            ],
            "updatedEnvironment": updated,
            "errorDetail": {"code": "OperationFailed", "message": "The operation failed."} if failed else None,
        }

    def _stages(self) -> list[dict[str, Any]]:
        active = {"NotStarted": 0, "Running": 2, "Failed": 2}.get(self.state, len(_STAGES))
        stages = []
        for position, name in enumerate(_STAGES[:3] if self.state == "Failed" else _STAGES):
            state = "Succeeded" if position < active else "NotStarted"
            if position == active and self.state in ("Running", "Failed"):
                state = self.state
            stage: dict[str, Any] = {"id": name, "name": name, "state": {"id": state}}
            if state != "NotStarted":
                stage["firstActionDateTime"] = bap_time(self.created)
            if state in ("Succeeded", "Failed"):
                stage["lastActionDateTime"] = bap_time(self.last_action or self.created)
            stages.append(stage)
        return stages
