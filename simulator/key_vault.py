"""Azure Key Vault secrets: one vault per tenant behind one origin, with its challenge (contract §14, E24)."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from simulator.calls import Call, Refused, Reply, Routes, Service, json_reply, nested_error
from simulator.directory import SecretVersion, Tenant

AUDIENCE = "https://vault.azure.net"
routes = Routes()


@routes.on("GET", "/secrets/{name}/versions")
def versions(call: Call) -> Reply:
    """List versions without values."""
    items = _versions(call)
    size, start = int(call.query.get("maxresults", "25")), int(call.query.get("$skiptoken", "0"))
    following = call.query | {"$skiptoken": str(start + size)}
    more = f"{call.origin}{call.path}?{urlencode(following)}" if len(items) > start + size else None
    return json_reply(200, {"value": [_bundle(call, item) for item in items[start : start + size]], "nextLink": more})


@routes.on("GET", "/secrets/{name}", "/secrets/{name}/{version}")
def get(call: Call) -> Reply:
    """Read the current or a named version; an expired one is still readable, a disabled one is not."""
    found = _version(call)
    if not found.attributes.get("enabled", True):
        message = "Operation get is not allowed on a disabled secret."
        raise Refused(403, "Forbidden", message, innererror={"code": "SecretDisabled"})
    return json_reply(200, {"value": found.value} | _bundle(call, found))


@routes.on("PUT", "/secrets/{name}")
def put(call: Call) -> Reply:
    """Set a new version."""
    _require_officer(call)
    tenant, name, body = _tenant(call), call.parameters["name"], call.json_object()
    if name in tenant.deleted_secrets:
        message = f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused."
        raise Refused(409, "Conflict", message, innererror={"code": "ObjectIsDeletedButRecoverable"})
    if not isinstance(body.get("value"), str):
        raise Refused(400, "BadParameter", "The value of the secret is missing.")
    now = call.world.clock.now()
    found = SecretVersion(body["value"], now, now, body.get("contentType"))
    _apply(found, body, now)
    tenant.vault.setdefault(name, []).append(found)
    return json_reply(200, {"value": found.value} | _bundle(call, found))


@routes.on("PATCH", "/secrets/{name}", "/secrets/{name}/{version}")
def patch(call: Call) -> Reply:
    """Change attributes and tags; the value is not answered."""
    _require_officer(call)
    found = _version(call)
    _apply(found, call.json_object(), call.world.clock.now())
    return json_reply(200, _bundle(call, found))


@routes.on("GET", "/secrets")
def list_all(call: Call) -> Reply:
    """List secrets without values."""
    value = []
    for name, items in sorted(_tenant(call).vault.items()):
        call.parameters["name"] = name
        value.append(_bundle(call, items[-1]) | {"id": f"{call.origin}/secrets/{name}"})
    return json_reply(200, {"value": value, "nextLink": None})


@routes.on("DELETE", "/secrets/{name}")
def delete(call: Call) -> Reply:
    """Delete: the name stays taken until it is recovered or purged."""
    _require_officer(call)
    items, name = _versions(call), call.parameters["name"]
    del _tenant(call).vault[name]
    _tenant(call).deleted_secrets[name] = items
    deleted = {
        "recoveryId": f"{call.origin}/deletedsecrets/{name}",
        "deletedDate": int(call.world.clock.now().timestamp()),
    }
    return json_reply(200, _bundle(call, items[-1]) | deleted)


@routes.on("GET", "/deletedsecrets/{name}")
def get_deleted(call: Call) -> Reply:
    """Show a deleted secret."""
    items = _tenant(call).deleted_secrets.get(call.parameters["name"])
    if items is None:
        raise _absent(call)
    return json_reply(200, _bundle(call, items[-1]))


@routes.on("POST", "/deletedsecrets/{name}/recover")
def recover(call: Call) -> Reply:
    """Bring a deleted secret back."""
    _require_officer(call)
    tenant, name = _tenant(call), call.parameters["name"]
    if name not in tenant.deleted_secrets:
        raise _absent(call)
    tenant.vault[name] = tenant.deleted_secrets.pop(name)
    return json_reply(200, _bundle(call, tenant.vault[name][-1]))


def _admit(call: Call) -> None:
    """Challenge who comes without a token for the vault, then ask for the role."""
    principal = call.principal
    if principal is None or principal.audience != AUDIENCE:
        challenge = f'Bearer authorization="{_authority(call)}", resource="{AUDIENCE}"'
        message = "AKV10000: Request is missing a Bearer or PoP token."
        raise Refused(401, "Unauthorized", message, headers={"WWW-Authenticate": challenge})
    if "api-version" not in call.query:
        raise Refused(400, "BadParameter", "The api-version is missing.")
    readers, officers = _tenant(call).key_vault_readers, _tenant(call).key_vault_officers or set()
    if readers is not None and principal.client_id not in readers | officers:
        _forbidden(call)


def _authority(call: Call) -> str:
    """Name the tenant of the vault when the secret's name or the seed leaves one; else only the authority."""
    name = call.path.removeprefix("/secrets/").split("/")[0]
    tenants = call.world.tenants
    owners = [tenant.id for tenant in tenants.values() if name in tenant.vault] or list(tenants)
    return f"{call.world.origins.login}/{owners[0]}" if len(owners) == 1 else call.world.origins.login


def _require_officer(call: Call) -> None:
    officers = _tenant(call).key_vault_officers
    if officers is not None and call.caller.client_id not in officers:
        _forbidden(call)


def _forbidden(call: Call) -> None:
    message = f"Caller is not authorized to perform action on resource. Caller: appid={call.caller.client_id}"
    raise Refused(403, "Forbidden", message, innererror={"code": "ForbiddenByRbac"})


def _absent(call: Call) -> Refused:
    message = f"A secret with (name/id) {call.parameters['name']} was not found in this key vault."
    return Refused(404, "SecretNotFound", message)


def _versions(call: Call) -> list[SecretVersion]:
    items = _tenant(call).vault.get(call.parameters["name"])
    if items is None:
        raise _absent(call)
    return items


def _version(call: Call) -> SecretVersion:
    items, version = _versions(call), call.parameters.get("version")
    if not version:
        return items[-1]
    for item in items:
        if item.version == version:
            return item
    raise _absent(call)


def _apply(found: SecretVersion, body: dict[str, Any], now: datetime) -> None:
    wanted = body.get("attributes") or {}
    known = {name: wanted[name] for name in ("enabled", "exp", "nbf") if wanted.get(name) is not None}
    if any(type(known.get(name, 0)) is not int for name in ("exp", "nbf")):
        raise Refused(400, "BadParameter", "exp and nbf are Unix seconds.")
    found.attributes = found.attributes | known
    found.tags = body.get("tags") or found.tags
    found.content_type = body.get("contentType") or found.content_type
    found.updated = now


def _bundle(call: Call, found: SecretVersion) -> dict[str, Any]:
    times = {"created": int(found.created.timestamp()), "updated": int(found.updated.timestamp())}
    recovery = {"recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90}
    document = {
        "id": f"{call.origin}/secrets/{call.parameters['name']}/{found.version}",
        "attributes": found.attributes | times | recovery,
        "tags": found.tags,
    }
    return document | ({"contentType": found.content_type} if found.content_type else {})


def _tenant(call: Call) -> Tenant:
    return call.world.tenants[call.caller.tenant_id]


SERVICE = Service("key_vault", routes, _admit, nested_error)
