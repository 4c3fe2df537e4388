"""The rollback decision matrix: what a person may choose after a failure, by how far provisioning had come (seed)."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import Final

from django.utils.translation import gettext_noop as noop

from accounts_app.models import User
from core_app import database_clock
from provisioning_app import plan
from provisioning_app.choices import LIVE_ROLLBACKS, EnvironmentStatus, RemoteState, RunStatus
from provisioning_app.models import Environment, ProvisioningRun
from requests_app.models import EnvironmentRequest, LegalHold
from requests_app.permissions import may_retry

DELETABLE_FOR: Final = timedelta(minutes=5)


class Choice(StrEnum):
    """What a person may do about a failed provisioning."""

    CONTINUE = "continue"  # retry from the failed step
    ATTEST = "attest"  # it was done in the portal: read back, then go on
    DELETE = "delete"


class FailurePoint(Enum):
    """How far provisioning had come, with what may be chosen there."""

    BEFORE_CREATE = noop("Before Create"), frozenset[Choice]()  # nothing to roll back; a retry begins anew
    UNKNOWN = noop("Creation unknown"), frozenset({Choice.CONTINUE})  # a retry adopts what has appeared
    AFTER_CREATE = noop("After Create, before Managed"), frozenset({Choice.DELETE, Choice.CONTINUE, Choice.ATTEST})
    AFTER_MANAGED = noop("After Managed, before Group"), frozenset({Choice.CONTINUE, Choice.ATTEST})
    AFTER_GROUP = noop("After Group, before baseline"), frozenset({Choice.CONTINUE, Choice.ATTEST})
    AFTER_BASELINE = noop("After baseline config"), frozenset({Choice.ATTEST, Choice.CONTINUE})

    @property
    def label(self) -> str:
        """Return the seed's words for it."""
        return self.value[0]

    @property
    def choices(self) -> frozenset[Choice]:
        """Return what may be chosen there."""
        return self.value[1]


# The step that failed, while an environment exists → how far provisioning had come
POINT_OF_STEP: Final[dict[str, FailurePoint]] = {
    "preflight": FailurePoint.AFTER_CREATE,
    "create": FailurePoint.AFTER_CREATE,
    "await_creation": FailurePoint.AFTER_CREATE,
    "readiness": FailurePoint.AFTER_CREATE,
    "managed": FailurePoint.AFTER_CREATE,
    "environment_group": FailurePoint.AFTER_MANAGED,
    "security_group": FailurePoint.AFTER_GROUP,
    "baseline": FailurePoint.AFTER_GROUP,
    "people": FailurePoint.AFTER_BASELINE,
    "dlp": FailurePoint.AFTER_BASELINE,
    "principal": FailurePoint.AFTER_BASELINE,
}


def point_of(run: ProvisioningRun) -> FailurePoint:
    """Return how far a failed run had come."""
    if run.remote_state == RemoteState.ABSENT:
        return FailurePoint.BEFORE_CREATE
    if run.remote_state == RemoteState.UNKNOWN or not run.environment_id:
        return FailurePoint.UNKNOWN
    return POINT_OF_STEP.get(run.step, FailurePoint.AFTER_BASELINE)


def options(request: EnvironmentRequest, user: User) -> frozenset[Choice]:
    """Return what this person may choose for a request now; empty unless they operate it and it has failed."""
    run = last_run(request)
    if run is None or run.status != RunStatus.FAILED or not may_retry(user, request):
        return frozenset()
    if not plan.knows(run.plan_version, run.step):
        return frozenset()
    row = environment_of(run)
    if row is not None and (row.status != EnvironmentStatus.PROVISIONING or _is_being_deleted(row)):
        return frozenset()
    choices = point_of(run).choices
    if row is None or not is_young(row, database_clock.now()) or LegalHold.objects.on(request.pk).exists():
        choices -= {Choice.DELETE}
    return choices


def is_young(row: Environment, now: datetime) -> bool:
    """Say whether so little time has passed since the environment was seen that nobody can rely on it yet."""
    return now <= row.created_at + DELETABLE_FOR


def last_run(request: EnvironmentRequest) -> ProvisioningRun | None:
    """Return the request's newest run."""
    return request.runs.order_by("-attempt").first()


def environment_of(run: ProvisioningRun) -> Environment | None:
    """Return the register's row of a run's environment, or None."""
    if not run.environment_id:
        return None
    return Environment.objects.filter(tenant=run.tenant_id, environment_id=run.environment_id).first()


def _is_being_deleted(row: Environment) -> bool:
    return row.rollbacks.filter(status__in=LIVE_ROLLBACKS).exists()
