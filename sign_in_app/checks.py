"""What ``manage.py check --deploy`` says about how people sign in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags


def register() -> None:
    """Add the check to Django's; called when the app is ready."""
    checks.register(people_can_sign_in, Tags.security, deploy=True)


def people_can_sign_in(**_options: Any) -> list[CheckMessage]:
    """Find a production into which nobody comes but with a break-glass account, and limits that are none."""
    if not settings.PRODUCTION:
        return []
    found: list[CheckMessage] = []
    if not (settings.ENTRA_SIGN_IN_CLIENT_ID and settings.ENTRA_SIGN_IN_SECRET_FILE):
        found.append(
            Error(
                "Nobody can sign in with Microsoft Entra.",
                hint="Register an application for sign-in; set ELM_SIGN_IN_CLIENT_ID and ELM_SIGN_IN_SECRET_FILE.",
                id="elm.E030",
            )
        )
    if settings.STEP_UP_MINUTES > 60 or settings.SESSION_IDLE_MINUTES > 480 or settings.SESSION_HOURS > 24:
        found.append(
            checks.Warning(
                "A sign-in holds for very long.",
                hint="ELM_STEP_UP_MINUTES up to 60, ELM_SESSION_IDLE_MINUTES up to 480, ELM_SESSION_HOURS up to 24.",
                id="elm.W030",
            )
        )
    return found
