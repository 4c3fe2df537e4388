"""The watchdog: Celery ends a turn that lasts nearly as long as its lease (``CELERY_TASK_ANNOTATIONS``).

Every call to Microsoft has a deadline far below that, so whatever blocked is a defect that operators have to hear of.
Where even that signal is not heard, the process is killed a little later and its lease ends by itself.
"""

from __future__ import annotations

import structlog
from django.db import connection

from provisioning_app import findings
from provisioning_app.choices import FindingKind
from provisioning_app.findings import Difference
from provisioning_app.lease import Lease
from provisioning_app.models import ProvisioningRun

log = structlog.get_logger(__name__)


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
            f"Worker {run.lease_owner} was blocked at step {run.step} of {run} and was stopped; another one finds out "
            "how far it came and goes on. If this happens again, look at the worker's log and its network.",
            environment_id=run.environment_id,
            run_id=run.pk,
            request_id=run.request_id,
        ),
    )
