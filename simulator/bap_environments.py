"""Environments over BAP: create, read, change, delete, and the operations these start (contract §4, §5)."""

from typing import Any
from urllib.parse import quote

from simulator import environment as documents
from simulator import lifecycle, odata, reference_data
from simulator.calls import ZERO_GUID, Call, Refused, Reply, Routes, json_reply
from simulator.environment import Environment
from simulator.lifecycle import Wish
from simulator.operations import BAP, Operation

routes = Routes(BAP)
_DELETE_CODES = frozenset(str(code) for code in range(1, 15))
_FLAGS = ("bingChatEnabled", "m365Enabled", "copilotPolicies")
_PATCH_VERSION = "2021-04-01"


def find(call: Call) -> Environment:
    """Return the environment of the path."""
    environment_id = call.parameters["env"]
    environment = call.world.environment(call.caller.tenant_id, environment_id)
    if environment is None:
        message = f"The environment '{environment_id}' could not be found in the tenant '{call.caller.tenant_id}'."
        raise Refused(404, "EnvironmentNotFound", message)
    return environment


def accepted(call: Call, operation: Operation, *, header: str = "Location", retry_after: float | None = None) -> Reply:
    """Answer 202 with the address to poll, on the regional origin (E2); no id anywhere (E1)."""
    timing = call.world.timing_of(call.caller.tenant_id)
    origin = call.world.origins.bap_regional if timing.regional_location else call.world.origins.bap
    query = f"api-version={call.query['api-version']}"
    if expand := call.query.get("$expand"):
        query += f"&$expand={quote(expand, safe='/,.')}"
    wait = timing.retry_after if retry_after is None else retry_after
    location = f"{origin}{BAP}/lifecycleOperations/{operation.id}?{query}"
    return Reply(202, b"", {header: location, "Retry-After": f"{wait:g}"})


@routes.on("GET", "/lifecycleOperations/{operation}")
def poll(call: Call) -> Reply:
    """Show an operation; each poll is one look (contract §4.2)."""
    operation = call.world.operations.get(call.parameters["operation"].lower())
    known = operation is not None and operation.tenant_id == call.caller.tenant_id and operation.kind == "lifecycle"
    if operation is not None and known:
        operation.look(call.world.clock.now())
    if operation is None or not known or (operation.type == "Delete" and operation.state == "Succeeded"):  # E14
        message = f"The operation '{call.parameters['operation']}' could not be found."
        raise Refused(404, "OperationNotFound", message)
    wait = call.world.timing_of(call.caller.tenant_id).retry_after
    return json_reply(200, operation.as_bap(), {} if operation.ended else {"Retry-After": f"{wait:g}"})


@routes.on("GET", "/lifecycleOperations")
def history(call: Call) -> Reply:
    """List operations, newest first (contract §4.5)."""
    rows = [
        {"environment": operation.environment_id, "operation": operation}
        for operation in reversed(call.world.operations_of(call.caller.tenant_id))
        if operation.kind == "lifecycle"
    ]
    return json_reply(200, {"value": [row["operation"].as_bap() for row in _filtered(rows, call)]})


@routes.on("POST", "/validateEnvironmentDetails")
def validate(call: Call) -> Reply:
    """Check a domain name before a creation or a rename (contract §5.2)."""
    body = call.json_object()
    if not body.get("domainName"):
        raise Refused(400, "InvalidValidateEnvironmentDomainName", "The domain name to validate is missing.")
    if body.get("environmentName"):
        call.parameters["env"] = body["environmentName"]
        organization = find(call).organization
        if organization and organization.domain == str(body["domainName"]).lower():
            return Reply(200)
    elif "environmentLocation" in body:
        lifecycle.require_location(call.world.tenants[call.caller.tenant_id], body["environmentLocation"])
    lifecycle.require_free_domain(call, body["domainName"])
    return Reply(200)


@routes.on("POST", "/environments", "/scopes/admin/environments")
def create(call: Call) -> Reply:
    """Create an environment: 202 without an id with Dataverse (E1), 201 without it (E5)."""
    try:
        body = call.json_object()
        properties = body["properties"] or {}
        wish = _wish(body, properties)
    except (Refused, KeyError, AttributeError, TypeError) as error:
        message = "An internal server error occurred. The tracking id is 'f0b6c9d2-8a55-4d4e-9a0c-3f8d3d1c0f1e'."
        raise Refused(500, "InternalServerError", message) from error
    environment, operation = lifecycle.create(call, wish)
    if operation is None:
        return json_reply(201, _document(call, environment))
    return accepted(call, operation)


