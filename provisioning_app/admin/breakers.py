"""Circuit breakers per tenant and service, to be read."""

from __future__ import annotations

from django.contrib import admin
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from accounts_app.admin import TenantReach
from core_app import clock
from core_app.admin import Coloured, ReadOnlyAdmin
from microsoft_cloud.endpoints import Service
from provisioning_app.models import CircuitBreaker

SERVICES: dict[str, str | Promise] = {
    Service.LOGIN: gettext_lazy("Microsoft Entra sign-in"),
    Service.BAP: gettext_lazy("Power Platform administration (BAP)"),
    Service.POWER_PLATFORM: "Power Platform API",
    Service.DATAVERSE: "Dataverse",
    Service.GRAPH: "Microsoft Graph",
    Service.KEY_VAULT: "Azure Key Vault",
    Service.BLOB: "Azure Blob Storage",
}


@admin.register(CircuitBreaker)
class CircuitBreakerAdmin(TenantReach, ReadOnlyAdmin):
    nothing_here = gettext_lazy("Every service of Microsoft has answered well: no run has had to wait for one.")
    list_display = ("service_name", "tenant", "state", "failures", "opened_at", "opened_until", "reason")
    list_select_related = ("tenant",)
    readonly_fields = ("service_name", "state")
    fields = (
        "service_name",
        "tenant",
        "state",
        "reason",
        "failures",
        "openings",
        "last_failure_at",
        "opened_at",
        "opened_until",
    )
    list_filter = ("service",)
    ordering = ("tenant__name", "service")

    @display(description=gettext_lazy("Service"), ordering="service")
    def service_name(self, breaker: CircuitBreaker) -> str:
        return str(SERVICES.get(breaker.service, breaker.service))

    @display(
        description=gettext_lazy("Status"),
        label=Coloured({"Closed": "success", "Open": "danger", "Next run tries": "warning"}),
    )
    def state(self, breaker: CircuitBreaker) -> str:
        if breaker.opened_until is None:
            return _("Closed")
        return _("Open") if breaker.opened_until > clock.now() else _("Next run tries")
