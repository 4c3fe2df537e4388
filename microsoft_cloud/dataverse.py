"""The Dataverse Web API of one organisation: settings, roles, teams and users (contract §8)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from .errors import ConflictError, ConflictKind, NotFoundError, PermanentError
from .fields import Json, dig, flag, guid, is_guid, objects, odata_literal, text
from .http import Session

ODATA_HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "OData-Version": "4.0",
    "OData-MaxVersion": "4.0",
}
_SECURITY_GROUP_TEAM = 2
_MEMBERS_AND_GUESTS = 0


@dataclass(frozen=True)
class WhoAmI:
    """Who we are in the organisation."""

    user_id: str
    business_unit_id: str
    organization_id: str


@dataclass(frozen=True)
class OrganizationSettings:
    """Settings of the organisation row; None means unknown when read and untouched when written (§8.2).

    Names are the column names. Minutes for the time-outs (60 to 1440), days for the audit retention
    (-1 for ever, else 31 to 24855).
    """

    isauditenabled: bool | None = None
    isuseraccessauditenabled: bool | None = None
    isreadauditenabled: bool | None = None
    auditretentionperiodv2: int | None = None
    sessiontimeoutenabled: bool | None = None
    sessiontimeoutinmins: int | None = None
    sessiontimeoutreminderinmins: int | None = None
    inactivitytimeoutenabled: bool | None = None
    inactivitytimeoutinmins: int | None = None

    def changes(self) -> dict[str, bool | int]:
        """Return the columns that are set, typed as Dataverse wants them."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Organization:
    """The organisation row; its id is not the root business unit's."""

    id: str
    name: str
    settings: OrganizationSettings


@dataclass(frozen=True)
class Role:
    """A security role of one business unit."""

    id: str
    name: str


@dataclass(frozen=True)
class Team:
    """A team that stands for an Entra group."""

    id: str
    name: str
    entra_object_id: str


@dataclass(frozen=True)
class SystemUser:
    """A user of the organisation: a person, or an application (``application_id`` set)."""

    id: str
    full_name: str
    is_disabled: bool
    business_unit_id: str
    application_id: str


_SETTING_COLUMNS = tuple(field.name for field in fields(OrganizationSettings))
_USER_COLUMNS = "systemuserid,fullname,isdisabled,_businessunitid_value,applicationid"


