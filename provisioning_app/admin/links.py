"""Links from one screen to the next: request, run, environment, log."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html


def page_of(row: Model) -> str:
    """Return the address of a row's page."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def link_to(row: Model | None) -> str:
    """Return a row as a link to its page; a dash for none."""
    return format_html('<a class="text-link" href="{}">{}</a>', page_of(row), row) if row else "-"


def log_link(request_id: UUID | None) -> str:
    """Return a link to the log of a request; a dash for none."""
    if request_id is None:
        return "-"
    address = reverse("admin:audit_app_provisioninglog_changelist")
    return format_html(
        '<a class="text-link" href="{}?environment_request={}">Provisioning log of the request</a>', address, request_id
    )
