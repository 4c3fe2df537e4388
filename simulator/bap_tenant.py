"""What BAP says of the tenant: locations, settings, applications, users, DLP (contract §5.1, §9, §10, §12)."""

from typing import Any
from uuid import uuid4

from simulator import bap_environments, lifecycle, organization, reference_data
from simulator.calls import Call, Refused, Reply, Routes, json_reply
from simulator.clock import bap_time
from simulator.directory import Tenant
from simulator.environment import Environment, Organization
from simulator.operations import BAP

routes = Routes()
_ENTERPRISE_POLICIES = frozenset({"NetworkInjection", "Encryption", "Identity"})
_POLICIES = "/providers/PowerPlatform.Governance/v2/policies"


@routes.on("GET", f"{BAP}/tenant")
def tenant(call: Call) -> Reply:
    """Describe the tenant: the smoke test after a token."""
    found = {
        "tenantId": call.caller.tenant_id,
        "state": "Enabled",
        "location": "unitedstates",
        "aadCountryGeo": "unitedstates",
        "dataStorageGeo": "unitedstates",
        "defaultEnvironmentGeo": "unitedstates",
        "aadDataBoundary": "none",
        "fedRAMPHighCertificationRequired": False,
    }
    return json_reply(200, found)


@routes.on("GET", f"{BAP}/locations")
def locations(call: Call) -> Reply:
    """List locations with the flags of this tenant."""
    overrides = _tenant(call).locations
    return json_reply(200, {"value": [_location(name, overrides.get(name, {})) for name in reference_data.LOCATIONS]})


@routes.on("GET", f"{BAP}/locations/{{location}}/environmentCurrencies")
def currencies(call: Call) -> Reply:
    """List currencies."""
    kind = f"{BAP}/locations/{call.parameters['location']}/environmentCurrencies"
    value = [
        {
            "name": code,
            "id": f"{kind}/{code}",
            "type": "Microsoft.BusinessAppPlatform/locations/environmentCurrencies",
            "properties": {"code": code, "symbol": code, "isTenantDefault": code == "USD"},
        }
        for code in reference_data.CURRENCIES
    ]
    return json_reply(200, {"value": value})


@routes.on("GET", f"{BAP}/locations/{{location}}/environmentLanguages")
def languages(call: Call) -> Reply:
    """List languages."""
    kind = f"{BAP}/locations/{call.parameters['location']}/environmentLanguages"
    value = [
        {
            "name": str(code),
            "id": f"{kind}/{code}",
            "type": "Microsoft.BusinessAppPlatform/locations/environmentLanguages",
            "properties": {
                "localeId": code,
                "localizedName": name,
                "displayName": name,
                "isTenantDefault": code == 1033,
            },
        }
        for code, name in reference_data.LANGUAGES.items()
    ]
    return json_reply(200, {"value": value})


@routes.on("GET", f"{BAP}/locations/{{location}}/templates", f"{BAP}/locations/{{location}}/environmentTemplates")
def templates(_call: Call) -> Reply:
    """List D365 templates by SKU: none are licensed here."""
    reason = {"code": "DynamicsEntitlementMissing", "message": "The tenant has no Dynamics 365 entitlement."}
    sales = {"displayName": "Sales Enterprise", "isDisabled": True, "disabledReason": reason}
    return json_reply(
        200,
        {sku: [{"name": "D365_Sales", "properties": sales}] for sku in ("production", "sandbox", "trial", "developer")},
    )


@routes.on("POST", f"{BAP}/listTenantSettings")
def list_settings(call: Call) -> Reply:
    """Read the tenant settings."""
    defaults = {"disableEnvironmentCreationByNonAdminUsers": False, "powerPlatform": {"governance": {}}}
    return json_reply(200, defaults | _tenant(call).settings)


@routes.on("POST", f"{BAP}/scopes/admin/updateTenantSettings")
def update_settings(call: Call) -> Reply:
    """Change some of the tenant settings."""
    _tenant(call).settings |= call.json_object()
    return list_settings(call)


