"""What the platform does with environments, whichever API asks: create, delete, recover (contract §5, §11)."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from simulator import organization, reference_data
from simulator.calls import GUID, ZERO_GUID, Call, Refused
from simulator.directory import Tenant
from simulator.environment import Environment, Organization
from simulator.operations import Operation

_DOMAIN = re.compile(r"^[A-Za-z][A-Za-z0-9-]{0,31}$")
_DEVELOPER_ENVIRONMENTS = 3
_THERE = frozenset({"Creating", "Ready", "Deleting"})
_CREATABLE = frozenset({"Sandbox", "Production", "Trial", "Developer"})


@dataclass(frozen=True)
class Wish:
    """What a creation asks for, in either API's words."""

    location: str
    display_name: str
    sku: str
    description: str = ""
    azure_region: str = ""
    parent_group: str | None = None
    update_cadence: str = "Frequent"
    billing_policy: str | None = None
    used_by: dict[str, str] | None = None
    dataverse: dict[str, Any] | None = None  # baseLanguage, currency, domainName, securityGroupId
    managed: bool = False
    flags: dict[str, bool] = field(default_factory=dict)


def create(call: Call, wish: Wish) -> tuple[Environment, Operation | None]:
    """Create an environment; with Dataverse it is asynchronous, without it is there at once (E5)."""
    world, caller = call.world, call.caller
    tenant = world.tenants[caller.tenant_id]
    _check_basics(call, tenant, wish)
    now = world.clock.now()
    location = reference_data.LOCATIONS[wish.location]
    ignored = world.timing_of(tenant.id).ignore_azure_region
    environment = Environment(
        id=str(uuid4()),
        tenant_id=tenant.id,
        location=wish.location,
        azure_region=location.regions[0] if ignored or not wish.azure_region else wish.azure_region,
        sku=wish.sku,
        display_name=wish.display_name,
        description=wish.description,
        created=now,
        created_by=caller.identity(),
        modified=now,
        parent_group=_parent_group(tenant, wish.parent_group),
        update_cadence=wish.update_cadence,
        billing_policy=wish.billing_policy,
        used_by=wish.used_by,
        flags=wish.flags,
    )
    if (environment.parent_group and environment.parent_group != ZERO_GUID) or wish.managed:
        environment.protection_level = "Standard"  # a group manages what is created inside it (contract §7.2)
        environment.settings = dict(reference_data.GOVERNANCE_DEFAULTS)
    if wish.dataverse is not None:
        add_database(call, environment, wish.dataverse)
    world.environments[environment.id] = environment
    if wish.dataverse is None:
        environment.become_ready(now)
        return environment, None
    return environment, start(call, environment, "Create", lambda: environment.become_ready(world.clock.now()))


def add_database(call: Call, environment: Environment, dataverse: dict[str, Any]) -> None:
    """Give the environment an organization as the metadata asks (contract §5.3, §5.4)."""
    currency = dataverse.get("currency")
    code = currency.get("code") if isinstance(currency, dict) else None
    language = dataverse.get("baseLanguage")
    if type(language) is not int or language not in reference_data.LANGUAGES:
        raise Refused(400, "InvalidRequestContent", f"The base language '{language}' is not a known language code.")
    if code not in reference_data.CURRENCIES:
        raise Refused(400, "InvalidRequestContent", f"The currency code '{code}' is not supported.")
    security_group = checked_security_group(dataverse.get("securityGroupId"))
    if security_group and environment.sku in ("Developer", "Default"):
        message = f"A security group cannot be bound to a {environment.sku} environment."
        raise Refused(400, "InvalidSecurityGroupId", message)
    domain = dataverse.get("domainName") or f"org{uuid4().hex[:8]}"
    require_free_domain(call, domain)
    tenant = call.world.tenants[environment.tenant_id]
    if call.world.used_gigabytes(tenant.id) + 1 > tenant.capacity_gb:
        message = "At least 1 GB of available database capacity is required to create an environment with a database."
        raise Refused(409, "InsufficientCapacity_StorageDriven", message)
    environment.security_group_id = security_group
    environment.organization = organization.found(
        Organization(domain.lower(), language, str(code), call.world.clock.now()), environment, call.caller
    )


def require_free_domain(call: Call, domain: object) -> None:
    """Refuse an illegal or a taken domain name (contract §5.2)."""
    if not isinstance(domain, str) or not _DOMAIN.fullmatch(domain):
        message = f"The specified domain name with a value of '{domain}' is invalid."
        raise Refused(400, "InvalidDomainName", message)
    if call.world.domain_is_taken(domain):
        raise Refused(409, "DomainNameAlreadyInUse", f"The specified domain name '{domain}' is already in use.")


