"""What the simulator knows when it starts: the demo's tenants as Microsoft would hold them."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from core_app import clock
from elm_project.demo.folder import WORKLOAD_CLIENT_ID, Folder, write_secret
from elm_project.demo.people import IDENTITIES, TENANTS, DemoPerson, DemoTenant, Purpose

DLP_POLICY: Final = "FSI tenant baseline"
SECRET_LASTS: Final = timedelta(days=150)  # the simulator dates it 30 days back: six months in all
# Least privilege (elm.md §8): only the directory reader reads Graph, only the workload reads the vault, and the
# rotation identity changes nothing but the credentials of the applications that it owns
GRAPH_PERMISSIONS: Final = {
    Purpose.DIRECTORY: ["Group.Read.All", "GroupMember.Read.All", "User.Read.All"],
    Purpose.ROTATION: ["Application.ReadWrite.OwnedBy"],
}
# How long the stand-in platform takes: long enough to be seen, short enough to be watched
TIMING: Final = {
    "create_polls": 3,
    "create_seconds": 4,
    "operation_polls": 1,
    "system_polls": 1,
    "metadata_reads": 1,
    "management_reads": 2,
    "dataverse_denials": 1,
}


def write(folder: Folder) -> bool:
    """Write the seed and the workload's secret; say whether the simulator begins a new world with it.

    A world that an earlier demo has left keeps its secrets and only takes from the seed what it does not know yet.
    """
    is_new = not (folder.world.exists() and folder.workload_secret.exists())
    if is_new:
        folder.world.unlink(missing_ok=True)
        write_secret(folder.workload_secret, secrets.token_urlsafe(32))
    write_secret(folder.seed, json.dumps(seed(folder.workload_secret.read_text()), indent=2))
    return is_new


def seed(workload_secret: str) -> dict[str, Any]:
    """Return the simulator's seed for the demo's tenants.

    Args:
        workload_secret: Secret of the workers' own identity, the same in each tenant.
    """
    return {"tenants": [_tenant(tenant, workload_secret) for tenant in TENANTS], "timing": TIMING}


def _tenant(tenant: DemoTenant, workload_secret: str) -> dict[str, Any]:
    values = {purpose: secrets.token_urlsafe(32) for purpose in IDENTITIES}
    owned = [str(tenant.client_id(purpose)) for purpose in IDENTITIES]
    return {
        "id": str(tenant.entra_tenant_id),
        "name": tenant.name,
        "applications": [
            _application(tenant, WORKLOAD_CLIENT_ID, "ELM-Workload", workload_secret),
            *(
                _application(tenant, tenant.client_id(purpose), display_name, values[purpose])
                | {
                    "management_application": purpose == Purpose.PROVISIONING,
                    "graph_permissions": GRAPH_PERMISSIONS.get(purpose, []),
                    "owns": owned if purpose == Purpose.ROTATION else [],
                }
                for purpose, (display_name, _) in IDENTITIES.items()
            ),
        ],
        "key_vault_secrets": {name: values[purpose] for purpose, (_, name) in IDENTITIES.items()},
        "key_vault_readers": [str(WORKLOAD_CLIENT_ID)],
        "key_vault_officers": [str(tenant.client_id(Purpose.ROTATION))],
        "users": [_user(person) for person in tenant.people],
        "groups": [
            {"id": str(group.object_id), "display_name": group.name, "members": list(group.members)}
            for group in tenant.groups
        ],
        "environment_groups": [
            {"id": str(group_id), "display_name": name} for name, group_id in tenant.environment_groups.items()
        ],
        "dlp_policies": [
            {
                "name": str(uuid5(tenant.entra_tenant_id, DLP_POLICY)),
                "display_name": DLP_POLICY,
                "environment_type": "AllEnvironments",
            }
        ],
    }


def _user(person: DemoPerson) -> dict[str, Any]:
    return {
        "id": str(person.object_id),
        "upn": person.upn,
        "display_name": person.name,
        "mail": person.upn,
        "manager": person.manager or None,
    }


def _application(tenant: DemoTenant, client_id: UUID, display_name: str, secret: str) -> dict[str, Any]:
    return {
        "client_id": str(client_id),
        "object_id": str(uuid5(tenant.entra_tenant_id, str(client_id))),
        "display_name": display_name,
        "secret": secret,
        "secret_end": (clock.now() + SECRET_LASTS).isoformat(),
        "graph_permissions": [],
    }
