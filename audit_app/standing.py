"""How a tenant's log stands, in one look: when it was verified, signed, anchored, stamped, and what was found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext as _

from audit_app import timestamps
from audit_app.anchors import NOTE
from audit_app.models import Anchor, ChainHead, Checkpoint, CheckpointTimestamp, ProvisioningLog, VerificationRun
from core_app import clock

SIGNED_EVERY: Final = timedelta(minutes=15)  # longer, and nobody signs any more
VERIFIED_EVERY: Final = timedelta(minutes=15)  # of what is new
ALL_VERIFIED_EVERY: Final = timedelta(hours=25)
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a tenant's log.

    Attributes:
        begun_at: When the log began; nothing can be late before.
        verified_at: When what was new was verified last, or all of it.
        all_verified_at: When all of it was verified at once.
        findings: What the newest verifications found in this tenant's log, as ``verify_log --json`` names it.
        entries: Over how many entries the newest checkpoint is; 0 without one.
        signed_at: When that was signed.
        anchored_at: When a copy was last put outside the database.
        is_worm: Whether the store confirmed a locked policy for that copy.
        stamped_at: When a time-stamp authority last stamped a checkpoint, by its own clock.
        stamp_pending_since: Since when one is waited for; None where none is, or no authority is configured.
    """

    begun_at: datetime
    verified_at: datetime | None
    all_verified_at: datetime | None
    findings: tuple[dict[str, Any], ...]
    entries: int
    signed_at: datetime | None
    anchored_at: datetime | None
    is_worm: bool
    stamped_at: datetime | None
    stamp_pending_since: datetime | None

    @property
    def ok(self) -> bool:
        """Say whether the log was verified lately, was signed lately, and nothing was found."""
        return not self.findings and not self.lacking

    @property
    def lacking(self) -> tuple[str, ...]:
        """Return what should have happened by now and has not, a sentence each."""
        now = clock.now()
        checks = (
            (self.signed_at, SIGNED_EVERY, _("Nobody has signed for the log for a quarter of an hour.")),
            (self.verified_at, VERIFIED_EVERY, _("What is new in the log was not verified for a quarter of an hour.")),
            (self.all_verified_at, ALL_VERIFIED_EVERY, _("All of the log was not verified for a day.")),
        )
        return tuple(late for at, every, late in checks if now > (at or self.begun_at) + every)


def standing_of(tenant_id: UUID, *, begun_at: datetime) -> Standing:
    """Return how a tenant's log stands; a few queries, none of which reads the log itself.

    Args:
        tenant_id: Whose log.
        begun_at: When the tenant came to us, and its log with it.
    """
    runs = VerificationRun.objects.order_by("-started_at")
    newest, full = runs.first(), runs.filter(is_full=True).first()
    said = [finding for run in {run.pk: run for run in (full, newest) if run}.values() for finding in run.findings]
    checkpoint = Checkpoint.objects.filter(tenant=tenant_id).order_by("-signed_at", "-size").first()
    anchor = Anchor.objects.filter(tenant=tenant_id, name__endswith=NOTE).order_by("-anchored_at").first()
    stamp = CheckpointTimestamp.objects.filter(tenant=tenant_id).order_by("-received_at").first()
    return Standing(
        begun_at=begun_at,
        verified_at=newest.started_at if newest else None,
        all_verified_at=full.started_at if full else None,
        findings=tuple(_of_tenant(said, tenant_id)),
        entries=checkpoint.size if checkpoint else 0,
        signed_at=checkpoint.signed_at if checkpoint else None,
        anchored_at=anchor.anchored_at if anchor else None,
        is_worm=anchor is not None and anchor.is_worm,
        stamped_at=stamp.stamped_at if stamp else None,
        stamp_pending_since=timestamps.pending_since(tenant_id),
    )


def defects_of(run: VerificationRun, tenant_id: UUID) -> list[dict[str, Any]]:
    """Return what a verification found wrong in a tenant's log, and what it found that belongs to no tenant we know.

    Args:
        run: A kept result.
        tenant_id: Whose log.
    """
    mine = _of_tenant(run.findings, tenant_id)
    ours = [each for each in run.findings if not each.get("informational") and _is_nobodys(str(each["entry"]))]
    return mine + [each for each in ours if each not in mine]


def _of_tenant(findings: list[dict[str, Any]], tenant_id: UUID) -> list[dict[str, Any]]:
    """Return the findings about one tenant, each once: a verification looks at every tenant's log."""
    mine: dict[tuple[Any, ...], dict[str, Any]] = {}
    for finding in findings:
        if not finding.get("informational") and _concerns(str(finding["entry"]), tenant_id):
            mine[finding["class"], finding["entry"], finding["detail"]] = finding
    return list(mine.values())


def _concerns(place: str, tenant_id: UUID) -> bool:
    """Say whether a place in the log is a tenant's: it names the tenant, one of its chains or one of its requests."""
    named = _UUID.findall(place)
    if str(tenant_id) in named:
        return True
    if ChainHead.objects.filter(tenant=tenant_id, chain=place.partition("#")[0]).exists():
        return True
    subject: Any = ProvisioningLog._meta.get_field("environment_request").related_model
    return bool(subject._base_manager.filter(tenant=tenant_id, pk__in=named).exists())


def _is_nobodys(place: str) -> bool:
    """Say whether a place in the log leads to no tenant: its chain and its request are gone, or it names neither."""
    named = _UUID.findall(place)
    heads = ChainHead.objects.filter(Q(chain=place.partition("#")[0]) | Q(tenant__in=named))
    subject: Any = ProvisioningLog._meta.get_field("environment_request").related_model
    return not (heads.exists() or subject._base_manager.filter(pk__in=named).exists())
