"""Azure Resource Manager, as far as it governs blob containers: policies, locks and legal holds (contract §15)."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from simulator.calls import Call, Refused, Reply, Routes, Service, json_reply, nested_error, require_audience
from simulator.directory import Container, ContainerPolicy

AUDIENCE = "https://management.azure.com"
_ACCOUNT = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{account}"
_CONTAINER = _ACCOUNT + "/blobServices/default/containers/{container}"
_POLICY = _CONTAINER + "/immutabilityPolicies/default"
_LONGEST_DAYS = 146_000
_TAG = re.compile(r"[a-z0-9]{3,23}")
routes = Routes()


@routes.on("PUT", _CONTAINER)
def create_container(call: Call) -> Reply:
    """Create a container, with version-level WORM when it is asked for, or answer the one that is there."""
    containers = call.world.tenants[call.caller.tenant_id].containers
    name, wanted = call.parameters["container"], _properties(call).get("immutableStorageWithVersioning") or {}
    status = 200 if name in containers else 201
    containers.setdefault(name, Container(version_level_worm=wanted.get("enabled") is True))
    return json_reply(status, _container_document(call, containers[name]))


@routes.on("GET", _CONTAINER)
def get_container(call: Call) -> Reply:
    """Show what protects a container."""
    return json_reply(200, _container_document(call, _container(call)))


@routes.on("POST", _CONTAINER + "/migrate")
def migrate(call: Call) -> Reply:
    """Turn version-level WORM on; the container must have a policy already."""
    container = _container(call)
    if container.policy is None:
        raise Refused(409, "ContainerImmutabilityPolicyRequired", "The container has no immutability policy.")
    container.version_level_worm = True
    return Reply(202, b"", {"Location": f"{call.origin}{call.path.removesuffix('/migrate')}?api-version=2023-05-01"})


@routes.on("GET", _POLICY)
def get_policy(call: Call) -> Reply:
    """Show the policy of a container."""
    return _policy_reply(call, _policy(call))


@routes.on("PUT", _POLICY)
def put_policy(call: Call) -> Reply:
    """Set or change a policy that is not locked."""
    container, properties = _container(call), _properties(call)
    if container.policy:
        _require_match(call, container.policy, required=False)
        _require_unlocked(container.policy)
    container.policy = ContainerPolicy(_days(properties), properties.get("allowProtectedAppendWrites") is True)
    return _policy_reply(call, container.policy)


@routes.on("DELETE", _POLICY)
def delete_policy(call: Call) -> Reply:
    """Remove a policy that is not locked."""
    policy = _policy(call)
    _require_match(call, policy)
    _require_unlocked(policy)
    _container(call).policy = None
    return Reply(200)


@routes.on("POST", _POLICY + "/lock")
def lock(call: Call) -> Reply:
    """Lock a policy, for ever."""
    policy = _policy(call)
    _require_match(call, policy)
    policy.is_locked, policy.etag = True, _new_etag()
    return _policy_reply(call, policy)


@routes.on("POST", _POLICY + "/extend")
def extend(call: Call) -> Reply:
    """Lengthen a locked policy."""
    policy, days = _policy(call), _days(_properties(call))
    _require_match(call, policy)
    if not policy.is_locked or days < policy.days:
        raise Refused(409, "Conflict", "Only a locked policy can be extended, and never shortened.")
    policy.days, policy.etag = days, _new_etag()
    return _policy_reply(call, policy)


@routes.on("POST", _CONTAINER + "/setLegalHold")
def set_legal_hold(call: Call) -> Reply:
    """Add tags; as long as there is one, no blob changes."""
    _container(call).legal_holds |= _tags(call)
    return _hold_reply(call)


@routes.on("POST", _CONTAINER + "/clearLegalHold")
def clear_legal_hold(call: Call) -> Reply:
    """Take tags away."""
    _container(call).legal_holds -= _tags(call)
    return _hold_reply(call)


def _container(call: Call) -> Container:
    found = call.world.tenants[call.caller.tenant_id].containers.get(call.parameters["container"])
    if found is None:
        raise Refused(404, "ContainerNotFound", "The specified container does not exist.")
    return found


def _policy(call: Call) -> ContainerPolicy:
    found = _container(call).policy
    if found is None:
        raise Refused(404, "ContainerImmutabilityPolicyNotFound", "The container has no immutability policy.")
    return found


def _properties(call: Call) -> Mapping[str, Any]:
    found = call.json_object().get("properties") or {}
    if not isinstance(found, Mapping):
        raise Refused(400, "InvalidRequestContent", "properties must be an object.")
    return found


def _days(properties: Mapping[str, Any]) -> int:
    days = properties.get("immutabilityPeriodSinceCreationInDays")
    if type(days) is not int or not 1 <= days <= _LONGEST_DAYS:
        message = f"immutabilityPeriodSinceCreationInDays must be between 1 and {_LONGEST_DAYS}."
        raise Refused(400, "InvalidRequestPropertyValue", message)
    return days


def _tags(call: Call) -> set[str]:
    tags = call.json_object().get("tags")
    if not isinstance(tags, list) or not tags or not all(_TAG.fullmatch(str(tag).lower()) for tag in tags):
        raise Refused(400, "InvalidRequestPropertyValue", "A tag has 3 to 23 letters and digits.")
    return {str(tag).lower() for tag in tags}


def _require_match(call: Call, policy: ContainerPolicy, *, required: bool = True) -> None:
    given = call.headers.get("if-match", "" if required else "*")
    if not given:
        raise Refused(400, "MissingRequiredHeader", "If-Match is missing.")
    if given not in (policy.etag, "*"):
        raise Refused(412, "ConditionNotMet", "The policy has changed since it was read.")


def _require_unlocked(policy: ContainerPolicy) -> None:
    if policy.is_locked:
        raise Refused(409, "Conflict", "A locked immutability policy can only be extended.")


def _new_etag() -> str:
    return f'"{uuid4().hex[:15]}"'


def _policy_document(policy: ContainerPolicy) -> dict[str, Any]:
    return {
        "immutabilityPeriodSinceCreationInDays": policy.days,
        "allowProtectedAppendWrites": policy.allows_appending,
        "state": "Locked" if policy.is_locked else "Unlocked",
    }


def _policy_reply(call: Call, policy: ContainerPolicy) -> Reply:
    kind = "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies"
    where = call.path.lower().partition("/immutabilitypolicies/")[0]
    document = {"id": f"{call.path[: len(where)]}/immutabilityPolicies/default", "name": "default", "type": kind}
    document["etag"] = policy.etag
    return json_reply(200, document | {"properties": _policy_document(policy)}, {"ETag": policy.etag})


def _hold_reply(call: Call) -> Reply:
    holds = sorted(_container(call).legal_holds)
    return json_reply(200, {"hasLegalHold": bool(holds), "tags": holds})


def _container_document(call: Call, container: Container) -> dict[str, Any]:
    policy, holds = container.policy, sorted(container.legal_holds)
    properties: dict[str, Any] = {
        "hasImmutabilityPolicy": policy is not None,
        "hasLegalHold": bool(holds),
        "legalHold": {"hasLegalHold": bool(holds), "tags": [{"tag": tag} for tag in holds]},
        "immutableStorageWithVersioning": {"enabled": container.version_level_worm},
    }
    if policy:
        properties["immutabilityPolicy"] = {"etag": policy.etag, "properties": _policy_document(policy)}
    kind = "Microsoft.Storage/storageAccounts/blobServices/containers"
    return {"id": call.path, "name": call.parameters["container"], "type": kind, "properties": properties}


def _admit(call: Call) -> None:
    require_audience(call, AUDIENCE)
    if "api-version" not in call.query:
        raise Refused(400, "MissingApiVersionParameter", "The api-version query parameter is required.")


SERVICE = Service("arm", routes, _admit, nested_error)
