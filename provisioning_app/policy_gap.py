"""The policy gap: how long an environment existed before each of its controls was first proved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Avg, Count, Max, QuerySet
from django.utils.translation import gettext_noop as noop

from audit_app.actions import Action
from core_app import database_clock
from provisioning_app.models import Environment, GovernedControl, ProvisioningRun
from provisioning_app.steps.outcome import Entry

# The log action that proves a control → what people call the control
CONTROLS: Final[dict[Action, str]] = {
    Action.MANAGED_ENABLED: noop("Managed environment"),
    Action.SHARING_LIMITS_CONFIGURED: noop("Sharing limits"),
    Action.GROUP_ASSIGNED: noop("Environment group"),
    Action.SECURITY_GROUP_BOUND: noop("Security group"),
    Action.AUDITING_CONFIGURED: noop("Auditing"),
    Action.SESSION_TIMEOUT_CONFIGURED: noop("Session timeout"),
    Action.ROLES_ASSIGNED: noop("Roles"),
    Action.DLP_ASSIGNED: noop("Data policy"),
}


@dataclass(frozen=True, slots=True)
class Clock:
    """One control of one environment.

    Attributes:
        control: What people call it.
        seconds: How long the environment existed without it; still growing while it is not governed.
        is_governed: Whether the control has been proved.
    """

    control: str
    seconds: int
    is_governed: bool


def stop_clocks(run: ProvisioningRun, entries: Iterable[Entry]) -> None:
    """Stop the clocks of the controls that these entries prove, in the caller's transaction; the first proof counts."""
    proved = [CONTROLS[entry.action] for entry in entries if entry.action in CONTROLS]
    if not proved:
        return
    environment = Environment.objects.filter(tenant=run.tenant_id, environment_id=run.environment_id).first()
    if environment is None:
        return
    now = database_clock.now()
    seconds = max(0, round((now - environment.created_at).total_seconds()))
    GovernedControl.objects.bulk_create(
        (
            GovernedControl(environment=environment, control=control, governed_at=now, seconds=seconds)
            for control in proved
        ),
        ignore_conflicts=True,
    )


def clocks_of(environment: Environment) -> list[Clock]:
    """Return every control's clock, for the environment's page."""
    stopped = dict(environment.controls.values_list("control", "seconds"))
    running = max(0, round((database_clock.now() - environment.created_at).total_seconds()))
    return [Clock(control, stopped.get(control, running), control in stopped) for control in CONTROLS.values()]


def summary(controls: QuerySet[GovernedControl]) -> list[dict[str, Any]]:
    """Return per control how often it was proved, with the mean and the longest gap in seconds; the longest first."""
    rows = controls.order_by().values("control")
    figures = rows.annotate(count=Count("id"), mean_seconds=Avg("seconds"), longest_seconds=Max("seconds"))
    return sorted((dict(figure) for figure in figures), key=lambda each: (-each["mean_seconds"], each["control"]))
