"""The only way into the log."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from django.db import connection

from audit_app import stream
from audit_app.actions import Action
from audit_app.actors import Actor
from audit_app.canonical import GENESIS_HASH
from audit_app.chain import microseconds, seal
from audit_app.models import ChainHead, ProvisioningLog
from core_app import clock
from core_app.text import unstorable_reason

_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{0,100}")
_MAX_ERROR_LENGTH = 4000


@dataclass(frozen=True, slots=True)
class Chain:
    """Which chain an entry belongs to and what it is about."""

    key: str
    tenant_id: UUID
    subject: str
    environment_request_id: UUID | None = None


class Logged(Protocol):
    """Anything that has a chain: a request, a tenant."""

    def log_chain(self) -> Chain: ...


def record(  # noqa: PLR0913 - the columns of an entry
    action: Action,
    *,
    on: Logged,
    by: Actor,
    details: Mapping[str, Any] | None = None,
    transition: tuple[int | None, int] | None = None,
    error: str = "",
    success: bool = True,
    correlation_id: str = "",
    policy_version: str = "",
) -> ProvisioningLog:
    """Append one entry to the chain of ``on``, in the caller's transaction.

    Args:
        action: What happened.
        on: What it happened to; its chain is locked until the transaction ends (last in the lock order).
        by: Who did it.
        details: Facts of the action as strings, integers, booleans, null, lists and objects; no secret, no personal
            data beyond a UPN.
        transition: (from state, to state) when this entry carries a state change; recorded *before* the row is saved;
            from None for the first state.
        error: Why it failed, already redacted; implies nothing about ``success``.
        success: Whether the action succeeded.
        correlation_id: Ties entries of one run together and to Microsoft's logs.
        policy_version: Version of the rule set or settings that was applied.

    Raises:
        RuntimeError: outside a transaction: a change and its entry commit together or not at all.
        canonical.NotCanonicalError: when a value has no canonical form (a float, NUL, text not in NFC).
    """
    if not connection.in_atomic_block:
        raise RuntimeError("record() needs a transaction: the change and its log entry commit together.")
    if not _CORRELATION_ID.fullmatch(correlation_id):
        raise ValueError("A correlation id holds only letters, digits and . _ : -, at most 100 of them.")
    chain = on.log_chain()
    head = _locked_head(chain)
    facts = dict(details or {})
    now = clock.now()
    if head.timestamp and now < head.timestamp:
        # A clock set back must not make the order of entries a lie; the entry says by how much it was held.
        facts["clock_behind_microseconds"] = microseconds(head.timestamp) - microseconds(now)
        now = head.timestamp
    entry = ProvisioningLog(
        environment_request_id=chain.environment_request_id,
        sequence=head.sequence + 1,
        action=action,
        action_details=facts,
        actor=by.name,
        actor_type=by.type,
        timestamp=now,
        success=success,
        error_message=_storable(error),
        correlation_id=correlation_id,
        chain=chain.key,
        tenant_id=chain.tenant_id,
        subject=chain.subject,
        from_state=transition[0] if transition else None,
        to_state=transition[1] if transition else None,
        policy_version=policy_version,
        previous_hash=head.entry_hash,
    )
    entry.canonical, entry.entry_hash = seal(entry)
    entry.save(force_insert=True)
    head.sequence, head.entry_hash, head.timestamp = entry.sequence, entry.entry_hash, now
    head.save(update_fields=["sequence", "entry_hash", "timestamp"])
    stream.send_on_commit(entry)
    return entry


def _locked_head(chain: Chain) -> ChainHead:
    """Lock the chain's one head row, creating it on the first entry; whoever comes second waits here."""
    heads = ChainHead.objects.select_for_update(no_key=True)
    head = heads.filter(chain=chain.key).first()
    if head is None:
        new = ChainHead(chain=chain.key, tenant_id=chain.tenant_id, entry_hash=GENESIS_HASH)
        ChainHead.objects.bulk_create([new], ignore_conflicts=True)
        head = heads.get(chain=chain.key)
    return head


def _storable(error: str) -> str:
    """Bring text from elsewhere (an error of a remote service) into a form that can be hashed and stored."""
    if unstorable_reason(error):
        error = error.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    return unicodedata.normalize("NFC", error)[:_MAX_ERROR_LENGTH]
