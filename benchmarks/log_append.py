"""What an entry of the log costs, beside other ways to write a row, and what signing and verifying cost.

    DATABASE_URL=postgres://… python -m benchmarks.log_append --rows 20000

Works in a database of its own (Django's test database), which is thrown away. django-auditlog is a development
dependency that only this program makes an app of. Rows are written one transaction each, as verbs do.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

os.environ.setdefault("ELM_STATE_DIR", tempfile.mkdtemp(prefix="elm-benchmark-"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "elm_project.settings")

import django
from django.conf import settings

settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "auditlog"]
django.setup()

from auditlog.models import LogEntry  # noqa: E402
from auditlog.registry import auditlog  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402

from accounts_app.models import BusinessUnit  # noqa: E402
from accounts_app.services import create_tenant  # noqa: E402
from audit_app.actions import Action  # noqa: E402
from audit_app.actors import SYSTEM  # noqa: E402
from audit_app.checkpoints import sign_now  # noqa: E402
from audit_app.log import Chain, record  # noqa: E402
from audit_app.models import ProvisioningLog  # noqa: E402
from audit_app.verify import verify_log  # noqa: E402

DETAILS = {"step": "baseline", "attempt": 1, "environment": "5e1f0000-0000-4000-8000-000000000001"}
CHAIN_LENGTH = 20  # about what a request has


class OnChain:
    """A subject with a chain of its own."""

    def __init__(self, tenant: Any) -> None:
        self.tenant, self.key = tenant, uuid4()

    def log_chain(self) -> Chain:
        """Return its chain."""
        return Chain(f"benchmark:{self.key}", self.tenant.pk, "REQ-00001")


def each(rows: int, write: Callable[[int], Any]) -> dict[str, float]:
    """Write rows, one transaction each; return the median and the 95th percentile in ms, and rows a second."""
    spent = []
    began = time.perf_counter()
    for number in range(rows):
        start = time.perf_counter()
        with transaction.atomic():
            write(number)
        spent.append(time.perf_counter() - start)
    total = time.perf_counter() - began
    spent.sort()
    return {
        "median_ms": round(spent[rows // 2] * 1000, 3),
        "p95_ms": round(spent[int(rows * 0.95)] * 1000, 3),
        "rows_per_s": round(rows / total),
    }


def main() -> int:
    """Measure everything; print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5000)
    rows = parser.parse_args().rows
    connection.settings_dict["TEST"]["MIGRATE"] = False  # the tables as the models have them: it saves half a minute
    if connection.vendor == "postgresql":
        connection.settings_dict["TEST"]["NAME"] = f"benchmark_{os.getpid()}"  # nobody else's on this server
    before = setup_databases(verbosity=0, interactive=False)
    try:
        result = measure(rows)
    finally:
        teardown_databases(before, verbosity=0)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 0


def measure(rows: int) -> dict[str, Any]:
    """Return the figures of every lane."""
    tenant = create_tenant("Benchmark", uuid4())
    few = max(rows // 4, 200)
    machine = {"cpus": os.cpu_count(), "load_average": round(os.getloadavg()[0], 1)}  # how busy others kept it
    result: dict[str, Any] = {"database": connection.vendor, "rows": rows, "machine": machine}
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE benchmark_raw (id varchar(36) PRIMARY KEY, actor varchar(200), details text)")
        insert = "INSERT INTO benchmark_raw VALUES (%s, %s, %s)"
        result["raw INSERT"] = each(few, lambda _n: cursor.execute(insert, [str(uuid4()), "x", json.dumps(DETAILS)]))
    result["plain ORM"] = each(few, lambda n: plain(tenant, f"plain {n}"))
    result["ORM with simple-history"] = each(few, lambda n: BusinessUnit(tenant=tenant, name=f"history {n}").save())
    _must_have_written("simple-history", BusinessUnit.history.count(), few)
    auditlog.register(BusinessUnit)
    result["ORM with django-auditlog"] = each(few, lambda n: plain(tenant, f"auditlog {n}"))
    auditlog.unregister(BusinessUnit)
    _must_have_written("django-auditlog", LogEntry.objects.count(), few)
    result |= append(tenant, rows)
    plainly = result["plain ORM"]["median_ms"]
    for lane in ("raw INSERT", "ORM with simple-history", "ORM with django-auditlog", "record(), last tenth"):
        result[lane]["times_plain_orm"] = round(result[lane]["median_ms"] / plainly, 2)
    return result


def plain(tenant: Any, name: str) -> None:
    """Insert a row as every lane of the ORM does, without simple-history's row beside it."""
    unit = BusinessUnit(tenant=tenant, name=name)
    unit.skip_history_when_saving = True
    unit.save()


def _must_have_written(library: str, count: int, expected: int) -> None:
    if count < expected:
        raise RuntimeError(f"{library} wrote {count} of {expected} rows.")


def append(tenant: Any, rows: int) -> dict[str, Any]:
    """Measure record() at the beginning and at the end of the log, then signing and verifying."""
    subject: list[OnChain] = []

    def write(number: int) -> None:
        if number % CHAIN_LENGTH == 0:
            subject[:] = [OnChain(tenant)]
        record(Action.PREFLIGHT_CHECKED, on=subject[0], by=SYSTEM, details=DETAILS)

    tenth = max(rows // 10, CHAIN_LENGTH)
    result: dict[str, Any] = {"record(), first tenth": each(tenth, write)}
    each(max(rows - 2 * tenth, 1), write)
    result["record(), last tenth"] = each(tenth, write)
    began = time.perf_counter()
    sign_now()
    entries = ProvisioningLog.objects.count()
    result["sequence and sign"] = {"entries_per_s": round(entries / (time.perf_counter() - began))}
    began = time.perf_counter()
    sign_now()
    result["checkpoint of a long log"] = {"ms": round((time.perf_counter() - began) * 1000, 1)}
    peak, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    report = verify_log()
    spent = time.perf_counter() - began
    if not report.ok:
        raise RuntimeError(f"The log does not verify: {report.defects[:3]}")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    result["verify_log"] = {
        "entries": entries,
        "entries_per_s": round(entries / spent),
        "more_memory_mb": grown // 1024,
    }
    return result


if __name__ == "__main__":
    sys.exit(main())
