"""The installation itself as the last app."""

from __future__ import annotations

import gc
from importlib import import_module
from types import ModuleType

from django.apps import AppConfig, apps
from django.contrib import admin
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from accounts_app import roles
from core_app.words import translate_names
from elm_project import checks, correlation, formats, startup, worker


class ElmProjectConfig(AppConfig):
    """Synchronises roles after migrations, registers the system checks, names the first page."""

    name = "elm_project"
    verbose_name = _("Environment Lifecycle Management")

    def __init__(self, name: str, module: ModuleType) -> None:
        """Stop looking for garbage while models and screens are imported, which are none: a fifth of the time."""
        super().__init__(name, module)
        gc.disable()

    def ready(self) -> None:
        """Connect what has to run when every app's tables and permissions exist."""
        # The signal comes once per app with models, in order; the last one is when all permissions have been created.
        last = [config for config in apps.get_app_configs() if config.models_module][-1]
        post_migrate.connect(roles.synchronise, sender=last, dispatch_uid="synchronise roles")
        checks.register()
        import_module("elm_project.defaults_checks").register()  # it needs the models
        correlation.connect()
        startup.connect()
        worker.connect()
        ours = [config for config in apps.get_app_configs() if config.name.endswith("_app")]
        translate_names(ours)
        formats.hold_in_every_language()
        admin.site.index_title = _("Overview")
        # What was imported stays: no collection looks at it again, and processes that fork share its memory
        gc.freeze()
        gc.enable()
