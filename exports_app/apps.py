"""The exports app."""

from __future__ import annotations

from django.apps import AppConfig


class ExportsConfig(AppConfig):
    """Lists of requests and of the log as files, for auditors."""

    name = "exports_app"
    verbose_name = "Exports"
