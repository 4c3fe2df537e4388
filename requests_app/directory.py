"""What the directory says about a request; asked before the verb's transaction and passed into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from accounts_app.cloud import cloud_for
from accounts_app.models import Tenant, TenantIdentity
from core_app.errors import InvalidInputError
from core_app.recorded import told
from core_app.text import clean
from microsoft_cloud.errors import CloudError, GroupError, GroupProblem
from microsoft_cloud.pool import deadline
from requests_app.choices import LOCATION
from requests_app.models import EnvironmentRequest

ANSWER_SECONDS: Final = 10.0  # for everything together: a person waits for it in the browser
SEARCH_SECONDS: Final = 4.0  # while somebody types
MOST_GROUPS: Final = 10


@dataclass(frozen=True, slots=True)
class ResolvedGroup:
    """The one security-enabled Microsoft Entra group that a request names."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Directory:
    """What Microsoft answered.

    Attributes:
        group: The resolved group; None when the request names none, or nothing could be asked.
        unavailable: Why Graph could not be asked; empty when it could.
        unusable_locations: Locations in which the tenant may not create environments, as far as that is known.
    """

    group: ResolvedGroup | None = None
    unavailable: str = ""
    unusable_locations: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Search:
    """What a search for groups found.

    Attributes:
        groups: Those that can guard an environment, by name.
        unavailable: Why Microsoft Graph could not be asked, in words for the person who searches; empty when it could.
    """

    groups: tuple[ResolvedGroup, ...] = ()
    unavailable: str = ""


_ADVICE = {
    GroupProblem.NOT_FOUND: noop("Microsoft Entra has no group %(named)s; check its name or object id."),
    GroupProblem.AMBIGUOUS: noop(
        "Microsoft Entra has several groups named %(named)s; give the object id of the right one."
    ),
    GroupProblem.NOT_SECURITY_ENABLED: noop(
        "The group %(named)s is not security-enabled, so it cannot guard an environment; name a security group."
    ),
}


def look_up(request: EnvironmentRequest) -> Directory:
    """Ask Microsoft Graph for the group a request names, and the platform where environments may be created.

    Of a group's id and name the id counts where the request gives both. The group comes first: without it a request
    cannot be routed, while the preflight asks for the locations again.

    Raises:
        InvalidInputError: the name or id denotes no group that can guard an environment; says what to do.
        RuntimeError: inside a transaction, which must not wait for a network.
    """
    named = request.security_group_id or request.security_group_name
    with transaction.atomic(durable=True):  # durable: refuses to be called inside another transaction
        tenant = Tenant.objects.get(pk=request.tenant_id)
    with deadline(ANSWER_SECONDS):
        group, unavailable = _group(tenant, named, str(request.pk)) if named else (None, "")
        return Directory(group, unavailable, _unusable_locations(tenant, str(request.pk)))


def search_groups(tenant_id: UUID, beginning: str) -> Search:
    """Return the security groups of a tenant whose name begins like this; at most ten.

    Raises:
        RuntimeError: inside a transaction, which must not wait for a network.
    """
    with transaction.atomic(durable=True):
        tenant = Tenant.objects.get(pk=tenant_id)
    try:
        with deadline(SEARCH_SECONDS):
            found = cloud_for(tenant, TenantIdentity.Purpose.DIRECTORY).graph.groups_named(beginning, MOST_GROUPS)
    except CloudError as error:
        reason = error.code or type(error).__name__
        return Search(
            unavailable=_(
                "Microsoft Entra cannot be searched now (%(service)s: %(reason)s). Type the exact name "
                "of the group or its object id and go on; it is looked up when you submit."
            )
            % {"service": error.service, "reason": reason}
        )
    return Search(tuple(ResolvedGroup(group.id, clean(group.display_name)) for group in found))


def _group(tenant: Tenant, named: str, correlation_id: str) -> tuple[ResolvedGroup | None, str]:
    """Return the group, or why it could not be asked for."""
    try:
        group = cloud_for(tenant, TenantIdentity.Purpose.DIRECTORY, correlation_id).graph.group(named)
    except GroupError as error:
        raise InvalidInputError([("security_group_id", told(_ADVICE[error.kind], named=repr(named)))]) from error
    except CloudError as error:
        return None, _unavailable(named, error)
    return ResolvedGroup(group.id, clean(group.display_name)), ""


def _unusable_locations(tenant: Tenant, correlation_id: str) -> frozenset[str]:
    """Return the locations that are closed to the tenant; none when it cannot be asked: the preflight asks again."""
    try:
        locations = cloud_for(tenant, TenantIdentity.Purpose.PROVISIONING, correlation_id).bap.locations()
    except CloudError:
        return frozenset()
    return frozenset(LOCATION.values()) - {location.name for location in locations if location.is_usable}


def _unavailable(named: str, error: CloudError) -> str:
    """Say why without trace ids and times: the same trouble is told and recorded once."""
    reason = error.code or type(error).__name__
    return noop(
        "The security group %(group)r could not be looked up (%(service)s: %(reason)s); it is tried again soon."
    ) % {"group": named, "service": error.service, "reason": reason}
