"""How an entry becomes a link: the pure part of the log, shared by writing and verifying."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypedDict
from uuid import UUID

from audit_app import canonical

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Entry(TypedDict):
    """Version 1 of a log entry (elm.md §9): every member is hashed; final since the first release."""

    id: str
    chain: str
    sequence: int
    tenant: str
    environment_request: str | None
    subject: str
    action: int
    actor: str
    actor_type: int
    timestamp: int  # microseconds since 1970-01-01T00:00:00Z
    success: bool
    error_message: str
    correlation_id: str
    from_state: int | None
    to_state: int | None
    policy_version: str
    action_details: dict[str, Any]
    previous_hash: str


class LogRow(Protocol):
    """The query columns of a stored entry."""

    id: UUID
    chain: str
    sequence: int
    tenant_id: UUID
    environment_request_id: UUID | None
    subject: str
    action: int
    actor: str
    actor_type: int
    timestamp: datetime
    success: bool
    error_message: str
    correlation_id: str
    from_state: int | None
    to_state: int | None
    policy_version: str
    action_details: dict[str, Any]
    previous_hash: str


def microseconds(at: datetime) -> int:
    """Return a moment as whole microseconds since the Unix epoch, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def entry_of(row: LogRow) -> Entry:
    """Return the entry that the query columns of a row describe."""
    return Entry(
        id=str(row.id),
        chain=row.chain,
        sequence=row.sequence,
        tenant=str(row.tenant_id),
        environment_request=str(row.environment_request_id) if row.environment_request_id else None,
        subject=row.subject,
        action=row.action,
        actor=row.actor,
        actor_type=row.actor_type,
        timestamp=microseconds(row.timestamp),
        success=row.success,
        error_message=row.error_message,
        correlation_id=row.correlation_id,
        from_state=row.from_state,
        to_state=row.to_state,
        policy_version=row.policy_version,
        action_details=row.action_details,
        previous_hash=row.previous_hash,
    )


def details_in(stored: str) -> Any:
    """Return the details that stand in a column of JSON; None, which no entry has, where it holds none."""
    try:
        return json.loads(stored)
    except (ValueError, TypeError, RecursionError):
        return None


def seal(row: LogRow) -> tuple[bytes, str]:
    """Return (canonical bytes, entry hash) for a row.

    Raises:
        canonical.NotCanonicalError: when a value has no canonical form.
    """
    content = canonical.encode(dict(entry_of(row)))
    return content, canonical.digest(content)
