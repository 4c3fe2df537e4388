"""A whole preflight with one credential: what the identity is for, asked with that credential and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from accounts_app.cloud import cloud_for, endpoints
from accounts_app.models import TenantIdentity
from accounts_app.services import settings_of
from microsoft_cloud import Cloud
from microsoft_cloud.bap import EnvironmentGroup
from microsoft_cloud.errors import GroupError
from provisioning_app.credentials.desk import KEY_TAG, Desk, NotYetError
from provisioning_app.steps.outcome import Proof

Purpose = TenantIdentity.Purpose
_NO_SUCH_GROUP: Final = "ELM preflight: no group has this name"


def prove(desk: Desk) -> tuple[Proof, ...]:
    """Return what was read with the staged credential; every proof holds.

    Raises:
        NotYetError: something differs. CloudError: Entra or a service refuses the credential, or does not answer.
    """
    staged = desk.require_staged()
    cloud = Cloud(endpoints(), desk.staged_identity(), str(desk.record.pk))
    proofs = (
        Proof("Key Vault", "", desk.record.key_id, staged.tags.get(KEY_TAG, "")),
        *PREFLIGHTS[desk.identity.purpose](cloud, desk.identity),
    )
    if wrong := [proof for proof in proofs if not proof.holds]:
        raise NotYetError("; ".join(proof.difference for proof in wrong))
    return proofs


def _of_provisioning(cloud: Cloud, identity: TenantIdentity) -> tuple[Proof, ...]:
    wanted = {baseline.environment_group for baseline in settings_of(identity.tenant).baselines.values()}
    groups = [group for group in cloud.bap.environment_groups() if group.display_name in wanted]
    found = {group.display_name for group in groups}
    usable = any(location.is_usable for location in cloud.bap.locations())
    return (
        *_of_management(cloud, identity),
        Proof("locations", "", "usable", "usable" if usable else "none"),
        Proof("environment groups", "", ", ".join(sorted(wanted)), ", ".join(sorted(found))),
        *(_read_over_power_platform(cloud, group) for group in groups[:1]),
        *_of_directory(cloud_for(identity.tenant, Purpose.DIRECTORY, cloud.correlation_id), identity),
    )


def _read_over_power_platform(cloud: Cloud, group: EnvironmentGroup) -> Proof:
    """Read a group over the API with which environments join it: that one has an audience, so a token, of its own."""
    read = cloud.power_platform.environment_group(group.id)
    return Proof("Power Platform API", "", group.display_name, read.display_name)


def _of_management(cloud: Cloud, identity: TenantIdentity) -> tuple[Proof, ...]:
    """Ask as a management application: of which tenant, and whether it is one."""
    tenant = Proof("tenant", "", str(identity.tenant.entra_tenant_id), cloud.bap.tenant().tenant_id.lower())
    registered = cloud.bap.admin_application(str(identity.client_id))
    return (tenant, Proof("management application", "", "registered", "registered" if registered else "not registered"))


def _of_directory(cloud: Cloud, _identity: TenantIdentity) -> tuple[Proof, ...]:
    with suppress(GroupError):  # Graph looked it up for us
        cloud.graph.group(_NO_SUCH_GROUP)
    return (Proof("directory", "", "readable", "readable"),)


def _of_rotation(cloud: Cloud, identity: TenantIdentity) -> tuple[Proof, ...]:
    client_id = str(identity.client_id)
    return (Proof("own application", "", client_id, cloud.applications.application(client_id).client_id),)


PREFLIGHTS: Final[dict[str, Callable[[Cloud, TenantIdentity], tuple[Proof, ...]]]] = {
    Purpose.PROVISIONING: _of_provisioning,
    Purpose.DIRECTORY: _of_directory,
    Purpose.ROTATION: _of_rotation,
    Purpose.ROLLBACK: _of_management,
}
