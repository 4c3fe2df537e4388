"""Shows stored JSON as tables that people read: a key is a row, a list of alike records has columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext as _


def readable(value: Any) -> str:
    """Return a JSON value as escaped HTML."""
    if value is None or value == "" or value in ({}, [], ()):
        return "-"
    if isinstance(value, Mapping):
        rows = ((_words(name), readable(item)) for name, item in value.items())
        row = '<tr><th scope="row" class="align-top font-medium pr-4">{}</th><td class="align-top">{}</td></tr>'
        return format_html('<table class="text-left">{}</table>', format_html_join("", row, rows))
    if isinstance(value, list | tuple):
        return (
            _columns(value)
            if _are_alike(value)
            else format_html_join("", "<div>{}</div>", ([readable(item)] for item in value))
        )
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value)


def _are_alike(items: Sequence[Any]) -> bool:
    return all(isinstance(item, Mapping) and list(item) == list(items[0]) for item in items)


def _columns(records: Sequence[Mapping[str, Any]]) -> str:
    """Return records with the same keys as a table; a column in which nothing stands is left out."""
    names = [name for name in records[0] if any(record[name] not in ("", None) for record in records)]
    head = format_html_join("", '<th scope="col" class="font-medium pr-4">{}</th>', ([_words(name)] for name in names))
    rows = (
        [
            format_html_join(
                "",
                '<td class="align-top pr-4" style="overflow-wrap: anywhere; min-width: {}rem">{}</td>',
                ((6 if place else 8, readable(record[name])) for place, name in enumerate(names)),
            )
        ]
        for record in records
    )
    return format_html(
        '<table class="text-left"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>',
        head,
        format_html_join("", "<tr>{}</tr>", rows),
    )


def _words(name: object) -> str:
    return capfirst(_(str(name).replace("_", " ")))
