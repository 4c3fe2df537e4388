"""The sign-in app."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.utils.translation import gettext_lazy as _


class SignInConfig(AppConfig):
    """How people come in, how long they stay, and which roles their Entra groups give them."""

    name = "sign_in_app"
    verbose_name = _("Sign-in")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Stamp every session that begins, whichever way it began."""
        from sign_in_app import checks, sessions  # noqa: PLC0415 - needs the models

        user_logged_in.connect(sessions.begun, dispatch_uid="stamp the session")
        checks.register()
