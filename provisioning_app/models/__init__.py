"""The register of environments; runs, step records, gaps, rollbacks, findings, rotations, reviews, ticks."""

from provisioning_app.models.breaker import CircuitBreaker
from provisioning_app.models.credential import RotationRecord
from provisioning_app.models.environment import Environment, GovernedControl
from provisioning_app.models.finding import ReconciliationFinding
from provisioning_app.models.gap import Gap
from provisioning_app.models.privilege import PrivilegeFinding, PrivilegeReview
from provisioning_app.models.rollback import Rollback
from provisioning_app.models.run import ProvisioningRun, Slot, StepRecord
from provisioning_app.models.worker_tick import WorkerTick

__all__ = [
    "CircuitBreaker",
    "Environment",
    "Gap",
    "GovernedControl",
    "PrivilegeFinding",
    "PrivilegeReview",
    "ProvisioningRun",
    "ReconciliationFinding",
    "Rollback",
    "RotationRecord",
    "Slot",
    "StepRecord",
    "WorkerTick",
]
