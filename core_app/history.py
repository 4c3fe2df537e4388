"""The history of rows: django-simple-history's, without making a class of managers with every save."""

from __future__ import annotations

from functools import cache
from typing import Any

from simple_history.manager import HistoryManager
from simple_history.models import HistoricalRecords as AnyHistoricalRecords


class _Manager(HistoryManager):  # type: ignore[misc]  # the package has no types
    @classmethod
    @cache
    def from_queryset(cls, queryset_class: type, class_name: str | None = None) -> Any:
        """Return the class that ``Row.history`` is of; the package asks for it at each access."""
        return super().from_queryset(queryset_class, class_name)


class HistoricalRecords(AnyHistoricalRecords):  # type: ignore[misc]  # the package has no types
    """A model's history, as its package keeps it."""

    def __init__(self, **options: Any) -> None:
        """Take the package's options, by name."""
        super().__init__(history_manager=_Manager, **options)
