"""What a process does that asks, approves and provisions without end and survives what its database does to it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import Error, connection

from accounts_app.models import Tenant, User
from accounts_app.roles import Role
from core_app import clock
from core_app.errors import DomainError
from core_app.ids import new_id
from provisioning_app import services as provisioning
from requests_app import services as requests
from requests_app.directory import Directory
from requests_app.services import sweeps
from tests.factories import facts
from tests.faults.processes import FORK, forked

ROOMY = {
    "concurrent_runs": 20,
    "starts_per_minute": 100,
    "creations_per_day": 1000,
    "poll_interval_seconds": 10,
    "propagation_seconds": 120,  # how long a run looks for what its dead worker may have created
}
SWIFT = dict.fromkeys(("create_polls", "operation_polls", "system_polls"), 1) | dict.fromkeys(
    ("metadata_reads", "management_reads", "token_denials", "dataverse_denials"), 0
)
MOST_AT_ONCE, _JUST_NOW = 3, timedelta(seconds=3)


class Labourer:
    """The process, as the test that starts it sees it."""

    def __init__(self, tenant_id: UUID) -> None:
        self.stopping, self.results = FORK.Event(), FORK.SimpleQueue()
        self.process = forked(_work, tenant_id, self.stopping, self.results)

    def end(self) -> Counter[str]:
        """Let it finish what it is doing; return how many verbs it began and what trouble they met, by name."""
        self.stopping.set()
        self.process.join(60)
        assert self.process.exitcode == 0, "it did not survive"
        return Counter(self.results.get())

    def kill(self) -> None:
        """End it at once, if it has not ended yet."""
        self.process.kill()
        self.process.join()


def _work(tenant_id: UUID, stopping: Any, results: Any) -> None:
    """Work until told to stop; what a verb raises ends that verb only, as it ends a task or a web request."""
    counted: Counter[str] = Counter()
    verbs: tuple[Callable[[UUID], object], ...] = (_ask, _approve, provisioning.dispatch, _advance)
    while not stopping.is_set():
        for verb in verbs:
            counted["verbs"] += 1
            try:
                verb(tenant_id)
            except (Error, DomainError) as error:
                counted[type(error).__name__] += 1
            connection.close_if_unusable_or_obsolete()  # as Celery and Django do after every task and request
        time.sleep(0.02)
    results.put(dict(counted))


def _ask(tenant_id: UUID) -> None:
    """Ask for an environment of Zone 1, which is approved by policy, unless enough was asked for just now."""
    tenant = Tenant.objects.get(pk=tenant_id)
    if tenant.environment_requests.filter(created_at__gt=clock.now() - _JUST_NOW).count() >= MOST_AT_ONCE:
        return
    requester = User.objects.get(tenant=tenant, groups__name=Role.REQUESTER.value)
    draft = requests.create_draft(by=requester, **facts(environment_name=f"FIN-N{new_id().hex[:12]}-DEV"))
    requests.submit(draft.pk, by=requester, directory=Directory())


def _approve(tenant_id: UUID) -> None:
    sweeps.approve_due()


def _advance(tenant_id: UUID) -> None:
    for run_id in provisioning.due_runs():
        provisioning.advance(run_id)
