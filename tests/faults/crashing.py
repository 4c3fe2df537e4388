"""Crash points: every commit and every call of a run, and a way to die right before or right after one of them."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any
from unittest.mock import patch

import httpx
from django.db import connection, transaction

_GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_ORGANISATION = re.compile(r"^/[^/]+(?=/api/data/)")
_WRITES = ("INSERT", "UPDATE", "DELETE")
_OURS = ("provisioning_app", "requests_app", "accounts_app")


class Crashed(BaseException):
    """The worker is gone: nothing of ours may catch this."""


@dataclass(frozen=True, slots=True)
class Point:
    """One commit or one call of a run.

    Attributes:
        kind: ``commit`` or ``call``.
        place: The function that commits, or method and path of the call with ids left out.
        occurrence: The how many-th of its place, from 1.
    """

    kind: str
    place: str
    occurrence: int = 1

    def __str__(self) -> str:
        return f"{self.kind} {self.place} #{self.occurrence}"


Observer = Callable[[Point, str], None]


_leave, _send = transaction.Atomic.__exit__, httpx.Client.send


class _Watch:
    """Sees commits and calls go by, and tells the observer."""

    def __init__(self, observe: Observer, besides: str) -> None:
        self.observe, self.besides = observe, besides
        self.seen: Counter[tuple[str, str]] = Counter()
        self.has_written = False

    def point(self, kind: str, place: str) -> Point:
        self.seen[kind, place] += 1
        return Point(kind, place, self.seen[kind, place])

    def statement(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Execute a statement; one that writes on its own commits itself."""
        is_write = sql.lstrip().upper().startswith(_WRITES)
        if connection.in_atomic_block or not is_write:
            self.has_written |= is_write
            return execute(sql, params, many, context)
        here = self.point("commit", _place())
        self.observe(here, "before")
        result = execute(sql, params, many, context)
        self.observe(here, "after")
        return result

    def leave(self, atomic: transaction.Atomic, kind: Any, error: Any, trace: Any) -> None:
        """Leave a block; the outermost one commits what was written."""
        is_commit = kind is None and self.has_written and not connection.savepoint_ids and not connection.needs_rollback
        self.has_written &= bool(connection.savepoint_ids)
        if not is_commit:
            return _leave(atomic, kind, error, trace)
        here = self.point("commit", _place())
        try:
            self.observe(here, "before")
        except BaseException as crash:
            _leave(atomic, type(crash), crash, crash.__traceback__)
            raise
        _leave(atomic, None, None, None)
        return self.observe(here, "after")

    def send(self, client: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request; when the observer dies after it, the service has executed it."""
        if str(request.url).startswith(self.besides):
            return _send(client, request, **options)
        here = self.point("call", place_of(request.method, request.url.path))
        self.observe(here, "before")
        response = _send(client, request, **options)
        try:
            self.observe(here, "after")
        except BaseException:
            response.close()
            raise
        return response


def place_of(method: str, path: str) -> str:
    """Return method and path of a call with everything left out that differs from run to run."""
    return f"{method} {_GUID.sub('{id}', _ORGANISATION.sub('/{organisation}', path))}"


@contextmanager
def watching(observe: Observer, besides: str = "\0") -> Iterator[None]:
    """Tell the observer about every commit and every call, ``before`` and ``after`` it.

    Args:
        observe: Gets the point and when; whatever it raises happens there.
        besides: Calls to addresses that begin with this are nobody's business.
    """
    watch = _Watch(observe, besides)

    def leave(atomic: transaction.Atomic, kind: Any, error: Any, trace: Any) -> None:
        watch.leave(atomic, kind, error, trace)

    def send(client: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        return watch.send(client, request, **options)

    with (
        patch.object(transaction.Atomic, "__exit__", leave),
        patch.object(httpx.Client, "send", send),
        connection.execute_wrapper(watch.statement),
    ):
        yield


@contextmanager
def crash(point: Point, when: str, *, besides: str = "\0", die: Callable[[], Any] | None = None) -> Iterator[None]:
    """Die at a point; the block goes on after it, as if the worker had never been."""
    reached = []

    def observe(here: Point, now: str) -> None:
        if (here, now) == (point, when):
            reached.append(here)
            if die:
                die()
            raise Crashed(f"{when} {here}")

    try:
        with watching(observe, besides):
            yield
    except Crashed:
        connection.close_if_unusable_or_obsolete()
    assert reached, f"{point} was never reached"


def _place() -> str:
    """Return the function of ours that commits: of a decorated one its own name, of a block the one around it."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        function = frame.f_locals.get("func") if frame.f_code.co_filename.endswith("contextlib.py") else None
        if function is not None:
            return f"{function.__module__}.{function.__qualname__}"
        module = frame.f_globals.get("__name__", "")
        if module.startswith(_OURS):
            return f"{module}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "elsewhere"
