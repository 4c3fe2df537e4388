"""Whether messages leave this system, how, and where their links lead."""

from __future__ import annotations

import os
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured

from elm_project.env import PRODUCTION, env

SINK: Final = "sink"
SEND: Final = "send"


def mode(*, has_mail: bool, is_production: bool) -> str:
    """Return ``send`` or ``sink``, as ``ELM_NOTIFICATIONS`` says; without it, only production sends, where it has mail.

    Raises:
        ImproperlyConfigured: it says something else, or the variable's former name is set: nobody is mailed by mistake.
    """
    if "ELM_NOTIFICATIONS_SINK" in os.environ:
        raise ImproperlyConfigured(
            f"ELM_NOTIFICATIONS_SINK is ELM_NOTIFICATIONS={SINK} or ={SEND} now; set that instead."
        )
    chosen = env.str("ELM_NOTIFICATIONS", default="") or (SEND if has_mail and is_production else SINK)
    if chosen not in (SINK, SEND):
        raise ImproperlyConfigured(f"ELM_NOTIFICATIONS is {chosen!r}; it must be {SINK} or {SEND}.")
    return str(chosen)


def public_url(allowed_hosts: list[str], *, is_production: bool) -> str:
    """Return where people reach the application, without a slash at the end (``ELM_PUBLIC_URL``)."""
    named = next((host for host in allowed_hosts if host and not host.startswith((".", "*"))), "localhost")
    default = f"https://{named}" if is_production else "http://localhost:8000"
    return str(env.str("ELM_PUBLIC_URL", default="") or default).rstrip("/")


NOTIFICATIONS: Final = mode(
    has_mail=bool(env.str("EMAIL_URL", default="")),
    is_production=PRODUCTION,
)
# How Django sends mail: EMAIL_BACKEND, EMAIL_HOST and its companions
MAIL: Final[dict[str, Any]] = env.email_url("EMAIL_URL", default="consolemail://")
DEFAULT_FROM_EMAIL: Final = env.str("DEFAULT_FROM_EMAIL", default="elm@localhost")
# Hosts of Teams workflows (Power Automate); cards are posted nowhere else. *.name is every host below name
TEAMS_WEBHOOK_HOSTS: Final = env.list(
    "ELM_TEAMS_WEBHOOK_HOSTS", default=["*.logic.azure.com", "*.api.powerplatform.com"]
)
