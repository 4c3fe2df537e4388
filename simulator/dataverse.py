"""Dataverse Web API: one organization per environment, open only after a while and to its users (contract §8)."""

import re
from dataclasses import dataclass
from math import ceil
from urllib.parse import urlencode

from simulator import dataverse_writes as writes
from simulator import odata
from simulator.calls import Call, Refused, Reply, Routes, Service, json_reply, nested_error, require_audience
from simulator.directory import Tenant
from simulator.environment import Environment, Organization, Row, within
from simulator.organization import TEAM_ROLES, USER_ROLES

NOT_A_MEMBER = "0x80072560"
TOO_MANY = "0x80072322"
_PREFIX = re.compile(r"^/(?P<domain>[^/]+)/api/data/v9\.\d(?P<rest>/.*)$")
_RESOURCE = re.compile(r"^/(?P<set>\w+)(?:\((?P<key>[^)]*)\))?(?:/(?P<navigation>\w+))?(?P<reference>/\$ref)?/?$")
_EXPAND = re.compile(r"(?P<name>\w+)(?:\(\$select=(?P<select>[\w,]+)\))?")
_ASSOCIATIONS = {USER_ROLES: "systemusers", TEAM_ROLES: "teams"}


@dataclass(frozen=True)
class _Target:
    """The organization of a call and the user behind it."""

    tenant: Tenant
    environment: Environment
    organization: Organization
    rest: str


def _admit(call: Call) -> None:
    found = _PREFIX.fullmatch(call.path)
    if not found:
        raise Refused(404, "0x80060888", f"Resource not found for the segment '{call.path}'.")
    principal = require_audience(call, f"{call.world.origins.dataverse}/{found['domain']}")
    target = _target(call)
    timing, organization = call.world.timing_of(principal.tenant_id), target.organization
    organization.access_refusals += 1
    now, since = call.world.clock.now(), target.environment.ready_at
    if within(since, now, organization.access_refusals, timing.dataverse_denials, timing.dataverse_seconds):  # E15
        if organization.access_refusals == 1:
            raise Refused(
                401, "0x80040220", "The organization is being prepared.", headers={"WWW-Authenticate": "Bearer"}
            )
        raise Refused(403, NOT_A_MEMBER, "The user is not a member of the organization.")
    _me(call, target)
    _require_allowance(call, target)


def _require_allowance(call: Call, target: _Target) -> None:
    """Refuse a user who has asked too often in a sliding window; what is refused does not count (contract §3.4)."""
    limit = call.world.timing_of(target.tenant.id).dataverse_requests
    who, now = (target.organization.id, call.caller.object_id), call.world.clock.now()
    wait = call.world.protection.wait(who, limit, now)
    if wait:
        message = f"Number of requests exceeded the limit of {limit} over time window of 300 seconds."
        raise Refused(429, TOO_MANY, message, headers={"Retry-After": f"{ceil(wait.total_seconds())}"})
    call.world.protection.count(who, now)


def _dispatch(call: Call) -> Reply:
    target = _target(call)
    reply = _answer(call, target)
    limit = call.world.timing_of(target.tenant.id).dataverse_requests
    if limit is not None:
        left = limit - call.world.protection.used((target.organization.id, call.caller.object_id))
        reply.headers["x-ms-ratelimit-burst-remaining-xrm-requests"] = str(left)
    return reply


def _answer(call: Call, target: _Target) -> Reply:
    if target.rest.rstrip("/") in ("/WhoAmI", "/WhoAmI()"):
        return _who_am_i(call, target)
    if target.rest.startswith(("/RetrieveSettingList", "/SaveSettingValue")):
        return _settings(call, target.organization)
    found = _RESOURCE.fullmatch(target.rest)
    if not found or found["set"] not in target.organization.rows:
        raise Refused(404, "0x80060888", f"Resource not found for the segment '{target.rest.strip('/')}'.")
    scope = writes.Scope(call, target.tenant, target.organization, found["set"])
    if found["reference"]:
        return _associate(scope, found["key"], found["navigation"])
    if call.method == "GET":
        return _read(scope, found["key"], found["navigation"])
    return writes.write(scope, found["key"])


routes = Routes()
for _method in ("GET", "POST", "PATCH", "DELETE"):
    routes.on(_method, "/{domain}/api/data/{version}/{resource:path}")(_dispatch)


def _who_am_i(call: Call, target: _Target) -> Reply:
    me = {"UserId": _me(call, target)["systemuserid"], "OrganizationId": target.organization.id}
    context = (
        f"{call.world.instance_url(target.environment)}api/data/v9.2/$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse"
    )
    return json_reply(200, {"@odata.context": context, "BusinessUnitId": target.organization.business_unit} | me)


