"""Environments over the Power Platform API: the flat shapes, operations, backups (contract §6.2, §11)."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from simulator import lifecycle, odata, reference_data
from simulator.calls import Call, Refused, Reply, Routes, json_reply
from simulator.clock import plain_time
from simulator.environment import Environment
from simulator.lifecycle import Wish
from simulator.operations import SYSTEM, Operation

routes = Routes("/environmentmanagement")


def find(call: Call) -> Environment:
    """Return the environment of the path."""
    environment = call.world.environment(call.caller.tenant_id, call.parameters["env"])
    if environment is None:
        message = f"The environment '{call.parameters['env']}' could not be found."
        raise Refused(404, "EnvironmentNotFound", message)
    return environment


def accepted(call: Call, operation: Operation) -> Reply:
    """Answer 202 with the operation to poll (contract §11.2)."""
    origin, version = call.world.origins.power_platform, call.query["api-version"]
    location = f"{origin}/environmentmanagement/operations/{operation.id}?api-version={version}"
    wait = call.world.timing_of(call.caller.tenant_id).retry_after
    headers = {"Location": location, "Operation-Location": location, "Retry-After": f"{wait:g}"}
    return json_reply(202, operation.as_power_platform(None), headers)


@routes.on("GET", "/operations/{operation}", "/environments/{env}/operations/{operation}")
def poll(call: Call) -> Reply:
    """Show an operation in this API's words; each poll is one look."""
    operation = call.world.operations.get(call.parameters["operation"].lower())
    if operation is None or operation.tenant_id != call.caller.tenant_id or operation.kind != "lifecycle":
        raise Refused(404, "OperationNotFound", f"The operation '{call.parameters['operation']}' could not be found.")
    operation.look(call.world.clock.now())
    wait = call.world.timing_of(call.caller.tenant_id).retry_after
    headers = {} if operation.ended else {"Retry-After": f"{wait:g}"}
    return json_reply(200, operation.as_power_platform(_updated(call, operation)), headers)


@routes.on("GET", "/environments/{env}/operations")
def operations(call: Call) -> Reply:
    """List the operations of an environment, newest first."""
    environment = find(call)
    value = [
        operation.as_power_platform(_updated(call, operation))
        for operation in reversed(call.world.operations_of(environment.tenant_id))
        if operation.environment_id == environment.id and operation.kind == "lifecycle"
    ]
    return json_reply(200, {"value": value})


@routes.on("GET", "/environments")
def list_all(call: Call) -> Reply:
    """List environments by pages; the link is spelt `@odata.nextlink` here (E26)."""
    if "capacity" in call.query.get("$expand", ""):
        raise Refused(400, "InvalidExpand", "The property 'properties/capacity' cannot be expanded on the list.")
    rows = [_document(call, environment) for environment in call.world.environments_of(call.caller.tenant_id)]
    try:
        rows = odata.select(rows, {name: call.query[name] for name in ("$filter", "$orderby") if name in call.query})
    except odata.FilterError as error:
        raise Refused(400, "InvalidFilter", str(error)) from error
    size = call.world.timing_of(call.caller.tenant_id).page_size
    if call.query.get("$top", "").isdigit():
        size = min(size, int(call.query["$top"]))
    start = int(call.query.get("$skip", "0"))
    answer: dict[str, Any] = {
        "value": [odata.project(row, call.query.get("$select")) for row in rows[start : start + size]]
    }
    if len(rows) > start + size:
        following = urlencode(call.query | {"$skip": str(start + size)}, safe="$'")
        answer["@odata.nextlink"] = f"{call.origin}{call.path}?{following}"
    return json_reply(200, answer)


@routes.on("GET", "/environments/{env}")
def get(call: Call) -> Reply:
    """Read one environment."""
    return json_reply(200, _document(call, find(call)))


