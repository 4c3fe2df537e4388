"""The signer: puts committed entries into the tree, and signs for it when it grew, and at least every five minutes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_noop as noop

from audit_app import anchors, keys, tree, witness
from audit_app.actions import Action
from audit_app.actors import SYSTEM, Actor
from audit_app.log import record
from audit_app.merkle import CompactRange
from audit_app.models import Checkpoint, LogTree
from audit_app.notes import BadNoteError, TreeHead, fingerprint, opened, public_bytes, sign
from audit_app.witness import Memory, SignerRefusedError
from core_app import clock

log = structlog.get_logger(__name__)

HEARTBEAT: Final = timedelta(minutes=4, seconds=30)  # with a tick every half minute: at least every five minutes


def checkpoint_due() -> list[Checkpoint]:
    """Sign for every tenant whose log grew or was not signed for lately; what is refused is an alarm, not an end.

    The reason is kept with the tree: until it is gone the tenant's provisioning halts, since a database that was put
    back in silence does not know what has been done meanwhile.
    """
    signed = []
    try:
        key = keys.signing_key()
    except keys.KeyUnavailableError as error:
        log.error("signing_key_unavailable", reason=str(error))  # noqa: TRY400 - the log goes on without signatures
        return []
    for tenant_id in tree.tenants():
        reason = ""
        try:
            if found := checkpoint(tenant_id, key, only_when_due=True):
                signed.append(found)
        except (SignerRefusedError, ValueError, IntegrityError) as error:  # the last: a leaf is there twice
            reason = str(error)
            log.error("checkpoint_refused", tenant=str(tenant_id), reason=reason)  # noqa: TRY400 - said in words
        LogTree.objects.filter(pk=tenant_id).exclude(refused_because=reason).update(refused_because=reason)
    return signed


def checkpoint(tenant_id: UUID, key: Ed25519PrivateKey, *, only_when_due: bool = False) -> Checkpoint | None:
    """Sequence a tenant's entries and sign for its tree; return the checkpoint, or None when none is due.

    Raises:
        SignerRefusedError: the tree is smaller than, or not grown from, what was signed before.
        ValueError: the stored tree or the signer's memory is damaged.
    """
    with witness.held(tenant_id) as memory:
        anchors.mention(tenant_id)
        stored = tree.grow(tenant_id)
        last = Checkpoint.objects.filter(tenant=tenant_id).order_by("-signed_at", "-incarnation", "-size").first()
        now = clock.now()
        known = (memory.incarnation, memory.edge.size)
        is_as_remembered = memory.is_empty or known == (stored.incarnation, stored.size)
        is_signed = last is not None and last.size == stored.size and now < last.signed_at + HEARTBEAT
        if only_when_due and is_as_remembered and is_signed:
            return None
        if memory.is_empty:
            memory = _remembered_from(stored, last, public_bytes(key))
        _advance(memory, stored)
        memory.keep()  # before anybody sees the signature: what was signed is never forgotten
        head = TreeHead(stored.origin, memory.edge.size, memory.edge.root(), now)
        signed = Checkpoint.objects.create(
            tenant_id=tenant_id,
            incarnation=stored.incarnation,
            size=head.size,
            root=head.root.hex(),
            signed_at=now.replace(microsecond=0),
            public_key=public_bytes(key).hex(),
            note=sign(key, head),
        )
    anchors.anchor(signed)
    return signed


def _advance(memory: Memory, stored: LogTree) -> None:
    """Let the memory grow by the new leaves, whose root must then be the stored one's: so is it grown from what was."""
    if stored.incarnation != memory.incarnation:
        raise SignerRefusedError(
            noop(
                "The database holds incarnation %(stored)s of the log, signed for was %(signed)s. If a "
                "backup was restored, accept it with manage.py accept_restore."
            )
            % {"stored": stored.incarnation, "signed": memory.incarnation}
        )
    if stored.size < memory.edge.size:
        raise SignerRefusedError(
            noop(
                "The log had %(signed)s entries when it was signed for, and has %(stored)s now. If a "
                "backup was restored, accept it with manage.py accept_restore."
            )
            % {"signed": memory.edge.size, "stored": stored.size}
        )
    for leaf in tree.leaves(stored.tenant_id, memory.edge.size, stored.size):
        memory.edge.append(leaf)
    if memory.edge.root() != tree.edge_of(stored).root():
        raise SignerRefusedError(noop("The tree has not grown from what was signed for. Run manage.py verify_log."))


