"""Row-level security on PostgreSQL: a policy on every table that holds rows of a tenant.

ENABLE without FORCE: the owner, who migrates, is not bound; the application connects as a role that owns nothing. The
policies are installed after migrations like the triggers, and ask once per statement which tenants are shown
(``core_app.tenancy``): the functions stand in subqueries of their own, which PostgreSQL evaluates before the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps
from django.db import connection
from django.db.models import Field, ForeignKey, Model

from audit_app import triggers
from core_app.tenancy import EVERY, NONE, VARIABLE

POLICY: Final = "rows_of_shown_tenants"
# Ours, but of no tenant: ticks of workers, and what the verifications of the whole log came to
SHARED: Final = frozenset({"audit_app.VerificationRun", "provisioning_app.WorkerTick"})
# Tables without a tenant of their own → the key to the row whose tenant is theirs
_BY_WAY_OF: Final = {
    "accounts_app.User_groups": "user",
    "accounts_app.User_user_permissions": "user",
    "accounts_app.BusinessUnitUserObjectPermission": "content_object",
    "accounts_app.BusinessUnitGroupObjectPermission": "content_object",
    "requests_app.EnvironmentRequestUserObjectPermission": "content_object",
    "requests_app.EnvironmentRequestGroupObjectPermission": "content_object",
    "requests_app.RequestComment": "request",
    "requests_app.ZoneDispute": "request",
    "gates_app.GateParty": "gate",
    "gates_app.Stage": "gate",
    "gates_app.Decision": "gate",
    "provisioning_app.GovernedControl": "environment",
    "provisioning_app.Gap": "request",
    "provisioning_app.PrivilegeFinding": "review",
    "provisioning_app.StepRecord": "run",
    "sign_in_app.MappedGrant": "mapping",
    "notifications_app.NotificationChoice": "person",
}
_SHOWN: Final = f"current_setting('{VARIABLE}', true)"
FUNCTIONS: Final = ("elm_shows_every_tenant", "elm_shown_tenants")
_FUNCTIONS: Final = (
    "CREATE OR REPLACE FUNCTION elm_shows_every_tenant() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS "
    f"$$ SELECT coalesce({_SHOWN} = '{EVERY}', false) $$",
    "CREATE OR REPLACE FUNCTION elm_shown_tenants() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE AS "
    f"$$ SELECT CASE WHEN coalesce({_SHOWN}, '') IN ('', '{EVERY}', '{NONE}') THEN '{{}}'::uuid[] "
    f"ELSE string_to_array({_SHOWN}, ',')::uuid[] END $$",
)
_EVERY: Final = "(SELECT elm_shows_every_tenant())"
_THESE: Final = "(SELECT elm_shown_tenants())::uuid[]"
_STANDING: Final = """
    SELECT pg_class.relname, obj_description(pg_policy.oid, 'pg_policy') FROM pg_policy
    JOIN pg_class ON pg_class.oid = pg_policy.polrelid
    WHERE polname = %s AND relrowsecurity AND pg_table_is_visible(pg_class.oid)
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which rows of a table are shown, and may be written.

    Attributes:
        table: The table.
        condition: On a row, in SQL.
    """

    table: str
    condition: str

    def statements(self) -> list[str]:
        """Return what installs it anew."""
        return [
            f"DROP POLICY IF EXISTS {POLICY} ON {self.table}",
            f"CREATE POLICY {POLICY} ON {self.table} USING ({self.condition}) WITH CHECK ({self.condition})",
            f"COMMENT ON POLICY {POLICY} ON {self.table} IS {_quoted(self.condition)}",
            f"ALTER TABLE {self.table} ENABLE ROW LEVEL SECURITY",
        ]


def policies() -> list[Policy]:
    """Return the policies that must stand, one for each table of a tenant."""
    return [Policy(model._meta.db_table, _condition(model)) for model in _ours() if model._meta.label not in SHARED]


def missing() -> list[str]:
    """Return the tables whose policy is missing, switched off or another one; none on SQLite, which has no policies."""
    if connection.vendor != "postgresql":
        return []
    standing = _standing()
    return sorted(policy.table for policy in policies() if standing.get(policy.table) != policy.condition)


def install(**_signal: Any) -> None:
    """Install what is missing, on PostgreSQL; safe to call again, and locks no table whose policy stands."""
    if connection.vendor != "postgresql":
        return
    tables, lacking = set(connection.introspection.table_names()), set(missing())
    wanted = [policy for policy in policies() if policy.table in tables & lacking]
    if wanted:
        triggers.run_patiently(list(_FUNCTIONS))
    for policy in wanted:
        triggers.run_patiently(policy.statements())


def _standing() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(_STANDING, [POLICY])
        return dict(cursor.fetchall())


def _ours() -> Iterator[type[Model]]:
    for config in apps.get_app_configs():
        if config.name.endswith("_app"):
            yield from config.get_models(include_auto_created=True)


def _condition(model: type[Model]) -> str:
    return f"{_EVERY} OR {_within(model)}"


def _within(model: type[Model]) -> str:
    """Return the condition on a row of being of a shown tenant, where not every tenant is shown.

    Raises:
        LookupError: nothing says whose rows these are; name it in ``_BY_WAY_OF``.
    """
    original = getattr(model, "instance_type", model)  # of a table of history, the one it is about
    if original._meta.label in ("accounts_app.Tenant",):
        return _is_shown(f"{model._meta.db_table}.id")
    fields: dict[str, Field[Any, Any]] = {field.name: field for field in original._meta.concrete_fields}
    if (tenant := _key_to_tenant(fields)) is not None:
        column = f"{model._meta.db_table}.{tenant.column}"
        # Accounts of no tenant, break-glass among them, may act in any: who is shown a tenant is shown them
        of_none = f" OR ({column} IS NULL AND cardinality({_THESE}) > 0)" if tenant.null else ""
        return f"{_is_shown(column)}{of_none}"
    if original._meta.label not in _BY_WAY_OF:
        raise LookupError(f"{original._meta.label}: nothing says whose rows these are; see accounts_app/row_security.")
    key = fields[_BY_WAY_OF[original._meta.label]]
    parent = key.related_model._meta.db_table  # type: ignore[union-attr]
    # The parent's own policy holds within the subquery
    of_parent = f"parent.id = {model._meta.db_table}.{key.column}"
    return f"EXISTS (SELECT 1 FROM {parent} AS parent WHERE {of_parent})"  # noqa: S608 - names of our own tables


def _key_to_tenant(fields: dict[str, Field[Any, Any]]) -> ForeignKey[Any, Any] | None:
    for name in ("tenant", "content_object"):
        field = fields.get(name)
        if isinstance(field, ForeignKey) and field.related_model._meta.label == "accounts_app.Tenant":
            return field
    return None


def _is_shown(column: str) -> str:
    return f"{column} = ANY ({_THESE})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
