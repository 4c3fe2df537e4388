"""Shows what was recorded in English in the language at work."""

from __future__ import annotations

from django import template

from core_app import recorded

register = template.Library()


@register.filter
def shown(text: object) -> str:
    """Return a recorded sentence as the reader reads it; empty text stays empty."""
    return recorded.shown(str(text or ""))
