"""What can happen to evidence: it is exported, and the export is itself an entry of the log."""

from __future__ import annotations

import errno
from array import array
from base64 import b64encode
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from accounts_app.models import Tenant, User
from accounts_app.roles import Role
from accounts_app.scope import Reach
from accounts_app.step_up import require_fresh_sign_in
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from audit_app.models import ProvisioningLog, TreeLeaf
from audit_app.verify import verify_log
from core_app import clock, tenancy
from core_app.errors import DomainError
from core_app.transactions import transactional
from evidence_app import proofs, spreadsheet
from evidence_app.folder import LineFile, StagedFolder, staged
from evidence_app.permissions import require_auditor, visible_entries, visible_requests
from evidence_app.quarters import Quarter, quarter_named
from evidence_app.snapshot import snapshot
from requests_app.fields import COLUMNS, readable
from requests_app.models import EnvironmentRequest

log = structlog.get_logger(__name__)

FORMAT: Final = "elm-evidence-1"
LOG, CHAINS, REQUESTS, MANIFEST = "log.ndjson", "chains.ndjson", "requests.ndjson", "manifest.json"
REQUESTS_CSV: Final = "requests.csv"
# Column of the requests' file → the specification's name, empty when the field is ours
_REQUEST_COLUMNS: Final = {
    EnvironmentRequest._meta.get_field(column.name).attname: column.seed  # type: ignore[union-attr]
    for column in COLUMNS
    if column.name in readable(Role.AUDITOR)
}
MOST_EXPORTS_AN_HOUR: Final = 20  # of one person and tenant: an export reads and verifies a whole quarter
_CHUNK = 2000  # rows in memory at a time
_MOST_FINDINGS = 100
_ADVICE: Final = {
    errno.ENOSPC: "the disk is full; free space or name a folder on another one",
    errno.EDQUOT: "the quota of the disk is used up; free space or name a folder on another one",
    errno.EFBIG: "a file would become larger than this system allows; raise the limit or name another folder",
    errno.EACCES: "this account may not write there; name a folder that it may write to",
    errno.EROFS: "the disk is read-only; name a folder on another one",
    errno.ENOENT: "the folder around it does not exist; create it first",
}


class NotExportedError(DomainError):
    """The evidence could not be written; nothing of it was left behind."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """An exported package.

    Attributes:
        folder: Where it is.
        manifest: What its manifest says.
        manifest_sha256: The digest that the log's entry names, in hexadecimal.
    """

    folder: Path
    manifest: dict[str, Any]
    manifest_sha256: str

    @property
    def verified(self) -> bool:
        """Say whether the tenant's log verified when it was exported."""
        return bool(self.manifest["verification"]["ok"])


def export_evidence(tenant_id: UUID, quarter: str, folder: Path, *, by: User) -> Evidence:
    """Write a tenant's log entries and requests of a quarter into a new folder; the manifest in it is written last.

    The entry EvidenceExported is committed before the folder appears under its name: no evidence leaves unlogged.

    Args:
        tenant_id: Whose evidence.
        quarter: As in ``2026Q1``.
        folder: A folder that does not exist yet.
        by: An ELM Auditor; what is not within their reach is left out, and the manifest says so.

    Raises:
        PermissionRefused: the person does not audit the tenant.
        SignInAgainError: their last sign-in is not recent.
        NotExportedError: the folder cannot be written; the attempt is logged.
        DomainError: no such quarter, the folder exists, or too many exports within an hour.
    """
    with tenancy.of(tenant_id):
        return _export(tenant_id, quarter_named(quarter, clock.now()), folder, by)


def _export(tenant_id: UUID, period: Quarter, folder: Path, by: User) -> Evidence:
    tenant = Tenant.objects.get(pk=tenant_id)
    reach = require_auditor(by, tenant)
    require_fresh_sign_in(by, "An export of evidence")
    _require_patience(tenant, by)
    proofs.sign_what_is_new(tenant.pk)
    try:
        with staged(folder.absolute()) as stage:
            evidence = _written(stage, tenant, period, reach)
            _record(evidence, tenant, by)
            stage.publish()
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, error.strerror or type(error).__name__)
        _record_failure(tenant, period, by, advice)
        raise NotExportedError(f"Nothing was exported to {folder}: {advice}.") from error
    return evidence


