"""Write what a rotation came to, under its fence: on to the next stage, wait, abandon; and log and report its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_noop as noop

from accounts_app.models import TenantIdentity
from audit_app.actions import Action
from audit_app.actors import SYSTEM, Actor, service_principal
from audit_app.log import record as log_entry
from core_app import database_clock
from core_app.transactions import transactional
from notifications_app.catalogue import Event
from notifications_app.services import announce
from provisioning_app.models import RotationRecord
from provisioning_app.tenants import operators

Stage = RotationRecord.Stage
GIVEN_UP: Final = (Stage.PREPARING, Stage.ADDING, Stage.STAGED)  # the stages that end when their time is over
_LEASE: Final = timedelta(minutes=3)  # renewed before every change; longer than any single call
_FIRST_PAUSE: Final = timedelta(seconds=15)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_REPORTED_AFTER: Final = 5  # failed attempts at a stage that is never given up


class FenceLostError(Exception):
    """Another worker has the rotation now; whatever this one was about to do is left to it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a rotation, as long as nobody holds a newer token."""

    rotation_id: UUID
    token: int

    def renew(self) -> None:
        """Prolong the right, in its own statement, just before something that must not be done by two.

        Raises:
            FenceLostError: somebody else has it, or the rotation has ended.
        """
        mine = RotationRecord.objects.filter(pk=self.rotation_id, token=self.token, stage__in=RotationRecord.LIVE)
        if mine.update(next_at=database_clock.expression(_LEASE)) != 1:
            raise FenceLostError(self.rotation_id)

    def fenced(self) -> RotationRecord:
        """Return the row for writing, locked in the caller's transaction; raises what ``renew`` raises."""
        self.renew()
        return RotationRecord.objects.select_related("identity__tenant", "requested_by").get(pk=self.rotation_id)


def take(rotation_id: UUID) -> Claim | None:
    """Take a due rotation, or return None when it is not due, has ended or is somebody else's."""
    now = database_clock.expression()
    with transaction.atomic():
        free = RotationRecord.objects.filter(pk=rotation_id, stage__in=RotationRecord.LIVE, next_at__lte=now)
        if free.update(token=F("token") + 1, next_at=database_clock.expression(_LEASE)) != 1:
            return None
        return Claim(rotation_id, RotationRecord.objects.values_list("token", flat=True).get(pk=rotation_id))


def move(claim: Claim, stage: Stage, **columns: Any) -> None:
    """Set columns and enter a stage, in one transaction."""
    with transaction.atomic():
        row = claim.fenced()
        for column, value in columns.items():
            setattr(row, column, value)
        enter(row, stage)


def enter(row: RotationRecord, stage: Stage) -> None:
    """Enter a stage and save the row, which the caller holds fenced."""
    now = database_clock.now()
    row.stage, row.stage_at, row.attempts = stage, now, 0
    if stage not in (Stage.WITHDRAWING, Stage.ABANDONED):
        row.error = ""
    if not row.is_live:
        row.finished_at = now
    row.save()


@transactional
def wait(claim: Claim, reason: str) -> None:
    """Come back later; a stage that is never given up is reported to the operators once."""
    row = claim.fenced()
    row.error, row.attempts = reason, row.attempts + 1
    pause = _FIRST_PAUSE if row.stage == Stage.STAGED else _FIRST_PAUSE * 2 ** min(row.attempts - 1, 8)
    row.next_at = database_clock.now() + min(pause, _LONGEST_PAUSE)
    if row.attempts == _REPORTED_AFTER and row.stage not in GIVEN_UP:
        _report(
            row,
            noop("It stands at: %(stage)s, and is tried again.") % {"stage": row.get_stage_display().lower()},
            reason,
        )
    row.save()


@transactional
def abandon(claim: Claim, reason: str = "") -> None:
    """End a rotation of which nothing is left: log it, tell the operators."""
    row = claim.fenced()
    row.error = reason or row.error
    log_end(row, row.error)
    _report(row, noop("It was abandoned, and nothing of it is left."), row.error)
    enter(row, Stage.ABANDONED)


def log_end(row: RotationRecord, error: str) -> None:
    """Log the rotation as the identity that performed it: key ids and versions, never a credential."""
    log_entry(
        Action.CREDENTIAL_ROTATED,
        on=row.identity.tenant,
        by=_performer(row),
        details={
            "purpose": row.identity.purpose,
            "application": str(row.identity.client_id),
            "kind": row.kind,
            "secret_name": row.secret_name,
            "secret_version": row.secret_version,
            "key_id": row.key_id,
            "expires_on": _day(row.expires_on),
            "revoked_key_id": "" if error else row.old_key_id,
            "requested_by": row.requested_by.upn if row.requested_by else SYSTEM.name,
            "proof": row.proof,
        },
        error=error,
        success=not error,
        correlation_id=str(row.pk),
    )


def _performer(row: RotationRecord) -> Actor:
    found = row.identity.tenant.identities.filter(purpose=TenantIdentity.Purpose.ROTATION).first()
    return service_principal(str(found.client_id)) if found else SYSTEM


def _report(row: RotationRecord, state: str, reason: str) -> None:
    tenant = row.identity.tenant
    announce(
        Event.ROTATION_FAILED,
        to=operators(tenant),
        tenant_id=tenant.pk,
        reference=row.identity.display_name,
        once=f"{row.pk}:{row.stage}",
        about=row,
        tenant=tenant,
        kind=row.identity.get_kind_display().lower(),
        state=state,
        reason=reason,
    )


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else ""
