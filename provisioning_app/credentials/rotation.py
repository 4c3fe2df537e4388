"""Rotate a credential in five steps (seed, Rotation Process): add, store, prove, revoke the old, log.

Each stage is an intent that is committed before its calls and answered after them; whoever finds a stage without its
result looks what is there and goes on. The old credential stays until a whole preflight has proved the new one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from accounts_app.locks import locked_tenant
from accounts_app.models import TenantIdentity, User
from accounts_app.roles import Role
from audit_app.actions import Action
from audit_app.actors import SYSTEM, person
from audit_app.log import record as log_entry
from core_app import database_clock
from core_app.doorbell import ring
from core_app.errors import DomainError
from core_app.transactions import transactional
from microsoft_cloud.errors import CloudError, TransientError
from provisioning_app.credentials.desk import NotYetError, desk_for, rotation_identity
from provisioning_app.credentials.permissions import require
from provisioning_app.credentials.rows import Claim, FenceLostError, Stage, abandon, move, take, wait
from provisioning_app.credentials.stages import STAGES
from provisioning_app.models import RotationRecord

log = structlog.get_logger(__name__)

_PATIENCE: Final = {
    Stage.PREPARING: timedelta(minutes=5),
    Stage.ADDING: timedelta(minutes=30),
    Stage.STAGED: timedelta(minutes=10),  # how long Entra may need to accept a new credential everywhere
}


@transactional
def rotate(tenant_id: UUID, purpose: str, *, by: User | None, kind: str = "") -> RotationRecord:
    """Start the rotation of an identity's credential; a worker performs it.

    Args:
        tenant_id: Whose identity.
        purpose: Which, a ``TenantIdentity.Purpose``.
        by: The operator who asks; None for the system itself (a command on the server).
        kind: A ``TenantIdentity.Kind`` to change to; the present one when empty.

    Raises:
        PermissionRefused: for anyone but an operator of the tenant.
        DomainError: no such identity, no rotation identity, or one is being rotated already.
    """
    tenant = locked_tenant(tenant_id)
    if by is not None:
        require(by, tenant, "Rotating a credential", Role.OPERATOR)
    identity = tenant.identities.filter(purpose=purpose).first()
    if identity is None:
        raise DomainError(
            _("%(tenant)s has no identity for the purpose %(purpose)s; register one first.")
            % {"tenant": tenant, "purpose": purpose}
        )
    if kind and kind not in TenantIdentity.Kind:
        raise DomainError(
            _("%(kind)s is no kind of credential; choose %(choices)s.")
            % {"kind": kind, "choices": " or ".join(TenantIdentity.Kind)}
        )
    rotation_identity(identity)
    if running := identity.rotations.filter(stage__in=RotationRecord.LIVE).first():
        raise DomainError(
            _("%(identity)s is being rotated since %(started_at)s UTC (%(stage)s); wait until that has ended.")
            % {
                "identity": identity,
                "started_at": f"{running.started_at:%Y-%m-%d %H:%M}",
                "stage": running.get_stage_display().lower(),
            }
        )
    now = database_clock.now()
    row = RotationRecord(
        tenant=tenant,
        identity=identity,
        kind=kind or identity.kind,
        secret_name=_secret_name(identity, kind or identity.kind),
        requested_by=by,
        started_at=now,
        stage_at=now,
        next_at=now,
    )
    log_entry(
        Action.CREDENTIAL_ROTATION_STARTED,
        on=tenant,
        by=person(by) if by else SYSTEM,
        details={"purpose": identity.purpose, "application": str(identity.client_id), "kind": row.kind},
        correlation_id=str(row.pk),
    )
    row.save(force_insert=True)
    ring("provisioning_app.tasks.rotate", str(row.pk))
    return row


def _secret_name(identity: TenantIdentity, kind: str) -> str:
    """Return the vault's name for a kind: the present one, or the present one with the other word at its end."""
    if kind == identity.kind:
        return identity.secret_name
    words = {TenantIdentity.Kind.SECRET: "-Secret", TenantIdentity.Kind.CERTIFICATE: "-Certificate"}
    stem = identity.secret_name.removesuffix(words[TenantIdentity.Kind(identity.kind)])
    return stem + words[TenantIdentity.Kind(kind)]


def due() -> list[UUID]:
    """Return rotations that are due, or whose worker has gone silent."""
    live = RotationRecord.objects.filter(stage__in=RotationRecord.LIVE, next_at__lte=database_clock.expression())
    return list(live.order_by("next_at").values_list("pk", flat=True))


def advance(rotation_id: UUID) -> None:
    """Take a due rotation as far as it goes without waiting; quietly do nothing when it is not due or not ours."""
    claim = take(rotation_id)
    try:
        while claim and _take_stage(claim):
            pass
    except FenceLostError:
        log.warning("rotation_taken_over", rotation=str(rotation_id))


def _take_stage(claim: Claim) -> bool:
    """Do the work of the present stage; return whether the next one can follow at once."""
    row = RotationRecord.objects.get(pk=claim.rotation_id)
    if not row.is_live:
        return False
    try:
        STAGES[Stage(row.stage)](claim, desk_for(row))
    except FenceLostError:
        raise
    except (CloudError, NotYetError, DomainError) as error:
        return _after_failure(claim, row, str(error), may_pass=isinstance(error, TransientError | NotYetError))
    except Exception as error:
        # Whatever was not foreseen is told in words that hold no secret, and leaves the worker alive.
        log.exception("rotation_broke", rotation=str(row.pk), stage=row.get_stage_display())
        return _after_failure(
            claim, row, noop("Unexpected %(error)s.") % {"error": type(error).__name__}, may_pass=True
        )
    return True


def _after_failure(claim: Claim, row: RotationRecord, reason: str, *, may_pass: bool) -> bool:
    """Wait and look again, or give up where nothing is in force yet; return whether to go on at once."""
    stage = Stage(row.stage)
    passes = may_pass or stage == Stage.STAGED  # a refusal may only mean that Entra has not spread the credential yet
    if stage not in _PATIENCE or (passes and database_clock.now() - row.stage_at < _PATIENCE[stage]):
        wait(claim, reason)
        return False
    if stage == Stage.PREPARING:
        abandon(claim, reason)
        return False
    move(claim, Stage.WITHDRAWING, error=reason)
    return True
