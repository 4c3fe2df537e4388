"""The plan: which steps, in which order, how often each is tried, what its failure means (elm.md §6; seed, Errors).

A run pins the version of the plan it started with; a changed plan is a new version beside the old one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Final

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

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


CREATE: Final = "create"
AWAIT_CREATION: Final = "await_creation"

PLANS: Final[dict[int, tuple[Step, ...]]] = {
    1: (
        Step("preflight", noop("Preflight"), Action.PREFLIGHT_CHECKED, preflight.perform),
        # How long a creation may take is a tenant setting (poll interval times poll limit), and so is how long one
        # whose answer was lost may stay out of sight
        Step(CREATE, noop("Create"), Action.ENVIRONMENT_CREATED, create.perform, minutes=0),
        Step(AWAIT_CREATION, noop("Await creation"), Action.ENVIRONMENT_CREATED, await_creation.perform, minutes=0),
        Step("readiness", noop("Readiness"), Action.READINESS_CHECKED, readiness.perform, minutes=20),
        Step("managed", noop("Managed environment"), Action.MANAGED_ENABLED, managed.perform, minutes=20),
        Step(
            "environment_group",
            noop("Environment group"),
            Action.GROUP_ASSIGNED,
            environment_group.perform,
            must_succeed=False,
        ),
        Step("security_group", noop("Security group"), Action.SECURITY_GROUP_BOUND, security_group.perform),
        Step(
            "baseline",
            noop("Auditing and session"),
            Action.BASELINE_CONFIG_APPLIED,
            baseline.perform,
            must_succeed=False,
        ),
        Step("people", noop("People and roles"), Action.ROLES_ASSIGNED, people.perform, must_succeed=False),
        Step("dlp", noop("Data policy coverage"), Action.DLP_ASSIGNED, dlp.perform, must_succeed=False),
        Step(
            "principal", noop("Principal's own roles"), Action.PRINCIPAL_REVIEWED, principal.perform, must_succeed=False
        ),
    ),
}


def is_known(version: str = "plan_version", key: str = "step") -> Q:
    """Return the filter on rows whose step is in a plan that this code knows; names the columns that say which."""
    steps = ((number, [item.key for item in steps]) for number, steps in PLANS.items())
    return reduce(or_, (Q(**{version: number, f"{key}__in": keys}) for number, keys in steps))


def knows(version: int, key: str) -> bool:
    """Say whether this code knows a plan and its step."""
    return any(item.key == key for item in PLANS.get(version, ()))


def needed_for(version: int, key: str) -> str:
    """Return what a run waits for whose plan or step is unknown here, in words for operators."""
    return _("a release that knows step %(step)s of plan version %(version)s") % {"step": key, "version": version}


def label(version: int, key: str) -> str:
    """Return a step's name for people, in their language; of a step that is unknown here its key."""
    return next((_(item.label) for item in PLANS.get(version, ()) if item.key == key), key)


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
