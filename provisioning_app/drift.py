"""Whether what was once proved still holds: the list of environments, read every five minutes, says which are managed.

The other controls have to be asked for one by one; no sweep does so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import structlog
from django.utils.translation import gettext_noop as noop

from accounts_app.models import Tenant
from audit_app.actions import Action
from microsoft_cloud import Cloud
from microsoft_cloud.bap import Environment as RemoteEnvironment
from microsoft_cloud.errors import AuthenticationError, PermanentError
from provisioning_app.choices import LIVE_STATUSES, EnvironmentStatus, FindingKind
from provisioning_app.findings import Difference
from provisioning_app.models import Environment
from provisioning_app.policy_gap import CONTROLS

log = structlog.get_logger(__name__)
_NOT_MANAGED: Final = noop(
    "%(environment)s was read back as a Managed Environment and is none any more. Who switched it off at Microsoft?"
)


def no_longer_managed(tenant: Tenant, cloud: Cloud, inventory: Mapping[str, RemoteEnvironment]) -> Iterator[Difference]:
    """Yield environments that were proved to be managed and are not any more, each confirmed by reading it."""
    # An empty level is no answer: only one that says otherwise is worth a question
    suspects = [key for key, found in inventory.items() if found.protection_level and not found.is_managed]
    proved = Environment.objects.filter(
        tenant=tenant,
        environment_id__in=suspects,
        status=EnvironmentStatus.ACTIVE,
        controls__control=CONTROLS[Action.MANAGED_ENABLED],
    )
    for row in proved.exclude(request__runs__status__in=LIVE_STATUSES):
        try:
            found = cloud.bap.get_environment(row.environment_id)
        except AuthenticationError:
            raise  # the tenant's trouble, not this environment's
        except PermanentError as error:
            log.info("environment_not_read", environment=str(row.pk), error=str(error))  # gone since it was listed, say
            continue
        if not found.is_managed and not found.ongoing_operation:
            yield Difference(
                FindingKind.NOT_MANAGED,
                row.environment_id,
                _NOT_MANAGED % {"environment": row},
                environment_id=row.environment_id,
                request_id=row.request_id,
            )
