"""The reconciler: compares our rows with Microsoft and with each other, at start-up and every five minutes.

It mends what is only ours (slots, dispatch), quarantines what nobody owns, and proposes the rest as findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from django.db.models import F
from django.utils.translation import gettext_noop as noop

from accounts_app.cloud import cloud_for
from accounts_app.locks import locked_tenant
from accounts_app.models import Tenant, TenantIdentity
from core_app import clock
from core_app.one_by_one import each
from core_app.transactions import transactional
from microsoft_cloud import Cloud
from microsoft_cloud.bap import Environment as RemoteEnvironment
from microsoft_cloud.errors import AuthenticationError, CloudError, NotFoundError, PermanentError
from microsoft_cloud.operations import Operation
from provisioning_app import drift, findings, parking, quarantine, register, services, tenants, watch
from provisioning_app.choices import LIVE_STATUSES, EnvironmentStatus, FindingKind, RemoteState, RunStatus
from provisioning_app.findings import Difference
from provisioning_app.models import Environment, ProvisioningRun, Slot
from requests_app.choices import State
from requests_app.models import EnvironmentRequest
from requests_app.services.rows import locked

log = structlog.get_logger(__name__)

OVERDUE: Final = timedelta(minutes=10)  # two sweeps: nothing that merely waits for its place is approved this long
HISTORIES_PER_PASS: Final = 20
_PASS: Final = timedelta(minutes=5)
_CLOCKS_DIFFER_BY: Final = timedelta(minutes=5)
_TAG = re.compile(r"elm:request=([0-9a-fA-F-]{36})")

Inventory = dict[str, RemoteEnvironment]


def reconcile_all() -> None:
    """Reconcile every tenant, first what is ours, then what Microsoft has; none that fails stops the others."""
    everyone = list(Tenant.objects.order_by("name"))
    each(everyone, reconcile_rows)
    each(everyone, reconcile_cloud)


def reconcile_rows(tenant: Tenant) -> None:
    """Free the slots of ended runs, dispatch what a lost doorbell left lying, and report parked runs."""
    findings.settle(tenant.pk, FindingKind.DEAD_SLOT, list(_freed_slots(tenant)))
    findings.settle(tenant.pk, FindingKind.UNDISPATCHED, _dispatched_late(tenant))
    findings.settle(tenant.pk, FindingKind.PARKED_RUN, parking.parked(tenant))


def reconcile_cloud(tenant: Tenant) -> None:
    """Compare the register and the runs of a tenant with its environments and operations at Microsoft."""
    has_principal = tenant.identities.filter(purpose=TenantIdentity.Purpose.PROVISIONING).exists()
    if tenant.halted_reason or not has_principal:
        return
    try:
        cloud = cloud_for(tenant, TenantIdentity.Purpose.PROVISIONING)
        me = cloud.own_object_id()
        # Microsoft first, our rows after it: what is created in between has a row by then
        inventory = {environment.id: environment for environment in cloud.bap.list_environments()}
        _take_vanished_off(tenant, cloud, inventory)
        findings.settle(tenant.pk, FindingKind.ENVIRONMENT_APPEARED, list(_appeared(tenant, inventory)))
        findings.settle(tenant.pk, FindingKind.ORPHAN_ENVIRONMENT, list(_orphans(tenant, me, inventory)))
        findings.settle(tenant.pk, FindingKind.NOT_MANAGED, list(drift.no_longer_managed(tenant, cloud, inventory)))
        findings.settle(tenant.pk, FindingKind.UNEXPLAINED_OPERATION, list(_unexplained(tenant, cloud, me, inventory)))
    except CloudError as error:
        tenants.halt_where_refused(tenant.pk, error)
        log.warning("tenant_not_reconciled", tenant=str(tenant.pk), reason=str(error))


# What is only ours


def _freed_slots(tenant: Tenant) -> Iterator[Difference]:
    dead = Slot.objects.filter(tenant=tenant, run__isnull=False).exclude(run__status__in=LIVE_STATUSES)
    for slot in dead.select_related("run__request"):
        run = slot.run
        if run is None or not Slot.objects.filter(pk=slot.pk, run=run).update(run=None):
            continue
        detail = noop("Slot %(slot)s was still held by %(run)s, which has ended; it was freed.") % {
            "slot": slot.number,
            "run": run,
        }
        yield Difference(FindingKind.DEAD_SLOT, str(run.pk), detail, run_id=run.pk, request_id=run.request_id)


def _dispatched_late(tenant: Tenant) -> list[Difference]:
    waiting = tenant.environment_requests.awaiting_dispatch().filter(approved_on__lt=clock.now() - OVERDUE)
    overdue = list(waiting.values_list("pk", flat=True))
    services.dispatch(tenant.pk)
    started = EnvironmentRequest.objects.filter(pk__in=overdue).exclude(state=State.APPROVED)
    return [
        Difference(
            FindingKind.UNDISPATCHED,
            str(request.pk),
            noop("%(request)s was approved and nobody had begun it although there was room; it was begun now.")
            % {"request": request},
            request_id=request.pk,
        )
        for request in started
    ]


# What Microsoft has


def _take_vanished_off(tenant: Tenant, cloud: Cloud, inventory: Inventory) -> None:
    """Take environments that are gone off the register, each confirmed by asking for it."""
    rows = Environment.objects.filter(tenant=tenant).exclude(status=EnvironmentStatus.DELETED)
    for row in rows.exclude(environment_id__in=inventory).order_by("created_at"):
        try:
            cloud.bap.get_environment(row.environment_id)
        except NotFoundError:
            _take_off(row)


@transactional
def _take_off(row: Environment) -> None:
    """Take an environment off the register, and open the finding with it: nobody sees the row a second time.

    The end of our own rollback, and of what belonged to nobody, is no news.
    """
    locked_tenant(row.tenant_id)
    if row.request_id:
        locked(row.request_id)
    fresh = Environment.objects.select_for_update(no_key=True).get(pk=row.pk)
    if fresh.status == EnvironmentStatus.DELETED or fresh.rollbacks.filter(finished_at__isnull=True).exists():
        return
    was_owned = fresh.request_id is not None
    register.take_off(fresh)
    if was_owned:
        findings.open_finding(row.tenant_id, _vanished(row))


def _vanished(row: Environment) -> Difference:
    runs = ProvisioningRun.objects.filter(tenant=row.tenant_id, environment_id=row.environment_id)
    return Difference(
        FindingKind.ENVIRONMENT_VANISHED,
        row.environment_id,
        noop("%(environment)s does not exist any more, and was not deleted by us.") % {"environment": row},
        environment_id=row.environment_id,
        run_id=runs.order_by("-attempt").values_list("pk", flat=True).first(),
        request_id=row.request_id,
    )


def _appeared(tenant: Tenant, inventory: Inventory) -> Iterator[Difference]:
    """Yield environments whose run had given them up."""
    lost = ProvisioningRun.objects.filter(tenant=tenant, status=RunStatus.FAILED, remote_state=RemoteState.UNKNOWN)
    requests = set(lost.values_list("request", flat=True))  # asked once: nearly every environment is of no such request
    for environment in inventory.values():
        run = _last_run(tenant, environment) if _tagged(environment) in requests else None
        if run is not None and _is_given_up(run):
            yield watch.appeared(run, environment)


def _orphans(tenant: Tenant, me: str, inventory: Inventory) -> Iterator[Difference]:
    """Yield environments that our principal created and that no request owns, and quarantine them."""
    owned = Environment.objects.filter(tenant=tenant, request__isnull=False).exclude(status=EnvironmentStatus.DELETED)
    explained = set(owned.values_list("environment_id", flat=True))
    for environment in inventory.values():
        is_ours = environment.created_by_id.lower() == me and environment.id not in explained
        if not is_ours or environment.provisioning_state == "Deleting" or _has_owner(tenant, environment):
            continue
        reason = noop("It was created by our service principal and belongs to no request.")
        row = _quarantined(tenant, environment, reason)
        yield Difference(
            FindingKind.ORPHAN_ENVIRONMENT,
            environment.id,
            noop("%(environment)s: %(reason)s It is quarantined.") % {"environment": row, "reason": reason},
            environment_id=environment.id,
            request_id=row.request_id,
        )


def _has_owner(tenant: Tenant, environment: RemoteEnvironment) -> bool:
    row = Environment.objects.filter(tenant=tenant, environment_id=environment.id).first()
    if row is not None:
        return row.request_id is not None and row.status != EnvironmentStatus.DELETED
    if ProvisioningRun.objects.filter(tenant=tenant, environment_id=environment.id, status__in=LIVE_STATUSES).exists():
        return True
    run = _last_run(tenant, environment)
    return run is not None and (run.status in LIVE_STATUSES or _is_given_up(run))


@transactional
def _quarantined(tenant: Tenant, environment: RemoteEnvironment, reason: str) -> Environment:
    """Return the register's row of an environment nobody owns, quarantined; one that was deleted has come back."""
    locked_tenant(tenant.pk)
    row = Environment.objects.filter(tenant=tenant, environment_id=environment.id).first()
    if row is not None and row.status == EnvironmentStatus.QUARANTINED:
        return row
    if row is None:
        row = Environment(
            tenant=tenant,
            environment_id=environment.id,
            display_name=environment.display_name[:100],
            domain_name=environment.domain_name[:64],
            url=environment.instance_url,
            created_at=findings.first_seen(tenant.pk, environment.id) or clock.now(),
        )
    elif row.request is not None:
        locked(row.request.pk)
        reason = noop("It had been deleted and exists again.")
        if row.request.environments.exclude(status=EnvironmentStatus.DELETED).exists():
            row.request = None  # another environment serves the request by now
    quarantine.put(row, reason)
    return row


