"""The log for a SIEM: every entry, and every reading of the log, as one JSON object a line, of a versioned schema.

A line is written when the transaction that made the entry has committed, once. A consumer knows by chain and sequence
when one is missing (the process died between commit and line) and asks for it again: ``manage.py stream_log``. The
schemas are described in docs/guides/siem.md and, for programs, in docs/schemas; under the same version a member is
never renamed or given another meaning.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, Final

from django.db import transaction

from audit_app.actions import Action, ActorType
from audit_app.models import ProvisioningLog
from core_app.text import as_json

ENTRY: Final = "elm.log-entry/1"
ACCESS: Final = "elm.log-access/1"

_lines = logging.getLogger(__name__)


def entry_line(entry: ProvisioningLog) -> str:
    """Return an entry as its line: the members that were hashed, with time, action and kind of actor in words too."""
    return as_json(
        {
            "schema": ENTRY,
            "timestamp": written(entry.timestamp),
            "id": str(entry.pk),
            "tenant": str(entry.tenant_id),
            "chain": entry.chain,
            "sequence": entry.sequence,
            "action": int(entry.action),
            "action_name": Action(entry.action).label,
            "actor": entry.actor,
            "actor_type": int(entry.actor_type),
            "actor_type_name": ActorType(entry.actor_type).label,
            "subject": entry.subject,
            "environment_request": str(entry.environment_request_id) if entry.environment_request_id else None,
            "success": entry.success,
            "error_message": entry.error_message,
            "correlation_id": entry.correlation_id,
            "from_state": entry.from_state,
            "to_state": entry.to_state,
            "policy_version": entry.policy_version,
            "action_details": entry.action_details,
            "previous_hash": entry.previous_hash,
            "entry_hash": entry.entry_hash,
        }
    )


def send_on_commit(entry: ProvisioningLog) -> None:
    """Write an entry's line once its transaction has committed; a stream that fails fails no verb."""

    def send_entry() -> None:  # named: Django cannot report a partial that fails
        _lines.info("%s", entry_line(entry))

    if _lines.isEnabledFor(logging.INFO):
        transaction.on_commit(send_entry, robust=True)


def send(document: dict[str, Any]) -> None:
    """Write a line of another schema at once, whatever becomes of the transaction."""
    _lines.info("%s", as_json(document))


def written(moment: datetime) -> str:
    """Return a moment as every line writes it: UTC, microseconds, ``Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
