"""What leads from a page to the lines of the log about it."""

from __future__ import annotations

from django import template
from structlog.contextvars import get_contextvars

register = template.Library()


@register.simple_tag
def correlation_id() -> str:
    """Return the correlation id of the request at work; nothing outside one."""
    return str(get_contextvars().get("correlation_id", ""))
