"""Look at a tenant for a privilege review: what is expected from our rows, what is from Microsoft. Reads only."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final

from django.utils.translation import gettext_noop as noop

from accounts_app.cloud import cloud_as, cloud_for
from accounts_app.models import Tenant, TenantIdentity
from accounts_app.services import settings_of
from core_app import clock
from core_app.errors import DomainError
from microsoft_cloud import Cloud
from microsoft_cloud.applications import Credential
from microsoft_cloud.bap import Environment as RemoteEnvironment
from microsoft_cloud.errors import CloudError, PermanentError
from microsoft_cloud.operations import Operation
from provisioning_app.choices import EnvironmentStatus
from provisioning_app.credentials.desk import rotation_identity
from provisioning_app.credentials.privileges import Expected, Observed, Span
from provisioning_app.models import Environment, Gap, PrivilegeReview, ProvisioningRun

Purpose = TenantIdentity.Purpose
_MARGIN: Final = timedelta(minutes=5)  # Microsoft's clock and ours
_MANAGING: Final = (Purpose.PROVISIONING, Purpose.ROLLBACK)
_GRAPH_PERMISSIONS: Final = {
    Purpose.DIRECTORY: frozenset({"Group.Read.All", "GroupMember.Read.All", "User.Read.All"}),
    Purpose.ROTATION: frozenset({"Application.ReadWrite.OwnedBy"}),
}
_FULL_ROLE, _REDUCED_ROLE = "System Administrator", "System Customizer"


def expected_of(tenant: Tenant) -> Expected:
    """Return the expected table: the identities on record, and when our runs were at work where."""
    rows = list(tenant.identities.all())
    reduced = settings_of(tenant).reduce_principal_roles
    return Expected(
        management_applications={str(row.client_id): row.display_name for row in rows if row.purpose in _MANAGING},
        key_ids={str(row.client_id): row.key_id for row in rows},
        principal_role=_REDUCED_ROLE if reduced else _FULL_ROLE,
        spans=_spans(tenant),
        graph_permissions=_permitted(rows),
    )


def _permitted(rows: list[TenantIdentity]) -> dict[str, frozenset[str]]:
    permitted: dict[str, frozenset[str]] = defaultdict(frozenset)
    for row in rows:
        permitted[str(row.client_id)] |= _GRAPH_PERMISSIONS.get(Purpose(row.purpose), frozenset())
    return permitted


def observe(review: PrivilegeReview) -> Observed:
    """Ask Microsoft about everything a review compares.

    Raises:
        CloudError: the tenant cannot be read now; what concerns one application or environment alone is noted instead.
    """
    tenant, correlation = review.tenant, str(review.pk)
    cloud = cloud_for(tenant, Purpose.PROVISIONING, correlation)
    listed = cloud.bap.list_environments()
    unchecked: dict[str, str] = {}
    registered = Environment.objects.filter(tenant=tenant).exclude(status=EnvironmentStatus.DELETED)
    return Observed(
        management_applications=frozenset(cloud.bap.admin_applications()),
        credentials=_credentials(tenant, correlation, unchecked),
        role_assignments=cloud.power_platform.role_assignments(),
        principal_roles=_roles(cloud, list(registered), unchecked),
        operations=_operations(cloud, listed, review.covers_from, unchecked),
        graph_permissions=_graph_permissions(tenant, correlation, unchecked),
        unchecked=unchecked,
    )


def _credentials(tenant: Tenant, correlation: str, unchecked: dict[str, str]) -> dict[str, tuple[Credential, ...]]:
    """Return the credentials of each of our applications, as the rotation identity sees them."""
    found: dict[str, tuple[Credential, ...]] = {}
    for row in tenant.identities.select_related("tenant").order_by("purpose"):
        try:
            applications = cloud_as(rotation_identity(row), correlation).applications
            found[str(row.client_id)] = applications.application(str(row.client_id)).credentials
        except (DomainError, PermanentError) as error:
            unchecked[noop("credentials of %(credential)s") % {"credential": row}] = str(error)
    return found


def _graph_permissions(tenant: Tenant, correlation: str, unchecked: dict[str, str]) -> dict[str, frozenset[str]]:
    """Return what each of our applications may do on Graph, as its own token says."""
    found: dict[str, frozenset[str]] = {}
    for row in tenant.identities.select_related("tenant").order_by("purpose"):
        try:
            found[str(row.client_id)] = cloud_as(row, correlation).own_graph_permissions()
        except PermanentError as error:
            unchecked[noop("Graph permissions of %(principal)s") % {"principal": row}] = str(error)
    return found


def _roles(cloud: Cloud, environments: list[Environment], unchecked: dict[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for environment in environments:
        if not environment.url:
            unchecked[noop("roles in %(environment)s") % {"environment": environment.display_name}] = noop(
                "Its Dataverse has no address yet: see its run."
            )
            continue
        try:
            dataverse = cloud.dataverse(environment.url)
            roles = dataverse.user_roles(dataverse.who_am_i().user_id)
        except CloudError as error:
            unchecked[noop("roles in %(environment)s") % {"environment": environment.display_name}] = str(error)
        else:
            found[environment.display_name] = tuple(role.name for role in roles)
    return found


def _operations(
    cloud: Cloud, environments: tuple[RemoteEnvironment, ...], since: datetime, unchecked: dict[str, str]
) -> dict[str, tuple[Operation, ...]]:
    """Return what our principal has done since then, in every environment of the tenant."""
    ours = cloud.own_object_id()
    found: dict[str, tuple[Operation, ...]] = {}
    for environment in environments:
        try:
            operations = cloud.bap.operations_of(environment.id)
        except PermanentError as error:
            unchecked[noop("operations on %(environment)s") % {"environment": environment.id}] = str(error)
        else:
            found[environment.id] = tuple(item for item in operations if _concerns(item, ours, since))
    return found


def _concerns(operation: Operation, principal: str, since: datetime) -> bool:
    recent = operation.created_time is None or operation.created_time >= since
    return recent and operation.requested_by.lower() == principal


def _spans(tenant: Tenant) -> dict[str, tuple[Span, ...]]:
    spans: dict[str, list[Span]] = defaultdict(list)
    runs = ProvisioningRun.objects.filter(tenant=tenant, started_at__isnull=False).exclude(environment_id="")
    for environment_id, began, ended in runs.values_list("environment_id", "started_at", "finished_at"):
        spans[environment_id].append(_span(began, ended))
    gaps = Gap.objects.filter(request__tenant=tenant).exclude(run__environment_id="")
    for environment_id, began, ended in gaps.values_list("run__environment_id", "opened_at", "closed_at"):
        spans[environment_id].append(_span(began, ended))
    return {environment_id: tuple(each) for environment_id, each in spans.items()}


def _span(began: datetime | None, ended: datetime | None) -> Span:
    return ((began or clock.now()) - _MARGIN, (ended or clock.now()) + _MARGIN)