@routes.on("GET", f"{BAP}/adminApplications")
def admin_applications(call: Call) -> Reply:
    """List management applications."""
    return json_reply(
        200, {"value": [{"applicationId": item} for item in sorted(_tenant(call).management_applications)]}
    )


@routes.on("GET", f"{BAP}/adminApplications/{{application}}")
def admin_application(call: Call) -> Reply:
    """Check one; an unregistered id is a 400, not a 404 (contract §10.1)."""
    application = call.parameters["application"].lower()
    if application not in _tenant(call).management_applications:
        raise Refused(400, "InvalidApplicationId", f"The application id '{application}' is not registered.")
    return json_reply(200, {"applicationId": application})


@routes.on("PUT", f"{BAP}/adminApplications/{{application}}")
def register(call: Call) -> Reply:
    """Register a management application: only a person who is administrator may (contract §10.1)."""
    if not call.caller.administrator:
        raise Refused(403, "Forbidden", "A service principal cannot register a management application.")
    application = call.parameters["application"].lower()
    _tenant(call).management_applications.add(application)
    return json_reply(200, {"applicationId": application})


@routes.on("DELETE", f"{BAP}/adminApplications/{{application}}")
def unregister(call: Call) -> Reply:
    """Remove a management application."""
    _tenant(call).management_applications.discard(call.parameters["application"].lower())
    return Reply(204)


@routes.on("POST", f"{BAP}/scopes/admin/environments/{{env}}/addAppUser")
def add_app_user(call: Call) -> Reply:
    """Create the Dataverse application user; it gets no role (contract §10.3)."""
    found = _database(bap_environments.find(call))
    client_id = str(call.json_object().get("servicePrincipalAppId", "")).lower()
    application = _tenant(call).applications.get(client_id)
    if application is None:
        raise Refused(404, "PrincipalDoesNotExist", f"The application '{client_id}' does not exist in the tenant.")
    organization.add_registered_application(found, application)
    return Reply(200)


@routes.on("POST", f"{BAP}/scopes/admin/environments/{{env}}/addUser")
def add_user(call: Call) -> Reply:
    """Bring a person into Dataverse; outside the bound security group they arrive disabled (contract §8.5, §10.3)."""
    environment = bap_environments.find(call)
    found = _database(environment)
    object_id = str(call.json_object().get("objectId", ""))
    user = _tenant(call).users.get(object_id.lower())
    if user is None:
        raise Refused(404, "PrincipalDoesNotExist", f"The principal '{object_id}' does not exist.")
    if not user.licensed:
        raise Refused(403, "userNotLicensed", f"The user '{user.upn}' has no licence.")
    group = _tenant(call).group(environment.security_group_id or "")
    outside = bool(environment.security_group_id) and (group is None or user not in _tenant(call).people_of(group))
    organization.add_person(found, user, disabled=outside)
    return Reply(200)


@routes.on("POST", f"{BAP}/scopes/admin/environments/{{env}}/modifyRoleAssignments")
def modify_role_assignments(call: Call) -> Reply:
    """Assign BAP roles, only without Dataverse (contract §10.3)."""
    if bap_environments.find(call).organization:
        message = "Role assignments are managed in Dataverse for an environment with a linked database."
        raise Refused(403, "LinkedEnvironmentForbiddenOperation", message)
    added = call.json_object().get("add") or []
    return json_reply(200, {"add": [{"roleAssignment": item, "httpStatus": "Created"} for item in added]})


@routes.on("POST", *(f"{BAP}/environments/{{env}}/enterprisePolicies/{{kind}}/{verb}" for verb in ("link", "unlink")))
def link_policy(call: Call) -> Reply:
    """Link an enterprise policy, or unlink the one that is linked (contract §12)."""
    environment = bap_environments.find(call)
    kind, policy = call.parameters["kind"], call.json_object().get("systemId")
    if kind not in _ENTERPRISE_POLICIES or not policy:
        raise Refused(400, "InvalidRequestContent", "A kind of enterprise policy and its systemId are required.")
    lifecycle.require_idle(call, environment)
    verb = "Unlink" if call.path.lower().rstrip("/").endswith("/unlink") else "Link"
    if verb == "Unlink" and environment.enterprise_policies.get(kind) != policy:
        raise Refused(404, "EnterprisePolicyNotFound", f"The environment is not linked to '{policy}'.")

    def settle() -> None:
        if verb == "Link":
            environment.enterprise_policies[kind] = str(policy)
        else:
            environment.enterprise_policies.pop(kind, None)

    return bap_environments.accepted(call, lifecycle.start(call, environment, verb, settle))


