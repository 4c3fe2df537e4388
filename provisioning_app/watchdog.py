"""The watchdog: a turn that lasts nearly as long as its lease is interrupted.

Every call to Microsoft has a deadline far below that, so whatever blocked is a defect that operators have to hear of.
Where even that signal is not heard, the process is killed a little later (``CELERY_TASK_ANNOTATIONS``) and its lease
ends by itself. The signal is the operating system's and not Celery's soft time limit, which did not reach a call that
blocked on every broker.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import structlog
from django.conf import settings
from django.db import connection
from django.utils.translation import gettext_noop as noop

from provisioning_app import findings
from provisioning_app.choices import FindingKind
from provisioning_app.findings import Difference
from provisioning_app.lease import Lease
from provisioning_app.models import ProvisioningRun

log = structlog.get_logger(__name__)


class BlockedError(Exception):
    """The turn has lasted nearly as long as its lease."""


@contextmanager
def watched() -> Iterator[None]:
    """Interrupt the block with ``BlockedError`` at nine tenths of a lease.

    Only a main thread can be interrupted, and a worker's process does its tasks there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, settings.RUN_LEASE_SECONDS * 0.9)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise BlockedError


def bite(lease: Lease) -> None:
    """Give the lease of a blocked turn back, so that another worker finds out how far it came, and tell the operators.

    The intent of the step stays without a result, as after a crash.
    """
    connection.close()  # it may have been in the middle of something
    lease.give_back()
    run = ProvisioningRun.objects.select_related("request").get(pk=lease.run_id)
    log.error("worker_blocked", run=str(run.pk), step=run.step, worker=run.lease_owner)
    findings.open_finding(
        run.tenant_id,
        Difference(
            FindingKind.BLOCKED_WORKER,
            f"{run.pk} {run.step}",
            noop(
                "Worker %(worker)s was blocked at step %(step)s of %(run)s and was stopped; another one "
                "finds out how far it came and goes on. If this happens again, look at the worker's log "
                "and its network."
            )
            % {"worker": run.lease_owner, "step": run.step, "run": run},
            environment_id=run.environment_id,
            run_id=run.pk,
            request_id=run.request_id,
        ),
    )
