"""Addresses."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from evidence_app.views import proof
from requests_app.api import api

handler500 = "elm_project.outage.handler500"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    path("api/", api.urls),
    path("log/<uuid:entry_id>/proof", admin.site.admin_view(proof), name="log-proof"),
]
