"""Step 10: which data policies cover the environment; computed, because classic policies ignore environment groups."""

from __future__ import annotations

from django.utils.translation import gettext_noop as noop

from audit_app.actions import Action
from microsoft_cloud.bap import dlp_coverage
from provisioning_app.steps import environments
from provisioning_app.steps.outcome import AttemptFailedError, Context, Done, Entry, Proof


def perform(context: Context) -> Done:
    """Prove that a required data policy, or any when none is named, applies to the environment.

    Raises:
        StepFailedError: the environment does not exist any more.
        AttemptFailedError: none does; an administrator has to extend one, the gap is retried until then.
    """
    environment = environments.read(context)  # a policy for all environments covers also one that is gone
    covering = dlp_coverage(environment.id, context.cloud.bap.dlp_policies())
    names = sorted(policy.display_name for policy in covering)
    required = context.baseline.required_dlp_policy
    if not names or (required and required not in names):
        if required:
            sentence = noop("%(policy)s does not cover the environment; extend it in the admin center.")
            raise AttemptFailedError(sentence % {"policy": required})
        raise AttemptFailedError(noop("No data policy covers the environment; extend one in the admin center."))
    proof = Proof("data policy", "", "covered", "covered")
    return Done((Entry(Action.DLP_ASSIGNED, (proof,), {"policies": names}),))
