"""Where runs, steps and gaps stand."""

from __future__ import annotations

from typing import Final

from django.db import models


class RunStatus(models.IntegerChoices):
    QUEUED = 1, "Waiting for a slot"
    RUNNING = 2, "Running"
    COMPLETED = 3, "Completed"
    FAILED = 4, "Failed"


LIVE_STATUSES: Final = (RunStatus.QUEUED, RunStatus.RUNNING)


class RemoteState(models.IntegerChoices):
    """What is known about the environment at Microsoft."""

    ABSENT = 1, "Known to be absent"
    UNKNOWN = 2, "Unknown"
    PRESENT = 3, "Known to be present"


class StepOutcome(models.IntegerChoices):
    INTENDED = 1, "Begun"  # an intent without a result means: unknown
    DONE = 2, "Done"
    WAITING = 3, "Waiting"
    FAILED = 4, "Failed"
    SKIPPED = 5, "Gap opened"


class EnvironmentStatus(models.IntegerChoices):
    PROVISIONING = 1, "Being provisioned"
    ACTIVE = 2, "Active"
    QUARANTINED = 3, "Quarantined"
    DELETED = 4, "Deleted"


class RollbackStatus(models.IntegerChoices):
    INITIATED = 1, "Initiated"
    DELETING = 2, "Deleting"  # asked for: an answer that is missing here means unknown
    COMPLETED = 3, "Deleted"
    FAILED = 4, "Failed"


LIVE_ROLLBACKS: Final = (RollbackStatus.INITIATED, RollbackStatus.DELETING)


class FindingKind(models.IntegerChoices):
    """How Microsoft, our rows and our intentions can differ."""

    ORPHAN_ENVIRONMENT = 1, "Environment without an owner"
    ENVIRONMENT_VANISHED = 2, "Environment vanished"
    ENVIRONMENT_APPEARED = 3, "Environment appeared late"
    DEAD_SLOT = 4, "Slot held by an ended run"
    UNDISPATCHED = 5, "Approved request without a run"
    UNEXPLAINED_OPERATION = 6, "Operation that no run explains"
    DEAD_LETTER = 7, "Message that no worker could handle"
    PARKED_RUN = 8, "Run that this release cannot continue"
    BLOCKED_WORKER = 9, "Worker that was blocked"
    CLOCKS_DIFFER = 10, "Clock that differs"
    NOT_MANAGED = 11, "Environment no longer managed"
