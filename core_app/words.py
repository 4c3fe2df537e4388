"""Names of apps, tables, columns and choices pass through gettext, without each of them having to say so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import AppConfig
from django.db.models import Choices, Field, Model
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from core_app.text import in_words


def translate_names(configs: Iterable[AppConfig]) -> None:
    """Let every name that people see of these apps and their tables be looked up in the language at work.

    What a choice's own class says (``State.FAILED.label``) stays English: records are written with it.
    """
    for config in configs:
        config.verbose_name = _lazy(config.verbose_name)
        for model in config.get_models():
            _translate_table(model)


def names_of(configs: Iterable[AppConfig]) -> dict[str, str]:
    """Return these names as the code gives them, each with what it is the name of: what a translator is asked for."""
    with translation.override(None):
        pairs = [pair for config in configs for pair in _names(config)]
    return {name: of for name, of in pairs if name}


def translated_choices(kind: type[Choices]) -> list[tuple[Any, Any]]:
    """Return what a form offers of a class of choices, in the language at work when it is shown."""
    return [(value, _lazy(label)) for value, label in kind.choices]


def _translate_table(model: type[Model]) -> None:
    names = model._meta
    one, many = str(names.verbose_name), str(names.verbose_name_plural)
    names.verbose_name, names.verbose_name_plural = gettext_lazy(one), gettext_lazy(many)
    for field in _columns(model):
        field.verbose_name = _lazy(field.verbose_name)
        field.help_text = _lazy(field.help_text)
        if field.choices:
            field.choices = [(value, _lazy(label)) for value, label in field.flatchoices]


def _names(config: AppConfig) -> Iterator[tuple[str, str]]:
    yield str(config.verbose_name), config.label
    for model in config.get_models():
        names = model._meta
        yield str(names.verbose_name), names.label
        yield str(names.verbose_name_plural), names.label
        for field in _columns(model):
            yield str(field.verbose_name), str(field)
            yield str(field.help_text), str(field)
            for _value, label in field.flatchoices or ():
                yield str(label), str(field)
                yield in_words(str(label)), str(field)  # as badges say it


def _columns(model: type[Model]) -> list[Field[Any, Any]]:
    return [field for field in model._meta.get_fields() if isinstance(field, Field)]


def _lazy(words: Any) -> Any:
    """Return words that are translated when they are shown; empty ones and those that are already stay as they are."""
    return words if isinstance(words, Promise) or not words else gettext_lazy(words)
