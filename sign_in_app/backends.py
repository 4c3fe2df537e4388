"""The two doors: a local password where one is allowed, and Microsoft Entra."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from accounts_app.models import User
from sign_in_app.break_glass import is_break_glass


class LocalPasswordBackend(ModelBackend):
    """Opens with a password: everybody in a demonstration, break-glass accounts alone in production."""

    def user_can_authenticate(self, user: Any) -> bool:
        """Say whether this account may use, and go on using, a session that a password opened."""
        allowed = settings.LOCAL_PASSWORDS or (isinstance(user, User) and is_break_glass(user))
        return allowed and super().user_can_authenticate(user)


class EntraBackend(ModelBackend):
    """Marks sessions that Entra opened; it opens none by itself."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:  # type: ignore[override]
        """Never: verified claims do, in the exchange."""
