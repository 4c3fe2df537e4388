"""The database role the application runs as: it owns nothing, row-level security binds it, to the log it only adds.

The owner of the tables runs ``manage.py migrate`` and then ``manage.py app_role``; all else connects as this role.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.db import connection
from psycopg import sql

from accounts_app import database_rights
from audit_app import triggers
from core_app.errors import DomainError

NAME: Final = "elm_app"
_READ_ONLY: Final = ("django_migrations",)
_NEVER_DELETED: Final = triggers.COUNTED
_MEMBERSHIPS: Final = """
    SELECT granted.rolname FROM pg_auth_members JOIN pg_roles AS granted ON granted.oid = roleid
    JOIN pg_roles AS held ON held.oid = member WHERE held.rolname = %s ORDER BY 1
"""


def give(role: str = NAME) -> None:
    """Make the role, where it does not exist yet, and give it what the application needs; safe to call again.

    A new role has no password and cannot sign in with one before it is given one.

    Args:
        role: Its name.

    Raises:
        DomainError: this is not PostgreSQL, or the role has powers that the application must not have.
    """
    if connection.vendor != "postgresql":
        raise DomainError("Only PostgreSQL has roles; an SQLite file belongs to whoever can write it.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone() is None:
            cursor.execute(sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS").format(sql.Identifier(role)))
        if powers := powers_of(role):
            raise DomainError(f"The role {role} is not fit for the application: it {', and '.join(powers)}.")
        for statement in _grants(sql.Identifier(role)):
            cursor.execute(statement)


def powers_of(role: str) -> list[str]:
    """Return what a role may that the application's must not, in words; nothing for a role that is fit for it."""
    with connection.cursor() as cursor:
        cursor.execute(_MEMBERSHIPS, [role])
        others = [f"is a member of {name}, whose rights it has" for (name,) in cursor.fetchall()]
    return [*database_rights.powers_of(role), *others]


def _grants(role: sql.Identifier) -> Iterator[sql.Composed]:
    everything = "SELECT, INSERT, UPDATE, DELETE"
    yield sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role)
    yield sql.SQL(f"GRANT {everything} ON ALL TABLES IN SCHEMA public TO {{}}").format(role)
    yield sql.SQL("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}").format(role)
    # What later migrations make; append-only tables among them lose their rights below, when this runs again
    yield sql.SQL(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {everything} ON TABLES TO {{}}").format(role)
    yield sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {}").format(role)
    tables = set(connection.introspection.table_names())
    append_only = [each.table for each in triggers.declared() if isinstance(each, triggers.AppendOnly)]
    for table in sorted(tables & set(append_only)):
        yield _revoke("UPDATE, DELETE, TRUNCATE", table, role)
    for table in sorted(tables & set(_NEVER_DELETED)):
        yield _revoke("DELETE, TRUNCATE", table, role)
    for table in sorted(tables & set(_READ_ONLY)):
        yield _revoke("INSERT, UPDATE, DELETE, TRUNCATE", table, role)


def _revoke(rights: str, table: str, role: sql.Identifier) -> sql.Composed:
    return sql.SQL(f"REVOKE {rights} ON {{}} FROM {{}}").format(sql.Identifier(table), role)
