"""Guards around django-fsm's state field that the package leaves open (style guide, trap T5)."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models
from django.utils.translation import gettext as _
from django_fsm import FSMFieldMixin

from core_app.errors import DomainError


class StateGuardedQuerySet(models.QuerySet[Any]):
    """A QuerySet that refuses to write a protected state past its transitions."""

    def update(self, **fields: Any) -> int:
        self._refuse_state(fields)
        return super().update(**fields)

    def bulk_update(self, objs: Any, fields: Any, batch_size: int | None = None) -> int:
        self._refuse_state(dict.fromkeys(fields))
        return super().bulk_update(objs, fields, batch_size)

    def _refuse_state(self, fields: dict[str, Any]) -> None:
        protected = {f.name for f in self.model._meta.concrete_fields if isinstance(f, FSMFieldMixin) and f.protected}
        if touched := protected & fields.keys():
            _refuse(touched)


def _refuse(fields: set[str]) -> NoReturn:
    raise DomainError(
        _("%(fields)s changes only through a transition; call the verb in services.py instead.")
        % {"fields": ", ".join(sorted(fields))}
    )


class SafeRefresh(models.Model):
    """Lets ``refresh_from_db`` reload a protected state without ever switching the protection off."""

    class Meta:
        abstract = True

    def refresh_from_db(self, using: str | None = None, fields: Any = None, from_queryset: Any = None) -> None:
        """Reload the given fields (all by default) from the database."""
        for field in self._meta.concrete_fields:
            if isinstance(field, FSMFieldMixin) and field.protected and (fields is None or field.name in fields):
                self.__dict__.pop(field.attname, None)  # the descriptor guards only a name that is present
        if fields is None:
            fields = [field.attname for field in self._meta.concrete_fields]
        super().refresh_from_db(using=using, fields=fields, from_queryset=from_queryset)
