"""What the code would be without one of its guards. Each function takes one guard out of the running process.

Nothing in the product knows of this: ``tests.assurance.unguarded`` applies one of them in a test run of its own, whose
tests then have to fail.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from importlib import import_module
from typing import Any

from celery import current_app
from django.apps import apps
from django.conf import settings
from django.contrib.admin import ModelAdmin
from django.db.models import F
from django.http import Http404

from audit_app import tree
from core_app import clock
from provisioning_app.choices import RunStatus
from provisioning_app.models import ProvisioningRun, StepRecord


def replaced(target: str, replacement: Any) -> Callable[[], None]:
    """Return what puts something else in the place of ``package.module:name`` or ``package.module:Class.name``."""

    def put() -> None:
        module, _, path = target.partition(":")
        owner: Any = import_module(module)
        *outer, name = path.split(".")
        for part in outer:
            owner = getattr(owner, part)
        if not hasattr(owner, name):
            raise LookupError(f"There is no {target} to take out.")
        setattr(owner, name, replacement)

    return put


def nothing(*_arguments: Any, **_options: Any) -> None:
    """Do nothing."""


def yes(*_arguments: Any, **_options: Any) -> bool:
    """Say yes."""
    return True


def none(*_arguments: Any, **_options: Any) -> tuple[Any, ...]:
    """Find nothing."""
    return ()


def no(*_arguments: Any, **_options: Any) -> bool:
    """Say no."""
    return False


class Everything:
    """A collection that holds whatever one looks for."""

    def __contains__(self, _name: object) -> bool:
        """Hold it."""
        return True


def lines_as_they_come() -> None:
    """Write the log stream as people used to: the words of an event as they are."""
    for handler in logging.getLogger().handlers:
        formatter: Any = handler.formatter
        *steps, _masked = formatter.processors
        formatter.processors = (*steps[:-1], lambda _logger, _name, event: f"{event['level']}: {event['event']}")


def no_limits_of_a_request() -> None:
    """Read whatever is sent."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = settings.DATA_UPLOAD_MAX_NUMBER_FILES = None


def no_content_policy() -> None:
    """Let a page run what it likes."""
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"default-src": ["*", "'unsafe-inline'", "'unsafe-eval'"]}}


def unscoped_rows(screen: Any, request: Any) -> Any:
    """Stand in for GovernedAdmin.get_queryset without the scope."""
    return ModelAdmin.get_queryset(screen, request)


def no_triggers_of(app: str) -> Callable[[], None]:
    """Return what keeps the triggers of an app from being installed."""
    return lambda: setattr(apps.get_app_config(app), "triggers", ())


def sign_whatever_is_there(memory: Any, stored: Any) -> None:
    """Stand in for checkpoints._advance without the comparison with what was signed before."""
    memory.incarnation, memory.edge = stored.incarnation, tree.edge_of(stored)


def write_under_any_token(lease: Any, **columns: Any) -> bool:
    """Stand in for Lease._write without its fence."""
    return ProvisioningRun.objects.filter(pk=lease.run_id, status=RunStatus.RUNNING).update(**columns) == 1


def claim_whoever_holds_it(run_id: Any) -> Any:
    """Stand in for lease.claim without the look at the lease."""
    lease = import_module("provisioning_app.lease")
    now = clock.now()
    due = ProvisioningRun.objects.filter(pk=run_id, status=RunStatus.RUNNING, next_at__lte=now)
    if not due.update(lease_token=F("lease_token") + 1, lease_until=now + lease._length()):
        return None
    return lease.Lease(run_id, *ProvisioningRun.objects.values_list("tenant_id", "lease_token").get(pk=run_id))


def found_by_domain_alone(context: Any) -> Any:
    """Stand in for environments.find_ours without the look at the tag."""
    return context.cloud.bap.find_environment(context.run.domain_name)


def found_never(_context: Any) -> None:
    """Stand in for environments.find_ours that does not look."""


def never_waits(context: Any, _since: Any) -> Any:
    """Stand in for the probe: an unknown creation is repeated at once."""
    create = import_module("provisioning_app.steps.create")
    return create._create(context)


def read_everything(response: Any, _cap: int) -> bytes:
    """Stand in for read_body without cap and deadline."""
    return bytes(response.read())


def any_retry_after(value: str | None, _now: Any) -> float | None:
    """Stand in for retry_after_seconds without its clamp, and for delta seconds only."""
    try:
        return float(value or "")
    except ValueError:
        return None


def first_slot(tenant: Any, _settings: Any) -> Any:
    """Stand in for free_slot: a new one whenever all are taken."""
    slots = tenant.slots
    return slots.filter(run__isnull=True).first() or slots.create(tenant=tenant, number=slots.count() + 1)


def the_current_plan() -> None:
    """Let every run follow the newest plan, whatever it began with."""
    plan = import_module("provisioning_app.plan")
    pinned, following = plan.step, plan.step_after
    newest = lambda: max(plan.PLANS)  # noqa: E731 - a test adds a plan later
    plan.step = lambda _version, key: pinned(newest(), key)
    plan.step_after = lambda _version, key: following(newest(), key)


def intents_are_forgotten() -> None:
    """Let no intent outlive the worker that wrote it."""
    runner = import_module("provisioning_app.runner")
    begin = runner._begin

    def begin_afresh(lease: Any) -> Any:
        run, record, _was_unknown = begin(lease)
        StepRecord.objects.filter(pk=record.pk).update(outcome=record.outcome)
        return run, record, False

    runner._begin = begin_afresh


def the_clock_alone_dates_the_log() -> None:
    """Let an entry be dated before the one in front of it."""
    log = import_module("audit_app.log")
    locked_head = log._locked_head

    def undated(chain: Any) -> Any:
        head = locked_head(chain)
        head.timestamp = None
        return head

    log._locked_head = undated


def no_deadline() -> None:
    """Let a call take as long as the other side likes."""
    import_module("microsoft_cloud.http").deadline = lambda _seconds: nullcontext()


def first_failure_counts() -> None:
    """Believe an operation that says it failed, at once and whatever the resource says."""
    step = import_module("provisioning_app.steps.await_creation")
    after_failure = step._after_failure
    step.environments.find_ours = found_never
    step._after_failure = lambda context, operation: after_failure(
        replace(context, facts={**context.facts, "seemed_failed": True}), operation
    )


def vanished_is_unfinished() -> None:
    """Take an environment that is gone for one that cannot be read."""
    environments = import_module("provisioning_app.steps.environments")
    environments.read = lambda context: context.cloud.bap.get_environment(context.run.environment_id)


def every_row(_screen: Any, queryset: Any, _request: Any) -> Any:
    """Stand in for RoleScoped.scoped: everybody reaches everything."""
    return queryset


def any_row(screen: Any, request: Any, object_id: str) -> Any:
    """Stand in for ActingAdmin.visible: whoever reaches a row finds it, whatever their roles view."""
    row = screen.get_object(request, object_id)
    if row is None:
        raise Http404
    return row


def any_content_hash() -> None:
    """Take a decision for one on what is there now."""
    gates = import_module("gates_app.services")
    decide = gates.decide
    gates.decide = lambda gate_id, **facts: decide(
        gate_id, **(facts | {"content_hash": gates.locked(gate_id).content_hash})
    )


def ring_at_once_and_hard(task_name: str, *arguments: Any) -> None:
    """Stand in for doorbell.ring: within the transaction, and what the broker throws is the verb's."""
    current_app.send_task(task_name, args=arguments)
