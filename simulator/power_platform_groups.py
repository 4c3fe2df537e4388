"""Environment groups over the Power Platform API: membership is asynchronous and needs Managed (contract §7)."""

from collections.abc import Callable
from typing import Any

from simulator import bap_governance, lifecycle
from simulator import power_platform_environments as environments
from simulator.calls import ZERO_GUID, Call, Refused, Reply, Routes, json_reply
from simulator.directory import EnvironmentGroup
from simulator.environment import Environment

routes = Routes()
_GROUPS = "/environmentmanagement/environmentGroups"


@routes.on("GET", _GROUPS)
def list_all(call: Call) -> Reply:
    """List groups."""
    groups = call.world.tenants[call.caller.tenant_id].environment_groups.values()
    return json_reply(200, {"value": [_document(group) for group in groups]})


@routes.on("POST", _GROUPS)
def create(call: Call) -> Reply:
    """Create a group."""
    return bap_governance.create_group(call)


@routes.on("GET", f"{_GROUPS}/{{group}}")
def get(call: Call) -> Reply:
    """Read a group."""
    return json_reply(200, _document(bap_governance.find_group(call)))


@routes.on("PUT", f"{_GROUPS}/{{group}}")
def update(call: Call) -> Reply:
    """Replace name and description."""
    return bap_governance.update_group(call)


@routes.on("DELETE", f"{_GROUPS}/{{group}}")
def delete(call: Call) -> Reply:
    """Delete an empty group."""
    return bap_governance.delete_group(call)


@routes.on("POST", f"{_GROUPS}/{{group}}/addEnvironment/{{env}}")
def add(call: Call) -> Reply:
    """Add one environment; an unmanaged one is refused (E11)."""
    group, environment = bap_governance.find_group(call), environments.find(call)
    if not environment.is_managed:
        raise _invalid(f"Environment with id {environment.id} is not managed.")
    if environment.parent_group not in (None, group.id, ZERO_GUID):
        raise _invalid(f"Environment with id {environment.id} belongs to another environment group.")
    lifecycle.require_idle(call, environment)
    return _start(call, environment, "AddToEnvironmentGroup", lambda: setattr(environment, "parent_group", group.id))


@routes.on("POST", f"{_GROUPS}/{{group}}/removeEnvironment/{{env}}")
def remove(call: Call) -> Reply:
    """Remove one environment; it stays managed with its settings. Not before an add has settled."""
    group, environment = bap_governance.find_group(call), environments.find(call)
    if environment.parent_group != group.id:
        raise _invalid(f"Environment with id {environment.id} is not in the environment group {group.id}.")
    lifecycle.require_idle(call, environment)
    return _start(call, environment, "RemoveFromEnvironmentGroup", lambda: setattr(environment, "parent_group", None))


@routes.on("GET", "/environmentmanagement/environmentGroupOperations/{operation}")
def poll(call: Call) -> Reply:
    """Show a membership operation in BAP's words; 204 for an unknown id (contract §7.2)."""
    operation = call.world.operations.get(call.parameters["operation"].lower())
    if operation is None or operation.tenant_id != call.caller.tenant_id or operation.kind != "group":
        return Reply(204)
    operation.look(call.world.clock.now())
    return json_reply(200, operation.as_bap(), {} if operation.ended else {"Retry-After": _wait(call)})


@routes.on("GET", "/governance/environmentGroups/{group}/ruleSets")
def rule_sets(call: Call) -> Reply:
    """Read the legacy rules of a group: none (contract §7.3)."""
    bap_governance.find_group(call)
    return Reply(204)


@routes.on(
    "GET", "/governance/ruleBasedPolicies", "/governance/ruleBasedPolicies/environmentGroups/{group}/assignments"
)
def rule_based_policies(_call: Call) -> Reply:
    """Read rule-based policies and their assignments: none (contract §7.4)."""
    return json_reply(200, {"value": []})


def _start(call: Call, environment: Environment, kind: str, apply: Callable[[], None]) -> Reply:
    operation = lifecycle.start(call, environment, kind, apply)
    path = f"/environmentmanagement/environmentGroupOperations/{operation.id}?api-version=1"
    location = f"{call.world.origins.power_platform}{path}"
    return Reply(202, b"", {"Location": location, "Retry-After": _wait(call)})


def _wait(call: Call) -> str:
    return f"{call.world.timing_of(call.caller.tenant_id).retry_after:g}"


def _invalid(message: str) -> Refused:
    return Refused(400, "InputValidationError", message)


def _document(group: EnvironmentGroup) -> dict[str, Any]:
    document = bap_governance.as_document(group)
    modified = {"lastModifiedTime": document["createdTime"], "lastModifiedBy": document["createdBy"]}
    return document | modified | {"parentGroupId": None, "childrenGroupIds": []}
