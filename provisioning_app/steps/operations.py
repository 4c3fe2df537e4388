"""Watching a lifecycle operation that a step has started, one look per wake-up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext_noop as noop

from microsoft_cloud.bap import Environment
from microsoft_cloud.errors import NotFoundError
from microsoft_cloud.operations import Operation, OperationState, Started
from provisioning_app.steps.outcome import AttemptFailedError, Context, Wait


def still_running(context: Context, poll: Callable[[str], Operation], reason: str) -> Wait | None:
    """Look at the operation the step remembers; return a Wait while it runs, None when there is nothing to wait for.

    Raises:
        AttemptFailedError: the operation failed.
    """
    url = context.facts.get("operation_url")
    if not url:
        return None
    try:
        operation = poll(url)
    except NotFoundError:
        return None  # forgotten by the service: the resource itself tells what became of it
    if operation.state == OperationState.FAILED:
        failed = ", ".join(stage.name for stage in operation.stages if stage.state == OperationState.FAILED)
        raise AttemptFailedError(noop("The operation failed at stage %(stage)s.") % {"stage": failed or "unknown"})
    if operation.state.is_final:
        return None
    return Wait(reason, wait_seconds(context, operation.retry_after), dict(context.facts))


def others_work(context: Context, environment: Environment) -> Wait | None:
    """Return a Wait while an operation runs on the environment that the step has not started; else None."""
    if environment.ongoing_operation is None:
        return None
    return Wait(f"operation {environment.ongoing_operation.type}", wait_seconds(context, None), dict(context.facts))


def watch(context: Context, started: Started, reason: str, *, before: Any) -> Wait:
    """Remember a just started operation, and what was there before it, and look at it later."""
    facts = {**context.facts, "operation_url": started.operation_url or "", "was_sent": True, "before": before}
    return Wait(reason, wait_seconds(context, started.retry_after), facts)


def wait_seconds(context: Context, retry_after: float | None) -> float:
    """Return how long to wait: what the service asks for, at most the poll interval."""
    interval = float(context.settings.poll_interval_seconds)
    return min(retry_after, interval) if retry_after else interval
