"""A number within a column of JSON, for constraints of the database."""

from __future__ import annotations

from typing import Any

from django.db.models import BigIntegerField, Func
from django.db.models.sql.compiler import SQLCompiler


class StoredNumber(Func):
    """The number at a path of names in a JSON column; null where there is none.

    Django's own lookups take a name that looks like a number for a place in a list, on SQLite at least.
    """

    output_field = BigIntegerField()

    def __init__(self, column: str, *path: str) -> None:
        """Say where the number is.

        Args:
            column: The JSON column.
            path: Names, from the outermost one.
        """
        super().__init__(column)
        self.path = path

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **context: Any) -> Any:
        """Return the SQL for SQLite."""
        names = "".join(f'."{name}"' for name in self.path)
        return super().as_sql(compiler, connection, template=f"JSON_EXTRACT(%(expressions)s, '${names}')", **context)

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **context: Any) -> Any:
        """Return the SQL for PostgreSQL."""
        template = f"(%(expressions)s #>> '{{{','.join(self.path)}}}')::numeric"
        return super().as_sql(compiler, connection, template=template, **context)