def _unexplained(tenant: Tenant, cloud: Cloud, me: str, inventory: Inventory) -> Iterator[Difference]:
    """Yield operations that our principal started while we had no reason to; a few environments per pass, in turn."""
    rows = Environment.objects.filter(tenant=tenant).exclude(status=EnvironmentStatus.DELETED).select_related("request")
    for row in rows.order_by(F("operations_read_at").asc(nulls_first=True), "created_at")[:HISTORIES_PER_PASS]:
        Environment.objects.filter(pk=row.pk).update(operations_read_at=clock.now())  # also when it cannot be read
        request = row.request or _request_of(tenant, inventory.get(row.environment_id))
        reasons = list(_reasons_to_act(request)) if request else []
        for operation in _our_operations(cloud, me, row.environment_id):
            is_known = row.request is None and operation.type == "Create"  # that is what makes it an orphan
            if not is_known and not _is_explained(operation, reasons):
                yield _without_a_run(operation, row.environment_id, str(row), row.request_id)
    for foreign in _foreign(tenant, me, inventory):
        for operation in _our_operations(cloud, me, foreign.id):
            if operation.created_time and operation.created_time >= tenant.created_at:
                name = noop("%(environment)s, which is none of ours,") % {"environment": foreign.display_name}
                yield _without_a_run(operation, foreign.id, name, None)


