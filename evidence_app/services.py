"""What can happen to evidence: it is exported, and the export is itself an entry of the log."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from accounts_app.models import Tenant, User
from accounts_app.scope import Reach
from accounts_app.step_up import require_fresh_sign_in
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from audit_app.verify import verify_log
from core_app import clock, tenancy
from core_app.errors import DomainError
from core_app.recorded import as_recorded
from core_app.transactions import transactional
from evidence_app import oscal, proofs, spreadsheet
from evidence_app.answers import ANSWERS, is_answer, write_answers
from evidence_app.contents import CHAINS, LOG, LOG_CSV, LogFiles, write_log, write_table
from evidence_app.dossier import DOSSIER, dossier
from evidence_app.folder import StagedFolder, staged
from evidence_app.patience import OF_QUARTERS, require_patience
from evidence_app.permissions import require_auditor, require_auditor_of
from evidence_app.quarters import quarter_named
from evidence_app.selection import REQUEST, Selection, of_quarter, of_request
from evidence_app.snapshot import snapshot
from evidence_app.tables import REQUEST_COLUMNS, TABLES
from requests_app.fields import LOG_COLUMNS
from requests_app.models import EnvironmentRequest

log = structlog.get_logger(__name__)

FORMAT: Final = "elm-evidence-1"
MANIFEST: Final = "manifest.json"
MOST_EXPORTS_AN_HOUR: Final = 20  # of one person and tenant: an export reads and verifies a whole quarter
_MOST_FINDINGS = 100
_ADVICE: Final = {
    errno.ENOSPC: noop("the disk is full; free space or name a folder on another one"),
    errno.EDQUOT: noop("the quota of the disk is used up; free space or name a folder on another one"),
    errno.EFBIG: noop("a file would become larger than this system allows; raise the limit or name another folder"),
    errno.EACCES: noop("this account may not write there; name a folder that it may write to"),
    errno.EROFS: noop("the disk is read-only; name a folder on another one"),
    errno.ENOENT: noop("the folder around it does not exist; create it first"),
}


class NotExportedError(DomainError):
    """The evidence could not be written; nothing of it was left behind.

    Attributes:
        advice: What stood in the way, and what to do, without naming the folder.
    """

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice


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

    @property
    def signed(self) -> bool:
        """Say whether the host that exported it has the key and signed the manifest."""
        return self.manifest["signature"] is not None


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
        return _export(quarter_for(by, tenant_id, quarter), folder, by)


def export_request(request_id: UUID, folder: Path, *, by: User) -> Evidence:
    """Write all that is known of one request into a new folder, as :func:`export_evidence` does for a quarter.

    It shows nothing of any other request, and its entries lead to the signed root all the same.

    Raises:
        PermissionRefused: the person does not audit the request's business unit.
        SignInAgainError, NotExportedError, DomainError: as :func:`export_evidence`.
    """
    selection = request_for(by, request_id)
    with tenancy.of(selection.tenant.pk):
        return _export(selection, folder, by)


def quarter_for(by: User, tenant_id: UUID, quarter: str) -> Selection:
    """Return what somebody may take out of a quarter, now.

    Raises:
        PermissionRefused, SignInAgainError, DomainError: as :func:`export_evidence`.
    """
    tenant = Tenant.objects.get(pk=tenant_id)
    reach = require_auditor(by, tenant)
    return _allowed_now(of_quarter(tenant, quarter_named(quarter, clock.now()), reach), by)


def request_for(by: User, request_id: UUID) -> Selection:
    """Return all of one request, which somebody may take out, now.

    Raises:
        PermissionRefused, SignInAgainError, DomainError: as :func:`export_request`.
    """
    request = EnvironmentRequest.objects.select_related("tenant", "business_unit").get(pk=request_id)
    require_auditor_of(by, request)
    return _allowed_now(of_request(request), by)


def written_for_store(tenant: Tenant, quarter: str, folder: Path) -> Evidence:
    """Write the whole tenant's evidence of a quarter into a new folder that the installation itself keeps.

    Raises:
        NotExportedError: the folder cannot be written.
        DomainError: no such quarter.
    """
    selection = of_quarter(tenant, quarter_named(quarter, clock.now()), Reach(tenants={tenant.pk}))
    with _explained(folder), _staged(selection, folder) as (stage, evidence):
        stage.publish()
    return evidence


def _allowed_now(selection: Selection, by: User) -> Selection:
    require_fresh_sign_in(by, _("An export of evidence"))
    require_patience(selection.tenant, by, OF_QUARTERS, MOST_EXPORTS_AN_HOUR)
    return selection


def _export(selection: Selection, folder: Path, by: User) -> Evidence:
    try:
        with _explained(folder), _staged(selection, folder) as (stage, evidence):
            _record(evidence, selection, by)
            stage.publish()
    except NotExportedError as error:
        _record_failure(selection, by, error.advice)
        raise
    return evidence


@contextmanager
def _staged(selection: Selection, folder: Path) -> Iterator[tuple[StagedFolder, Evidence]]:
    """Yield a folder with everything in it, to be published; what is new in the log is signed for, and stamped."""
    proofs.sign_what_is_new(selection.tenant.pk)
    proofs.have_stamped(selection.tenant, selection.entries)
    with staged(folder.absolute()) as stage:
        with as_recorded():
            evidence = _written(stage, selection)
        yield stage, evidence


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Say in words why a folder could not be written."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, error.strerror or type(error).__name__)
        said = _("Nothing was exported to %(folder)s: %(advice)s.") % {"folder": folder, "advice": _(advice)}
        raise NotExportedError(said, advice) from error


def _written(stage: StagedFolder, selection: Selection) -> Evidence:
    """Write everything as it was at one moment, the manifest last, and the signature under it where this host signs."""
    key = proofs.key_of_this_host()
    tenant = selection.tenant
    with snapshot():
        selection = selection.for_a_file()
        checkpoint = proofs.checkpoint_for(tenant, selection.entries)
        size = checkpoint.size if checkpoint else 0
        with stage.line_file(LOG) as sealed, stage.line_file(LOG_CSV) as read, stage.line_file(CHAINS) as chains:
            shown = write_log(selection, size, LogFiles(sealed, read, chains))
        with stage.line_file(proofs.TREE) as rest:
            lacking = proofs.write_cover(tenant, size, shown, rest)
        files = _write_tables(stage, selection)
        known = proofs.keys_document(tenant.pk, checkpoint, key)
        stamp = proofs.stamp_of(checkpoint)
        report = verify_log(tenant.pk)
        files |= {LOG: sealed.facts(), LOG_CSV: read.facts(), CHAINS: chains.facts(), proofs.TREE: rest.facts()}
        controls = oscal.documents(oscal.Facts(selection, checkpoint, report), files) if selection.is_whole else {}
    files |= proofs.write_proofs(stage, known, checkpoint, stamp)
    files |= {name: stage.write_document(name, document) for name, document in controls.items()}
    manifest = {
        "format": FORMAT,
        **selection.named,
        "from": selection.begin.isoformat(),
        "until": selection.end.isoformat(),
        "tenant": {"id": str(tenant.pk), "name": tenant.name, "entra_tenant_id": str(tenant.entra_tenant_id)},
        "scope": selection.scope,
        "counts": {
            "entries": sealed.lines,
            "chains": chains.lines,
            **{table.name: files[table.record]["lines"] for table in TABLES},
        },
        "columns": {"requests": _seed_names(REQUEST_COLUMNS), "log": _seed_names(LOG_COLUMNS)},
        "files": files,
        "renderings": {
            name: {"of": _rendered_by(name), "encoding": spreadsheet.ENCODING, "rule": spreadsheet.RULE}
            for name in files
            if name.endswith(".csv")
        },
        "checkpoint": {"size": size, "root": checkpoint.root} if checkpoint else None,
        "timestamp": proofs.timestamp_document(checkpoint, stamp),
        "verification": {
            "ok": report.ok and not lacking,
            "findings": len(report.defects),
            "first_findings": [finding.as_json() for finding in report.defects[:_MOST_FINDINGS]],
            **({"tree": lacking} if lacking else {}),
        },
        "signature": proofs.SIGNATURE if key else None,
    }
    sha256 = stage.write_document(MANIFEST, manifest)["sha256"]
    if key:
        stage.write_file(proofs.SIGNATURE, proofs.signature_of(sha256, key))
    return Evidence(stage.target, manifest, sha256)


def _write_tables(stage: StagedFolder, selection: Selection) -> dict[str, dict[str, Any]]:
    """Write the tables, the answers to examiners' questions and, of a single request, its page."""
    files = write_answers(stage, selection)
    for table in TABLES:
        files |= write_table(stage, table, selection)
    if selection.scope == REQUEST:
        files[DOSSIER] = stage.write_file(DOSSIER, dossier(selection.reached.get(), selection))
    return files


def _rendered_by(name: str) -> str:
    """Return the record that a file for a spreadsheet renders."""
    return ANSWERS if is_answer(name) else f"{Path(name).stem}.ndjson"


def _seed_names(columns: Mapping[str, str]) -> dict[str, str]:
    return {name: seed for name, seed in columns.items() if seed}


@transactional
def _record(evidence: Evidence, selection: Selection, by: User) -> None:
    manifest = evidence.manifest
    details = {
        **_about(selection),
        "scope": manifest["scope"],
        "counts": manifest["counts"],
        "manifest_sha256": evidence.manifest_sha256,
        "sha256": {name: facts["sha256"] for name, facts in manifest["files"].items()},
        "verified": evidence.verified,
        "signed": evidence.signed,
    }
    record(Action.EVIDENCE_EXPORTED, on=selection.tenant, by=person(by), details=details)


@transactional
def _record_failure(selection: Selection, by: User, reason: str) -> None:
    details = _about(selection)
    record(Action.EVIDENCE_EXPORTED, on=selection.tenant, by=person(by), details=details, error=reason, success=False)


def _about(selection: Selection) -> dict[str, Any]:
    return {name: value for name, value in selection.named.items() if name in ("quarter", "request")}
