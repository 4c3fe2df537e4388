"""The provisioning app, and the triggers that keep what is under legal hold."""

from __future__ import annotations

from typing import ClassVar, Final

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from audit_app.triggers import Trigger
from requests_app.holds import kept_under_hold

_OF_RUNS: Final = "IN (SELECT request_id FROM provisioning_app_provisioningrun WHERE id = OLD.run_id)"
# Table → how the request of its row ``OLD`` is found, as SQL for a comparison
_OF_REQUESTS: Final = {
    **{
        f"provisioning_app_{name}": "= OLD.request_id"
        for name in (
            "provisioningrun",
            "historicalprovisioningrun",
            "environment",
            "historicalenvironment",
            "gap",
            "historicalgap",
            "rollback",
            "historicalrollback",
            "reconciliationfinding",
            "historicalreconciliationfinding",
        )
    },
    "provisioning_app_steprecord": _OF_RUNS,
    "provisioning_app_historicalsteprecord": _OF_RUNS,
    "provisioning_app_governedcontrol": (
        "IN (SELECT request_id FROM provisioning_app_environment WHERE id = OLD.environment_id)"
    ),
}


class ProvisioningConfig(AppConfig):
    """How a yes becomes an environment."""

    name = "provisioning_app"
    verbose_name = _("Provisioning")
    default_auto_field = "django.db.models.BigAutoField"
    triggers: ClassVar[tuple[Trigger, ...]] = kept_under_hold(_OF_REQUESTS)
