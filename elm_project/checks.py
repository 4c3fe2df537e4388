"""What ``manage.py check --deploy`` says about an installation that is not safe to run.

The checks of the database run with ``manage.py check --deploy --database default``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags
from django.db import connections

from audit_app import triggers

_PLAIN_MAIL = ("console", "dummy", "filebased", "locmem")


def register() -> None:
    """Add the checks to Django's; called when the apps are ready."""
    checks.register(production_is_configured, Tags.security, deploy=True)
    checks.register(log_is_protected, Tags.database, deploy=True)


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
    return [*_missing_keys(), *_embedded_parts(), *_silent_mail()]


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
    backend = settings.EMAIL_BACKEND.split(".")[-2]
    if settings.NOTIFICATIONS_SINK or backend in _PLAIN_MAIL:
        return [
            checks.Warning(
                "Nobody is notified: messages stay in the outbox or go to the console.",
                hint="Set EMAIL_URL to your SMTP server and leave ELM_NOTIFICATIONS_SINK unset.",
                id="elm.W002",
            )
        ]
    return []


def log_is_protected(*, databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Find triggers that are missing, and a database role that could remove them."""
    if not databases:
        return []
    found: list[CheckMessage] = [
        Error(
            f"The trigger {name} is missing or disabled.",
            hint="Run manage.py migrate, which installs it again, then manage.py verify_log.",
            id="elm.E006",
        )
        for name in sorted(triggers.missing())
    ]
    if settings.PRODUCTION and (power := _power_over_the_log(databases[0])):
        found.append(
            Error(
                f"The application connects as a role that {power}: it could switch off the log's triggers.",
                hint="Migrate as the owner, and run the application as a role that owns nothing.",
                id="elm.E007",
            )
        )
    return found


def _power_over_the_log(database: str) -> str | None:
    """Return how the connected role could switch triggers off, or None when it cannot."""
    connection = connections[database]
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if cursor.fetchone() == (True,):
            return "is a superuser"
        cursor.execute(
            "SELECT pg_has_role(current_user, relowner, 'USAGE') FROM pg_class WHERE oid = %s::regclass",
            [apps.get_model("audit_app.ProvisioningLog")._meta.db_table],
        )
        return "owns the log table" if cursor.fetchone() == (True,) else None
