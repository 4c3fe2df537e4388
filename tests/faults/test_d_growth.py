"""D14 to D16 of the fault list: a log of millions of entries, identifiers past 2^31, request numbers past 99,999."""

from __future__ import annotations

import os
import re
import threading
import time
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, models, transaction
from django.urls import reverse

from audit_app import triggers
from audit_app.models import ChainHead, ProvisioningLog
from audit_app.verify import verify_log
from core_app.ids import new_id
from microsoft_cloud.errors import TransientError
from provisioning_app import breaker
from provisioning_app.models import CircuitBreaker
from requests_app.choices import State, Zone
from requests_app.intake import receive
from requests_app.models import EnvironmentRequest, RequestCounter
from tests.factories import make_people, make_request
from tests.requests_app.payloads import payload_of
from tests.screens import client_of

ROWS = int(os.environ.get("ELM_FAULT_ROWS", "20000"))
LONGEST_LOCK_SECONDS = 2.0
BEYOND_32_BITS = 2**31 + 1
LOG = "audit_app_provisioninglog"
HARMLESS = re.compile(r"CREATE (UNIQUE )?INDEX CONCURRENTLY|DROP INDEX CONCURRENTLY|.* NOT VALID|ALTER .* VALIDATE ")
NEW_TABLE = re.compile(r'CREATE TABLE "(\w+)"')

# Tables of the frameworks whose 32-bit keys count roles, permissions and models of the code, or nothing at all
OF_THE_FRAMEWORKS = {
    "auth_group": "the roles",
    "auth_permission": "the permissions in the code",
    "auth_group_permissions": "roles times permissions",
    "django_content_type": "the models in the code",
    "django_admin_log": "never written (core_app.admin)",
    "guardian_userobjectpermission": "never written: grants have tables of their own",
    "guardian_groupobjectpermission": "never written: grants have tables of their own",
    "axes_accessattempt": "guessed passwords, throttled",
    "axes_accessattemptexpiration": "guessed passwords, throttled",
    "axes_accessfailurelog": "never written, unless AXES_ENABLE_ACCESS_FAILURE_LOG",
    "axes_accesslog": "never written (AXES_DISABLE_ACCESS_LOG)",
    **dict.fromkeys(
        (
            "account_emailaddress",
            "account_emailconfirmation",
            "socialaccount_socialaccount",
            "socialaccount_socialapp",
            "socialaccount_socialtoken",
        ),
        "never written: people are known by tenant and object id",
    ),
}
# Our own 32-bit numbers, and what keeps them small
BOUNDED = {
    "state": "one of nine",
    "hours": "checked by the tenant's settings",
    "session_generation": "raised by a click of a person",
    "seconds": "68 years fit",
    "failures": "in a row, forgotten after minutes",
    "openings": "in a row, forgotten after minutes",
    "attempts": "one per sweep of an open gap",
}


# D14


@pytest.fixture
def long_log(transactional_db):
    """Let the log have as many entries as this run wants, copies of a real one on chains of their own."""
    entry = make_request(people=make_people()).log_entries.first()
    columns = [field.column for field in ProvisioningLog._meta.concrete_fields]
    changed = {"id": "gen_random_uuid()", "chain": "'bulk:' || copy", "sequence": "1"}
    values = ", ".join(changed.get(column, column) for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {LOG} ({', '.join(columns)}) "
            f"SELECT {values} FROM {LOG}, generate_series(1, %s) AS copy WHERE id = %s",
            [ROWS, entry.pk],
        )
    return entry


class Bystander:
    """Somebody else who reads and writes the log all the time, and knows how long that took at most."""

    def __init__(self, entry):
        self.entry, self.slowest, self.rounds, self.error = entry, 0.0, 0, None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _work(self):
        try:
            with another_session() as session:
                session.execute(f"SET lock_timeout = '{LONGEST_LOCK_SECONDS}s'")
                while not self._ended.is_set():
                    for statement in (
                        f"SELECT 1 FROM {LOG} WHERE chain = 'bulk:1'",
                        f"INSERT INTO {LOG} {self._copy()}",
                    ):
                        began = time.monotonic()
                        session.execute(statement)
                        self.slowest = max(self.slowest, time.monotonic() - began)
                    self.rounds += 1
        except psycopg.Error as error:
            self.error = error

    def _copy(self):
        names = [field.column for field in ProvisioningLog._meta.concrete_fields]
        changed = {"id": "gen_random_uuid()", "chain": f"'bystander:{self.rounds}'"}
        columns = ", ".join(changed.get(name, name) for name in names)
        return f"({', '.join(names)}) SELECT {columns} FROM {LOG} WHERE id = '{self.entry.pk}'"


