"""Doorbells and ticks of requests."""

from __future__ import annotations

from celery import shared_task

from core_app import tenancy
from requests_app import services
from requests_app.services import sweeps


@shared_task(name="requests_app.tasks.tick")
@tenancy.everywhere("what the policy approves may be of any tenant")
def tick() -> None:
    """Approve what the policy approves."""
    sweeps.approve_due()


@shared_task(name="requests_app.tasks.sweep")
@tenancy.everywhere("every tenant's requests wait, remind and escalate")
def sweep() -> None:
    """Route what had to wait, remind, escalate."""
    sweeps.sweep()


@shared_task(name="requests_app.tasks.reassign_departed")
@tenancy.everywhere("people of every tenant leave and lose roles")
def reassign_departed() -> None:
    """Hand on what people were to decide who may not any more."""
    services.reassign_departed()
