"""Names of apps, tables, columns and choices pass through gettext, without each of them having to say so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.apps import AppConfig
from django.db.models import Field, Model
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy


def translate_names(configs: Iterable[AppConfig]) -> None:
    """Let every name that people see of these apps and their tables be looked up in the language at work.

    What a choice's own class says (``State.FAILED.label``) stays English: records are written with it.
    """
    for config in configs:
        config.verbose_name = _lazy(config.verbose_name)
        for model in config.get_models():
            _translate_table(model)


def _translate_table(model: type[Model]) -> None:
    names = model._meta
    one, many = str(names.verbose_name), str(names.verbose_name_plural)
    names.verbose_name, names.verbose_name_plural = gettext_lazy(one), gettext_lazy(many)
    for field in names.get_fields():
        if isinstance(field, Field):
            _translate(field)


def _translate(field: Field[Any, Any]) -> None:
    field.verbose_name = _lazy(field.verbose_name)
    field.help_text = _lazy(field.help_text)
    if field.choices:
        field.choices = [(value, _lazy(label)) for value, label in field.flatchoices]


def _lazy(words: Any) -> Any:
    """Return words that are translated when they are shown; empty ones and those that are already stay as they are."""
    return words if isinstance(words, Promise) or not words else gettext_lazy(words)
