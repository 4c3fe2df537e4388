"""Evidence that the installation keeps by itself: each ended quarter, whole, in the stores of the log's anchors.

A store takes a name once and never replaces it; the name carries the manifest's digest. A copy is called *WORM* only
when the store confirmed a locked policy for it. It is the work of the host that signs: no other one has the key, nor
the right to write there.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from django.db.models import Min
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from accounts_app.models import Tenant
from accounts_app.services import settings_of
from audit_app import keys
from audit_app.actions import Action
from audit_app.actors import SYSTEM
from audit_app.anchors import AnchorError, AnchorStore, Kept, stores
from audit_app.log import record
from audit_app.models import ProvisioningLog
from core_app import clock, tenancy
from core_app.errors import DomainError
from core_app.transactions import transactional
from evidence_app.downloads import folder_for_packages
from evidence_app.folder import ARCHIVE
from evidence_app.models import EvidenceCopy
from evidence_app.quarters import Quarter, quarter_named, quarters_between
from evidence_app.retention import plus_years
from evidence_app.services import Evidence, written_for_store

log = structlog.get_logger(__name__)

SETTLED_AFTER: Final = timedelta(hours=1)  # what was begun at the end of a quarter has been committed by then
PART: Final = 64 * 1024 * 1024  # bytes of one object in a store; a larger package is put there in parts


class NotStoredError(DomainError):
    """The evidence was not put into a store; the text says why."""


@dataclass(frozen=True, slots=True)
class _Package:
    """A package on its way into the stores.

    Attributes:
        tenant: Whose evidence.
        quarter: Of when.
        evidence: What was exported.
        file: The archive.
        until: How long it is to be kept at least.
    """

    tenant: Tenant
    quarter: Quarter
    evidence: Evidence
    file: Path
    until: datetime

    @property
    def name(self) -> str:
        """Return its name in every store."""
        return f"evidence/{self.tenant.pk}/{self.quarter.name}-{self.evidence.manifest_sha256}{ARCHIVE}"


def store_ended() -> list[EvidenceCopy]:
    """Put every ended quarter that is missing there into every store; what cannot be done now is an alarm."""
    copies: list[EvidenceCopy] = []
    if not keys.store().is_here():
        return copies
    for tenant in Tenant.objects.order_by("pk"):
        for quarter in _ended_quarters(tenant):
            try:
                copies += store_quarter(tenant, quarter)
            except DomainError as error:
                log.error("evidence_not_stored", tenant=str(tenant.pk), quarter=quarter.name, reason=str(error))  # noqa: TRY400
    return copies


def store_quarter(tenant: Tenant, quarter: Quarter) -> list[EvidenceCopy]:
    """Put a quarter's evidence into the stores that have none of that quarter yet.

    Returns:
        The new copies; none where every store has one.

    Raises:
        NotStoredError: this host does not sign, or a store did not take it; what the others took is kept.
        NotExportedError: there is no room for the package.
    """
    copied = set(EvidenceCopy.objects.filter(tenant=tenant, quarter=quarter.name).values_list("place", flat=True))
    wanted = [store for store in stores() if store.place not in copied]
    if not wanted:
        return []
    if not keys.store().is_here():
        raise NotStoredError(noop("Only the host that signs the log stores evidence."))
    copies, refusals = [], []
    with tenancy.of(tenant.pk), tempfile.TemporaryDirectory(prefix="export-", dir=folder_for_packages()) as folder:
        package = _packed(tenant, quarter, Path(folder))
        for store in wanted:
            try:
                copies.append(_kept(package, store))
            except AnchorError as error:
                refusals.append(str(error))
    if refusals:
        raise NotStoredError(" ".join(refusals))
    return copies


def verify_copies() -> Iterator[tuple[EvidenceCopy, str]]:
    """Read every copy back; yield it with what is wrong, nothing when it is what was stored.

    A copy in a store that this host does not know is passed over: another host put it there.
    """
    known = {store.place: store for store in stores()}
    for copy in EvidenceCopy.objects.filter(place__in=known).select_related("tenant").order_by("stored_at", "id"):
        yield copy, _difference(copy, known[copy.place])


def _difference(copy: EvidenceCopy, store: AnchorStore) -> str:
    digest = hashlib.sha256()
    for name in _part_names(copy.name, copy.parts):
        try:
            content = store.read(name)
        except AnchorError as error:
            return str(error)
        if content is None:
            return noop("%(name)s is gone from %(place)s.") % {"name": name, "place": store.place}
        digest.update(content)
    return (
        ""
        if digest.hexdigest() == copy.sha256
        else noop("%(name)s in %(place)s is not what was stored.") % {"name": copy.name, "place": store.place}
    )


def _ended_quarters(tenant: Tenant) -> Iterator[Quarter]:
    """Yield the quarters of a tenant's log that have ended, the oldest first."""
    first = ProvisioningLog.objects.filter(tenant=tenant).aggregate(at=Min("timestamp"))["at"]
    for quarter in reversed(quarters_between(first, clock.now())):
        if first and quarter.end + SETTLED_AFTER <= clock.now():
            yield quarter


