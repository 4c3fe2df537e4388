"""The exports app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ExportsConfig(AppConfig):
    """Lists of requests and of the log as files, for auditors."""

    name = "exports_app"
    verbose_name = _("Exports")
