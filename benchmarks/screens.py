"""What the screens and the exports of lists cost with many requests.

    DATABASE_URL=postgres://… python -m benchmarks.screens --rows 100000

Works in a database of its own (Django's test database), which is thrown away. Every request has one entry of the log,
every tenth an environment with its clocks, every tenth waits at a gate. The pages are asked for by people of four
roles, as browsers do. ``cpu_ms`` is what this process computes for a page, whatever else the machine is busy with;
``cpu_ms_in_small_chunks`` is the same without ``core_app.stack_chunks``, in turns with it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

os.environ.setdefault("ELM_STATE_DIR", tempfile.mkdtemp(prefix="elm-benchmark-"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "elm_project.settings")

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth.models import Group  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext, override_settings, setup_databases, teardown_databases  # noqa: E402
from django.urls import reverse  # noqa: E402

from accounts_app.models import BusinessUnit, Tenant, User  # noqa: E402
from accounts_app.roles import Role  # noqa: E402
from accounts_app.services import create_tenant, grant  # noqa: E402
from audit_app import triggers  # noqa: E402
from audit_app.models import ProvisioningLog  # noqa: E402
from benchmarks.pending import wait_for_decision  # noqa: E402
from core_app import clock, tenancy  # noqa: E402
from exports_app import services  # noqa: E402
from exports_app.files import Format  # noqa: E402
from exports_app.services import Order  # noqa: E402
from exports_app.tables import LOG, REQUESTS, Names, Table  # noqa: E402
from provisioning_app.choices import EnvironmentStatus  # noqa: E402
from provisioning_app.models import Environment, GovernedControl  # noqa: E402
from provisioning_app.policy_gap import CONTROLS  # noqa: E402
from requests_app.choices import State, Zone  # noqa: E402
from requests_app.models import EnvironmentRequest  # noqa: E402

BATCH = 2000
PAGES = {
    "overview": "admin:index",
    "requests": "admin:requests_app_environmentrequest_changelist",
    "log": "admin:audit_app_provisioninglog_changelist",
    "operations": "operations",
    "queue": "admin:requests_app_environmentrequest_approvals",
}
STATES = (State.COMPLETED,) * 15 + (State.DRAFT, State.REJECTED, State.FAILED) + (State.PENDING_APPROVAL,) * 2


def main() -> int:
    """Measure everything; print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    rows = parser.parse_args().rows
    connection.settings_dict["TEST"]["MIGRATE"] = False  # the tables as the models have them: it saves half a minute
    settings.ALLOWED_HOSTS = ["testserver"]
    before = setup_databases(verbosity=0, interactive=False)
    try:
        with tenancy.everywhere("a benchmark has a database of its own"):
            result = measure(rows)
    finally:
        teardown_databases(before, verbosity=0)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 0


def measure(rows: int) -> dict[str, Any]:
    """Return the figures of pages and exports."""
    tenant = create_tenant("Benchmark", uuid4())
    unit = BusinessUnit.objects.create(tenant=tenant, name="Everybody")
    people = {role: person(role, unit) for role in (Role.REQUESTER, Role.APPROVER, Role.OPERATOR, Role.AUDITOR)}
    fill(rows, tenant, unit, people)
    machine = {"cpus": os.cpu_count(), "load_average": round(os.getloadavg()[0], 1)}
    result: dict[str, Any] = {
        "database": connection.vendor,
        "rows": rows,
        "machine": machine,
        "pages": {},
        "exports": {},
    }
    for role, user in people.items():
        client = Client()
        client.force_login(user, backend="sign_in_app.backends.LocalPasswordBackend")
        for name, address in addresses().items():
            if (figures := page(client, address)) is not None:
                result["pages"][f"{name}, {role}"] = figures
    for table in (REQUESTS, LOG):
        for file_format in Format:
            result["exports"][f"{table.key}, {file_format}"] = export(people[Role.AUDITOR], tenant, table, file_format)
    if connection.vendor == "postgresql":
        result["exports"]["limit: COPY of the log to CSV"] = copied(ProvisioningLog._meta.db_table)
    return result