@routes.on("POST", "/provisioning/environments", "/provisioning/create")
def create(call: Call) -> Reply:
    """Create from the flat body (contract §11.1, preview)."""
    body = call.json_object()
    linked, macro = body.get("linkedEnvironmentMetadata") or {}, body.get("macroRegion")
    if bool(body.get("location")) == bool(macro):
        raise invalid("location", "Exactly one of location and macroRegion is required.")
    with_database = body.get("databaseType") == "CommonDataService"
    wish = Wish(
        location=str(body.get("location") or macro),
        display_name=body.get("displayName") or "",
        sku=body.get("environmentSku") or "",
        description=body.get("description") or "",
        parent_group=(body.get("parentEnvironmentGroup") or {}).get("id"),
        dataverse=linked | {"baseLanguage": linked.get("baseLanguageCode")} if with_database else None,
        managed=(body.get("governanceConfiguration") or {}).get("protectionLevel") == "Standard",
    )
    try:
        environment, operation = lifecycle.create(call, wish)
    except Refused as refused:
        if refused.code == "DomainNameAlreadyInUse":
            raise invalid("domainName", "Domain name is in use.", f"{linked['domainName']}1") from refused
        raise
    return accepted(call, operation) if operation else json_reply(201, _document(call, environment))


@routes.on("PATCH", "/provisioning/environments/{env}/link")
def link(call: Call) -> Reply:
    """Add Dataverse to an environment without it (contract §11.1)."""
    environment, linked = find(call), call.json_object().get("linkedEnvironmentMetadata") or {}
    lifecycle.require_idle(call, environment)
    if environment.organization:
        raise invalid("environmentId", "The environment already has a database.")
    lifecycle.add_database(call, environment, linked | {"baseLanguage": linked.get("baseLanguageCode")})
    environment.provisioning_database = True
    ready = lifecycle.start(call, environment, "Provision", lambda: environment.become_ready(call.world.clock.now()))
    return accepted(call, ready)


@routes.on("DELETE", "/environments/{env}")
def delete(call: Call) -> Reply:
    """Delete, or only say whether it could be (contract §11.5)."""
    environment = find(call)
    if environment.is_default:
        raise invalid("environmentId", "The default environment cannot be deleted.")
    lifecycle.require_idle(call, environment)
    if call.query.get("ValidateOnly", "").lower() == "true":
        return Reply(200)
    return accepted(call, lifecycle.delete(call, environment))


@routes.on("POST", "/environments/{env}/recover")
def recover(call: Call) -> Reply:
    """Bring back what was deleted at most seven days ago (contract §5.10)."""
    environment = call.world.soft_deleted(call.caller.tenant_id, call.parameters["env"])
    if environment is None:
        raise Refused(
            404, "EnvironmentNotFound", f"The deleted environment '{call.parameters['env']}' could not be found."
        )
    lifecycle.require_idle(call, environment)
    if call.query.get("ValidateOnly", "").lower() == "true":
        return Reply(200)
    return accepted(call, lifecycle.recover(call, environment))


@routes.on("POST", "/environments/{env}/governanceSetting/enableManaged")
def enable_managed(call: Call) -> Reply:
    """Make the environment managed with default settings (contract §6.2)."""
    environment = find(call)
    lifecycle.require_idle(call, environment)

    def enable() -> None:
        environment.protection_level = "Standard"
        environment.settings = environment.settings or dict(reference_data.GOVERNANCE_DEFAULTS)
        call.world.start(environment, "UpdateGovernanceConfiguration", SYSTEM, lambda: None, "Succeeded")

    return accepted(call, lifecycle.start(call, environment, "EnableGovernanceConfiguration", enable))


@routes.on("POST", "/environments/{env}/governanceSetting/disableManaged")
def disable_managed(call: Call) -> Reply:
    """Make the environment unmanaged."""
    environment = find(call)
    lifecycle.require_idle(call, environment)
    disable = lifecycle.start(
        call, environment, "DisableGovernanceConfiguration", lambda: setattr(environment, "protection_level", "Basic")
    )
    return accepted(call, disable)


@routes.on("GET", "/environments/{env}/backups")
def backups(call: Call) -> Reply:
    """List manual backups."""
    return json_reply(200, {"collection": list(find(call).backups.values()), "continuationToken": None})


@routes.on("POST", "/environments/{env}/backups")
def create_backup(call: Call) -> Reply:
    """Take a manual backup; kept seven days (contract §11.5)."""
    environment, now = find(call), call.world.clock.now()
    if environment.is_default:
        raise Refused(400, "BackupNotSupported", "The default environment cannot be backed up by hand.")
    lifecycle.require_idle(call, environment)
    backup_id = str(uuid4())
    backup = {
        "id": backup_id,
        "label": call.json_object().get("label") or "",
        "backupPointDateTime": plain_time(now),
        "backupExpiryDateTime": plain_time(now + timedelta(days=7)),
        "createdBy": call.caller.identity(),
    }
    environment.backups[backup_id] = backup
    return json_reply(201, backup)


