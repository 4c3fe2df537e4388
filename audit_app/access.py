"""The second trail: who read the log, or tried to. It never keeps anybody from reading, and never slows a chain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from django.db import DatabaseError, transaction

from audit_app import stream
from audit_app.models import LogAccess
from core_app import clock

log = structlog.get_logger(__name__)

_REFUSED_FROM: Final = 400  # HTTP statuses


@dataclass(frozen=True, slots=True)
class Reading:
    """One request for a page that shows entries of the log.

    Attributes:
        page: What was asked for.
        address: Path and query, as they were sent.
        method: HTTP method.
        status: HTTP status of the answer.
        request_id: Id of the web request.
    """

    page: LogAccess.Page
    address: str
    method: str
    status: int
    request_id: str = ""


def note(reading: Reading, *, person: str, tenants: Iterable[UUID]) -> None:
    """Keep that a person read, or tried to read, the log of tenants: as a row of each, and as a line of the stream.

    A database that takes no changes (a full disk, a replica) still lets people read: then there is the line alone.

    Args:
        reading: What they asked for, and the answer.
        person: Their user principal name.
        tenants: Whose log it is, as far as they can see.
    """
    rows = [_row(reading, person, tenant_id) for tenant_id in tenants]
    for row in rows:
        stream.send(_document(row))
    try:
        with transaction.atomic():
            LogAccess.objects.bulk_create(rows)
    except DatabaseError as error:
        log.error("log_access_not_stored", reason=str(error), accesses=[str(row.pk) for row in rows])  # noqa: TRY400


def _row(reading: Reading, person: str, tenant_id: UUID) -> LogAccess:
    longest = LogAccess._meta.get_field("address").max_length or 0
    return LogAccess(
        tenant_id=tenant_id,
        at=clock.now(),
        person=person,
        page=reading.page,
        address=reading.address[:longest],
        method=reading.method,
        status=reading.status,
        refused=reading.status >= _REFUSED_FROM,
        request_id=reading.request_id,
    )


def _document(row: LogAccess) -> dict[str, object]:
    return {
        "schema": stream.ACCESS,
        "timestamp": stream.written(row.at),
        "id": str(row.pk),
        "tenant": str(row.tenant_id),
        "person": row.person,
        "page": LogAccess.Page(row.page).name.lower(),
        "address": row.address,
        "method": row.method,
        "status": row.status,
        "refused": row.refused,
        "request_id": row.request_id,
    }
