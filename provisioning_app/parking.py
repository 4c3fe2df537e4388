"""Parked runs: their plan, or a step of it, is unknown to this release, so nobody here takes them up.

Nothing moves them: they stay due, and whoever knows their plan goes on with them at once. Until then they are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from django.utils.translation import gettext_noop as noop

from accounts_app.models import Tenant
from core_app import database_clock
from provisioning_app import plan
from provisioning_app.choices import LIVE_STATUSES, FindingKind
from provisioning_app.findings import Difference
from provisioning_app.models import ProvisioningRun

# While a deployment goes on, a worker of the other release takes such a run up within seconds
PATIENCE: Final = timedelta(minutes=1)


def parked(tenant: Tenant) -> Iterator[Difference]:
    """Yield the tenant's runs that wait for another release, and say so on each of them."""
    live = ProvisioningRun.objects.filter(tenant=tenant, status__in=LIVE_STATUSES)
    due = live.filter(next_at__lt=database_clock.now() - PATIENCE).exclude(plan.is_known())
    for run in due.select_related("request"):
        needed = plan.needed_for(run.plan_version, run.step)
        ProvisioningRun.objects.filter(pk=run.pk).exclude(plan.is_known()).update(waiting_for=needed[:200])
        yield Difference(
            FindingKind.PARKED_RUN,
            str(run.pk),
            noop("%(run)s is parked: it waits for %(needed)s. Deploy that release; the run then goes on by itself.")
            % {"run": run, "needed": needed},
            environment_id=run.environment_id,
            run_id=run.pk,
            request_id=run.request_id,
        )
