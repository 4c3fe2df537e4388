"""The accounts app."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from core_app import tenancy


class AccountsConfig(AppConfig):
    """Who people are and what they may see."""

    name = "accounts_app"
    verbose_name = _("People and tenants")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let connections carry whose rows are shown, and install the policies that read it after migrations."""
        from accounts_app import row_security  # noqa: PLC0415 - it reads the models

        tenancy.connect()
        post_migrate.connect(row_security.install, sender=self, dispatch_uid="install policies")
