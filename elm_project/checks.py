"""What ``manage.py check --deploy`` says about an installation that is not safe to run.

The checks of the servers, database and broker, run with ``manage.py check --deploy --database default``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags
from django.db import connections
from kombu.exceptions import OperationalError

from accounts_app import database_rights, row_security
from audit_app import triggers
from elm_project.celery import app
from elm_project.eviction import ADVICE, KEEPS, complaint, eviction_policy

_LIMITS = ["lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"]
_PLAIN_MAIL = ("console", "dummy", "filebased", "locmem")


def register() -> None:
    """Add the checks to Django's; called when the apps are ready."""
    checks.register(production_is_configured, Tags.security, deploy=True)
    checks.register(log_is_protected, Tags.database, deploy=True)
    checks.register(broker_keeps_messages, Tags.database, deploy=True)
    checks.register(every_wait_ends, Tags.database, deploy=True)
    checks.register(what_is_decided_on_is_the_latest, Tags.database, deploy=True)


def production_is_configured(**_options: Any) -> list[CheckMessage]:
    """Find what an embedded installation may make for itself and a production one must be given."""
    if not settings.PRODUCTION:
        return [
            checks.Warning(
                "This is an embedded installation, for demonstration and development.",
                hint="Set ELM_ENVIRONMENT=production, and what .env.example lists.",
                id="elm.W001",
            )
        ]
    return [*_missing_keys(), *_embedded_parts(), *_silent_mail(), *_unknown_signature(), *_unknown_authority()]


def _missing_keys() -> list[CheckMessage]:
    purposes = (("SECRET_KEY", "signs sessions", "elm.E001"), ("ELM_DOMAIN_NAME_KEY", "keys domain names", "elm.E002"))
    return [
        Error(
            f"{name} is not set: it {purpose}, and every host would make one of its own.",
            hint=f"Give every host the same {name}, at least 50 random characters.",
            id=identifier,
        )
        for name, purpose, identifier in purposes
        if not os.environ.get(name)
    ]


def _embedded_parts() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.DEBUG:
        found.append(Error("DEBUG is on: error pages show settings and data.", hint="Unset DEBUG.", id="elm.E003"))
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        found.append(
            Error(
                "The database is an SQLite file: one host, and whoever can read the file can write the log.",
                hint="Set DATABASE_URL to a PostgreSQL database.",
                id="elm.E004",
            )
        )
    if settings.CELERY_BROKER_URL.startswith(("filesystem", "memory")):
        found.append(
            Error(
                "The broker is the file system of one host, which may lose a message.",
                hint="Set CELERY_BROKER_URL to a Redis or RabbitMQ server.",
                id="elm.E005",
            )
        )
    return found


def _silent_mail() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if not os.environ.get("ELM_NOTIFICATIONS"):
        found.append(
            checks.Warning(
                "ELM_NOTIFICATIONS is not set: whether people are told is decided by whether mail is configured.",
                hint="Say ELM_NOTIFICATIONS=send; on a test system ELM_NOTIFICATIONS=sink, which tells nobody.",
                id="elm.W007",
            )
        )
    backend = settings.EMAIL_BACKEND.split(".")[-2]
    if settings.NOTIFICATIONS != "send" or backend in _PLAIN_MAIL:
        found.append(
            checks.Warning(
                "Nobody is notified: messages stay in the outbox or go to the console.",
                hint="Set EMAIL_URL to your SMTP server and ELM_NOTIFICATIONS to send.",
                id="elm.W002",
            )
        )
    return found


def _unknown_signature() -> list[CheckMessage]:
    """Find a host that neither signs the log nor knows whose signature to trust."""
    signs = settings.LOG_SIGNING_KEY_SECRET or os.access(settings.LOG_SIGNING_KEY_FILE, os.R_OK)
    if signs or settings.LOG_KEY_FINGERPRINTS:
        return []
    return [
        checks.Warning(
            "This host has no key to sign the log with and knows no fingerprint: it cannot tell who signed the log.",
            hint="Set ELM_LOG_KEY_FINGERPRINTS to what manage.py sign_log prints on the host that signs.",
            id="elm.W006",
        )
    ]


