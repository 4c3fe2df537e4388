"""What BAP tells us and what we ask of it, as values (contract §4 to §7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from microsoft_cloud.fields import ZERO_GUID, Json, dig, flag, is_guid, moment, objects, text


@dataclass(frozen=True)
class TenantInfo:
    """The tenant behind the token (§12)."""

    tenant_id: str
    state: str
    location: str
    default_environment_geo: str

    @classmethod
    def parse(cls, data: Json) -> TenantInfo:
        """Read ``GET tenant``."""
        return cls(
            tenant_id=text(data, "tenantId"),
            state=text(data, "state"),
            location=text(data, "location"),
            default_environment_geo=text(data, "defaultEnvironmentGeo"),
        )


@dataclass(frozen=True)
class Location:
    """A region in which environments can be created (§5.1)."""

    name: str
    display_name: str
    code: str
    is_disabled: bool
    can_provision_database: bool
    azure_regions: tuple[str, ...]

    @property
    def is_usable(self) -> bool:
        """Whether this tenant may create an environment with Dataverse here."""
        return self.can_provision_database and not self.is_disabled

    @classmethod
    def parse(cls, data: Json) -> Location:
        """Read one item of ``GET locations``."""
        regions = dig(data, "properties", "azureRegions")
        return cls(
            name=text(data, "name"),
            display_name=text(data, "properties", "displayName"),
            code=text(data, "properties", "code"),
            is_disabled=flag(data, "properties", "isDisabled"),
            can_provision_database=flag(data, "properties", "canProvisionDatabase"),
            azure_regions=tuple(str(region) for region in regions) if isinstance(regions, list) else (),
        )


@dataclass(frozen=True)
class NewEnvironment:
    """An environment with Dataverse to be created (§5.3).

    ``description`` carries our tag; ``domain_name`` is the natural idempotency key.
    """

    location: str
    display_name: str
    description: str
    sku: str
    domain_name: str
    currency_code: str
    security_group_id: str | None = None
    base_language: int = 1033
    azure_region: str | None = None

    def __post_init__(self) -> None:
        if self.security_group_id is not None and not is_guid(self.security_group_id):
            raise ValueError("security_group_id must be a GUID or None.")
        if not self.domain_name or not self.display_name:
            raise ValueError("An environment needs a display name and a domain name.")

    def body(self) -> Json:
        """Return the request body; an explicit null parent group beats the tenant's routing rules."""
        database: Json = {
            "baseLanguage": self.base_language,
            "domainName": self.domain_name,
            "currency": {"code": self.currency_code},
            "templates": [],
        }
        if self.security_group_id:
            database["securityGroupId"] = self.security_group_id
        properties: Json = {
            "displayName": self.display_name,
            "description": self.description,
            "environmentSku": self.sku,
            "databaseType": "CommonDataService",
            "linkedEnvironmentMetadata": database,
            "parentEnvironmentGroup": None,
        }
        if self.azure_region:
            properties["azureRegion"] = self.azure_region
        return {"location": self.location, "properties": properties}


@dataclass(frozen=True)
class OngoingOperation:
    """The lifecycle operation an environment is busy with; only one at a time (§4.4)."""

    id: str
    type: str