def checked_security_group(value: object) -> str | None:
    """Return the group to bind; the zero GUID means none (contract §5.7)."""
    if value is None:
        return None
    if not isinstance(value, str) or not GUID.fullmatch(value):
        raise Refused(400, "InvalidSecurityGroupId", f"The security group id '{value}' is invalid.")
    return None if value == ZERO_GUID else value.lower()


def require_location(tenant: Tenant, location: object) -> None:
    """Refuse a location that does not exist or is disabled for this tenant (E21)."""
    disabled = {name for name, override in tenant.locations.items() if override.get("disabled")}
    if location in reference_data.LOCATIONS and location not in disabled:
        return
    allowed = ", ".join(f"'{name}'" for name in reference_data.LOCATIONS if name not in disabled)
    message = f"The environment location '{location}' is not supported. Supported locations are {allowed}."
    raise Refused(400, "EnvironmentLocationUnsupported", message)


def require_idle(call: Call, environment: Environment, *, empty: bool = False) -> None:
    """Refuse while another lifecycle operation runs (E7)."""
    running = call.world.ongoing(environment)
    if running is None:
        return
    if empty:
        raise Refused(409)
    message = f"Operation cannot be started: '{running.type}' ({running.id}) is running on '{environment.id}'."
    raise Refused(409, "OperationNotStartable", message)


def delete(call: Call, environment: Environment) -> Operation:
    """Start the deletion; the environment stays recoverable for seven days (contract §5.9)."""
    operation = start(call, environment, "Delete", lambda: environment.become_deleted(call.world.clock.now()))
    environment.life = "Deleting"
    settle = operation.on_end

    def end(succeeded: bool) -> None:
        environment.life = "Ready"  # a failed deletion leaves it standing
        settle(succeeded)

    operation.on_end = end
    return operation


def recover(call: Call, environment: Environment) -> Operation:
    """Start bringing a soft-deleted environment back (contract §5.10)."""
    return start(call, environment, "Recover", environment.come_back)


def start(call: Call, environment: Environment, kind: str, on_success: Callable[[], None]) -> Operation:
    """Start an operation in the caller's name."""
    return call.world.start(environment, kind, call.caller.identity(), on_success, call.outcome)


def _check_basics(call: Call, tenant: Tenant, wish: Wish) -> None:
    if not wish.display_name:
        raise Refused(400, "EnvironmentDisplayNameNotFound", "The environment display name is required.")
    if wish.sku not in _CREATABLE:
        message = f"The environment SKU '{wish.sku or 'NotSpecified'}' is invalid."
        raise Refused(400, "InvalidEnvironmentSku", message)
    require_location(tenant, wish.location)
    if wish.sku == "Developer" and not tenant.allow_developer and not call.caller.is_user:
        message = f"The principal '{call.caller.object_id}' is not licensed for creation of developer environments."
        raise Refused(403, "Forbidden", message)
    if wish.sku == "Trial" and not call.caller.is_user:
        raise Refused(403, "Forbidden", "Trial environments cannot be created by a service principal.")
    if wish.used_by and not tenant.user(wish.used_by.get("id", "")):
        raise Refused(400, "UsedByInvalidInRequest", "The 'usedBy' of the request does not name a user of this tenant.")
    if wish.sku == "Developer":
        _require_room_for_developer(call, wish)


def _require_room_for_developer(call: Call, wish: Wish) -> None:
    """Refuse a person's fourth Developer environment (contract §16); a service principal is no person."""
    owner = (wish.used_by or {}).get("id") or (call.caller.object_id if call.caller.is_user else "")
    theirs = [
        environment
        for environment in call.world.environments.values()
        if environment.tenant_id == call.caller.tenant_id
        and (environment.sku, environment.life in _THERE) == ("Developer", True)
        and (environment.used_by or environment.created_by).get("id") == owner
    ]
    if owner and len(theirs) >= _DEVELOPER_ENVIRONMENTS:
        message = f"The user '{owner}' has reached the limit of {_DEVELOPER_ENVIRONMENTS} developer environments."
        raise Refused(403, "Forbidden", message)


def _parent_group(tenant: Tenant, group_id: str | None) -> str | None:
    if group_id is None or group_id == ZERO_GUID:  # the zero GUID is stored, and poisons later calls (E12)
        return group_id
    if group_id.lower() not in tenant.environment_groups:
        raise Refused(404, "EnvironmentGroupNotFound", f"The environment group '{group_id}' could not be found.")
    return group_id.lower()