@routes.on("DELETE", "/environments/{env}/backups/{backup}")
def delete_backup(call: Call) -> Reply:
    """Delete a backup."""
    if find(call).backups.pop(call.parameters["backup"], None) is None:
        raise Refused(404, "BackupNotFound", f"The backup '{call.parameters['backup']}' could not be found.")
    return Reply(204)


@routes.on("GET", "/environments/{env}/restoreCandidates", "/environments/{env}/copyCandidates")
def candidates(call: Call) -> Reply:
    """List the environments that a restore or a copy may overwrite."""
    source = find(call)
    possible = [
        _document(call, target)
        for target in call.world.environments_of(call.caller.tenant_id)
        if not _unfit(source, target)
    ]
    return json_reply(200, {"value": possible})


@routes.on("POST", "/environments/{env}/restore", "/environments/{env}/copy")
def overwrite(call: Call) -> Reply:
    """Overwrite a sandbox from a backup or from another environment; it ends in admin mode (contract §11.5)."""
    target, body = find(call), call.json_object()
    call.parameters["env"] = str(body.get("sourceEnvironmentId") or target.id)
    source = find(call)
    if reason := _unfit(source, target):
        raise invalid("sourceEnvironmentId", reason)
    lifecycle.require_idle(call, target)
    options = body.get("restoreOptions") or body.get("copyOptions") or {}

    def overwritten() -> None:
        target.runtime = "AdminMode"
        target.display_name = options.get("environmentNameToOverride") or target.display_name
        target.security_group_id = options.get("securityGroupIdToOverride") or target.security_group_id

    kind = "Restore" if call.path.lower().rstrip("/").endswith("restore") else "Copy"
    return accepted(call, lifecycle.start(call, target, kind, overwritten))


@routes.on("POST", "/environments/{env}/reset")
def reset(call: Call) -> Reply:
    """Reset a sandbox."""
    environment = find(call)
    lifecycle.require_idle(call, environment)
    return accepted(call, lifecycle.start(call, environment, "Reset", lambda: None))


def _unfit(source: Environment, target: Environment) -> str:
    if target.sku != "Sandbox":
        return "The target environment must be a sandbox."
    if source.location != target.location:
        return "Source and target must be in the same geography."
    if source.is_managed != target.is_managed:
        return "Source and target must both be managed or both be unmanaged."
    return ""


def invalid(name: str, message: str, suggested: str | None = None) -> Refused:
    """Return the ValidationResponse about one field (contract §11.3)."""
    fields = {name: {"errorMessages": [message]} | ({"suggestedValue": suggested} if suggested else {})}
    return Refused(400, "ValidationError", message, fieldErrors=fields)


def _updated(call: Call, operation: Operation) -> dict[str, Any] | None:
    environment = call.world.environments.get(operation.environment_id.lower())
    if environment is None or operation.state != "Succeeded":
        return None
    url = call.world.instance_url(environment) or None
    known = {"environmentId": environment.id, "displayName": environment.display_name}
    return known | {"dataverseOrganizationUrl": url}


def _document(call: Call, environment: Environment) -> dict[str, Any]:
    view = call.world.read(environment)
    organization = environment.organization if view.linked else None
    return {
        "id": environment.id,
        "displayName": environment.display_name,
        "type": environment.sku,
        "geo": environment.location,
        "azureRegion": environment.azure_region,
        "state": environment.provisioning_state,
        "environmentGroupId": environment.parent_group,
        "protectionLevel": environment.protection_level,
        "securityGroupId": environment.security_group_id,
        "dataverseId": organization.id if organization else None,
        "domainName": organization.domain if organization else None,
        "url": view.instance_url if organization else None,
        "version": "9.2.25121.00206" if organization else None,
        "adminMode": environment.runtime == "AdminMode",
        "createdDateTime": plain_time(environment.created),
        "deletedDateTime": plain_time(environment.deleted_at) if environment.deleted_at else None,
        "retentionDetails": {"retentionPeriod": "P7D"},
    }
