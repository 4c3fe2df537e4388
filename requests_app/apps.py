"""The requests app, the trigger that keeps state and log together, and those that keep what is under legal hold."""

from __future__ import annotations

from typing import ClassVar

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from audit_app.triggers import AppendOnly, StateFollowsLog, Trigger
from requests_app.choices import State
from requests_app.holds import OF_REQUESTS, kept_under_hold


class RequestsConfig(AppConfig):
    """What was asked for."""

    name = "requests_app"
    verbose_name = _("Requests")
    default_auto_field = "django.db.models.BigAutoField"
    triggers: ClassVar[tuple[Trigger, ...]] = (
        StateFollowsLog(
            "requests_app_environmentrequest",
            log_table="audit_app_provisioninglog",
            log_column="environment_request_id",
            first_state=State.DRAFT.value,
        ),
        *kept_under_hold(OF_REQUESTS),
        AppendOnly("requests_app_requestcomment"),
    )
