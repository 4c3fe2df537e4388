"""How long a session holds: stamped when it begins, ended when it is idle or old, fresh when a person proved anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts_app.models import User
from accounts_app.step_up import is_fresh
from core_app import clock
from core_app.live import is_background
from sign_in_app import break_glass
from sign_in_app.entra.claims import SignInRefusedError

BEGAN, SEEN, PROVED = "sign_in_began", "sign_in_seen", "sign_in_proved"
_WRITE_EVERY: Final = timedelta(minutes=1)  # how exactly idleness is known; a write with each request would cost more


def begun(sender: Any, request: HttpRequest, user: User, **_signal: Any) -> None:
    """Stamp a session that begins (receiver of ``user_logged_in``)."""
    now = clock.now()
    proved = user.authenticated_at if by_entra(request) else now
    request.session[BEGAN] = request.session[SEEN] = _written(now)
    request.session[PROVED] = _written(proved) if proved else None
    user.authenticated_at = proved
    if not by_entra(request):
        break_glass.raise_alarm(user)


def by_entra(request: HttpRequest) -> bool:
    """Say whether the session began with Microsoft Entra."""
    return str(request.session.get("_auth_user_backend", "")).endswith(".EntraBackend")


def proved_at(request: HttpRequest) -> datetime | None:
    """Return when the person last proved who they are in this session."""
    return _read(request.session.get(PROVED))


def proved_again(request: HttpRequest, person: User, at: datetime | None) -> None:
    """Note that the signed-in person has just proved who they are once more.

    Raises:
        SignInRefusedError: it was somebody else, or Entra did not ask for a new sign-in.
    """
    if request.user.pk != person.pk:
        raise SignInRefusedError(
            _("You signed in as somebody else than before. Go back and sign in with the account you are working with.")
        )
    if at is None or not is_fresh(at):
        raise SignInRefusedError(
            _(
                "Microsoft did not confirm that you signed in anew just now (claim auth_time). Try "
                "again; if it stays so, ask your Entra administrators to add the optional claim "
                "auth_time to the id token."
            )
        )
    request.session[PROVED] = _written(at)
    request.session.cycle_key()
    messages.info(request, _("Thank you. Now repeat what you were about to do; what you sent is filled in."))


def why_ended(request: HttpRequest) -> str | None:
    """Return why the session no longer holds, or None while it does; a session without stamps never does."""
    now, began, seen = clock.now(), _read(request.session.get(BEGAN)), _read(request.session.get(SEEN))
    if began is None or seen is None:
        return _("Please sign in again.")
    if now - began > timedelta(hours=settings.SESSION_HOURS):
        return _("A session ends after %(session_hours)s hours. Please sign in again.") % {
            "session_hours": settings.SESSION_HOURS
        }
    if now - seen > timedelta(minutes=settings.SESSION_IDLE_MINUTES):
        return _("You were away for more than %(session_idle_minutes)s minutes. Please sign in again.") % {
            "session_idle_minutes": settings.SESSION_IDLE_MINUTES
        }
    if now - seen > _WRITE_EVERY and not is_background(request):
        request.session[SEEN] = _written(now)
    return None


def _written(moment: datetime) -> float:
    return moment.timestamp()


def _read(value: Any) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else None
