"""Registers the log's triggers and (re)installs all triggers around migrations."""

from __future__ import annotations

from importlib import import_module
from typing import ClassVar

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.translation import gettext_lazy as _

from audit_app import triggers


class AuditConfig(AppConfig):
    """The audit app."""

    name = "audit_app"
    verbose_name = _("Audit trail")
    default_auto_field = "django.db.models.BigAutoField"
    triggers: ClassVar[tuple[triggers.Trigger, ...]] = (
        triggers.AppendOnly(
            "audit_app_provisioninglog", unique=(("id",), ("chain", "sequence"), ("chain", "previous_hash"))
        ),
        triggers.AppendOnly("audit_app_treeleaf", unique=(("entry",), ("tenant_id", '"index"'))),
        triggers.AppendOnly("audit_app_treenode", unique=(("id",), ("tenant_id", "level", '"index"'))),
        triggers.AppendOnly("audit_app_checkpoint"),
        triggers.AppendOnly("audit_app_checkpointtimestamp", unique=(("id",), ("checkpoint_id",))),
        triggers.AppendOnly("audit_app_anchor"),
        triggers.AppendOnly("audit_app_logaccess"),
    )

    def ready(self) -> None:
        """Drop triggers before any table is migrated and install them when all are; notice what they refuse."""
        # These signals come once per app; ours is enough, because migrations run between the first and the last.
        pre_migrate.connect(triggers.drop, sender=self, dispatch_uid="drop triggers")
        post_migrate.connect(triggers.install, sender=self, dispatch_uid="install triggers")
        import_module("audit_app.guard").connect()  # it needs the models