def _unknown_authority() -> list[CheckMessage]:
    """Find a time-stamp authority whose answers this host could not tell from anybody's."""
    if not settings.LOG_TSA_URL or os.access(settings.LOG_TSA_CERTIFICATES, os.R_OK):
        return []
    return [
        Error(
            "ELM_LOG_TSA_URL names a time-stamp authority, and nothing says by which certificates to know it.",
            hint="Set ELM_LOG_TSA_CERTIFICATES to a file with its root and intermediate certificates (PEM).",
            id="elm.E028",
        )
    ]


def log_is_protected(*, databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Find triggers and policies that are missing, and a database role that could remove or bypass them."""
    if not databases:
        return []
    found: list[CheckMessage] = [
        Error(
            f"The trigger {name} is missing, disabled or another one.",
            hint="Run manage.py migrate, which installs it again, then manage.py verify_log.",
            id="elm.E006",
        )
        for name in sorted(triggers.missing())
    ]
    found += [
        Error(
            f"The policy that keeps the tenants' rows of {table} apart is missing.",
            hint="Run manage.py migrate as the owner, which installs it.",
            id="elm.E009",
        )
        for table in row_security.missing()
    ]
    if settings.PRODUCTION and (powers := _powers_over_the_log(databases[0])):
        what = ", and ".join(powers)
        found.append(
            Error(
                f"The application connects as a role that {what}: it could switch off triggers and policies.",
                hint="Migrate as the owner, and run the application as a role that owns nothing.",
                id="elm.E007",
            )
        )
    return found


def broker_keeps_messages(*, databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Find a Redis that throws messages away when its memory is short."""
    if not databases:
        return []
    with app.connection_for_write() as connection:
        no_answer: tuple[type[BaseException], ...] = connection.connection_errors + connection.channel_errors
        no_answer += (OperationalError,)
        try:
            connection.ensure_connection(max_retries=1, interval_start=0)
            policy = eviction_policy(connection)
        except no_answer as error:
            return [
                checks.Warning(
                    f"The broker does not answer ({type(error).__name__}); whether it keeps messages is not known.",
                    hint="Start it, see CELERY_BROKER_URL, and check again.",
                    id="elm.W003",
                )
            ]
    return [] if policy == KEEPS else [Error(complaint(policy), hint=ADVICE, id="elm.E008")]


def what_is_decided_on_is_the_latest(*, databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Find a replica: it may be behind, and whoever decides, claims or counts there does so on what was."""
    if not databases:
        return []
    is_split = len(settings.DATABASES) > 1 or bool(settings.DATABASE_ROUTERS)
    if not is_split and not _is_replica(databases[0]):
        return []
    return [
        Error(
            "The program would read from a replica, which may be behind: decisions and claims need the latest rows.",
            hint="Let DATABASE_URL name the primary, and configure no second database and no router.",
            id="elm.E010",
        )
    ]


def _is_replica(alias: str) -> bool:
    if connections[alias].vendor != "postgresql":
        return False
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_is_in_recovery()")
        return bool(cursor.fetchone()[0])


def every_wait_ends(*, databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Find a PostgreSQL session without a limit on how long it waits, as behind a pooler whose role carries none."""
    if not databases or connections[databases[0]].vendor != "postgresql":
        return []
    with connections[databases[0]].cursor() as cursor:
        cursor.execute("SELECT name FROM pg_settings WHERE name = ANY(%s) AND setting = '0' ORDER BY name", [_LIMITS])
        unlimited = [name for (name,) in cursor.fetchall()]
    return [
        checks.Warning(
            f"{name} is off: a request or a worker may wait for ever.",
            hint=f"ALTER ROLE … SET {name} = '60s' where PgBouncer is in between; else set what .env.example lists.",
            id="elm.W004",
        )
        for name in unlimited
    ]


def _powers_over_the_log(database: str) -> list[str]:
    """Return how the connected role could switch triggers off; nothing when it cannot."""
    if connections[database].vendor != "postgresql":
        return []
    return database_rights.powers_of(database_rights.connected_role(database), database)
