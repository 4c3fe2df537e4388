"""Doorbells: ids in, nothing out, no rule inside. Lost, doubled or late ones change latency, never the outcome."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import task_failure, task_rejected, task_unknown, worker_ready
from django.db import connection

from core_app import tenancy
from provisioning_app import clocks, dead_letters, liveness, reconcile, services, watch, watchdog


@shared_task(name="provisioning_app.tasks.dispatch")
@tenancy.everywhere("the tenant is found by its id")
def dispatch(tenant_id: str) -> None:
    """Start what a tenant's limits allow."""
    services.dispatch(UUID(tenant_id))


@shared_task(name="provisioning_app.tasks.advance")
@tenancy.everywhere("a run is found by its id")
def advance(run_id: str) -> None:
    """Take a run as far as it goes."""
    with watchdog.watched():
        services.advance(UUID(run_id))


@shared_task(name="provisioning_app.tasks.roll_back")
@tenancy.everywhere("a rollback is found by its id")
def roll_back(rollback_id: str) -> None:
    """Take a rollback one pass further."""
    services.advance_rollback(UUID(rollback_id))


@shared_task(name="provisioning_app.tasks.tick")
@tenancy.everywhere("due runs of every tenant")
def tick() -> None:
    """Wake every due run and rollback, unless the log says that this is not the latest database; once a second."""
    services.halt_where_the_log_is_refused()
    for run_id in services.due_runs():
        advance.apply_async((str(run_id),), expires=10)
    services.wake_rotations()
    for rollback_id in services.due_rollbacks():
        roll_back.apply_async((str(rollback_id),), expires=10)
    liveness.commit_tick()


@shared_task(name="provisioning_app.tasks.sweep")
@tenancy.everywhere("every tenant's environments, gaps and credentials")
def sweep() -> None:
    """Find what lost doorbells, late environments and other people's hands left; comes every five minutes."""
    reconcile.reconcile_all()
    clocks.compare_clocks()
    services.retry_gaps()
    services.sweep_credentials()
    watch.look_for_late()


@worker_ready.connect
def sweep_at_start(sender: Any = None, **_signal: Any) -> None:
    """Sweep as soon as a worker is ready: nobody knows how long there was none."""
    if sender is not None:
        sender.app.send_task("provisioning_app.tasks.sweep", retry=False, ignore_result=True, expires=300)


@shared_task(name="provisioning_app.tasks.rotate")
@tenancy.everywhere("a rotation is found by its id")
def rotate(rotation_id: str) -> None:
    """Take a rotation of a credential as far as it goes."""
    services.advance_rotation(UUID(rotation_id))


@shared_task(name="provisioning_app.tasks.collect_review")
@tenancy.everywhere("a review is found by its id")
def collect_review(review_id: str) -> None:
    """Collect the findings of a privilege review."""
    services.collect_review(UUID(review_id))


@task_unknown.connect
@tenancy.everywhere("every tenant's operators are told")
def set_unknown_aside(name: str = "", **_signal: Any) -> None:
    """Tell of a message for a task that this version does not have."""
    dead_letters.set_aside(name, dead_letters.UNKNOWN)
    connection.close()  # this is the worker's main process: what it forks later shall inherit no connection


@task_rejected.connect
@tenancy.everywhere("every tenant's operators are told")
def set_unreadable_aside(message: Any = None, exc: Exception | None = None, **_signal: Any) -> None:
    """Tell of a message that is no JSON, or whose parts are not those of a task."""
    dead_letters.set_aside(dead_letters.name_in(message), dead_letters.unreadable(exc))
    connection.close()


@task_failure.connect
@tenancy.everywhere("every tenant's operators are told")
def set_failed_aside(sender: Any, exception: Exception, args: Any = (), kwargs: Any = None, **_signal: Any) -> None:
    """Tell of a message with which a task could not do anything."""
    if reason := dead_letters.reason_of_failure(sender.run, exception, args or (), kwargs or {}):
        dead_letters.set_aside(sender.name, reason)
