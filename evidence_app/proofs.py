"""What makes a bundle prove itself: a signed checkpoint, the rest of the tree, the keys, and the verifier.

The bundle's entries and the fewest subtrees that cover all others lead to the signed root together, so that it shows
nothing of what it leaves out.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db.models import Max, QuerySet
from django.utils.translation import gettext as _

from accounts_app.models import Tenant
from audit_app import checkpoints, keys, timestamps
from audit_app.merkle import cover
from audit_app.models import Checkpoint, CheckpointTimestamp, ProvisioningLog, TreeLeaf
from audit_app.notes import fingerprint, public_bytes
from audit_app.tree import proof_of, stored_subtrees
from audit_app.witness import SignerRefusedError
from core_app.errors import DomainError
from evidence_app.folder import LineFile, StagedFolder

log = structlog.get_logger(__name__)

STAMP: Final = "checkpoint.tsr"
NOTE, TREE, KEYS, VERIFIER, SIGNATURE = "checkpoint.note", "tree.ndjson", "keys.json", "elm_verify.py", "manifest.sig"
PROOF_TAG: Final = "c2sp.org/tlog-proof@v1"
_STATEMENT: Final = "elm-evidence/v1\n{}\n"


class NotYetProvenError(DomainError):
    """No signed checkpoint covers the entry yet."""


def sign_what_is_new(tenant_id: UUID) -> None:
    """Have the newest entries signed for, on a host that has the key; elsewhere the signer does so within minutes."""
    if _is_covered(tenant_id):
        return
    # A refusal is no reason not to export: what the verification finds is in the manifest
    with suppress(keys.KeyUnavailableError, SignerRefusedError, ValueError):
        checkpoints.checkpoint(tenant_id, keys.signing_key())


def _is_covered(tenant_id: UUID) -> bool:
    newest = Checkpoint.objects.filter(tenant=tenant_id).aggregate(size=Max("size"))["size"] or 0
    return newest == ProvisioningLog.objects.filter(tenant=tenant_id).count()


def checkpoint_for(tenant: Tenant, entries: QuerySet[ProvisioningLog]) -> Checkpoint | None:
    """Return the first checkpoint that covers all of some entries, which stays the same however often it is asked for;
    the newest when none does. One that an authority has stamped comes before those that none has.
    """
    signed = Checkpoint.objects.filter(tenant=tenant).order_by("size", "signed_at")
    shown = TreeLeaf.objects.filter(tenant=tenant, entry__in=entries.values("pk"))
    last = shown.aggregate(index=Max("index"))["index"]
    if last is None or shown.count() != entries.count():
        return signed.last()
    covering = signed.filter(size__gt=last)
    return covering.filter(timestamp__isnull=False).first() or covering.first() or signed.last()


def have_stamped(tenant: Tenant, entries: QuerySet[ProvisioningLog]) -> None:
    """Have the checkpoint of an export stamped where there is an authority; one that is out of reach stops nothing."""
    checkpoint = checkpoint_for(tenant, entries) if timestamps.is_configured() else None
    if checkpoint is None:
        return
    try:
        timestamps.stamp(checkpoint)
    except timestamps.TimestampError as error:
        log.warning("export_not_timestamped", tenant=str(tenant.pk), reason=str(error))


def stamp_of(checkpoint: Checkpoint | None) -> CheckpointTimestamp | None:
    """Return the time stamp of a checkpoint, or None."""
    return CheckpointTimestamp.objects.filter(checkpoint=checkpoint).first() if checkpoint else None


def timestamp_document(checkpoint: Checkpoint | None, stamp: CheckpointTimestamp | None) -> dict[str, str] | None:
    """Return what a manifest says about the time stamp: it is there, it is pending, or there is no authority."""
    if stamp:
        return {"status": "stamped", "authority": stamp.authority, "at": stamp.stamped_at.isoformat()}
    return {"status": "pending"} if checkpoint and timestamps.is_configured() else None


def write_cover(tenant: Tenant, size: int, shown: Sequence[int], file: LineFile) -> str:
    """Write the subtrees that hold all leaves but those of the entries that are shown.

    Returns:
        What the stored tree lacks, in words; empty when it lacks nothing. A damaged tree is exported as it is.
    """
    subtree = stored_subtrees(tenant.pk)
    try:
        for level, index in cover(sorted(shown), size):
            file.write({"level": level, "index": index, "hash": subtree(level, index).hex()})
    except ValueError as lacking:
        return str(lacking)
    return ""


def key_of_this_host() -> Ed25519PrivateKey | None:
    """Return the key that this host signs with, or None on a host that signs nothing."""
    with suppress(keys.KeyUnavailableError):
        return keys.signing_key()
    return None


def keys_document(tenant_id: UUID, checkpoint: Checkpoint | None, key: Ed25519PrivateKey | None) -> dict[str, Any]:
    """Return the public keys of a bundle, with the rotations that tie them together."""
    public = {checkpoint.public_key} if checkpoint else set()
    if key:
        public.add(public_bytes(key).hex())
    told = sorted(public)
    named = {key: fingerprint(bytes.fromhex(key)) for key in told}
    return {"keys": told, "fingerprints": named, "rotations": keys.rotations(tenant_id)}


def write_proofs(
    stage: StagedFolder, known: dict[str, Any], checkpoint: Checkpoint | None, stamp: CheckpointTimestamp | None
) -> dict[str, Any]:
    """Write the keys, the program that verifies a bundle on its own and, where there are, checkpoint and time stamp.

    Returns:
        What the manifest says about each of the files.
    """
    program = (Path(__file__).parent / "verifier" / VERIFIER).read_bytes()
    files = {KEYS: stage.write_document(KEYS, known), VERIFIER: stage.write_file(VERIFIER, program)}
    if checkpoint:
        files[NOTE] = stage.write_file(NOTE, checkpoint.note.encode())
    if stamp:
        files[STAMP] = stage.write_file(STAMP, bytes(stamp.reply))
    return files


def signature_of(manifest_sha256: str, key: Ed25519PrivateKey) -> bytes:
    """Return the signature under a manifest."""
    return key.sign(_STATEMENT.format(manifest_sha256).encode())


def proof_text(entry: ProvisioningLog) -> str:
    """Return the proof that an entry is in its tenant's signed log (C2SP tlog-proof); its extra data are the entry's
    bytes and the public keys, so that ``elm_verify.py`` needs nothing else.

    Raises:
        NotYetProvenError: no checkpoint covers it yet.
    """
    leaf = TreeLeaf.objects.filter(pk=entry.pk, tenant=entry.tenant_id).first()
    signed = (
        Checkpoint.objects.filter(tenant=entry.tenant_id, size__gt=leaf.index) if leaf else Checkpoint.objects.none()
    )
    checkpoint = signed.order_by("-signed_at").first()
    if leaf is None or checkpoint is None:
        raise NotYetProvenError(_("No signed checkpoint covers this entry yet. Come back in five minutes."))
    told = {
        "canonical": _encoded(bytes(entry.canonical)),
        **keys_document(entry.tenant_id, checkpoint, key_of_this_host()),
    }
    extra = _encoded(json.dumps(told, sort_keys=True).encode())
    path = [_encoded(step) for step in proof_of(leaf, checkpoint.size)]
    lines = [PROOF_TAG, f"extra {extra}", f"index {leaf.index}", *path]
    return "\n".join(lines) + f"\n\n{checkpoint.note}"


def _encoded(content: bytes) -> str:
    return b64encode(content).decode()
