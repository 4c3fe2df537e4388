"""The plan: which steps, in which order, how often each is tried, what its failure means (elm.md §6; seed, Errors).

A run pins the version of the plan it started with; a changed plan is a new version beside the old one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from accounts_app.tenant_settings import Baseline
from audit_app.actions import Action
from provisioning_app.steps import (
    await_creation,
    baseline,
    create,
    dlp,
    environment_group,
    managed,
    people,
    preflight,
    principal,
    readiness,
    security_group,
)
from provisioning_app.steps.outcome import Context, Done, Wait

CURRENT_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan.

    Attributes:
        key: Its name in rows and settings.
        label: Its name for people.
        action: What a failed attempt is logged as, with ``success=false``.
        perform: What it does.
        attempts: How often it is tried before its failure counts.
        minutes: How long it may wait in all.
        must_succeed: False: its failure opens a gap and provisioning goes on, unless the zone's settings say it blocks.
    """

    key: str
    label: str
    action: Action
    perform: Callable[[Context], Done | Wait]
    attempts: int = 3
    minutes: int = 10
    must_succeed: bool = True

    def blocks(self, baseline: Baseline) -> bool:
        """Say whether provisioning stops when the step fails under a zone's baseline."""
        return self.must_succeed or self.key in baseline.blocking_steps


AWAIT_CREATION: Final = "await_creation"

PLANS: Final[dict[int, tuple[Step, ...]]] = {
    1: (
        Step("preflight", "Preflight", Action.PREFLIGHT_CHECKED, preflight.perform),
        Step("create", "Create", Action.ENVIRONMENT_CREATED, create.perform, minutes=24 * 60),
        # How long a creation may take is a tenant setting: poll interval times poll limit
        Step(AWAIT_CREATION, "Await creation", Action.ENVIRONMENT_CREATED, await_creation.perform, minutes=0),
        Step("readiness", "Readiness", Action.READINESS_CHECKED, readiness.perform, minutes=20),
        Step("managed", "Managed environment", Action.MANAGED_ENABLED, managed.perform, minutes=20),
        Step(
            "environment_group",
            "Environment group",
            Action.GROUP_ASSIGNED,
            environment_group.perform,
            must_succeed=False,
        ),
        Step("security_group", "Security group", Action.SECURITY_GROUP_BOUND, security_group.perform),
        Step("baseline", "Auditing and session", Action.BASELINE_CONFIG_APPLIED, baseline.perform, must_succeed=False),
        Step("people", "People and roles", Action.ROLES_ASSIGNED, people.perform, must_succeed=False),
        Step("dlp", "Data policy coverage", Action.DLP_ASSIGNED, dlp.perform, must_succeed=False),
        Step("principal", "Principal's own roles", Action.PRINCIPAL_REVIEWED, principal.perform, must_succeed=False),
    ),
}


def first_step(version: int) -> Step:
    """Return the first step of a plan."""
    return PLANS[version][0]


def step(version: int, key: str) -> Step:
    """Return a step by its key.

    Raises:
        KeyError: this plan has no such step.
    """
    return {item.key: item for item in PLANS[version]}[key]


def step_after(version: int, key: str) -> Step | None:
    """Return the step that follows, or None after the last."""
    steps = PLANS[version]
    following = [item.key for item in steps].index(key) + 1
    return steps[following] if following < len(steps) else None