def _settings(call: Call, organization: Organization) -> Reply:
    if call.method == "GET":
        details = [{"Name": name, "Value": value, "DataType": 2} for name, value in organization.settings.items()]
        return json_reply(200, {"SettingDetailCollection": details})
    body = call.json_object()
    organization.settings[str(body.get("SettingName"))] = str(body.get("Value"))
    return Reply(204)


def _read(scope: writes.Scope, key: str | None, navigation: str | None) -> Reply:
    call = scope.call
    if key is None:
        return _collection(scope, scope.entity_set, [row for row in scope.table.values() if scope.visible(row)])
    row = scope.find(key)
    if navigation == "teammembership_association":
        return _collection(scope, "systemusers", _team_members(scope, row))
    if navigation in _ASSOCIATIONS:
        return _collection(scope, "roles", scope.linked_roles(navigation, row))
    _require_columns(scope, scope.entity_set)
    return json_reply(200, odata.project(_expanded(scope, row), _with_expanded(call)))


def _collection(scope: writes.Scope, entity_set: str, rows: list[Row]) -> Reply:
    call = scope.call
    _require_columns(scope, entity_set)
    try:
        chosen = odata.select(
            [_expanded(scope, row) for row in rows], call.query | {"$select": _with_expanded(call) or ""}
        )
    except odata.FilterError as error:
        raise Refused(400, "0x80060888", str(error)) from error
    size = re.search(r"odata\.maxpagesize=(\d+)", call.headers.get("prefer", ""))
    start, answer = int(call.query.get("$skiptoken", "0")), {"@odata.context": f"{call.origin}{call.path}"}
    if not size:
        return json_reply(200, answer | {"value": chosen})
    end = start + int(size[1])
    if end < len(chosen):
        answer["@odata.nextLink"] = (
            f"{call.origin}{call.path}?{urlencode(call.query | {'$skiptoken': str(end)}, safe='$')}"
        )
    return json_reply(200, answer | {"value": chosen[start:end]})


def _associate(scope: writes.Scope, key: str | None, navigation: str | None) -> Reply:
    if navigation == "teammembership_association":
        raise Refused(400, "0x8004f511", "Members of a group team are managed in Microsoft Entra ID.")
    if navigation not in _ASSOCIATIONS or _ASSOCIATIONS[navigation] != scope.entity_set or key is None:
        raise Refused(404, "0x80060888", f"Resource not found for the segment '{navigation}'.")
    return writes.associate(scope, key, navigation)


def _team_members(scope: writes.Scope, team: Row) -> list[Row]:
    group = scope.tenant.group(team.get("azureactivedirectoryobjectid") or "")
    people = {user.id for user in scope.tenant.people_of(group)} if group else set()
    return [
        row for row in scope.organization.rows["systemusers"].values() if row["azureactivedirectoryobjectid"] in people
    ]


def _expanded(scope: writes.Scope, row: Row) -> Row:
    for found in _EXPAND.finditer(scope.call.query.get("$expand", "")):
        if found["name"] in _ASSOCIATIONS:
            roles = [odata.project(role, found["select"]) for role in scope.linked_roles(found["name"], row)]
            row = row | {found["name"]: roles}
    return row


def _with_expanded(call: Call) -> str | None:
    selected, expanded = call.query.get("$select"), call.query.get("$expand", "")
    return ",".join([selected, *(found["name"] for found in _EXPAND.finditer(expanded))]) if selected else None


def _require_columns(scope: writes.Scope, entity_set: str) -> None:
    selected = scope.call.query.get("$select")
    sample: Row | None = next(iter(scope.organization.rows[entity_set].values()), None)
    for name in selected.split(",") if selected and sample else ():
        if sample and name.strip() not in sample:
            kind = f"Microsoft.Dynamics.CRM.{entity_set.rstrip('s')}"
            raise Refused(400, "0x80060888", f"Could not find a property named '{name.strip()}' on type '{kind}'.")


def _me(call: Call, target: _Target) -> Row:
    for row in target.organization.rows["systemusers"].values():
        mine = row["applicationid"] == call.caller.client_id
        if call.caller.is_user:
            mine = row["azureactivedirectoryobjectid"] == call.caller.object_id
        if mine and row["deletedstate"] == 0 and not row["isdisabled"]:
            return row
    raise Refused(403, NOT_A_MEMBER, "The user is not a member of the organization.")  # E16


def _target(call: Call) -> _Target:
    found = _PREFIX.fullmatch(call.path)
    domain, rest = (found["domain"], found["rest"]) if found else ("", "")
    environment = call.world.with_domain(domain)
    if environment is None or environment.organization is None or environment.tenant_id != call.caller.tenant_id:
        raise Refused(404, "0x80048d0b", f"No organization answers under '{domain}'.")
    return _Target(call.world.tenants[environment.tenant_id], environment, environment.organization, rest)


def _render(refused: Refused, call: Call) -> Reply:
    reply = nested_error(refused, call)
    reply.headers |= {"OData-Version": "4.0"}
    return reply


SERVICE = Service("dataverse", routes, _admit, _render)
