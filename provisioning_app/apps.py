"""The provisioning app."""

from __future__ import annotations

from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    """How a yes becomes an environment."""

    name = "provisioning_app"
    verbose_name = "Provisioning"
    default_auto_field = "django.db.models.BigAutoField"
