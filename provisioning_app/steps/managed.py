"""Step 5: Managed Environment with its sharing limits, before the environment joins a group, which locks them."""

from __future__ import annotations

from django.utils.translation import gettext_noop as noop

from audit_app.actions import Action
from microsoft_cloud.bap import Environment, Governance
from provisioning_app.steps import environments
from provisioning_app.steps.operations import others_work, still_running, watch
from provisioning_app.steps.outcome import AttemptFailedError, Context, Done, Entry, Proof, StepFailedError, Wait, text

MANAGED = "Standard"


def perform(context: Context) -> Done | Wait:
    """Enable Managed Environments with the zone's sharing limit and solution checker, and read every setting back.

    Raises:
        StepFailedError: somebody has put the environment into a group, which hides and locks its settings.
        AttemptFailedError: the operation failed, or a setting did not read back as written.
    """
    if wait := still_running(context, context.cloud.bap.operation, "managed environment"):
        return wait
    environment = environments.read(context)
    if wait := others_work(context, environment):
        return wait  # the platform starts a second operation by itself after enabling (contract §4.4)
    before = context.facts.get("before") or _snapshot(context, environment)
    proofs = _proofs(context, environment, before)
    if _is_locked(environment):
        raise StepFailedError(
            noop(
                "The environment is in an environment group already, so its sharing limits can neither "
                "be read nor set. Take it out of the group in the admin center, then retry; it joins the "
                "right one later."
            )
        )
    if all(proof.holds for proof in proofs):
        return _done(proofs)
    if context.facts.get("was_sent"):
        raise AttemptFailedError(
            noop("Read back: %(what)s.") % {"what": "; ".join(proof.difference for proof in proofs if not proof.holds)}
        )
    context.before_change(*proofs)
    started = context.cloud.bap.set_governance_configuration(environment.id, Governance(MANAGED, desired(context)))
    return watch(context, started, "managed environment", before=before)


def desired(context: Context) -> dict[str, str]:
    """Return the governance settings of the zone; every value is a string (contract §6.1)."""
    baseline = context.baseline
    limit = baseline.sharing_limit
    return {
        "limitSharingMode": "excludeSharingToSecurityGroups" if limit else "noLimit",
        "isGroupSharingDisabled": "true" if limit else "false",
        "maxLimitUserSharing": str(limit) if limit else "-1",
        "solutionCheckerMode": baseline.solution_checker,
    }


def _snapshot(context: Context, environment: Environment) -> dict[str, str]:
    settings = environment.extended_settings or {}
    return {
        "protectionLevel": environment.protection_level or "Basic",
        **{name: text(settings.get(name)) for name in desired(context)},
    }


def _proofs(context: Context, environment: Environment, before: dict[str, str]) -> tuple[Proof, ...]:
    after = _snapshot(context, environment)
    wanted = {"protectionLevel": MANAGED, **desired(context)}
    return tuple(Proof(name, before[name], value, after[name]) for name, value in wanted.items())


def _is_locked(environment: Environment) -> bool:
    """Inside a group the settings come from the group's rules and are not shown (contract §5.5)."""
    return environment.is_managed and environment.environment_group_id is not None and not environment.extended_settings


def _done(proofs: tuple[Proof, ...]) -> Done:
    level, *limits = proofs
    return Done((Entry(Action.MANAGED_ENABLED, (level,)), Entry(Action.SHARING_LIMITS_CONFIGURED, tuple(limits))))
