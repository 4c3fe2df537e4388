"""Whether a person proved only just now who they are, for the few verbs that ask for it (ASVS 7.5.3)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.utils.translation import gettext as _

from accounts_app.models import User
from core_app import clock
from core_app.errors import SignInAgainError


def is_fresh(authenticated_at: datetime | None) -> bool:
    """Say whether a sign-in at that moment is recent enough now; without a moment it never is."""
    window = timedelta(minutes=settings.STEP_UP_MINUTES)
    return authenticated_at is not None and clock.now() - authenticated_at <= window


def require_fresh_sign_in(user: User, purpose: str) -> None:
    """Ask for a recent sign-in.

    Args:
        user: Who acts; ``authenticated_at`` says when they last signed in, as verified by who carried the request.
        purpose: What it is needed for, as the subject of a sentence.

    Raises:
        SignInAgainError: the sign-in is too old, or nothing says when it was.
    """
    if not is_fresh(user.authenticated_at):
        raise SignInAgainError(
            _("%(purpose)s needs a sign-in within the last %(step_up_minutes)s minutes. Sign in again, then repeat it.")
            % {"purpose": purpose, "step_up_minutes": settings.STEP_UP_MINUTES}
        )
