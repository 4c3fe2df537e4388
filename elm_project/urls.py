"""Addresses."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from elm_project.help import addresses as help_addresses
from evidence_app.views import proof
from notifications_app import pages as notifications
from provisioning_app.admin import operations
from requests_app.api import api

handler400 = "elm_project.refusals.handler400"
handler500 = "elm_project.outage.handler500"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/operations/", include(operations.addresses())),
    path("admin/help/", include(help_addresses())),
    path("admin/notifications/", include(notifications.addresses())),
    path("admin/", admin.site.urls),
    path("sign-in/", include("sign_in_app.urls")),
    path("api/", api.urls),
    path("log/<uuid:entry_id>/proof", admin.site.admin_view(proof), name="log-proof"),
]
