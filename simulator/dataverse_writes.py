"""What can be written in Dataverse: settings, users, group teams, roles (contract §8.2, §8.4, §8.5)."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from simulator import organization as organizations
from simulator.calls import GUID, Call, Refused, Reply, json_reply
from simulator.directory import Tenant
from simulator.environment import Organization, Row
from simulator.organization import ORGANIZATION_DEFAULTS

DUPLICATE = "0x80040237"
_INVALID = "0x80048d19"
_ABSENT = "0x80040217"
_NUMBERS = {
    "auditretentionperiod": (1, 24855),
    "auditretentionperiodv2": (31, 24855),  # or -1: for ever
    "sessiontimeoutinmins": (60, 1440),
    "sessiontimeoutreminderinmins": (1, 1439),
    "inactivitytimeoutinmins": (5, 1440),
    "inactivitytimeoutreminderinmins": (1, 1439),
    "maxuploadfilesize": (1, 134217728),
}
_KEYS = {
    "organizations": "organizationid",
    "businessunits": "businessunitid",
    "roles": "roleid",
    "systemusers": "systemuserid",
    "teams": "teamid",
    "transactioncurrencies": "transactioncurrencyid",
}
_KEY_PART = re.compile(r"(\w+)=([^,]+)")


@dataclass(frozen=True)
class Scope:
    """The table that a call is about."""

    call: Call
    tenant: Tenant
    organization: Organization
    entity_set: str

    @property
    def table(self) -> dict[str, Row]:
        return self.organization.rows[self.entity_set]

    def visible(self, row: Row) -> bool:
        """Soft-deleted users show only to those who ask for `deletedstate`."""
        asked = "deletedstate" in self.call.query.get("$select", "") + self.call.query.get("$filter", "")
        return asked or row.get("deletedstate", 0) == 0

    def find(self, key: str) -> Row:
        """Return the row of an id or of an alternate key."""
        parts = dict(_KEY_PART.findall(key))
        for row in self.table.values():
            if parts and all(str(row.get(name)).lower() == value.strip("'").lower() for name, value in parts.items()):
                return row
        found = self.table.get(key.lower())
        if found is None:
            raise Refused(404, _ABSENT, f"{self.entity_set} With Id = {key} Does Not Exist")
        return found

    def linked_roles(self, association: str, row: Row) -> list[Row]:
        owner = row[_KEYS[self.entity_set]]
        pairs = self.organization.links[association]
        return [self.organization.rows["roles"][role] for holder, role in sorted(pairs) if holder == owner]

    def created(self, row: Row) -> Reply:
        """Answer a creation: 204 with the address, or 201 with the row when it is preferred."""
        address = f"{self.call.origin}{self.call.path}({row[_KEYS[self.entity_set]]})"
        headers = {"OData-EntityId": address, "OData-Version": "4.0"}
        return json_reply(201, row, headers) if self.prefers_row() else Reply(204, b"", headers)

    def prefers_row(self) -> bool:
        return "return=representation" in self.call.headers.get("prefer", "")


def write(scope: Scope, key: str | None) -> Reply:
    """Create, change or delete a row."""
    if scope.call.method == "POST" and key is None:
        create = {"systemusers": _create_user, "teams": _create_team}.get(scope.entity_set)
        if create:
            return create(scope, scope.call.json_object())
    elif (
        key is not None
        and scope.call.method == "PATCH"
        and scope.entity_set in ("organizations", "systemusers", "teams")
    ):
        return _patch(scope, scope.find(key))
    elif key is not None and scope.call.method == "DELETE" and scope.entity_set in ("systemusers", "teams"):
        return _delete(scope, scope.find(key))
    raise Refused(405, "0x80060888", f"The method {scope.call.method} is not supported on {scope.entity_set} here.")


def associate(scope: Scope, key: str, association: str) -> Reply:
    """Give or take a role; a team addressed by its group comes into being (contract §8.5)."""
    holder = _holder(scope, key)
    source = scope.call.json_object().get("@odata.id") if scope.call.method == "POST" else scope.call.query.get("$id")
    found = re.search(r"roles\(([0-9a-fA-F-]{36})\)", str(source))
    role = scope.organization.rows["roles"].get(found[1].lower()) if found else None
    if role is None:
        raise Refused(404, _ABSENT, f"role With Id = {source} Does Not Exist")
    if role["_businessunitid_value"] != holder["_businessunitid_value"]:
        raise Refused(400, "0x80042f14", "The role does not belong to the business unit of the team or user.")
    pair, links = (holder[_KEYS[scope.entity_set]], role["roleid"]), scope.organization.links[association]
    if scope.call.method == "DELETE":
        if pair not in links:
            raise Refused(404, _ABSENT, "The role is not assigned.")
        links.discard(pair)
    elif scope.call.method == "POST":
        links.add(pair)
    else:
        raise Refused(405, "0x80060888", "Only POST and DELETE are supported here.")
    return Reply(204)


def _holder(scope: Scope, key: str) -> Row:
    parts = dict(_KEY_PART.findall(key))
    group = parts.get("azureactivedirectoryobjectid", "").strip("'")
    if scope.entity_set == "teams" and group and not _team(scope, group, parts.get("membershiptype", "0")):
        return _new_team(scope, {"azureactivedirectoryobjectid": group, "teamtype": 2, "name": group})
    return scope.find(key)


def _create_user(scope: Scope, body: Row) -> Reply:
    client_id = str(body.get("applicationid") or "").lower()
    if not client_id:
        raise Refused(400, _INVALID, "Only application users can be created through the Web API.")
    unit = _bound(body, "businessunitid@odata.bind")
    if unit not in scope.organization.rows["businessunits"]:
        raise Refused(400, _INVALID, f"The business unit '{unit}' does not exist.")
    if any(row["applicationid"] == client_id for row in scope.table.values()):  # E17, soft-deleted ones too
        raise Refused(412, DUPLICATE, "A record with matching key values already exists.")
    application = scope.tenant.applications.get(client_id)
    if application is None:
        raise Refused(400, _INVALID, f"The application '{client_id}' does not exist in the tenant.")
    return scope.created(organizations.add_registered_application(scope.organization, application))


def _create_team(scope: Scope, body: Row) -> Reply:
    if body.get("teamtype") not in (0, 1, 2, 3) or not body.get("name"):
        raise Refused(400, _INVALID, "A team needs a name and a teamtype.")
    if _bound(body, "businessunitid@odata.bind") not in scope.organization.rows["businessunits"]:
        raise Refused(400, _INVALID, "The business unit of the team does not exist.")
    group = body.get("azureactivedirectoryobjectid")
    if body["teamtype"] in (2, 3) and not (isinstance(group, str) and GUID.fullmatch(group)):
        raise Refused(400, _INVALID, "A group team needs azureactivedirectoryobjectid.")
    if group and _team(scope, group, str(body.get("membershiptype", 0))):
        raise Refused(412, DUPLICATE, "A record with matching key values already exists.")
    return scope.created(_new_team(scope, body))


def _new_team(scope: Scope, body: Row) -> Row:
    group = body.get("azureactivedirectoryobjectid")
    row = {
        "teamid": str(uuid4()),
        "name": body["name"],
        "teamtype": body["teamtype"],
        "membershiptype": body.get("membershiptype", 0),
        "azureactivedirectoryobjectid": group.lower() if group else None,
        "description": body.get("description"),
        "isdefault": False,
        "_businessunitid_value": scope.organization.business_unit,
    }
    scope.table[str(row["teamid"])] = row
    return row


def _team(scope: Scope, group: str, membership: str) -> Row | None:
    for row in scope.table.values():
        if (row["azureactivedirectoryobjectid"], str(row["membershiptype"])) == (group.lower(), membership):
            return row
    return None


def _patch(scope: Scope, row: Row) -> Reply:
    changes = scope.call.json_object()
    for name, value in changes.items():
        _check(scope, row, name, value)
    row |= changes
    return json_reply(200, row) if scope.prefers_row() else Reply(204, b"", {"OData-Version": "4.0"})


def _check(scope: Scope, row: Row, name: str, value: object) -> None:
    """Refuse unknown columns, wrong types and values out of range (E16)."""
    if name not in row:
        kind = f"Microsoft.Dynamics.CRM.{scope.entity_set.rstrip('s')}"
        raise Refused(400, _INVALID, f"Could not find a property named '{name}' on type '{kind}'.")
    if scope.entity_set == "teams" and name in ("azureactivedirectoryobjectid", "membershiptype", "teamtype"):
        raise Refused(400, "0x80040203", f"The attribute '{name}' cannot be changed.")
    if name in _NUMBERS and value is not None:
        _check_number(name, value)
    elif isinstance(row[name], bool) and not isinstance(value, bool):
        raise Refused(400, _INVALID, f"Cannot convert the literal '{value}' to the expected type 'Edm.Boolean'.")
    elif scope.entity_set == "organizations" and name not in ORGANIZATION_DEFAULTS:
        raise Refused(400, _INVALID, f"The attribute '{name}' cannot be changed.")


def _check_number(name: str, value: object) -> None:
    low, high = _NUMBERS[name]
    if type(value) is not int:
        raise Refused(400, _INVALID, f"Cannot convert the literal '{value}' to the expected type 'Edm.Int32'.")
    if not low <= value <= high and (name, value) != ("auditretentionperiodv2", -1):
        message = f"The value {value} of '{name}' is outside the valid range {low} to {high}."
        raise Refused(400, "0x80044331", message)


def _delete(scope: Scope, row: Row) -> Reply:
    if scope.entity_set == "systemusers" and row["deletedstate"] == 0:
        if not row["isdisabled"]:
            raise Refused(400, "0x80040203", "A user must be disabled before it can be deleted.")
        row["deletedstate"] = 1
        return Reply(204)
    key = row[_KEYS[scope.entity_set]]
    del scope.table[key]
    for association, pairs in scope.organization.links.items():
        scope.organization.links[association] = {pair for pair in pairs if pair[0] != key}
    return Reply(204)


def _bound(body: dict[str, Any], name: str) -> str:
    found = re.search(r"\(([0-9a-fA-F-]{36})\)", str(body.get(name)))
    return found[1].lower() if found else ""
