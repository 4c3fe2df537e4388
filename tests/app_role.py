"""Lets a test meet PostgreSQL as the application's role does: row-level security binds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

ROLE = "elm_app_of_tests"


@contextmanager
def as_app_role() -> Iterator[None]:
    """Work as the application's role, which has been given its rights, until the block ends."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {ROLE}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")
