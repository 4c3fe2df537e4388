"""Rows of a list, page by page: as they stand at one moment, in memory that does not grow with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, Final

from django.db import connection
from django.db.models import QuerySet

from evidence_app.snapshot import snapshot
from exports_app.tables import Column, Table

PAGE: Final = 2000  # rows in memory at a time


def pages(rows: QuerySet[Any], table: Table, columns: list[Column]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows' values of the columns, a page at a time, in the order of the table.

    A page is a statement of its own that begins after the row before: no cursor is kept, so that it works behind a
    pooler too. On PostgreSQL all of them read the same moment. On SQLite each reads its own: one moment for all would
    hold the write lock for as long as the slowest reader takes.
    """
    ordered = rows.order_by(*table.order).values_list(*table.order, *(column.path for column in columns))
    keys = len(table.order)
    with snapshot() if connection.vendor == "postgresql" else nullcontext():
        page = list(ordered[:PAGE])
        while page:
            yield [row[keys:] for row in page]
            is_last = len(page) < PAGE
            page = [] if is_last else list(ordered.filter(table.after(page[-1][:keys]))[:PAGE])