def another_session():
    database = connection.settings_dict
    return psycopg.connect(
        dbname=database["NAME"],
        host=database["HOST"],
        port=database["PORT"] or None,
        user=database["USER"],
        password=database["PASSWORD"] or None,
        autocommit=True,
    )


def migrate():
    """Migrate as a deployment does; here that is what comes before and after every migration."""
    try:
        call_command("migrate", verbosity=0)
    finally:
        connections.close_all()


def until(condition, *, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def waits_for_the_log(session):
    """Return which session queues for a lock of the log that locks out everybody."""
    query = (
        "SELECT pid, waitstart FROM pg_locks WHERE relation = %s::regclass AND mode = 'AccessExclusiveLock' "
        "AND NOT granted"
    )
    return session.execute(query, [LOG]).fetchone()


@pytest.mark.postgres
def test_d14_a_migration_on_a_long_log_locks_nobody_out_not_even_behind_a_long_read(long_log):
    with Bystander(long_log) as bystander, another_session() as reader, another_session() as observer:
        until(lambda: bystander.rounds or bystander.error)
        migrate()

        migration = threading.Thread(target=migrate)
        with reader.transaction():
            reader.execute(f"SELECT 1 FROM {LOG} LIMIT 1")  # an export, a backup, a forgotten session
            migration.start()
            seen = set()
            # It gives up and comes again, more than once
            until(lambda: seen.add(waits_for_the_log(observer)) or len(seen - {None}) > 1 or bystander.error)
            passed = bystander.rounds
            until(lambda: bystander.rounds > passed or bystander.error)
            is_patient = migration.is_alive()
        migration.join()

    assert bystander.error is None
    assert is_patient
    assert bystander.slowest < LONGEST_LOCK_SECONDS
    assert triggers.missing() == set()
    assert ProvisioningLog.objects.count() > ROWS


def holding_up(sql):
    """Return the statements of a migration that hold up everybody on a log of millions."""
    done = [line for line in sql.splitlines() if line and not line.startswith("--")]
    # What is done to tables that the migration itself makes, and to the short one of the heads, holds nobody up
    short = [*NEW_TABLE.findall(sql), "audit_app_chainhead"]
    done = [line for line in done if not any(f'"{table}"' in line for table in short)]
    return [line for line in done if line not in ("BEGIN;", "COMMIT;") and not HARMLESS.match(line)]


@pytest.mark.parametrize(
    ("statement", "is_harmful"),
    [
        (f"ALTER TABLE {LOG} ADD CONSTRAINT known CHECK (action > 0);", True),
        (f"ALTER TABLE {LOG} ALTER COLUMN sequence TYPE bigint;", True),
        (f"CREATE INDEX by_actor ON {LOG} (actor);", True),
        (f"ALTER TABLE {LOG} ADD CONSTRAINT known CHECK (action > 0) NOT VALID;", False),
        (f"ALTER TABLE {LOG} VALIDATE CONSTRAINT known;", False),
        (f"CREATE INDEX CONCURRENTLY by_actor ON {LOG} (actor);", False),
        ('CREATE TABLE "audit_app_new" ("id" uuid);', False),
    ],
)
def test_d14_a_statement_that_rewrites_or_scans_the_log_under_lock_is_known(statement, is_harmful):
    assert bool(holding_up(f"BEGIN;\n-- What it does\n{statement}\nCOMMIT;")) == is_harmful


@pytest.mark.postgres
@pytest.mark.django_db
def test_d14_no_migration_of_the_log_rewrites_or_scans_it_under_lock(settings):
    settings.MIGRATION_MODULES = {}
    folder = Path(apps.get_app_config("audit_app").path) / "migrations"
    for name in sorted(file.stem for file in folder.glob("[0-9]*.py")):
        statements = StringIO()
        call_command("sqlmigrate", "audit_app", name, stdout=statements, no_color=True)
        assert holding_up(statements.getvalue()) == [], f"{name}: see docs/architecture.md"


# D15


def integer_columns():
    """Yield every column of every table that holds a whole number, with the field that decides how large."""
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.concrete_fields:
            target = field
            while target.is_relation:
                target = target.target_field
            if isinstance(target, models.IntegerField | models.AutoField):
                yield model._meta.db_table, field.column, target


def test_d15_every_number_that_can_grow_has_64_bits(settings):
    assert settings.DEFAULT_AUTO_FIELD == "django.db.models.BigAutoField"
    narrow = set()
    for table, column, field in integer_columns():
        is_choice = isinstance(field, models.PositiveSmallIntegerField)
        is_wide = isinstance(field, models.BigIntegerField | models.PositiveBigIntegerField | models.BigAutoField)
        of_framework = field.model._meta.db_table in OF_THE_FRAMEWORKS or table in OF_THE_FRAMEWORKS
        if not (is_choice or is_wide or of_framework or column in BOUNDED):
            narrow.add(f"{table}.{column}")
    assert narrow == set()


@pytest.mark.postgres
@pytest.mark.django_db
def test_d15_the_databases_own_columns_and_sequences_are_as_wide():
    with connection.cursor() as cursor:
        cursor.execute("SELECT sequencename FROM pg_sequences WHERE data_type::text <> 'bigint'")
        narrow = {name for (name,) in cursor.fetchall()}
    assert {name.removesuffix("_id_seq") for name in narrow} <= set(OF_THE_FRAMEWORKS)


@pytest.mark.postgres
def test_d15_rows_past_the_end_of_32_bits_are_rows_like_any_other(people, clock):
    request = make_request(people=people)
    with connection.cursor() as cursor:  # nobody walks two thousand million steps
        cursor.execute("SELECT setval('provisioning_app_circuitbreaker_id_seq', %s)", [BEYOND_32_BITS - 1])
    breaker.failed(people.tenant.pk, TransientError("no connection", service="bap"))
    assert CircuitBreaker.objects.get(tenant=people.tenant).pk == BEYOND_32_BITS

    RequestCounter.objects.filter(tenant=people.tenant).update(last=BEYOND_32_BITS - 1)
    later = make_request(State.COMPLETED, people=people, zone=Zone.ZONE_2)
    assert (later.number, later.request_number) == (BEYOND_32_BITS, f"REQ-{BEYOND_32_BITS}")
    assert list(EnvironmentRequest.objects.order_by("number")) == [request, later]
    assert later.history.first().number == BEYOND_32_BITS


def test_d15_a_chain_goes_on_past_the_end_of_32_bits(people, clock):
    tenant = people.tenant
    ChainHead.objects.filter(chain=tenant.log_chain().key).update(sequence=BEYOND_32_BITS - 1)

    breaker.failed(tenant.pk, TransientError("no connection", service="bap"))

    entry = ProvisioningLog.objects.get(chain=tenant.log_chain().key, sequence=BEYOND_32_BITS)
    findings = verify_log().findings
    assert [(finding.classification, finding.entry) for finding in findings] == [
        ("DELETED", f"{entry.chain}#{BEYOND_32_BITS}")  # the numbers that this test left out, and nothing else
    ]


# D16


def shown(person, screen, column):
    """Return a list's rows in the order in which a person sees them after a click on a column's head."""
    address = reverse(f"admin:{screen}_changelist")
    client = client_of(person)
    index = list(client.get(address).context["cl"].list_display).index(column)
    return list(client.get(address, {"o": index}).context["cl"].result_list)


def test_d16_request_numbers_go_on_past_99999_in_order_and_only_once(people, clock):
    make_request(people=people)
    RequestCounter.objects.filter(tenant=people.tenant).update(last=99_998)
    made = [make_request(people=people) for _ in range(3)]
    by_intake = receive(payload_of(people), by=None).request

    numbers = ["REQ-00001", "REQ-99999", "REQ-100000", "REQ-100001", "REQ-100002"]
    assert by_intake.request_number == numbers[-1]
    listed = shown(people.requester, "requests_app_environmentrequest", "numbered")
    assert [request.request_number for request in listed] == numbers
    about = shown(people.auditor, "audit_app_provisioninglog", "about")
    in_order = list(dict.fromkeys(entry.subject for entry in about if entry.environment_request_id))
    assert in_order == numbers
    found = client_of(people.auditor).get(reverse("admin:audit_app_provisioninglog_changelist"), {"q": "REQ-100000"})
    assert {entry.subject for entry in found.context["cl"].result_list} == {"REQ-100000"}
    twin = EnvironmentRequest.objects.get(pk=made[0].pk)
    twin.pk, twin.number = new_id(), 100_000
    with pytest.raises(IntegrityError, match="number"), transaction.atomic():
        twin.save(force_insert=True)
    assert verify_log().ok
