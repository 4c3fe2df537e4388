"""What can happen to a list: an auditor exports it. The log knows before the first byte leaves, and after the last."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts_app.models import Tenant, User
from accounts_app.roles import Role
from accounts_app.scope import Reach, Scope, prefixed, scope_of
from accounts_app.step_up import require_fresh_sign_in
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from core_app import tenancy
from core_app.errors import PermissionRefused
from core_app.transactions import transactional
from evidence_app import spreadsheet
from evidence_app.patience import OF_LISTS, require_patience
from evidence_app.permissions import audited_tenants
from exports_app.files import Archive, Format, Written, head, lines
from exports_app.rows import pages
from exports_app.tables import LOG, Column, Names, Table

log = structlog.get_logger(__name__)

FORMAT: Final = "elm-rows-1"
MANIFEST: Final = "manifest.json"
MOST_AN_HOUR: Final = 20  # of one person and tenant: an export may read every row there is (ASVS 2.4.1)


@dataclass(frozen=True, slots=True)
class Order:
    """What a person wants exported.

    Attributes:
        table: Which list.
        rows: Its rows as the list shows them to the person, filtered.
        filters: The filter as it stands in the address of the list.
        words: The same for people.
        file_format: What the file looks like.
        names: Under which names its columns stand.
    """

    table: Table
    rows: QuerySet[Any]
    filters: Mapping[str, str]
    words: tuple[str, ...]
    file_format: Format
    names: Names


@dataclass(frozen=True, slots=True)
class Export:
    """An export that the log knows of.

    Attributes:
        entry_id: The entry that says that it was started; it identifies the export.
        tenant: Whose rows.
        order: What was asked for.
        rows: The rows that leave, no more than the person audits.
        scope: ``tenant`` or ``business units``.
        columns: The file's columns.
        by: Who asked.
        at: When.
    """

    entry_id: UUID
    tenant: Tenant
    order: Order
    rows: QuerySet[Any]
    scope: str
    columns: list[Column]
    by: User
    at: datetime

    @property
    def file_name(self) -> str:
        """Return the name of the file in the archive."""
        return f"{self.order.table.key}.{self.order.file_format}"


def may_export(user: User, table: Table, scope: Scope | None = None) -> bool:
    """Say whether a person may export a list: they audit something, and hold the table's permission.

    Args:
        user: The person.
        table: The list.
        scope: The person's, where it is known already.
    """
    if not (user.is_active and user.has_perm(table.permission)):
        return False
    return Role.AUDITOR in (scope or scope_of(user)).own


def exportable_tenants(user: User) -> QuerySet[Tenant]:
    """Return the tenants of which a person audits at least one unit."""
    reach = _reach(user)
    return audited_tenants(reach) if reach is not None else Tenant.objects.none()


def audited(user: User, table: Table, tenant: Tenant) -> Q:
    """Return the filter on the rows of a tenant that a person audits themselves: not what they see by another role.

    Raises:
        PermissionRefused: they audit nothing there.
    """
    reach = _required(user, table, tenant)
    if tenant.pk in reach.tenants:
        return Q(tenant=tenant.pk)
    within = prefixed(reach.q(), "environment_request") if table is LOG else reach.q()
    return Q(within, tenant=tenant.pk)


@transactional
def start_export(tenant_id: UUID, order: Order, *, by: User) -> Export:
    """Note in the log that somebody exports a list; only then may its rows be streamed.

    Args:
        tenant_id: Whose rows.
        order: Which rows, and how.
        by: An ELM Auditor; what they do not audit is left out.

    Raises:
        PermissionRefused: they do not audit the tenant, or may not export this list.
        SignInAgainError: their last sign-in is not recent.
        DomainError: too many exports within an hour.
    """
    tenant = Tenant.objects.get(pk=tenant_id)
    within = audited(by, order.table, tenant)
    require_fresh_sign_in(by, _("An export"))
    require_patience(tenant, by, OF_LISTS, MOST_AN_HOUR)
    reach = _required(by, order.table, tenant)
    scope = "tenant" if tenant.pk in reach.tenants else "business units"
    details = {**_asked(order), "scope": scope}
    entry = record(Action.EXPORT_STARTED, on=tenant, by=person(by), details=details)
    # What the export itself adds to the log is no part of it
    rows = order.rows.filter(within)
    rows = rows.filter(timestamp__lt=entry.timestamp) if order.table is LOG else rows
    columns = order.table.columns(order.names, tenant.publisher_prefix)
    return Export(entry.pk, tenant, order, rows, scope, columns, by, entry.timestamp)


def stream(export: Export) -> Iterator[bytes]:
    """Yield the archive with the rows and their manifest, as it is made; the log learns how it ended.

    A download that the person ends, or that breaks, is logged as a failure with the rows that had left until then.
    """
    written, archive = Written(), Archive()
    problem = "The download ended before the last row."
    try:
        with tenancy.of(export.tenant.pk):
            yield from archive.member(export.file_name, _content(export, written))
            yield from archive.member(MANIFEST, iter([_manifest(export, written)]))
            yield archive.end()
        problem = ""
    except Exception as error:
        problem = f"The export broke off: {type(error).__name__}."
        raise
    finally:
        with tenancy.of(export.tenant.pk):
            _record_end(export, written, problem)


def _content(export: Export, written: Written) -> Iterator[bytes]:
    order = export.order
    yield written.add(head(export.columns, order.file_format, order.names), 0)
    for page in pages(export.rows, order.table, export.columns):
        yield written.add(lines(page, export.columns, order.file_format, order.names), len(page))


def _manifest(export: Export, written: Written) -> bytes:
    order = export.order
    facts: dict[str, Any] = {
        "format": FORMAT,
        "export": str(export.entry_id),
        "table": order.table.key,
        "tenant": {"id": str(export.tenant.pk), "name": export.tenant.name},
        "exported_by": export.by.upn,
        "exported_at": export.at.isoformat(),
        "filter": dict(order.filters),
        "filter_in_words": list(order.words),
        "scope": export.scope,
        "rows": written.rows,
        "file": {"name": export.file_name, "bytes": written.size, "sha256": written.sha256},
        "names": str(order.names),
        "columns": {column.name: column.field for column in export.columns},
        "choices": {column.name: dict(column.choices) for column in export.columns if column.choices},
    }
    if order.file_format == Format.CSV:
        facts["rendering"] = {"encoding": spreadsheet.ENCODING, "rule": spreadsheet.RULE}
    return (json.dumps(facts, ensure_ascii=False, indent=2) + "\n").encode()


@transactional
def _record_end(export: Export, written: Written, problem: str) -> None:
    details = {**_asked(export.order), "export": str(export.entry_id), "rows": written.rows, "scope": export.scope}
    if not problem:
        details |= {"bytes": written.size, "sha256": written.sha256}
    record(
        Action.LIST_EXPORTED,
        on=export.tenant,
        by=person(export.by),
        details=details,
        error=problem,
        success=not problem,
    )


def _asked(order: Order) -> dict[str, Any]:
    return {
        "table": order.table.key,
        "filter": dict(order.filters),
        "format": str(order.file_format),
        "names": str(order.names),
    }


def _required(user: User, table: Table, tenant: Tenant) -> Reach:
    reach = _reach(user) if may_export(user, table) else None
    if reach is None or not audited_tenants(reach).filter(pk=tenant.pk).exists():
        raise PermissionRefused(
            _("Exporting lists of %(tenant)s needs the role %(auditor)s for it.")
            % {"tenant": tenant, "auditor": Role.AUDITOR}
        )
    return reach


def _reach(user: User) -> Reach | None:
    return scope_of(user).own.get(Role.AUDITOR)
