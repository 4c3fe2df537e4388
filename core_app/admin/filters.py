"""The filters beside a list."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest


class RowsOnlyFilter(admin.RelatedOnlyFieldListFilter):
    """Offer what some visible row refers to: each is looked for by its index, not gathered from every row."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        rows = model_admin.get_queryset(request).select_related(None).order_by()
        referred = Q(Exists(rows.filter(**{self.field_path: OuterRef("pk")})))
        ordering = self.field_admin_ordering(field, request, model_admin)
        return field.get_choices(include_blank=False, limit_choices_to=referred, ordering=ordering)
