"""Links from one screen to the next: request, run, environment, log, and lists with their filters."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _


def page_of(row: Model) -> str:
    """Return the address of a row's page."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def list_of(model: type[Model], **filters: object) -> str:
    """Return the address of a model's list, filtered."""
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{address}?{urlencode(filters)}" if filters else address


def moment(at: datetime) -> str:
    """Return a moment as it stands in the address of a filtered list."""
    return at.isoformat(sep=" ", timespec="seconds")


def link_to(row: Model | None, words: str = "") -> str:
    """Return a row as a link to its page, by its own words unless others are given; a dash for none."""
    return format_html('<a class="text-link" href="{}">{}</a>', page_of(row), words or row) if row else "-"


def log_link(request_id: UUID | None) -> str:
    """Return a link to the log of a request; a dash for none."""
    if request_id is None:
        return "-"
    address = reverse("admin:audit_app_provisioninglog_changelist")
    words = _("Provisioning log of the request")
    return format_html('<a class="text-link" href="{}?environment_request={}">{}</a>', address, request_id, words)
