"""The saved views that provisioning adds to the request list: what is built and not as it should be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from provisioning_app.choices import EnvironmentStatus
from provisioning_app.models import Environment, Gap
from requests_app.admin.saved_views import SAVED_VIEWS, SavedView


def _open_gaps(request: HttpRequest) -> Q:
    return Q(pk__in=Gap.objects.filter(closed_at__isnull=True).values("request"))


def _quarantined(request: HttpRequest) -> Q:
    """Environments that belong to a request; an orphan is on the list of environments alone."""
    quarantined = Environment.objects.filter(status=EnvironmentStatus.QUARANTINED, request__isnull=False)
    return Q(pk__in=quarantined.values("request"))


PROVISIONING_VIEWS: Final[Mapping[str, SavedView]] = {
    **SAVED_VIEWS,
    "gaps": SavedView(
        _("Open Gaps"), _open_gaps, _("Every control of every environment is applied."), "provisioning_app.view_gap"
    ),
    "quarantined": SavedView(
        _("Quarantined"),
        _quarantined,
        _("No environment of a request is quarantined. An operator quarantines one on its page."),
        "provisioning_app.view_environment",
    ),
}
