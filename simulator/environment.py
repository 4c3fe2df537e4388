"""An environment, its Dataverse organization, and how BAP shows them (contract §5.5, §8)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

from simulator import reference_data
from simulator.clock import bap_time
from simulator.operations import BAP, Operation

Row = dict[str, Any]
Life = Literal["Creating", "Ready", "Deleting", "SoftDeleted", "Purged", "Failed"]


@dataclass
class Organization:
    """The Dataverse database of an environment: its rows by entity set."""

    domain: str
    base_language: int
    currency: str
    created: datetime
    id: str = field(default_factory=lambda: str(uuid4()))
    business_unit: str = field(default_factory=lambda: str(uuid4()))
    rows: dict[str, dict[str, Row]] = field(default_factory=dict)
    links: dict[str, set[tuple[str, str]]] = field(default_factory=dict)  # association → (row, role) pairs
    settings: dict[str, str] = field(default_factory=dict)
    token_refusals: int = 0
    access_refusals: int = 0


@dataclass
class Environment:
    """One environment, in whatever part of its life (contract §19.1)."""

    id: str
    tenant_id: str
    location: str
    azure_region: str
    sku: str
    display_name: str
    description: str
    created: datetime
    created_by: dict[str, str]
    modified: datetime
    life: Life = "Creating"
    is_default: bool = False
    organization: Organization | None = None
    security_group_id: str | None = None
    parent_group: str | None = None
    protection_level: str = "Basic"
    settings: dict[str, str] = field(default_factory=dict)
    runtime: str = "Enabled"
    disaster_recovery: str | None = None
    update_cadence: str = "Frequent"
    background_operations: str = "Enabled"
    failed_over: bool = False
    billing_policy: str | None = None
    enterprise_policies: dict[str, str] = field(default_factory=dict)  # kind → system id
    toggles: dict[str, Any] = field(default_factory=dict)  # over the settings of contract §11.6
    flags: dict[str, bool] = field(default_factory=dict)
    used_by: dict[str, str] | None = None
    backups: dict[str, dict[str, Any]] = field(default_factory=dict)
    provisioning_database: bool = False
    ready_at: datetime | None = None
    reads: int = 0  # since it became ready
    deleted_at: datetime | None = None

    @property
    def is_managed(self) -> bool:
        return self.protection_level == "Standard"

    def become_ready(self, now: datetime) -> None:
        """Come into being, or get its database; from now on reads count until it looks ready (E4)."""
        self.life, self.ready_at, self.reads, self.provisioning_database = "Ready", now, 0, False

    def become_deleted(self, now: datetime) -> None:
        """Go, and stay recoverable for a while (contract §5.9)."""
        self.life, self.deleted_at = "SoftDeleted", now

    def come_back(self) -> None:
        """Be there again after a deletion (contract §5.10)."""
        self.life, self.deleted_at = "Ready", None

    @property
    def provisioning_state(self) -> str:
        if self.provisioning_database or self.life == "Creating":
            return "LinkedDatabaseProvisioning"
        return {"Ready": "Succeeded", "Failed": "Failed"}.get(self.life, "Deleting")


@dataclass(frozen=True)
class View:
    """What a reader sees of an environment just now."""

    linked: bool  # linkedEnvironmentMetadata is readable (E4)
    management: str
    ongoing: Operation | None
    instance_url: str
    bap_origin: str
    advisor_origin: str


def as_document(environment: Environment, view: View, expand: str = "") -> dict[str, Any]:
    """Render the BAP environment document."""
    properties: dict[str, Any] = {
        "tenantId": environment.tenant_id,
        "azureRegion": environment.azure_region,
        "displayName": environment.display_name,
        "description": environment.description,
        "createdTime": bap_time(environment.created),
        "createdBy": environment.created_by,
        "lastModifiedTime": bap_time(environment.modified),
        "provisioningState": environment.provisioning_state,
        "creationType": "DefaultTenant" if environment.is_default else "User",
        "environmentSku": environment.sku,
        "isDefault": environment.is_default,
        "clientUris": _client_uris(environment),
        "runtimeEndpoints": _runtime_endpoints(environment, view),
        "retentionPeriod": "P7D",
        "retentionDetails": {"retentionPeriod": "P7D", "backupsAvailableFromDateTime": bap_time(environment.created)},
        "states": _states(environment, view),
        "updateCadence": {"id": environment.update_cadence},
        "protectionStatus": {"keyManagedBy": "Microsoft"},
        "cluster": _cluster(environment),
        "connectedGroups": [],
        "lifecycleOperationsEnforcement": _enforcement(environment),
        "governanceConfiguration": _governance(environment),
    }
    if environment.organization and view.linked:
        properties["databaseType"] = "CommonDataService"
        properties["linkedEnvironmentMetadata"] = _linked(environment, environment.organization, view)
    if environment.parent_group:
        properties["parentEnvironmentGroup"] = {"id": environment.parent_group}
    if environment.used_by:
        properties["usedBy"] = environment.used_by
    if view.ongoing:
        properties["ongoingOperation"] = {
            "id": view.ongoing.id,
            "type": {"id": view.ongoing.type},
            "links": {"self": {"path": f"{BAP}/lifecycleOperations/{view.ongoing.id}"}},
        }
    return {
        "id": f"{BAP}/scopes/admin/environments/{environment.id}",
        "type": "Microsoft.BusinessAppPlatform/scopes/environments",
        "location": environment.location,
        "name": environment.id,
        "properties": properties | _expanded(environment, expand),
    }


def _linked(environment: Environment, organization: Organization, view: View) -> dict[str, Any]:
    states = {"Deleting": "Deleting", "SoftDeleted": "Deleting", "Failed": "Failed"}
    linked = {
        "resourceId": organization.id,
        "friendlyName": environment.display_name,
        "uniqueName": f"unq{organization.id.replace('-', '')[:29]}",
        "domainName": organization.domain,
        "version": "9.2.25121.00206",
        "instanceUrl": view.instance_url,
        "instanceApiUrl": view.instance_url.rstrip("/"),
        "baseLanguage": organization.base_language,
        "instanceState": "Provisioning" if environment.provisioning_database else states.get(environment.life, "Ready"),
        "createdTime": bap_time(organization.created),
        "backgroundOperationsState": environment.background_operations,
        "platformSku": "Standard",
        "schemaType": "Standard",
    }
    if environment.security_group_id:
        linked["securityGroupId"] = environment.security_group_id
    return linked


def _governance(environment: Environment) -> dict[str, Any]:
    if not environment.is_managed:
        return {"protectionLevel": "Basic"}
    if environment.parent_group:  # the group's rules apply; the read shows none of them (E10)
        return {"protectionLevel": "Standard"}
    return {"protectionLevel": "Standard", "settings": {"extendedSettings": environment.settings}}


def _states(environment: Environment, view: View) -> dict[str, Any]:
    states: dict[str, Any] = {
        "management": {"id": view.management},
        "runtime": {
            "id": environment.runtime,
            "runtimeReasonCode": "NotSpecified",
            "requestedBy": {"displayName": "SYSTEM", "type": "NotSpecified"},
        },
    }
    if environment.disaster_recovery:
        states["disasterRecovery"] = {"id": environment.disaster_recovery}
    return states


def _enforcement(environment: Environment) -> dict[str, Any]:
    allowed = ["Backup", "Copy", "Edit", "Delete", "Restore"]
    blocked = [{"type": {"id": "Recover"}, "reason": {"message": "The environment is not deleted.", "type": "CdsLink"}}]
    if environment.is_default:
        allowed.remove("Delete")
        reason = {"message": "The default environment cannot be deleted.", "type": "EnvironmentSkuType"}
        blocked.append({"type": {"id": "Delete"}, "reason": reason})
    return {"allowedOperations": [{"type": {"id": name}} for name in allowed], "disallowedOperations": blocked}


def _expanded(environment: Environment, expand: str) -> dict[str, Any]:
    extra: dict[str, Any] = dict(environment.flags)
    if "capacity" in expand and environment.organization:
        measured = bap_time(environment.modified)
        database = {"capacityType": "Database", "actualConsumption": 885.04, "ratedConsumption": 1024.0}
        extra["capacity"] = [database | {"capacityUnit": "MB", "updatedOn": measured}]
    if "billingPolicy" in expand and environment.billing_policy:
        extra["billingPolicy"] = {"id": environment.billing_policy}
    if "copilotPolicies" in expand:
        extra["copilotPolicies"] = {"crossGeoCopilotDataMovementEnabled": False}
    if "permissions" in expand:
        extra["permissions"] = {name: {} for name in ("ReadEnvironment", "UpdateEnvironment", "DeleteEnvironment")}
    return extra


def _client_uris(environment: Environment) -> dict[str, str]:
    return {
        "admin": f"https://admin.powerplatform.microsoft.com/environments/environment/{environment.id}/hub",
        "maker": f"https://make.powerapps.com/environments/{environment.id}/home",
    }


def _runtime_endpoints(environment: Environment, view: View) -> dict[str, str]:
    return {
        "microsoft.BusinessAppPlatform": view.bap_origin,
        "microsoft.PowerApps": f"https://{environment.location}.api.powerapps.com",
        "microsoft.PowerAppsAdvisor": view.advisor_origin,
        "microsoft.Flow": f"https://{environment.location}.api.flow.microsoft.com",
    }


def _cluster(environment: Environment) -> dict[str, str]:
    geo = reference_data.LOCATIONS[environment.location].code
    suffix = f"{geo.lower()}-il107.gateway.prod.island"
    return {"category": "Prod", "number": "107", "uriSuffix": suffix, "geoShortName": geo, "environment": "Prod"}


def within(since: datetime | None, now: datetime, looks: int, limit: int | None, seconds: float | None) -> bool:
    """Whether a wait that ends after `limit` looks or `seconds` is still on."""
    if limit == 0 or seconds == 0 or since is None:
        return False
    used_up = limit is not None and looks > limit
    expired = seconds is not None and now >= since + timedelta(seconds=seconds)
    return not (used_up or expired)