def addresses() -> dict[str, str]:
    """Return the address of each page; of a request's, that of one which waits, and of the form that of a draft."""
    waits = EnvironmentRequest.objects.filter(state=State.PENDING_APPROVAL).latest("number")
    draft = EnvironmentRequest.objects.filter(state=State.DRAFT).latest("number")
    name = "admin:requests_app_environmentrequest"
    return {page: reverse(view) for page, view in PAGES.items()} | {
        "form": reverse(f"{name}_change", args=[waits.pk]),
        "brief": reverse(f"{name}_brief", args=[waits.pk]),
        "guided form": reverse(f"{name}_guided", args=[draft.pk]) + "?step=zone",
    }


def person(role: Role, unit: BusinessUnit) -> User:
    """Make a person with a role over the whole tenant."""
    name = role.label.removeprefix("ELM ").lower()
    user = User.objects.create_user(f"{name}@benchmark.example", "a long password", tenant=unit.tenant)
    user.business_unit, user.is_staff = unit, True
    user.save()
    if role == Role.REQUESTER:
        user.groups.add(Group.objects.get(name=role.value))
    else:
        grant(user, role, unit.tenant)
    user.authenticated_at = clock.now()
    return user


def fill(rows: int, tenant: Tenant, unit: BusinessUnit, people: dict[Role, User]) -> None:
    """Insert requests in the states of an installation that has been in use for a year."""
    triggers.drop()
    now = datetime.now(UTC)
    for begin in range(0, rows, BATCH):
        numbers = range(begin + 1, min(begin + BATCH, rows) + 1)
        made = [
            request(number, now - timedelta(minutes=5 * (rows - number)), tenant, unit, people) for number in numbers
        ]
        wait_for_decision([row for row in made if row.state == State.PENDING_APPROVAL], [unit], people[Role.OPERATOR])
        EnvironmentRequest.objects.bulk_create(row for row in made if row.state != State.PENDING_APPROVAL)
        ProvisioningLog.objects.bulk_create(map(entry, made))
        Environment.objects.bulk_create(map(environment, made[::10]))
    controls = (control(row, name) for row in Environment.objects.iterator() for name in CONTROLS.values())
    for batch in batched(controls):
        GovernedControl.objects.bulk_create(batch)
    triggers.install()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def batched(rows: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield lists of at most ``BATCH`` rows."""
    batch: list[Any] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch


def request(
    number: int, at: datetime, tenant: Tenant, unit: BusinessUnit, people: dict[Role, User]
) -> EnvironmentRequest:
    """Return a request as it would stand."""
    state = STATES[number % len(STATES)]
    decided = state not in (State.DRAFT, State.PENDING_APPROVAL)
    return EnvironmentRequest(
        number=number,
        request_number=f"REQ-{number:05}",
        environment_name=f"FIN-Many{number}-DEV",
        environment_type=1,
        region=1,
        zone=Zone(number % 3 + 1 if decided else number % 2 + 2),
        zone_rationale="The answers follow the data inventory.",
        business_justification="=SUM(A1) is what a spreadsheet would run; colleagues replace one that many edit.",
        data_sensitivity=2,
        expected_users=2,
        security_group_id=str(uuid4()),
        requester=people[Role.REQUESTER],
        tenant=tenant,
        business_unit=unit,
        created_at=at,
        requested_on=at,
        state=state,
        approver=people[Role.OPERATOR] if decided else None,
        approved_on=at if decided else None,
        approval_comments="Use the shared environment." if decided else "",
        provisioning_started=at if state in (State.COMPLETED, State.FAILED) else None,
        provisioning_completed=at + timedelta(minutes=13) if state == State.COMPLETED else None,
        environment_id=str(uuid4()) if state == State.COMPLETED else "",
        failure_reason="The quota is used up." if state == State.FAILED else "",
    )


def entry(row: EnvironmentRequest) -> ProvisioningLog:
    """Return an entry about a request, of the usual size."""
    return ProvisioningLog(
        tenant=row.tenant,
        environment_request=row,
        subject=row.request_number,
        sequence=1,
        action=1,
        action_details={"step": "baseline", "attempt": 1, "proof": ["auditing", "session timeout"]},
        actor="requester@benchmark.example",
        actor_type=1,
        timestamp=row.created_at,
        chain=f"request:{row.pk}",
        canonical=b"x" * 500,
        previous_hash="0" * 64,
        entry_hash="0" * 64,
    )


def environment(row: EnvironmentRequest) -> Environment:
    """Return the environment of a request."""
    return Environment(
        tenant=row.tenant,
        business_unit=row.business_unit,
        request=row,
        environment_id=str(uuid4()),
        display_name=row.environment_name,
        domain_name=f"many-{row.number}",
        zone=row.zone,
        status=EnvironmentStatus.ACTIVE,
        created_at=row.created_at,
    )


def control(row: Environment, name: str) -> GovernedControl:
    """Return when a control of an environment was proved."""
    return GovernedControl(environment=row, control=name, governed_at=row.created_at, seconds=len(name))


def page(client: Client, address: str) -> dict[str, float] | None:
    """Return what a page costs when it is asked for five times; None where the person may not open it."""
    if client.get(address).status_code != 200:
        return None
    with CaptureQueriesContext(connection) as captured:
        client.get(address)
    asked, peer = captured.captured_queries, in_small_chunks(client)
    costs, costs_of_peer = [], []
    for _ in range(5):
        costs.append(cost(client, address))
        costs_of_peer.append(cost(peer, address))
    return {
        "queries": len(asked),
        "database_ms": round(sum(float(query["time"]) for query in asked) * 1000, 1),
        "cpu_ms": round(statistics.median(computed for computed, _ in costs), 1),
        "cpu_ms_in_small_chunks": round(statistics.median(computed for computed, _ in costs_of_peer), 1),
        "median_ms": round(statistics.median(spent for _, spent in costs), 1),
    }


def cost(client: Client, address: str) -> tuple[float, float]:
    """Return the milliseconds that this process computes for a page, and those that pass."""
    began, computing = time.perf_counter(), time.process_time()
    client.get(address)
    return (time.process_time() - computing) * 1000, (time.perf_counter() - began) * 1000


def in_small_chunks(client: Client) -> Client:
    """Return a browser of the same person, for whom calls do not lie in one chunk of the stack."""
    other = Client()
    other.cookies = client.cookies
    others = [name for name in settings.MIDDLEWARE if name != "core_app.stack_chunks.in_one_chunk"]
    with override_settings(MIDDLEWARE=others):
        other.handler.load_middleware()
    return other


def export(user: User, tenant: Tenant, table: Table, file_format: Format) -> dict[str, float]:
    """Return what an export of every row costs, as the web server streams it."""
    peak, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    rows = table.model._default_manager.all()
    download = services.stream(
        services.start_export(tenant.pk, Order(table, rows, {}, (), file_format, Names.OURS), by=user)
    )
    size, first = len(next(download)), time.perf_counter() - began
    for part in download:
        size += len(part)
        first = first if size > len(part) else time.perf_counter() - began
    spent = time.perf_counter() - began
    ended = ProvisioningLog.objects.filter(action=181).latest("timestamp")
    return {
        "rows": ended.action_details["rows"],
        "rows_per_s": round(ended.action_details["rows"] / spent),
        "first_byte_ms": round(first * 1000, 1),
        "mb": round(size / 1e6, 1),
        "more_memory_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) // 1024,
    }


def copied(name: str) -> dict[str, float]:
    """Return how fast PostgreSQL itself writes a table as CSV."""
    connection.ensure_connection()
    began, rows = time.perf_counter(), 0
    with connection.connection.cursor() as cursor, cursor.copy(f"COPY {name} TO STDOUT (FORMAT csv)") as stream:
        rows = sum(bytes(chunk).count(b"\n") for chunk in stream)
    return {"rows": rows, "rows_per_s": round(rows / (time.perf_counter() - began))}


if __name__ == "__main__":
    sys.exit(main())
