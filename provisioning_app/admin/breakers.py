"""Circuit breakers per tenant and service, to be read."""

from __future__ import annotations

from django.contrib import admin
from unfold.decorators import display

from accounts_app.admin import TenantReach
from core_app.admin import ReadOnlyAdmin
from provisioning_app.models import CircuitBreaker


@admin.register(CircuitBreaker)
class CircuitBreakerAdmin(TenantReach, ReadOnlyAdmin):
    list_display = ("service", "tenant", "state", "failures", "opened_at", "opened_until", "reason")
    list_select_related = ("tenant",)
    list_filter = ("service",)
    ordering = ("tenant__name", "service")

    @display(description="Status", label={"Closed": "success", "Open": "danger"})
    def state(self, breaker: CircuitBreaker) -> str:
        return "Open" if breaker.opened_until else "Closed"
