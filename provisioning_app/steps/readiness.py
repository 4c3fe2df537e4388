"""Step 4: the operation's success is not the environment's readiness; wait until it can be worked on."""

from __future__ import annotations

from django.utils.translation import gettext_noop as noop

from audit_app.actions import Action
from microsoft_cloud.errors import NotReadyError
from provisioning_app.steps import environments
from provisioning_app.steps.operations import others_work, wait_seconds
from provisioning_app.steps.outcome import Context, Done, Entry, Proof, Wait, require_all
from requests_app.choices import LOCATION, EnvironmentType, Region


def perform(context: Context) -> Done | Wait:
    """Wait for linked metadata, management state Ready and a Dataverse organisation that knows us.

    Raises:
        AttemptFailedError: it is not what was asked for: another type, location or organisation.
    """
    environment = environments.read(context)
    if not environment.has_dataverse or not environment.is_ready:
        return Wait(noop("linked Dataverse metadata and management state Ready"), wait_seconds(context, None))
    if wait := others_work(context, environment):
        return wait
    try:
        me = context.cloud.dataverse(environment.instance_url).who_am_i()
    except NotReadyError:
        return Wait(noop("the Dataverse organisation to know the service principal"), wait_seconds(context, None))
    request = context.request
    proofs = (
        Proof("type", "", EnvironmentType(request.environment_type).label, environment.sku),
        Proof("location", "", LOCATION[Region(request.region)], environment.location),
        Proof("organisation", "", environment.organization_id, me.organization_id),
    )
    require_all(proofs)
    url = environment.instance_url.rstrip("/")
    return Done((Entry(Action.READINESS_CHECKED, proofs),), run={"environment_url": url})