@routes.on("POST", "/environments/{env}/provisionInstance")
def provision_instance(call: Call) -> Reply:
    """Add Dataverse; the polled address shows the environment, not an operation (contract §5.4)."""
    environment = find(call)
    lifecycle.require_idle(call, environment)
    if environment.organization:
        raise Refused(400, "InvalidLifecycleOperationRequest", "The environment already has a database.")
    lifecycle.add_database(call, environment, call.json_object())
    environment.provisioning_database = True
    lifecycle.start(call, environment, "Provision", lambda: environment.become_ready(call.world.clock.now()))
    location = (
        f"{call.world.origins.bap_regional}{BAP}/environments/{environment.id}?api-version={call.query['api-version']}"
    )
    return Reply(202, b"", {"Location": location, "Retry-After": "1"})


@routes.on("GET", "/scopes/admin/environments", "/environments")
def list_all(call: Call) -> Reply:
    """List environments; a path with an empty id ends here too (E23)."""
    rows = [_document(call, environment) for environment in call.world.environments_of(call.caller.tenant_id)]
    for row in rows:
        row["properties"].pop("capacity", None)  # cannot be expanded on the list
    aliased = [{"document": row, "name": row["name"], "properties": row["properties"]} for row in rows]
    return json_reply(200, {"value": [row["document"] for row in _filtered(aliased, call)]})


@routes.on("GET", "/scopes/admin/environments/{env}", "/environments/{env}")
def get(call: Call) -> Reply:
    """Read one environment (contract §5.5)."""
    return json_reply(200, _document(call, find(call)))


@routes.on("PATCH", "/scopes/admin/environments/{env}")
def patch(call: Call) -> Reply:
    """Change properties; what is not sent stays (contract §5.7)."""
    environment = find(call)
    properties = call.json_object().get("properties") or {}
    lifecycle.require_idle(call, environment)
    if flags := {name: properties.pop(name) for name in _FLAGS if name in properties}:
        environment.flags |= flags
        if not properties:
            return Reply(204)
    changes = _changes(call, environment, properties)
    if not changes:
        return Reply(204)
    newer = call.query["api-version"] > _PATCH_VERSION

    def apply() -> None:
        for owner, name, value in changes:
            setattr(owner, name, value)
        if newer:  # E6: a side effect of the newer version
            environment.protection_level = "Standard"
            environment.settings = environment.settings or dict(reference_data.GOVERNANCE_DEFAULTS)

    return accepted(call, lifecycle.start(call, environment, "Edit", apply))


@routes.on("POST", "/scopes/admin/environments/{env}/modifySku")
def modify_sku(call: Call) -> Reply:
    """Change the SKU; only Operation-Location is answered (E3)."""
    environment = find(call)
    sku = call.json_object().get("environmentSku")
    if sku not in ("Sandbox", "Production"):
        raise Refused(400, "InvalidEnvironmentSku", f"The environment SKU '{sku or 'NotSpecified'}' is invalid.")
    lifecycle.require_idle(call, environment)
    if sku == environment.sku:
        return Reply(200)
    operation = lifecycle.start(call, environment, "Convert", lambda: setattr(environment, "sku", sku))
    return accepted(call, operation, header="Operation-Location")


@routes.on("POST", "/scopes/admin/environments/{env}/validateDelete")
def validate_delete(call: Call) -> Reply:
    """Say whether a deletion could start (contract §5.9)."""
    environment = find(call)
    errors = []
    if environment.is_default:
        errors.append({"code": "DefaultEnvironment", "message": "The default environment cannot be deleted."})
    if call.world.ongoing(environment):
        errors.append({"code": "OperationNotStartable", "message": "Another operation is running."})
    return json_reply(200, {"canInitiateDelete": not errors, "errors": errors})


