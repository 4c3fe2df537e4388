"""The accounts app."""

from __future__ import annotations

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who people are and what they may see."""

    name = "accounts_app"
    verbose_name = "People and tenants"
    default_auto_field = "django.db.models.BigAutoField"
