"""Role assignments and capacity over the Power Platform API (contract §10.2, §12)."""

from typing import Any
from uuid import uuid4

from simulator import reference_data
from simulator.calls import Call, Refused, Reply, Routes, json_reply
from simulator.clock import plain_time
from simulator.directory import Tenant

routes = Routes()
_PATHS = (
    "/authorization/roleAssignments",
    "/authorization/environmentGroups/{group}/roleAssignments",
    "/authorization/environments/{env}/roleAssignments",
)


@routes.on("GET", "/authorization/roleDefinitions")
def role_definitions(_call: Call) -> Reply:
    """List the role definitions."""
    value = [{"roleDefinitionId": key, "roleDefinitionName": name} for key, name in reference_data.RBAC_ROLES.items()]
    return json_reply(200, {"value": value})


@routes.on("GET", *_PATHS)
def role_assignments(call: Call) -> Reply:
    """List assignments at the scope of the path."""
    assignments = _tenant(call).role_assignments.values()
    scope = _scope(call)
    shown = [item for item in assignments if item["scope"] == scope or call.path.lower().startswith(_PATHS[0].lower())]
    return json_reply(200, {"value": shown})


@routes.on("POST", *_PATHS)
def assign(call: Call) -> Reply:
    """Assign a role; the scope must be that of the path."""
    body = call.json_object()
    if body.get("scope") != _scope(call):
        raise Refused(400, "WrongResourceTypeForUrlContext", f"The scope '{body.get('scope')}' does not match the URL.")
    if body.get("roleDefinitionId") not in reference_data.RBAC_ROLES:
        raise Refused(400, "RoleDefinitionInvalid", f"The role definition '{body.get('roleDefinitionId')}' is unknown.")
    assignment = {name: body.get(name) for name in ("scope", "principalType", "principalObjectId", "roleDefinitionId")}
    assignment |= {
        "roleAssignmentId": str(uuid4()),
        "createdByPrincipalType": "User" if call.caller.is_user else "ApplicationUser",
        "createdByPrincipalObjectId": call.caller.object_id,
        "createdOn": plain_time(call.world.clock.now()),
        "expiresOn": None,
    }
    _tenant(call).role_assignments[str(assignment["roleAssignmentId"])] = assignment
    return json_reply(201, assignment)


@routes.on("DELETE", *(f"{path}/{{assignment}}" for path in _PATHS))
def unassign(call: Call) -> Reply:
    """Remove an assignment."""
    if _tenant(call).role_assignments.pop(call.parameters["assignment"], None) is None:
        raise Refused(404, "RoleAssignmentNotFound", "The role assignment could not be found.")
    return Reply(204)


@routes.on("GET", "/licensing/tenantCapacity")
def capacity(call: Call) -> Reply:
    """Tell the database capacity of the tenant in megabytes."""
    tenant = _tenant(call)
    used, now = call.world.used_gigabytes(tenant.id) * 1024.0, plain_time(call.world.clock.now())
    left = tenant.capacity_gb * 1024.0 - used
    status = "Available" if left >= 1024 else "NotAvailable"
    database: dict[str, Any] = {
        "capacityType": "Database",
        "capacityUnits": "MB",
        "totalCapacity": tenant.capacity_gb * 1024.0,
        "maxCapacity": 0.0,
        "consumption": {"actual": used, "rated": used, "actualUpdatedOn": now, "ratedUpdatedOn": now},
        "status": status,
        "overflowCapacity": [],
        "capacityEntitlements": [],
    }
    summary = {"status": status, "statusMessage": "", "statusMessageCode": "AllCapacityAvailable"}
    answer = {"tenantId": tenant.id, "licenseModelType": "StorageDriven", "capacitySummary": summary}
    return json_reply(200, answer | {"tenantCapacities": [database]})


@routes.on("GET", "/licensing/billingPolicies")
def billing_policies(call: Call) -> Reply:
    """List pay-as-you-go policies."""
    return json_reply(200, {"value": list(_tenant(call).billing_policies.values())})


@routes.on("POST", "/licensing/billingPolicies")
def create_billing_policy(call: Call) -> Reply:
    """Create one; no service principal may (contract §12, §16)."""
    if not call.caller.is_user:
        raise Refused(403, "Forbidden", "A service principal cannot create a billing policy.")
    body, policy_id = call.json_object(), str(uuid4())
    policy = {
        "id": policy_id,
        "name": body.get("name") or "",
        "location": body.get("location") or "",
        "status": "Enabled",
    }
    _tenant(call).billing_policies[policy_id] = policy
    return json_reply(201, policy)


@routes.on(
    "POST",
    "/licensing/billingPolicies/{policy}/environments/add",
    "/licensing/billingPolicies/{policy}/environments/remove",
)
def change_billed(call: Call) -> Reply:
    """Bill environments to a policy, or not any more; an environment that is not there changes none of them."""
    policy = call.parameters["policy"].lower()
    if policy not in _tenant(call).billing_policies:
        raise Refused(404, "BillingPolicyNotFound", f"The billing policy '{policy}' could not be found.")
    named = [str(item) for item in call.json_object().get("environmentIds") or ()]
    found = {item: call.world.environment(call.caller.tenant_id, item) for item in named}
    if missing := [item for item, environment in found.items() if environment is None]:
        raise Refused(404, "EnvironmentNotFound", f"The environment '{missing[0]}' could not be found.")
    adds = call.path.lower().rstrip("/").endswith("/add")
    for environment in filter(None, found.values()):
        if adds:
            environment.billing_policy = policy
        elif environment.billing_policy == policy:
            environment.billing_policy = None
    return Reply(200)


def _tenant(call: Call) -> Tenant:
    return call.world.tenants[call.caller.tenant_id]


def _scope(call: Call) -> str:
    scope = f"/tenants/{call.caller.tenant_id}"
    if group := call.parameters.get("group"):
        scope += f"/environmentGroups/{group}"
    if environment := call.parameters.get("env"):
        scope += f"/environments/{environment}"
    return scope
