"""The rows that a person sees in a list: every figure is counted among them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest


def may_view(request: HttpRequest, model: type[Model]) -> bool:
    """Say whether the signed-in person may open a model's list."""
    return bool(admin.site.get_model_admin(model).has_view_permission(request))


def visible(request: HttpRequest, model: type[Model]) -> QuerySet[Any]:
    """Return the rows that the signed-in person sees in a model's list, without an order."""
    rows: QuerySet[Any] = admin.site.get_model_admin(model).get_queryset(request)
    return rows.select_related(None).order_by()