@routes.on("DELETE", "/scopes/admin/environments/{env}")
def delete(call: Call) -> Reply:
    """Delete: the body must carry a code, a repeated call is answered 204 (E14)."""
    code = call.json_object().get("code")
    if code not in _DELETE_CODES:
        raise Refused(400, "InvalidOrMissingDeleteCode", "The delete code is missing or invalid.")
    if call.world.soft_deleted(call.caller.tenant_id, call.parameters["env"]):
        return Reply(204)
    environment = find(call)
    if environment.is_default:
        raise Refused(400, "InvalidLifecycleOperationRequest", "The default environment cannot be deleted.")
    lifecycle.require_idle(call, environment, empty=True)
    return accepted(call, lifecycle.delete(call, environment), retry_after=30)


@routes.on("POST", "/scopes/admin/environments/{env}/recover")
def recover(call: Call) -> Reply:
    """Recover a soft-deleted environment (contract §5.10)."""
    environment = call.world.soft_deleted(call.caller.tenant_id, call.parameters["env"])
    if environment is None:
        message = f"The deleted environment '{call.parameters['env']}' could not be found."
        raise Refused(404, "EnvironmentNotFound", message)
    lifecycle.require_idle(call, environment)
    return accepted(call, lifecycle.recover(call, environment))


def _wish(body: dict[str, Any], properties: dict[str, Any]) -> Wish:
    linked = properties.get("linkedEnvironmentMetadata")
    with_database = properties.get("databaseType") == "CommonDataService"  # without it the metadata is ignored (E5)
    return Wish(
        location=body.get("location") or "",
        display_name=properties.get("displayName") or "",
        sku=properties.get("environmentSku") or "",
        description=properties.get("description") or "",
        azure_region=properties.get("azureRegion") or "",
        parent_group=(properties.get("parentEnvironmentGroup") or {}).get("id"),
        update_cadence=(properties.get("updateCadence") or {}).get("id", "Frequent"),
        billing_policy=(properties.get("billingPolicy") or {}).get("id"),
        used_by=properties.get("usedBy"),
        dataverse=(linked or {}) if with_database else None,
        flags={name: properties[name] for name in _FLAGS if name in properties},
    )


def _changes(call: Call, environment: Environment, properties: dict[str, Any]) -> list[tuple[object, str, Any]]:
    linked, states = properties.get("linkedEnvironmentMetadata") or {}, properties.get("states") or {}
    wanted: list[tuple[object, str, Any]] = []
    for owner, name, source, member in (
        (environment, "display_name", properties, "displayName"),
        (environment, "description", properties, "description"),
        (environment, "background_operations", linked, "backgroundOperationsState"),
        (environment, "update_cadence", properties.get("updateCadence") or {}, "id"),
        (environment, "billing_policy", properties.get("billingPolicy") or {}, "id"),
        (environment, "runtime", states.get("runtime") or {}, "id"),
        (environment, "disaster_recovery", states.get("disasterRecovery") or {}, "id"),
    ):
        if member in source:
            wanted.append((owner, name, source[member]))
    if "securityGroupId" in linked:
        wanted.append((environment, "security_group_id", _security_group(environment, linked["securityGroupId"])))
    if "parentEnvironmentGroup" in properties:
        group_id = (properties["parentEnvironmentGroup"] or {}).get("id", ZERO_GUID)
        wanted.append((environment, "parent_group", None if group_id == ZERO_GUID else group_id.lower()))
    if (
        environment.organization
        and linked.get("domainName", environment.organization.domain) != environment.organization.domain
    ):
        lifecycle.require_free_domain(call, linked["domainName"])
        wanted.append((environment.organization, "domain", linked["domainName"].lower()))
    return [(owner, name, value) for owner, name, value in wanted if getattr(owner, name) != value]


def _security_group(environment: Environment, value: object) -> str | None:
    if environment.sku in ("Default", "Developer") or environment.organization is None:
        message = f"A security group cannot be bound to a {environment.sku} environment or one without a database."
        raise Refused(400, "InvalidSecurityGroupId", message)
    return lifecycle.checked_security_group(value)


def _document(call: Call, environment: Environment) -> dict[str, Any]:
    return documents.as_document(environment, call.world.read(environment), call.query.get("$expand", ""))


def _filtered(rows: list[dict[str, Any]], call: Call) -> list[dict[str, Any]]:
    try:
        return odata.select(rows, {name: call.query[name] for name in ("$filter", "$top") if name in call.query})
    except odata.FilterError as error:
        raise Refused(400, "InvalidFilter", str(error)) from error
