"""The stages of a rotation. Each may be entered again after a crash: it looks what is there before it acts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _

from accounts_app.cloud import forget_secret
from accounts_app.locks import locked_tenant
from accounts_app.models import TenantIdentity
from core_app import clock
from core_app.errors import DomainError
from provisioning_app.credentials import proof
from provisioning_app.credentials.desk import KEY_TAG, Desk, InForce
from provisioning_app.credentials.rows import Claim, Stage, abandon, enter, log_end, move


def _prepare(claim: Claim, desk: Desk) -> None:
    """Find out which credential is in force, before anything is changed."""
    found = desk.in_force()
    with transaction.atomic():
        locked_tenant(desk.identity.tenant_id)
        row = claim.fenced()
        if found:
            remember(row.identity, found)
            row.old_key_id, row.old_secret_version = found.key_id, found.version
        enter(row, Stage.ADDING)


def _add(claim: Claim, desk: Desk) -> None:
    """Add a credential and stage it; what an earlier attempt lost on the way is removed first."""
    staged = desk.staged()
    if staged is None:
        desk.remove_strays(claim.renew)
        staged = desk.add_and_stage(claim.renew)
    move(claim, Stage.STAGED, key_id=staged.tags[KEY_TAG], expires_on=staged.expires_on)


def _prove(claim: Claim, desk: Desk) -> None:
    """Perform a whole preflight with the staged credential alone."""
    proofs = proof.prove(desk)
    move(claim, Stage.PROVED, proof=[each.as_json() for each in proofs], proved_at=clock.now())


def _bring_into_force(claim: Claim, desk: Desk) -> None:
    """Let Key Vault hand the new credential out, and say so in the inventory; workers read it from now on."""
    current = desk.put_in_force(claim.renew)
    made = desk.application().credential(desk.record.key_id)
    with transaction.atomic():
        locked_tenant(desk.identity.tenant_id)
        row = claim.fenced()
        identity = row.identity
        identity.kind, identity.secret_name = row.kind, row.secret_name
        created_on = made.starts_on if made and made.starts_on else row.started_at
        remember(identity, InForce(row.key_id, current.version, created_on, current.expires_on))
        row.secret_version = current.version
        enter(row, Stage.IN_FORCE)
    forget_secret(identity)


def _revoke(claim: Claim, desk: Desk) -> None:
    """Revoke the old credential, which only a proved successor allows, and log the rotation."""
    if desk.record.proved_at is None:
        raise DomainError(_("The old credential is not revoked before the new one is proved."))
    desk.revoke_old(claim.renew)
    desk.forget_staged()
    with transaction.atomic():
        locked_tenant(desk.identity.tenant_id)
        row = claim.fenced()
        row.revoked_at = clock.now()
        log_end(row, "")
        enter(row, Stage.COMPLETED)


def _withdraw(claim: Claim, desk: Desk) -> None:
    """Remove the new credential again; the old one was never touched."""
    desk.withdraw(claim.renew)
    abandon(claim)


STAGES: Final[dict[Stage, Callable[[Claim, Desk], None]]] = {
    Stage.PREPARING: _prepare,
    Stage.ADDING: _add,
    Stage.STAGED: _prove,
    Stage.PROVED: _bring_into_force,
    Stage.IN_FORCE: _revoke,
    Stage.WITHDRAWING: _withdraw,
}


def remember(identity: TenantIdentity, found: InForce) -> None:
    """Enter the credential in force in the inventory."""
    identity.key_id, identity.secret_version = found.key_id, found.version
    identity.created_on, identity.expires_on = found.created_on, found.expires_on
    identity.save()
