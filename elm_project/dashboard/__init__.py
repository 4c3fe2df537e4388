"""The first page, *Environment Lifecycle Overview* (seed, Dashboard): what a person sees, counted, and where to look.

Every figure is read through the screen that its link leads to, so that nobody is told of rows that they may not see.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as _

from elm_project.dashboard import logs, provisioning, requests
from requests_app.models import EnvironmentRequest


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the tiles to the context of the admin's first page (setting ``DASHBOARD_CALLBACK`` of Unfold)."""
    screen = admin.site.get_model_admin(EnvironmentRequest)
    context["title"] = _("Environment Lifecycle Overview")
    context["may_ask"] = screen.has_add_permission(request)
    if screen.has_view_permission(request):
        context |= requests.tiles(request)
    return context | provisioning.tiles(request) | logs.tiles(request)