@routes.on("GET", _POLICIES)
def policies(call: Call) -> Reply:
    """List data policies (contract §9)."""
    return json_reply(200, {"value": list(_tenant(call).dlp_policies.values())})


@routes.on("GET", f"{_POLICIES}/{{policy}}")
def policy(call: Call) -> Reply:
    """Read one policy."""
    return json_reply(200, _policy(call))


@routes.on("POST", _POLICIES)
def create_policy(call: Call) -> Reply:
    """Create a policy."""
    document = _checked_policy(call)
    return json_reply(201, _stored(call, document["policyDefinition"].get("name") or str(uuid4()), document))


@routes.on("PATCH", f"{_POLICIES}/{{policy}}")
def replace_policy(call: Call) -> Reply:
    """Replace a policy: no merge (contract §9)."""
    name = _policy(call)["policyDefinition"]["name"]
    return json_reply(200, _stored(call, name, _checked_policy(call)))


@routes.on("DELETE", f"{_POLICIES}/{{policy}}")
def delete_policy(call: Call) -> Reply:
    """Delete a policy."""
    del _tenant(call).dlp_policies[_policy(call)["policyDefinition"]["name"]]
    return Reply(200)


def _tenant(call: Call) -> Tenant:
    return call.world.tenants[call.caller.tenant_id]


def _database(environment: Environment) -> Organization:
    if environment.organization is None:
        raise Refused(400, "InvalidLifecycleOperationRequest", "The environment has no Dataverse database.")
    return environment.organization


def _location(name: str, override: dict[str, Any]) -> dict[str, Any]:
    location = reference_data.LOCATIONS[name]
    return {
        "id": f"{BAP}/locations/{name}",
        "type": "Microsoft.BusinessAppPlatform/locations",
        "name": name,
        "properties": {
            "displayName": location.display_name,
            "code": location.code,
            "isDefault": name == "unitedstates",
            "isDisabled": bool(override.get("disabled")),
            "canProvisionDatabase": override.get("can_provision_database", True),
            "canProvisionCustomerEngagementDatabase": True,
            "azureRegions": list(location.regions),
        },
    }


def _policy(call: Call) -> dict[str, Any]:
    found = _tenant(call).dlp_policies.get(call.parameters["policy"].lower())
    if found is None:
        raise Refused(404, "DLPPolicyNotFound", f"The policy '{call.parameters['policy']}' could not be found.")
    return found


def _checked_policy(call: Call) -> dict[str, Any]:
    document = call.json_object()
    if not (document.get("policyDefinition") or {}).get("displayName"):
        raise Refused(400, "ApiPolicyInvalid", "The policy definition is incomplete.")
    if not (document.get("customConnectorUrlPatternsDefinition") or {}).get("rules"):
        raise Refused(400, "UrlPatternsNull", "The URL pattern rules must not be empty.")
    return document


def _stored(call: Call, name: str, document: dict[str, Any]) -> dict[str, Any]:
    by, now = {"displayName": call.caller.display_name}, bap_time(call.world.clock.now())
    kept = _tenant(call).dlp_policies.get(name.lower(), {}).get("policyDefinition", {})
    created = {"createdBy": kept.get("createdBy", by), "createdTime": kept.get("createdTime", now)}
    stamps = created | {"name": name.lower(), "lastModifiedBy": by, "lastModifiedTime": now, "etag": uuid4().hex}
    document["policyDefinition"] |= stamps
    _tenant(call).dlp_policies[name.lower()] = document
    return document
