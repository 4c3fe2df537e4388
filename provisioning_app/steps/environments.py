"""Reading the environment a run works on, with the guards every step needs."""

from __future__ import annotations

from microsoft_cloud.bap import Environment
from microsoft_cloud.errors import NotFoundError
from provisioning_app.choices import RemoteState
from provisioning_app.steps.outcome import Context, StepFailedError


def read(context: Context) -> Environment:
    """Return the run's environment.

    Raises:
        StepFailedError: somebody deleted it; it is not created again by itself.
    """
    try:
        return context.cloud.bap.get_environment(context.run.environment_id)
    except NotFoundError as error:
        raise StepFailedError(
            "The environment no longer exists: it was deleted outside this process.", remote_state=RemoteState.ABSENT
        ) from error


def find_ours(context: Context) -> Environment | None:
    """Return the environment with this run's domain name, when it carries this request's tag.

    Raises:
        StepFailedError: the domain name belongs to an environment that is not ours; it is never adopted.
    """
    environment = context.cloud.bap.find_environment(context.run.domain_name)
    if environment is None:
        return None
    if context.tag not in environment.description:
        raise StepFailedError(
            f"The domain name {context.run.domain_name} belongs to another environment ({environment.display_name})."
        )
    return environment
