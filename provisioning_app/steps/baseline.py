"""Step 8: auditing and session time-out in the Dataverse organisation."""

from __future__ import annotations

from audit_app.actions import Action
from microsoft_cloud.dataverse import OrganizationSettings
from provisioning_app.steps.outcome import Context, Done, Entry, Proof, require_all, text

_AUDITING = ("isauditenabled", "isuseraccessauditenabled", "isreadauditenabled", "auditretentionperiodv2")
_SESSION = ("sessiontimeoutenabled", "sessiontimeoutinmins")


def perform(context: Context) -> Done:
    """Write what differs from the zone's baseline and read all of it back.

    Raises:
        AttemptFailedError: a setting did not read back as written.
    """
    dataverse = context.cloud.dataverse(context.run.environment_url)
    wanted = OrganizationSettings(
        isauditenabled=True,
        isuseraccessauditenabled=True,
        isreadauditenabled=True,
        auditretentionperiodv2=context.baseline.audit_retention_days,
        sessiontimeoutenabled=True,
        sessiontimeoutinmins=context.baseline.session_timeout_minutes,
    )
    organization = dataverse.organization()
    before = organization.settings
    differing = {name: value for name, value in wanted.changes().items() if getattr(before, name) != value}
    if differing:
        current = {name: text(getattr(before, name)) for name in differing}
        context.before_change(
            *(Proof(name, current[name], text(value), current[name]) for name, value in differing.items())
        )
        dataverse.update_organization(organization.id, OrganizationSettings(**differing))  # type: ignore[arg-type]
    after = dataverse.organization().settings
    proofs = {
        name: Proof(name, text(getattr(before, name)), text(value), text(getattr(after, name)))
        for name, value in wanted.changes().items()
    }
    require_all(tuple(proofs.values()))
    return Done(
        (
            Entry(Action.AUDITING_CONFIGURED, tuple(proofs[name] for name in _AUDITING)),
            Entry(Action.SESSION_TIMEOUT_CONFIGURED, tuple(proofs[name] for name in _SESSION)),
            Entry(Action.BASELINE_CONFIG_APPLIED, details={"settings": len(proofs), "changed": sorted(differing)}),
        )
    )
