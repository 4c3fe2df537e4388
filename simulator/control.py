"""The control API: seed, clock, timing, faults, scenarios, journal, state, and a page. No authentication."""

import re
from dataclasses import asdict
from typing import Any

from simulator import environment as documents
from simulator import page, seed
from simulator.calls import Call, Refused, Reply, Routes, Service, json_reply, nested_error
from simulator.clock import bap_time, parse_time
from simulator.directory import Tenant
from simulator.environment import Environment
from simulator.organization import TEAM_ROLES, USER_ROLES
from simulator.tokens import Principal
from simulator.world import World

routes = Routes()


@routes.on("GET", "/")
def show_page(_call: Call) -> Reply:
    """Show the page."""
    return Reply(200, page.HTML.encode(), {"Content-Type": "text/html; charset=utf-8"})


@routes.on("GET", "/journal")
def journal(call: Call) -> Reply:
    """Return calls; filters: host, method, tenant, status, path, since, limit."""
    try:
        return json_reply(200, call.world.journal.find(call.query))
    except (ValueError, re.error) as error:
        raise _bad(error) from error


@routes.on("DELETE", "/journal")
def clear_journal(call: Call) -> Reply:
    """Forget the calls."""
    call.world.journal.clear()
    return Reply(204)


@routes.on("GET", "/state")
def state(call: Call) -> Reply:
    """Return everything but secrets; `?tenant=` narrows it. Reading it moves nothing."""
    world, only = call.world, call.query.get("tenant", "").lower()
    world.age()
    document = {
        "now": bap_time(world.clock.now()),
        "timing": world.timing.as_json(),
        "tenants": [_tenant(tenant) for tenant in world.tenants.values() if only in ("", tenant.id)],
        "environments": [
            _environment(world, item) for item in world.environments.values() if only in ("", item.tenant_id)
        ],
        "operations": [
            operation.as_bap() | {"tenant": operation.tenant_id, "environment": operation.environment_id}
            for operation in world.operations.values()
            if only in ("", operation.tenant_id)
        ],
        "faults": world.faults.as_json(),
    } | world.scenarios.as_json()
    return json_reply(200, document)


@routes.on("POST", "/clock")
def clock(call: Call) -> Reply:
    """Move the clock: {"advance_seconds": n}, {"set": iso}, {"frozen": true}."""
    body, now = call.json_object(), call.world.clock
    try:
        if "set" in body:
            now.set(parse_time(body["set"]))
        if "frozen" in body:
            now.freeze(bool(body["frozen"]))
        now.advance(float(body.get("advance_seconds", 0)))
    except (ValueError, TypeError) as error:
        raise _bad(error) from error
    call.world.age()
    return json_reply(200, {"now": bap_time(now.now())})


@routes.on("GET", "/faults")
def faults(call: Call) -> Reply:
    """List the rules with what they have seen and hit."""
    return json_reply(200, {"faults": call.world.faults.as_json()})


@routes.on("POST", "/faults")
def add_faults(call: Call) -> Reply:
    """Add rules: one object, a list, or {"rules": [...]}."""
    body = call.json()
    try:
        added = call.world.faults.add(body["rules"] if isinstance(body, dict) and "rules" in body else body)
    except ValueError as error:
        raise _bad(error) from error
    return json_reply(201, {"ids": [rule.id for rule in added]})


@routes.on("DELETE", "/faults")
def clear_faults(call: Call) -> Reply:
    """Remove every rule."""
    call.world.faults.clear()
    return Reply(204)


@routes.on("DELETE", "/faults/{rule}")
def clear_fault(call: Call) -> Reply:
    """Remove one rule."""
    call.world.faults.clear(call.parameters["rule"])
    return Reply(204)


@routes.on("GET", "/scenarios")
def scenarios(call: Call) -> Reply:
    """List the known scenarios and say which one is on."""
    return json_reply(200, call.world.scenarios.as_json())


@routes.on("POST", "/scenarios")
def switch_scenario(call: Call) -> Reply:
    """Turn one on: {"name"} of a known one, or a whole scenario; {"tenant"} limits it to one tenant."""
    body, known = call.json_object(), call.world.scenarios
    tenant = str(body.pop("tenant", "") or "").lower()
    if tenant not in ("", *call.world.tenants):
        raise Refused(404, "TenantNotFound", f"There is no tenant '{tenant}'.")
    try:
        name = known.learn(body).name if set(body) != {"name"} else str(body["name"])
        known.switch_to(name, tenant)
    except ValueError as error:
        raise _bad(error) from error
    except KeyError as error:
        names = ", ".join(item["name"] for item in known.as_json()["scenarios"]) or "none"
        raise Refused(404, "ScenarioNotFound", f"There is no scenario {error}; known are: {names}.") from error
    return json_reply(200, known.as_json())


@routes.on("DELETE", "/scenarios")
def switch_scenario_off(call: Call) -> Reply:
    """Turn off the one that is on."""
    call.world.scenarios.switch_off()
    return Reply(204)