class DataverseClient:
    """What a provisioned environment is configured through. While it warms up, every call may raise NotReadyError."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def who_am_i(self) -> WhoAmI:
        """Return our own user: the readiness probe (§8.1).

        Raises:
            NotReadyError: not reachable, no token yet, or not a member yet: every 15 s for at most 10 minutes.
        """
        answer = self._get("/WhoAmI")
        return WhoAmI(text(answer, "UserId"), text(answer, "BusinessUnitId"), text(answer, "OrganizationId"))

    def organization(self) -> Organization:
        """Return the organisation and its settings (§8.2)."""
        row = self._only("organizations", {"$select": ",".join(("organizationid", "name", *_SETTING_COLUMNS))})
        values: dict[str, Any] = {name: dig(row, name) for name in _SETTING_COLUMNS}
        return Organization(text(row, "organizationid"), text(row, "name"), OrganizationSettings(**values))

    def update_organization(self, organization_id: str, settings: OrganizationSettings) -> None:
        """Write the settings that are not None (§8.2); read them back with ``organization()``."""
        self._session.write(
            "PATCH",
            f"/organizations({guid(organization_id, 'organization id')})",
            json=settings.changes(),
            headers={"If-Match": "*"},
        )

    def root_business_unit(self) -> str:
        """Return the id of the business unit without a parent (§8.3)."""
        row = self._only("businessunits", {"$select": "businessunitid,name", "$filter": "parentbusinessunitid eq null"})
        return text(row, "businessunitid")

    def role_named(self, name: str, business_unit_id: str) -> Role:
        """Return the role of that name in that business unit (§8.3).

        Raises:
            NotFoundError: code RoleNotFound.
        """
        unit = guid(business_unit_id, "business unit id")
        rows = self._rows(
            "roles",
            {
                "$select": "roleid,name",
                "$filter": f"name eq {odata_literal(name)} and _businessunitid_value eq {unit}",
            },
        )
        if not rows:
            raise self._missing(f"There is no security role named {name} in the business unit.", "RoleNotFound")
        return _role(rows[0])

    # Teams: how a security group gets its access

    def group_team(self, entra_object_id: str) -> Team | None:
        """Return the team that stands for the Entra group, or None (§8.5)."""
        group = guid(entra_object_id, "group's object id")
        rows = self._rows(
            "teams",
            {
                "$select": "teamid,name,teamtype,membershiptype,azureactivedirectoryobjectid",
                "$filter": f"azureactivedirectoryobjectid eq {group}",
            },
        )
        return next((_team(row) for row in rows), None)

    def create_group_team(self, name: str, entra_object_id: str, business_unit_id: str) -> str:
        """Create the team of a security group and return its id (§8.5).

        Raises:
            ConflictError: kind ALREADY_EXISTS: find it with ``group_team``.
        """
        return self._create(
            "teams",
            {
                "name": name,
                "teamtype": _SECURITY_GROUP_TEAM,
                "membershiptype": _MEMBERS_AND_GUESTS,
                "azureactivedirectoryobjectid": guid(entra_object_id, "group's object id"),
                "businessunitid@odata.bind": f"/businessunits({guid(business_unit_id, 'business unit id')})",
            },
        )

    def team_roles(self, team_id: str) -> tuple[Role, ...]:
        """Return the roles of the team (§8.5)."""
        return self._roles_of("teams", guid(team_id, "team id"), "teamroles_association")

    def assign_team_role(self, team_id: str, role_id: str) -> None:
        """Give the team a role of its own business unit; repeating is harmless (§8.5)."""
        self._associate(f"/teams({guid(team_id, 'team id')})/teamroles_association/$ref", role_id)

    # Users

    def system_user(self, entra_object_id: str) -> SystemUser | None:
        """Return the person's user row, or None while it is not synchronised (§8.4)."""
        person = guid(entra_object_id, "user's object id")
        return self._user(f"azureactivedirectoryobjectid eq {person}", "azureactivedirectoryobjectid")

    def application_user(self, client_id: str) -> SystemUser | None:
        """Return the application's active user row, or None (§8.4)."""
        return self._user(f"applicationid eq {guid(client_id, 'client id')}", "deletedstate")

    def people(self) -> tuple[SystemUser, ...]:
        """Return the enabled users who are persons: with an Entra account and no application behind it (§8.4)."""
        column = "azureactivedirectoryobjectid"
        rows = self._rows("systemusers", {"$select": f"{_USER_COLUMNS},{column}", "$filter": "isdisabled eq false"})
        return tuple(_user(row) for row in rows if text(row, column) and not text(row, "applicationid"))

    def user_roles(self, user_id: str) -> tuple[Role, ...]:
        """Return the roles that the user holds directly (§8.4)."""
        return self._roles_of("systemusers", guid(user_id, "system user id"), "systemuserroles_association")

    def assign_user_role(self, user_id: str, role_id: str) -> None:
        """Give the user a role; repeating is harmless (§8.4)."""
        self._associate(f"/systemusers({guid(user_id, 'system user id')})/systemuserroles_association/$ref", role_id)

    def remove_user_role(self, user_id: str, role_id: str) -> None:
        """Take a role from the user; quiet when the user does not hold it (§8.4)."""
        path = f"/systemusers({guid(user_id, 'system user id')})/systemuserroles_association/$ref"
        try:
            self._session.write("DELETE", path, params={"$id": self._role_url(role_id)})
        except NotFoundError:
            return

    # How it is said in OData

    def _get(self, path: str, params: dict[str, str] | None = None) -> Json:
        return self._session.read(path, params=params).object()

    def _rows(self, table: str, params: dict[str, str]) -> list[Json]:
        return self._session.read_pages(f"/{table}", params=params)

    def _only(self, table: str, params: dict[str, str]) -> Json:
        rows = self._rows(table, params)
        if len(rows) != 1:
            raise PermanentError(
                f"Expected one row of {table}, found {len(rows)}.",
                service=self._session.service.value,
                code="UnexpectedRows",
            )
        return rows[0]

    def _create(self, table: str, row: Json) -> str:
        answer = self._session.write("POST", f"/{table}", json=row)
        identifier: str = answer.headers.get("OData-EntityId", "").rpartition("(")[2].rstrip(")")
        if is_guid(identifier):
            return identifier.lower()
        raise PermanentError(
            f"The new row of {table} has no id.",
            service=self._session.service.value,
            code="UnreadableAnswer",
            maybe_executed=True,
        )

    def _roles_of(self, table: str, identifier: str, association: str) -> tuple[Role, ...]:
        row = self._get(f"/{table}({identifier})", {"$expand": f"{association}($select=roleid,name)"})
        return tuple(_role(item) for item in objects(row, association))

    def _associate(self, path: str, role_id: str) -> None:
        self._session.write("POST", path, json={"@odata.id": self._role_url(role_id)})

    def _role_url(self, role_id: str) -> str:
        return f"{self._session.base}/roles({guid(role_id, 'role id')})"

    def _user(self, condition: str, column: str) -> SystemUser | None:
        rows = self._rows("systemusers", {"$select": f"{_USER_COLUMNS},{column}", "$filter": condition})
        active = [_user(row) for row in rows if not dig(row, "deletedstate")]
        if len(active) > 1:
            raise ConflictError(
                "Two active users share one identity.",
                ConflictKind.UNKNOWN,
                service=self._session.service.value,
                code="AmbiguousUser",
            )
        return active[0] if active else None

    def _missing(self, message: str, code: str) -> NotFoundError:
        return NotFoundError(message, service=self._session.service.value, code=code)


def _role(row: Json) -> Role:
    return Role(text(row, "roleid"), text(row, "name"))


def _team(row: Json) -> Team:
    return Team(text(row, "teamid"), text(row, "name"), text(row, "azureactivedirectoryobjectid"))


def _user(row: Json) -> SystemUser:
    return SystemUser(
        id=text(row, "systemuserid"),
        full_name=text(row, "fullname"),
        is_disabled=flag(row, "isdisabled"),
        business_unit_id=text(row, "_businessunitid_value"),
        application_id=text(row, "applicationid"),
    )