def _written(stage: StagedFolder, tenant: Tenant, quarter: Quarter, reach: Reach) -> Evidence:
    """Write everything as it was at one moment, the manifest last, and the signature under it."""
    with snapshot():
        entries = visible_entries(reach, tenant).filter(timestamp__gte=quarter.begin, timestamp__lt=quarter.end)
        checkpoint = proofs.checkpoint_for(tenant, entries)
        size = checkpoint.size if checkpoint else 0
        with stage.line_file(LOG) as sealed, stage.line_file(CHAINS) as chains:
            shown = _write_entries(entries, size, sealed, chains)
        with stage.line_file(proofs.TREE) as rest:
            lacking = proofs.write_cover(tenant, size, shown, rest)
        with stage.line_file(REQUESTS) as requests, stage.line_file(REQUESTS_CSV) as rendering:
            _write_requests(visible_requests(reach, tenant), entries, requests, rendering)
        known = proofs.keys_document(tenant.pk, checkpoint)
        report = verify_log(tenant.pk)
    files = {LOG: sealed.facts(), CHAINS: chains.facts(), proofs.TREE: rest.facts()}
    files |= {REQUESTS: requests.facts(), REQUESTS_CSV: rendering.facts()}
    files[proofs.KEYS] = stage.write_document(proofs.KEYS, known)
    files[proofs.VERIFIER] = stage.write_file(proofs.VERIFIER, proofs.verifier())
    files |= {proofs.NOTE: stage.write_file(proofs.NOTE, checkpoint.note.encode())} if checkpoint else {}
    manifest = {
        "format": FORMAT,
        "quarter": quarter.name,
        "from": quarter.begin.isoformat(),
        "until": quarter.end.isoformat(),
        "quarter_has_ended": quarter.end <= clock.now(),
        "tenant": {"id": str(tenant.pk), "name": tenant.name, "entra_tenant_id": str(tenant.entra_tenant_id)},
        "scope": "tenant" if tenant.pk in reach.tenants else "business units",
        "counts": {"entries": sealed.lines, "chains": chains.lines, "requests": requests.lines},
        "columns": {REQUESTS: {name: seed for name, seed in _REQUEST_COLUMNS.items() if seed}},
        "files": files,
        "renderings": {
            REQUESTS_CSV: {"of": REQUESTS, "encoding": spreadsheet.ENCODING, "rule": spreadsheet.RULE},
        },
        "checkpoint": {"size": size, "root": checkpoint.root} if checkpoint else None,
        "verification": {
            "ok": report.ok and not lacking,
            "findings": len(report.defects),
            "first_findings": [finding.as_json() for finding in report.defects[:_MOST_FINDINGS]],
            **({"tree": lacking} if lacking else {}),
        },
    }
    sha256 = stage.write_document(MANIFEST, manifest)["sha256"]
    signature = proofs.signature_of(sha256)
    _ = stage.write_file(proofs.SIGNATURE, signature) if signature else None
    return Evidence(stage.target, manifest, sha256)


def _write_entries(entries: QuerySet[ProvisioningLog], size: int, sealed: LineFile, chains: LineFile) -> Sequence[int]:
    """Write every entry as it was hashed, and of every chain where it began and stood in the quarter.

    Returns:
        The places of the entries in the tree of ``size`` leaves.
    """
    head: dict[str, Any] = {}
    shown = array("q")
    place = Subquery(TreeLeaf.objects.filter(entry=OuterRef("pk"), index__lt=size).values("index"))
    columns = ("chain", "sequence", "previous_hash", "entry_hash", "canonical", "index")
    chosen = entries.order_by("chain", "sequence").annotate(index=place).values(*columns)
    with closing(chosen.iterator(chunk_size=_CHUNK)) as rows:
        for row in rows:
            sealed.write({**row, "canonical": b64encode(bytes(row["canonical"])).decode()})
            if row["index"] is not None:
                shown.append(row["index"])
            if head and head["chain"] != row["chain"]:
                chains.write(head)
                head = {}
            head = head or {
                "chain": row["chain"],
                "first_sequence": row["sequence"],
                "first_previous_hash": row["previous_hash"],
            }
            head |= {"head_sequence": row["sequence"], "head_hash": row["entry_hash"]}
    if head:
        chains.write(head)
    return shown


def _write_requests(
    requests: QuerySet[EnvironmentRequest], entries: QuerySet[ProvisioningLog], file: LineFile, rendering: LineFile
) -> None:
    """Write the requests to which something happened in the quarter, as they stand now, under their columns' names.

    They are written twice: as they are, and rendered for a spreadsheet.
    """
    happened = Exists(entries.filter(environment_request=OuterRef("pk")))
    people = ("requester__upn", "approver__upn", "business_unit__name")
    columns = (*_REQUEST_COLUMNS, *people)
    chosen = requests.filter(happened).order_by("number").values(*columns)
    rendering.append(spreadsheet.head(columns))
    with closing(chosen.iterator(chunk_size=_CHUNK)) as rows:
        for row in rows:
            file.write(row)
            rendering.append(spreadsheet.line([row[name] for name in columns]))


def _require_patience(tenant: Tenant, by: User) -> None:
    """Keep somebody from reading everything over and over (ASVS 2.4.1)."""
    lately = ProvisioningLog.objects.filter(
        chain=tenant.log_chain().key,
        action=Action.EVIDENCE_EXPORTED,
        actor=person(by).name,
        timestamp__gt=clock.now() - timedelta(hours=1),
    )
    if lately.count() >= MOST_EXPORTS_AN_HOUR:
        log.warning("export_throttled", tenant=str(tenant.pk), actor=person(by).name)
        raise DomainError(f"You have exported {MOST_EXPORTS_AN_HOUR} times within an hour. Wait, then export again.")


@transactional
def _record(evidence: Evidence, tenant: Tenant, by: User) -> None:
    manifest = evidence.manifest
    details = {
        "quarter": manifest["quarter"],
        "scope": manifest["scope"],
        "counts": manifest["counts"],
        "manifest_sha256": evidence.manifest_sha256,
        "sha256": {name: facts["sha256"] for name, facts in manifest["files"].items()},
        "verified": evidence.verified,
    }
    record(Action.EVIDENCE_EXPORTED, on=tenant, by=person(by), details=details)


@transactional
def _record_failure(tenant: Tenant, quarter: Quarter, by: User, reason: str) -> None:
    details = {"quarter": quarter.name}
    record(Action.EVIDENCE_EXPORTED, on=tenant, by=person(by), details=details, error=reason, success=False)
