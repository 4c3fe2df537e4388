"""Managed Environments and environment groups over BAP (contract §6.1, §7.1)."""

from typing import Any
from uuid import uuid4

from simulator import bap_environments, lifecycle, odata, reference_data
from simulator.calls import ZERO_GUID, Call, Refused, Reply, Routes, json_reply
from simulator.clock import bap_time
from simulator.directory import EnvironmentGroup, Tenant
from simulator.environment import Environment
from simulator.operations import BAP, SYSTEM

routes = Routes(BAP)
_DEFINITION = "Microsoft.BusinessAppPlatform.Contracts.ExtendedSettingsDefinition"


@routes.on("POST", "/environments/{env}/governanceConfiguration")
def governance(call: Call) -> Reply:
    """Enable, update or disable Managed Environments."""
    environment = bap_environments.find(call)
    if environment.organization is None:
        message = "The operation is not supported on an environment without a Dataverse database."
        raise Refused(400, "InvalidLifecycleOperationRequest", message)
    level, settings = _wanted(call.json())
    lifecycle.require_idle(call, environment, empty=True)
    _require_ungrouped(environment)
    if level == "Basic":
        return _disable(call, environment)
    if environment.is_managed:
        return _update(call, environment, settings)

    def enable() -> None:
        environment.protection_level = "Standard"
        environment.settings = reference_data.GOVERNANCE_DEFAULTS | (settings or {})
        call.world.start(environment, "UpdateGovernanceConfiguration", SYSTEM, lambda: None, "Succeeded")  # E8

    return bap_environments.accepted(call, lifecycle.start(call, environment, "EnableGovernanceConfiguration", enable))


@routes.on("GET", "/environmentGroups")
def list_groups(call: Call) -> Reply:
    """List groups, flat (contract §7.1)."""
    rows = [as_document(group) for group in _tenant(call).environment_groups.values()]
    return json_reply(200, {"value": odata.select(rows, {"$top": call.query.get("$top", "")})})


@routes.on("POST", "/environmentGroups")
def create_group(call: Call) -> Reply:
    """Create a group; names may repeat."""
    body = call.json_object()
    if not body.get("displayName"):
        raise Refused(400, "InvalidRequestContent", "The display name of the environment group is required.")
    group = EnvironmentGroup(
        id=str(uuid4()),
        display_name=body["displayName"],
        description=body.get("description") or "",
        created=call.world.clock.now(),
        created_by={"id": call.caller.object_id, "type": call.caller.identity()["type"]},
    )
    _tenant(call).environment_groups[group.id] = group
    return json_reply(201, as_document(group))


@routes.on("GET", "/environmentGroups/{group}")
def get_group(call: Call) -> Reply:
    """Read one group."""
    return json_reply(200, as_document(find_group(call)))


@routes.on("PUT", "/environmentGroups/{group}")
def update_group(call: Call) -> Reply:
    """Replace name and description."""
    group, body = find_group(call), call.json_object()
    group.display_name = body.get("displayName") or group.display_name
    group.description = body.get("description") or ""
    return json_reply(200, as_document(group))


@routes.on("DELETE", "/environmentGroups/{group}")
def delete_group(call: Call) -> Reply:
    """Delete a group that holds no environment."""
    group = find_group(call)
    if any(environment.parent_group == group.id for environment in call.world.environments_of(call.caller.tenant_id)):
        message = f"The environment group '{group.id}' still contains environments."
        raise Refused(409, "EnvironmentsInEnvironmentGroup", message)
    del _tenant(call).environment_groups[group.id]
    return Reply(200)


def find_group(call: Call) -> EnvironmentGroup:
    """Return the environment group of the path."""
    group = _tenant(call).environment_groups.get(call.parameters["group"].lower())
    if group is None:
        message = f"The environment group '{call.parameters['group']}' could not be found."
        raise Refused(404, "EnvironmentGroupNotFound", message)
    return group


def as_document(group: EnvironmentGroup) -> dict[str, Any]:
    """Render a group."""
    return {
        "id": group.id,
        "displayName": group.display_name,
        "description": group.description,
        "createdTime": bap_time(group.created),
        "createdBy": group.created_by,
    }


def _wanted(body: object) -> tuple[str, dict[str, str] | None]:
    if body is None:
        return "Standard", None
    if not isinstance(body, dict) or body.get("protectionLevel") not in ("Standard", "Basic"):
        raise Refused(400, "InvalidRequestContent", "The protection level must be 'Basic' or 'Standard'.")
    settings = (body.get("settings") or {}).get("extendedSettings") or {}
    for name, value in settings.items():
        _check_setting(name, value)
    return body["protectionLevel"], settings


def _check_setting(name: str, value: object) -> None:
    """Reject what the strict deserialiser rejects (E9)."""
    if name not in reference_data.GOVERNANCE_SETTINGS:
        message = f"Could not find member '{name}' on object of type '{_DEFINITION}'."
        raise Refused(400, "InvalidRequestContent", message)
    if not isinstance(value, str):
        message = f"Error converting value {value!r} to type 'System.String'. Path 'settings.extendedSettings.{name}'."
        raise Refused(400, "InvalidRequestContent", message)
    accepted = reference_data.GOVERNANCE_SETTINGS[name]
    if accepted is reference_data.NUMBER:
        valid = value.removeprefix("-").isdigit() and int(value) >= -1
    else:
        valid = accepted is None or value in accepted
    if not valid:
        raise Refused(400, "InvalidRequestContent", f"The value '{value}' of the setting '{name}' is invalid.")


def _require_ungrouped(environment: Environment) -> None:
    if environment.parent_group:  # also the zero GUID, which is no group at all (E10, E12)
        group = environment.parent_group if environment.parent_group != ZERO_GUID else "its parent"
        message = f"The governance configuration of '{environment.id}' is controlled by the environment group {group}."
        raise Refused(409, "GovernanceConfigurationChangeBlockedByGroup", message)


def _update(call: Call, environment: Environment, settings: dict[str, str] | None) -> Reply:
    if settings is None:
        raise Refused(409)  # enabling what is enabled: empty body (contract §6.1)
    wanted = environment.settings | settings
    if wanted == environment.settings:
        return Reply(204)

    def update() -> None:
        environment.settings = wanted

    return bap_environments.accepted(call, lifecycle.start(call, environment, "UpdateGovernanceConfiguration", update))


def _disable(call: Call, environment: Environment) -> Reply:
    if not environment.is_managed:
        return Reply(204)

    def disable() -> None:
        environment.protection_level = "Basic"

    return bap_environments.accepted(
        call, lifecycle.start(call, environment, "DisableGovernanceConfiguration", disable)
    )


def _tenant(call: Call) -> Tenant:
    return call.world.tenants[call.caller.tenant_id]