@routes.on("POST", "/timing")
def timing(call: Call) -> Reply:
    """Change the timing of all, or of one with {"tenant": id}."""
    body = call.json_object()
    tenant_id = str(body.pop("tenant", "")).lower()
    tenant = call.world.tenants.get(tenant_id)
    if tenant_id and tenant is None:
        raise Refused(404, "TenantNotFound", f"There is no tenant '{tenant_id}'.")
    try:
        changed = call.world.timing.updated((tenant.timing if tenant else {}) | body)
    except ValueError as error:
        raise _bad(error) from error
    if tenant:
        tenant.timing |= body
    else:
        call.world.timing = changed
    return json_reply(200, changed.as_json())


@routes.on("POST", "/seed")
def add_seed(call: Call) -> Reply:
    """Merge tenants, people, groups, applications."""
    try:
        return json_reply(200, {"tenants": seed.load(call.world, call.json())})
    except seed.SeedError as error:
        raise _bad(error) from error


@routes.on("DELETE", "/tenants/{tenant}/{kind}/{id}")
def remove(call: Call) -> Reply:
    """Let a group, user, application, environment group or environment vanish, as people in portals do."""
    tenant, kind, key = call.parameters["tenant"].lower(), call.parameters["kind"], call.parameters["id"].lower()
    if kind == "environments":
        found: dict[str, Any] = call.world.environments if call.world.tenant_has(tenant, key) else {}
    elif kind in ("groups", "users", "applications", "environment_groups") and tenant in call.world.tenants:
        found = getattr(call.world.tenants[tenant], kind)
    else:
        found = {}
    if found.pop(key, None) is None:
        raise Refused(404, "NotFound", f"There is no '{key}' among the {kind} of the tenant '{tenant}'.")
    return Reply(204)


@routes.on("POST", "/tokens")
def issue_token(call: Call) -> Reply:
    """Issue a person's token, since nobody can sign in here: {"tenant", "upn", "audience", "administrator"}."""
    body = call.json_object()
    tenant = call.world.tenants.get(str(body.get("tenant", "")).lower())
    user = tenant.user(str(body.get("upn", ""))) if tenant else None
    if tenant is None or user is None:
        raise Refused(404, "UserNotFound", "There is no such user in this tenant.")
    principal = Principal(
        tenant_id=tenant.id,
        audience=str(body.get("audience", "https://service.powerapps.com")),
        object_id=user.id,
        display_name=user.display_name,
        client_id="1950a258-227b-4e31-a9cf-717495945fc2",  # the public client of Azure PowerShell
        upn=user.upn,
        administrator=bool(body.get("administrator", True)),
    )
    lifetime = call.world.timing.token_lifetime
    return json_reply(200, {"access_token": call.world.tokens.issue(principal, call.world.origins.login, lifetime)})


def _bad(error: Exception) -> Refused:
    return Refused(400, "BadRequest", str(error))


def _tenant(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": tenant.id,
        "name": tenant.name,
        "applications": [
            {
                "client_id": item.client_id,
                "object_id": item.object_id,
                "display_name": item.display_name,
                "management_application": item.client_id in tenant.management_applications,
                "secrets": [{"key_id": secret.key_id, "display_name": secret.display_name} for secret in item.secrets],
                "certificates": [certificate.key_id for certificate in item.certificates],
            }
            for item in tenant.applications.values()
        ],
        "users": [asdict(item) for item in tenant.users.values()],
        "groups": [asdict(item) for item in tenant.groups.values()],
        "environment_groups": [
            {"id": item.id, "display_name": item.display_name} for item in tenant.environment_groups.values()
        ],
        "dlp_policies": list(tenant.dlp_policies.values()),
        "key_vault_secrets": {name: [item.version for item in items] for name, items in tenant.vault.items()},
        "blobs": {name: sorted(item.blobs) for name, item in tenant.containers.items()},
        "capacity_gb": tenant.capacity_gb,
        "timing": tenant.timing,
    }


def _environment(world: World, environment: Environment) -> dict[str, Any]:
    document = documents.as_document(environment, world.view(environment))
    organization = environment.organization
    return {
        "id": environment.id,
        "tenant": environment.tenant_id,
        "life": environment.life,
        "is_default": environment.is_default,
        "display_name": environment.display_name,
        "description": environment.description,
        "location": environment.location,
        "sku": environment.sku,
        "domain": organization.domain if organization else None,
        "url": world.instance_url(environment) or None,
        "created_by": environment.created_by,
        "security_group_id": environment.security_group_id,
        "environment_group_id": environment.parent_group,
        "protection_level": environment.protection_level,
        "governance_settings": environment.settings,
        "dataverse": _dataverse(environment),
        "document": document,
    }


def _dataverse(environment: Environment) -> dict[str, Any] | None:
    if environment.organization is None:
        return None
    rows, links = environment.organization.rows, environment.organization.links

    def roles(association: str, holder: str) -> list[str]:
        return sorted(rows["roles"][role]["name"] for owner, role in links[association] if owner == holder)

    return {
        "organization": next(iter(rows["organizations"].values())),
        "users": [row | {"roles": roles(USER_ROLES, key)} for key, row in rows["systemusers"].items()],
        "teams": [row | {"roles": roles(TEAM_ROLES, key)} for key, row in rows["teams"].items()],
    }


SERVICE = Service("control", routes, lambda call: None, nested_error)
