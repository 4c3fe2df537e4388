"""What requests add to the gate's page: a link to the request that is decided there."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from gates_app.admin import GateAdmin
from gates_app.models import Gate
from requests_app.admin.scoped import shared_for
from requests_app.models import EnvironmentRequest, ZoneDispute


class RequestGateAdmin(GateAdmin):
    readonly_fields: ClassVar[tuple[str, ...]] = (*GateAdmin.readonly_fields, "decided_request")
    fields: ClassVar[tuple[str, ...]] = ("decided_request", *GateAdmin.fields)

    def reached(self, request: HttpRequest) -> Q:
        """Return the filter on visible gates; whoever sees a shared request sees how it was decided."""
        shared = EnvironmentRequest.objects.filter(pk__in=shared_for(request), gate__isnull=False)
        return super().reached(request) | Q(pk__in=shared.values("gate"))

    @display(description=_("Request"))
    def decided_request(self, gate: Gate) -> str:
        disputed = Q(pk__in=ZoneDispute.objects.filter(gate=gate).values("request"))
        row = EnvironmentRequest.objects.filter(Q(gate=gate) | disputed).first()
        if row is None:
            return "-"
        page = reverse("admin:requests_app_environmentrequest_change", args=[row.pk])
        return format_html('<a class="text-link" href="{}">{}</a>', page, row)


admin.site.unregister(Gate)
admin.site.register(Gate, RequestGateAdmin)