def _packed(tenant: Tenant, quarter: Quarter, folder: Path) -> _Package:
    evidence = written_for_store(tenant, quarter.name, folder / f"{quarter.name}{ARCHIVE}")
    years = max(settings_of(tenant).retention_years.values())
    return _Package(tenant, quarter, evidence, evidence.folder, plus_years(quarter.end, years))


def _kept(package: _Package, store: AnchorStore) -> EvidenceCopy:
    """Put a package into a store, in parts where it is large; it counts once the last part is there."""
    size = package.file.stat().st_size
    parts = max(1, -(-size // PART))
    digest, how = hashlib.sha256(), Kept(None, is_worm=True)
    with package.file.open("rb") as stream:
        for name in _part_names(package.name, parts):
            content = stream.read(PART)
            digest.update(content)
            kept = store.keep(name, content, until=package.until)
            shortest = min((each for each in (how.until, kept.until) if each), default=None)
            how = replace(how, until=shortest, is_worm=how.is_worm and kept.is_worm)
    copy = EvidenceCopy(
        tenant=package.tenant,
        quarter=package.quarter.name,
        place=store.place,
        name=package.name,
        parts=parts,
        size=size,
        sha256=digest.hexdigest(),
        manifest_sha256=package.evidence.manifest_sha256,
        kept_until=how.until,
        is_worm=how.is_worm,
        stored_at=clock.now(),
    )
    _record(copy, package.evidence)
    return copy


@transactional
def _record(copy: EvidenceCopy, evidence: Evidence) -> None:
    details = {
        "quarter": copy.quarter,
        "place": copy.place,
        "name": copy.name,
        "parts": copy.parts,
        "sha256": copy.sha256,
        "manifest_sha256": copy.manifest_sha256,
        "worm": copy.is_worm,
        "kept_until": copy.kept_until.isoformat() if copy.kept_until else None,
        "signed": evidence.signed,
        "verified": evidence.verified,
    }
    record(Action.EVIDENCE_STORED, on=copy.tenant, by=SYSTEM, details=details)
    copy.save(force_insert=True)


def _part_names(name: str, parts: int) -> list[str]:
    return [name] if parts == 1 else [f"{name}.{number:03}" for number in range(1, parts + 1)]


def quarter_to_store(name: str) -> Quarter:
    """Return a quarter by its name.

    Raises:
        DomainError: it is none, or has not ended: its evidence would be another one tomorrow.
    """
    quarter = quarter_named(name, clock.now())
    if quarter.end > clock.now():
        raise DomainError(
            _("%(quarter)s has not ended; its evidence is stored when it has.") % {"quarter": quarter.name}
        )
    return quarter
