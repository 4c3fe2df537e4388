"""Which lines of the log belong together: a request, the tasks that it rang for, and what a caller calls the whole.

A library would take a caller's text over as it is, or accept braces and prefixes around a GUID; here it has to match.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

from celery import signals
from django.core.signals import request_finished
from django.http import HttpRequest, HttpResponse
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

HEADER: Final = "X-Correlation-ID"
REQUEST_HEADER: Final = "X-Request-ID"
MESSAGE_HEADER: Final = "elm_correlation_id"
_GIVEN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Give every request an id of ours, and the caller's correlation id where it looks like one."""

    def answer(request: HttpRequest) -> HttpResponse:
        request_id = str(uuid4())
        clear_contextvars()
        bind_contextvars(request_id=request_id, correlation_id=given(request.headers.get(HEADER)) or request_id)
        response = get_response(request)
        response[REQUEST_HEADER] = request_id
        return response

    return answer


def given(text: Any) -> str | None:
    """Return a correlation id from outside when it is one: 8 to 64 letters, digits, dots, dashes and underscores."""
    return text if isinstance(text, str) and _GIVEN.fullmatch(text) else None


def connect() -> None:
    """Let messages carry the correlation id, and workers bind it while they are at a task."""
    # Not in the middleware: Django logs a refusal after it
    request_finished.connect(_end, dispatch_uid="request unbound")
    signals.before_task_publish.connect(_send, dispatch_uid="correlation sent")
    signals.task_prerun.connect(_begin, dispatch_uid="correlation bound")
    signals.task_postrun.connect(_end, dispatch_uid="correlation unbound")


def _send(headers: dict[str, Any] | None = None, **_facts: Any) -> None:
    known = get_contextvars().get("correlation_id")
    if known and headers is not None:
        headers[MESSAGE_HEADER] = known


def _begin(task_id: str, task: Any, **_facts: Any) -> None:
    clear_contextvars()
    known = given(task.request.get(MESSAGE_HEADER))
    bind_contextvars(task=task.name, task_id=task_id, correlation_id=known or task_id)


def _end(**_facts: Any) -> None:
    clear_contextvars()