@dataclass(frozen=True)
class Environment:
    """An environment as BAP reads it (§5.5). Absent texts are "", absent references None.

    Attributes:
        security_group_id: None means unrestricted (absent or the zero GUID).
        protection_level: "Standard" is managed; "Basic" or "" is not.
        extended_settings: the managed settings, all strings; None when not shown (unmanaged, or locked by a group).
        organization_id: the Dataverse organisation's id; "" until the linked metadata can be read.
    """

    id: str
    display_name: str
    description: str
    sku: str
    location: str
    azure_region: str
    domain_name: str
    instance_url: str
    organization_id: str
    security_group_id: str | None
    provisioning_state: str
    management_state: str
    protection_level: str
    extended_settings: Mapping[str, str] | None
    environment_group_id: str | None
    created_time: datetime | None
    created_by_id: str
    ongoing_operation: OngoingOperation | None

    @property
    def has_dataverse(self) -> bool:
        """Whether the linked metadata is there: for minutes after creation it is not (§4.3)."""
        return bool(self.instance_url and self.organization_id)

    @property
    def is_ready(self) -> bool:
        """Whether the management state says that the next change may start."""
        return self.management_state == "Ready"

    @property
    def is_managed(self) -> bool:
        """Whether it is a Managed Environment."""
        return self.protection_level == "Standard"

    @classmethod
    def parse(cls, data: Json) -> Environment:
        """Read an environment document."""
        properties = dig(data, "properties")
        linked = dig(properties, "linkedEnvironmentMetadata")
        settings = dig(properties, "governanceConfiguration", "settings", "extendedSettings")
        ongoing = dig(properties, "ongoingOperation")
        return cls(
            id=text(data, "name"),
            display_name=text(properties, "displayName"),
            description=text(properties, "description"),
            sku=text(properties, "environmentSku"),
            location=text(data, "location"),
            azure_region=text(properties, "azureRegion"),
            domain_name=text(linked, "domainName"),
            instance_url=text(linked, "instanceUrl").rstrip("/"),
            organization_id=text(linked, "resourceId"),
            security_group_id=_reference(linked, "securityGroupId"),
            provisioning_state=text(properties, "provisioningState"),
            management_state=text(properties, "states", "management", "id"),
            protection_level=text(properties, "governanceConfiguration", "protectionLevel"),
            extended_settings=_settings(settings) if isinstance(settings, dict) else None,
            environment_group_id=_reference(properties, "parentEnvironmentGroup", "id"),
            created_time=moment(properties, "createdTime"),
            created_by_id=text(properties, "createdBy", "id"),
            ongoing_operation=(
                OngoingOperation(text(ongoing, "id"), text(ongoing, "type", "id"))
                if isinstance(ongoing, dict)
                else None
            ),
        )


def _reference(data: Any, *path: str) -> str | None:
    """Return an id in lower case; absent, empty and the zero GUID all mean that there is none."""
    found = text(data, *path).lower()
    return found if found and found != ZERO_GUID else None


def _settings(data: Json) -> dict[str, str]:
    return {str(key): value if isinstance(value, str) else str(value) for key, value in data.items()}


@dataclass(frozen=True)
class Governance:
    """The Managed Environment state to reach (§6.1): "Standard" with settings, or "Basic" to switch it off."""

    protection_level: str = "Standard"
    settings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = [key for key, value in self.settings.items() if not isinstance(value, str)]
        if wrong:
            raise ValueError(f"Managed settings are strings, also numbers and booleans: {', '.join(sorted(wrong))}.")

    def body(self) -> Json:
        """Return the request body."""
        body: Json = {"protectionLevel": self.protection_level}
        if self.settings:
            body["settings"] = {"extendedSettings": dict(self.settings)}
        return body


@dataclass(frozen=True)
class EnvironmentGroup:
    """An environment group; names may repeat, ids count (§7.1)."""

    id: str
    display_name: str
    description: str

    @classmethod
    def parse(cls, data: Json) -> EnvironmentGroup:
        """Read one group (the document is flat)."""
        return cls(text(data, "id").lower(), text(data, "displayName"), text(data, "description"))


@dataclass(frozen=True)
class DlpPolicy:
    """A data policy, as far as coverage needs it (§9)."""

    name: str
    display_name: str
    environment_type: str
    environment_ids: frozenset[str]
    default_classification: str

    @classmethod
    def parse(cls, data: Json) -> DlpPolicy:
        """Read one item of ``GET policies``; the definition may be wrapped."""
        definition = data.get("policyDefinition", data)
        return cls(
            name=text(definition, "name"),
            display_name=text(definition, "displayName"),
            environment_type=text(definition, "environmentType"),
            environment_ids=frozenset(text(item, "name").lower() for item in objects(definition, "environments")),
            default_classification=text(definition, "defaultConnectorsClassification"),
        )

    def applies_to(self, environment_id: str) -> bool:
        """Say whether the policy covers the environment; groups do not matter to classic data policies."""
        named = environment_id.lower() in self.environment_ids
        return {
            "AllEnvironments": True,
            "OnlyEnvironments": named,
            "SingleEnvironment": named,
            "ExceptEnvironments": not named,
        }.get(self.environment_type, False)


def dlp_coverage(environment_id: str, policies: tuple[DlpPolicy, ...]) -> tuple[DlpPolicy, ...]:
    """Return the policies that apply to the environment; together, the most restrictive classification wins."""
    return tuple(policy for policy in policies if policy.applies_to(environment_id))
