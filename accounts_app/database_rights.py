"""What the database itself says: triggers on each table, and which of its roles may write into append-only tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connection, connections

from accounts_app import row_security
from accounts_app.privilege_report import DatabaseRights, Finding, TableTriggers
from audit_app import triggers

_NAMED: Final = 2  # of many, these say enough
_RIGHTS: Final = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
_ADDING: Final = ("INSERT",)
_COUNTING: Final = ("INSERT", "UPDATE")  # heads of chains and trees move on, and none is ever taken away
# Asked of PostgreSQL for every role, so that what PUBLIC, a membership or a single column gives is seen as well; roles
# of the server's own (pg_…) are seen through those who are members of them
_HELD: Final = """
    SELECT relname, rolname,
           CASE WHEN pg_roles.oid = relowner THEN 'owner' WHEN rolsuper THEN 'superuser'
                WHEN pg_has_role(pg_roles.oid, relowner, 'USAGE') THEN 'member of the owner' ELSE '' END,
           has_any_column_privilege(pg_roles.oid, pg_class.oid, 'INSERT'),
           has_any_column_privilege(pg_roles.oid, pg_class.oid, 'UPDATE'),
           has_table_privilege(pg_roles.oid, pg_class.oid, 'DELETE'),
           has_table_privilege(pg_roles.oid, pg_class.oid, 'TRUNCATE')
    FROM pg_class CROSS JOIN pg_roles
    WHERE relname = ANY(%s) AND relkind = 'r' AND pg_table_is_visible(pg_class.oid) AND rolname !~ '^pg_'
    ORDER BY relname, rolname
"""
# What lets a role do away with what protects the log: its attributes, and whatever of ours it owns, be it as a member
_ATTRIBUTES: Final = "SELECT rolsuper, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = %s"
_OWNED: Final = """
    WITH tables AS (
        SELECT * FROM pg_class WHERE relname = ANY(%s) AND relkind IN ('r', 'p') AND pg_table_is_visible(oid)
    )
    SELECT what FROM (
        SELECT 1, 'the database ' || datname, datdba FROM pg_database WHERE datname = current_database()
        UNION SELECT 2, 'the schema ' || nspname, nspowner FROM pg_namespace
            WHERE oid IN (SELECT relnamespace FROM tables)
        UNION SELECT 3, 'the function ' || proname, proowner FROM pg_proc
            WHERE oid IN (SELECT tgfoid FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM tables) AND NOT tgisinternal)
            OR (proname = ANY(%s) AND pg_function_is_visible(oid))
        UNION SELECT 4, 'the table ' || relname, relowner FROM tables
    ) AS ours (place, what, owner) WHERE pg_has_role(%s, owner, 'USAGE') ORDER BY place, what
"""


def table_triggers() -> tuple[TableTriggers, ...]:
    """Return every table that triggers protect, with those that must be there and those that are."""
    expected, installed = triggers.expected_by_table(), triggers.installed_by_table()
    append_only = triggers.append_only_tables()
    return tuple(
        TableTriggers(table, table in append_only, tuple(sorted(names)), tuple(sorted(installed.get(table, ()))))
        for table, names in sorted(expected.items())
    )


def rights_on_protected() -> tuple[DatabaseRights, ...]:
    """Return which database roles may write into append-only tables and heads of chains; nothing on SQLite.

    The owner, its members and superusers may by their nature; any other role may at most add, and move a head on.
    """
    if connection.vendor != "postgresql":
        return ()
    with connection.cursor() as cursor:
        cursor.execute(_HELD, [sorted(triggers.append_only_tables() | set(triggers.COUNTED))])
        rows = cursor.fetchall()
    found = []
    for table, role, standing, *held in rows:
        effective = tuple(right for right, has in zip(_RIGHTS, held, strict=True) if has)
        allowed = _COUNTING if table in triggers.COUNTED else _ADDING
        expected = _RIGHTS if standing else tuple(right for right in allowed if right in effective)
        if effective:
            found.append(DatabaseRights(table, role, standing, expected, effective))
    return tuple(found)


def excess(rights: tuple[DatabaseRights, ...]) -> Iterator[Finding]:
    """Yield the database roles that may do more to an append-only table than add to it."""
    for each in rights:
        if more := [right for right in each.effective if right not in each.expected]:
            yield Finding("DATABASE_GRANT", each.role, f"REVOKE {', '.join(more)} ON {each.table} FROM {each.role};")


def strangers(tables: tuple[TableTriggers, ...]) -> Iterator[Finding]:
    """Yield the triggers on protected tables that are not the program's: they may change or swallow what is added."""
    for each in tables:
        for name in each.effective:
            if name not in each.expected:
                detail = f"Not of this program; find out who made it, then DROP TRIGGER {name} ON {each.table};"
                yield Finding("TRIGGER_UNKNOWN", name, detail)


def connected_role(using: str = DEFAULT_DB_ALIAS) -> str:
    """Return the database role that the program is connected as."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT current_user")
        return str(cursor.fetchone()[0])


def powers_of(role: str, using: str = DEFAULT_DB_ALIAS) -> list[str]:
    """Return why a role of PostgreSQL could do away with triggers and policies, in words; nothing when it cannot."""
    ours = [model._meta.db_table for model in apps.get_models(include_auto_created=True)]
    with connections[using].cursor() as cursor:
        cursor.execute(_ATTRIBUTES, [role])
        is_superuser, makes_roles, bypasses = cursor.fetchone() or (False, False, False)
        if is_superuser:
            return ["is a superuser"]
        cursor.execute(_OWNED, [[*ours, "django_migrations"], list(row_security.FUNCTIONS), role])
        owned = [what for (what,) in cursor.fetchall()]
    found = ["bypasses row-level security"] if bypasses else []
    found += ["may make roles, and so become the owner"] if makes_roles else []
    return [*found, f"owns {_in_words(owned)}"] if owned else found


def _in_words(names: list[str]) -> str:
    """Return a few names, and how many more there are."""
    if len(names) <= _NAMED:
        return " and ".join(names)
    return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