def _foreign(tenant: Tenant, me: str, inventory: Inventory) -> list[RemoteEnvironment]:
    """Return some environments that are not ours at all, other ones in each pass: we have no business there."""
    ours = set(Environment.objects.filter(tenant=tenant).values_list("environment_id", flat=True))
    foreign = [inventory[key] for key in sorted(inventory.keys() - ours) if inventory[key].created_by_id.lower() != me]
    turns = -(-len(foreign) // HISTORIES_PER_PASS) or 1
    turn = int(clock.now().timestamp() // _PASS.total_seconds()) % turns
    return foreign[turn * HISTORIES_PER_PASS : (turn + 1) * HISTORIES_PER_PASS]


def _our_operations(cloud: Cloud, me: str, environment_id: str) -> list[Operation]:
    try:
        operations = cloud.bap.operations_of(environment_id)
    except NotFoundError:
        return []  # gone since it was listed
    except AuthenticationError:
        raise  # nothing will work with this identity, here or elsewhere
    except PermanentError as error:
        log.warning("operations_not_read", environment=environment_id, reason=str(error))
        return []
    return [operation for operation in operations if operation.requested_by.lower() == me]


def _without_a_run(operation: Operation, environment_id: str, name: str, request_id: UUID | None) -> Difference:
    return Difference(
        FindingKind.UNEXPLAINED_OPERATION,
        operation.id,
        noop(
            "Our service principal started %(what)s on %(environment)s at %(at)s UTC, and no run "
            "explains it. Was its credential used elsewhere?"
        )
        % {"what": operation.type, "environment": name, "at": f"{operation.created_time:%F %H:%M}"},
        environment_id=environment_id,
        request_id=request_id,
    )


def _request_of(tenant: Tenant, environment: RemoteEnvironment | None) -> EnvironmentRequest | None:
    """Return the request whose tag an environment without an owner carries: its runs may have worked on it once."""
    request_id = _tagged(environment) if environment else None
    return EnvironmentRequest.objects.filter(tenant=tenant, pk=request_id).first() if request_id else None


def _reasons_to_act(request: EnvironmentRequest) -> Iterator[tuple[datetime, datetime]]:
    """Yield the times in which our principal had something to do for a request."""
    now, slack = clock.now(), _CLOCKS_DIFFER_BY
    for run in request.runs.filter(started_at__isnull=False):
        yield (run.started_at or run.queued_at) - slack, (run.finished_at or now) + slack
    for opened, closed in request.gaps.values_list("opened_at", "closed_at"):
        yield opened - slack, (closed or now) + slack


def _is_explained(operation: Operation, reasons: Iterable[tuple[datetime, datetime]]) -> bool:
    at = operation.created_time
    return at is None or any(begin <= at <= end for begin, end in reasons)


def _last_run(tenant: Tenant, environment: RemoteEnvironment) -> ProvisioningRun | None:
    """Return the newest run of the request whose tag an environment carries."""
    request_id = _tagged(environment)
    if request_id is None:
        return None
    runs = ProvisioningRun.objects.filter(tenant=tenant, request=request_id).select_related("request")
    return runs.order_by("-attempt").first()


def _tagged(environment: RemoteEnvironment) -> UUID | None:
    """Return the request whose tag an environment carries."""
    tag = _TAG.search(environment.description)
    try:
        return UUID(tag.group(1)) if tag else None
    except ValueError:
        return None


def _is_given_up(run: ProvisioningRun) -> bool:
    return run.status == RunStatus.FAILED and run.remote_state == RemoteState.UNKNOWN