def _remembered_from(stored: LogTree, last: Checkpoint | None, public: bytes) -> Memory:
    """Return a memory for a host that has none: what its own key has signed for, else nothing.

    Raises:
        SignerRefusedError: the newest checkpoint is another key's, or does not fit.
    """
    memory = Memory(stored.tenant_id, stored.incarnation, CompactRange())
    if last is None:
        return memory
    log.warning("signer_without_memory", tenant=str(stored.tenant_id), size=last.size)
    for leaf in tree.leaves(stored.tenant_id, 0, last.size):
        memory.edge.append(leaf)
    try:
        signed = opened(last.note, public)
    except BadNoteError:
        signed = None
    if signed is None or signed.root != memory.edge.root():
        raise SignerRefusedError(
            noop("This host has signed nothing yet, and the newest checkpoint is not one of its key's.")
        )
    return memory


def accept_restore(tenant_id: UUID, *, by: Actor, reason: str) -> LogTree:
    """Begin a new incarnation of a log that was restored from a backup; the next checkpoint is signed under its name.

    Both are named in the log's own entry: what was signed before, and what is there now.

    Args:
        tenant_id: Whose log.
        by: Who answers for it.
        reason: Why, in words.
    """
    with witness.held(tenant_id) as memory, transaction.atomic():
        stored = tree.grow(tenant_id)
        before: dict[str, Any] = {"incarnation": memory.incarnation, "size": memory.edge.size}
        before["root"] = memory.edge.root().hex()
        stored.incarnation = max(stored.incarnation, memory.incarnation) + 1
        record(
            Action.INCARNATION_STARTED,
            on=tree.logged_tenant(tenant_id),
            by=by,
            details={"incarnation": stored.incarnation, "restored": stored.size, "before": before, "reason": reason},
        )
        stored.refused_because = ""
        stored.save(update_fields=["incarnation", "refused_because"])
        edge = tree.edge_of(stored)
        Memory(tenant_id, stored.incarnation, edge).keep()
    return stored


def rotate_key(*, by: Actor = SYSTEM) -> str:
    """Make a new signing key, log in every tenant's chain that both keys say so, and use it from now on.

    The entries are committed before the old key is replaced: whoever is killed in between has lost a key that has
    signed nothing, never one whose checkpoints could then be tied to no trusted key any more.

    Returns:
        The fingerprint of the new key, to be told to who verifies, by another way than the bundle.

    Raises:
        KeyUnavailableError: there is no key yet, or the new one cannot be stored; the log then says so too.
    """
    old, new = keys.signing_key(), Ed25519PrivateKey.generate()
    for tenant_id in tree.tenants():
        checkpoint(tenant_id, old)
    _log_rotation(by, details=keys.rotation_of(old, new))
    try:
        keys.store().store(keys.pem_of(new))
    except keys.KeyUnavailableError as error:
        _log_rotation(by, details={"kept_key": fingerprint(public_bytes(old))}, error=str(error), success=False)
        raise
    return fingerprint(public_bytes(new))


@transaction.atomic
def _log_rotation(by: Actor, **facts: Any) -> None:
    for tenant_id in tree.tenants():
        record(Action.SIGNING_KEY_ROTATED, on=tree.logged_tenant(tenant_id), by=by, **facts)


def sign_now() -> list[Checkpoint]:
    """Sign for every tenant at once, as before an export or at the end of a demonstration.

    Raises:
        KeyUnavailableError, SignerRefusedError, ValueError: see :func:`checkpoint`.
    """
    key = keys.signing_key()
    return [signed for tenant_id in tree.tenants() if (signed := checkpoint(tenant_id, key))]
