"""What ``manage.py check --deploy`` says about defaults that are fit for a demonstration and unsafe in production."""

from __future__ import annotations

import ipaddress
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags
from django.db import connections

from accounts_app.models import Tenant, User
from elm_project.demo.people import TENANTS

_SHORTEST_KEY: Final = 50
_FEWEST_CHARACTERS: Final = 12  # different ones in a key; Django's own check asks for five
_LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "[::1]", ".localhost")


def register() -> None:
    """Add the checks to Django's; called when the apps are ready."""
    checks.register(defaults_are_safe, Tags.security, deploy=True)
    checks.register(nobody_is_of_the_demo, Tags.database, deploy=True)


def defaults_are_safe(**_options: Any) -> list[CheckMessage]:
    """Find settings that are fit for a demonstration only; an embedded installation may have them."""
    if not settings.PRODUCTION:
        return []
    found = (
        *_weak_keys(),
        _any_host(),
        _open_cookies(),
        _plain_http(),
        _silent_log(),
        _cloud_on_this_machine(),
        _open_broker(),
    )
    return [message for message in found if message is not None]


def nobody_is_of_the_demo(*, databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Find people of the demo, whose password everybody at a screen could read."""
    if not databases or not settings.PRODUCTION or not _has_people(databases[0]):
        return []
    names = [person.upn for tenant in TENANTS for person in tenant.people]
    tenants = Tenant.objects.filter(entra_tenant_id__in=[tenant.entra_tenant_id for tenant in TENANTS])
    if not tenants.exists() and not User.objects.filter(upn__in=names).exists():
        return []
    return [
        Error(
            "The database holds tenants or people of the demo, whose password everybody at its screen could read.",
            hint="Give production a database of its own, see DATABASE_URL.",
            id="elm.E024",
        )
    ]


def _has_people(database: str) -> bool:
    """Say whether the tables are there: before the first migration nobody is."""
    return User._meta.db_table in connections[database].introspection.table_names()


def _weak_keys() -> list[CheckMessage]:
    keys = {"SECRET_KEY": settings.SECRET_KEY, "ELM_DOMAIN_NAME_KEY": settings.DOMAIN_NAME_KEY.decode()}
    weak = [
        name
        for name, key in keys.items()
        if len(key) < _SHORTEST_KEY or len(set(key)) < _FEWEST_CHARACTERS or key.startswith("django-insecure-")
    ]
    found: list[CheckMessage] = [
        Error(
            f"{name} can be guessed: it is a default, too short or too plain.",
            hint=f"Give every host the same {name}, at least {_SHORTEST_KEY} random characters.",
            id="elm.E020",
        )
        for name in weak
    ]
    if len(set(keys.values())) < len(keys):
        found.append(
            Error(
                "SECRET_KEY and ELM_DOMAIN_NAME_KEY are the same: whoever learns one has the other.",
                hint="Draw each by itself.",
                id="elm.E020",
            )
        )
    return found


def _any_host() -> CheckMessage | None:
    hosts = settings.ALLOWED_HOSTS
    if any("*" in host for host in hosts):
        problem = "ALLOWED_HOSTS takes every name: links in messages could lead to a foreign host."
    elif all(host in _LOCAL_NAMES for host in hosts):
        problem = "ALLOWED_HOSTS names no host that people can reach."
    else:
        return None
    return Error(problem, hint="Set ALLOWED_HOSTS to the names under which people reach it.", id="elm.E021")


def _open_cookies() -> CheckMessage | None:
    wanted = ("SESSION_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY", "CSRF_COOKIE_SECURE")
    missing = [name for name in wanted if not getattr(settings, name)]
    if settings.SESSION_COOKIE_SAMESITE not in ("Lax", "Strict"):
        missing.append("SESSION_COOKIE_SAMESITE")
    if not missing:
        return None
    return Error(
        f"The cookies of a session can be read or sent by others: {', '.join(missing)}.",
        hint="Leave these settings as they are shipped.",
        id="elm.E022",
    )


def _plain_http() -> CheckMessage | None:
    if settings.SECURE_HSTS_SECONDS and settings.SECURE_SSL_REDIRECT:
        return None
    return Error(
        "Browsers are not told to use TLS only (SECURE_HSTS_SECONDS, SECURE_SSL_REDIRECT).",
        hint="Leave these settings as they are shipped, and end TLS at the proxy in front.",
        id="elm.E023",
    )


def _silent_log() -> CheckMessage | None:
    root = settings.LOGGING.get("root", {})
    level = logging.getLevelName(str(root.get("level", "")).upper())
    if root.get("handlers") and isinstance(level, int) and level <= logging.WARNING:
        return None
    return Error(
        "The log stream is missing or leaves warnings out: refusals and attacks would leave no trace.",
        hint="Set LOG_LEVEL to WARNING or INFO, and let the process manager ship standard error to another system.",
        id="elm.E025",
    )


def _cloud_on_this_machine() -> CheckMessage | None:
    if not settings.CLOUD_ENDPOINTS_FILE:
        return None
    try:
        document = json.loads(Path(settings.CLOUD_ENDPOINTS_FILE).read_text())
        origins = [value for value in document.values() if isinstance(value, str) and "://" in value]
    except (OSError, ValueError, AttributeError):
        origins = ["unreadable://localhost"]
    if not any(_is_local(urlsplit(origin).hostname or "") for origin in origins):
        return None
    return Error(
        "ELM_CLOUD_ENDPOINTS_FILE cannot be read or names this machine: a simulator would receive the credentials.",
        hint="Unset it for the public cloud, or name the file of a sovereign cloud.",
        id="elm.E026",
    )


def _is_local(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _open_broker() -> CheckMessage | None:
    broker = urlsplit(os.environ.get("CELERY_BROKER_URL") or settings.CELERY_BROKER_URL)
    if broker.scheme not in ("redis", "amqp") or _is_local(broker.hostname or ""):
        return None
    return checks.Warning(
        "The broker is reached without TLS: whoever is on the network in between can ring for tasks.",
        hint="Use rediss:// or amqps:// with a password, unless the network is private to these hosts.",
        id="elm.W005",
    )
