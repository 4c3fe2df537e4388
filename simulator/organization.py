"""A fresh Dataverse organization: its settings, business unit, roles and first users (contract §8)."""

from typing import Any
from uuid import uuid4

from simulator import reference_data
from simulator.clock import plain_time
from simulator.directory import Application, User
from simulator.environment import Environment, Organization, Row
from simulator.tokens import Principal

USER_ROLES = "systemuserroles_association"
TEAM_ROLES = "teamroles_association"

ORGANIZATION_DEFAULTS: dict[str, Any] = {
    "isauditenabled": False,
    "isuseraccessauditenabled": True,
    "isreadauditenabled": True,
    "auditretentionperiod": 30,
    "auditretentionperiodv2": None,
    "sessiontimeoutenabled": False,
    "sessiontimeoutinmins": None,
    "sessiontimeoutreminderinmins": None,
    "inactivitytimeoutenabled": False,
    "inactivitytimeoutinmins": None,
    "inactivitytimeoutreminderinmins": None,
    "enableipbasedcookiebinding": False,
    "enableipbasedfirewallrule": False,
    "enableipbasedfirewallruleinauditmode": False,
    "allowediprangeforfirewall": None,
    "blockedattachments": "ade;adp;app;exe;js;vbs",
    "maxuploadfilesize": 5242880,
}


def found(organization: Organization, environment: Environment, creator: Principal) -> Organization:
    """Fill the tables of a new organization; its creator is System Administrator (contract §5.3)."""
    currency_id = str(uuid4())
    organization.rows = {
        "organizations": {
            organization.id: ORGANIZATION_DEFAULTS
            | {
                "organizationid": organization.id,
                "name": f"unq{organization.id.replace('-', '')[:29]}",
                "languagecode": organization.base_language,
                "_basecurrencyid_value": currency_id,
            }
        },
        "transactioncurrencies": {
            currency_id: {
                "transactioncurrencyid": currency_id,
                "isocurrencycode": organization.currency,
                "currencyname": organization.currency,
            }
        },
        "businessunits": {
            organization.business_unit: {
                "businessunitid": organization.business_unit,
                "name": organization.domain,
                "isdisabled": False,
                "_parentbusinessunitid_value": None,
            }
        },
        "roles": dict(_role(name, organization.business_unit) for name in reference_data.DATAVERSE_ROLES),
        "systemusers": {},
        "teams": {},
    }
    organization.links = {USER_ROLES: set(), TEAM_ROLES: set()}
    if creator.is_user:
        user = User(creator.object_id, creator.upn, creator.display_name, creator.upn)
        grant_administrator(organization, add_person(organization, user))
    else:
        row = add_application(organization, creator.client_id, creator.display_name, creator.object_id)
        grant_administrator(organization, row)
    return organization


def add_application(organization: Organization, client_id: str, name: str, object_id: str) -> Row:
    """Add an application user, unless it is there."""
    for row in organization.rows["systemusers"].values():
        if row["applicationid"] == client_id.lower() and row["deletedstate"] == 0:
            return row
    return add_user(
        organization,
        {"applicationid": client_id.lower(), "fullname": f"# {name}", "azureactivedirectoryobjectid": object_id}
        | {"accessmode": 4},
    )


def add_registered_application(organization: Organization, application: Application) -> Row:
    """Add the application user of an app registration, unless it is there."""
    return add_application(
        organization, application.client_id, application.display_name, application.service_principal_id
    )


def add_person(organization: Organization, user: User, *, disabled: bool = False) -> Row:
    """Add a person, unless they are there."""
    for row in organization.rows["systemusers"].values():
        if row["azureactivedirectoryobjectid"] == user.id:
            row["isdisabled"] = disabled
            return row
    return add_user(
        organization,
        {
            "azureactivedirectoryobjectid": user.id,
            "fullname": user.display_name,
            "domainname": user.upn,
            "internalemailaddress": user.mail,
            "isdisabled": disabled,
        },
    )


def add_user(organization: Organization, columns: Row) -> Row:
    """Add a row to `systemusers`."""
    row: Row = {
        "systemuserid": str(uuid4()),
        "applicationid": None,
        "azureactivedirectoryobjectid": None,
        "fullname": "",
        "domainname": None,
        "internalemailaddress": None,
        "accessmode": 0,
        "isdisabled": False,
        "deletedstate": 0,
        "createdon": plain_time(organization.created),
        "_businessunitid_value": organization.business_unit,
    } | columns
    organization.rows["systemusers"][row["systemuserid"]] = row
    return row


def grant_administrator(organization: Organization, user: Row) -> None:
    """Give the System Administrator role."""
    for role in organization.rows["roles"].values():
        if role["name"] == reference_data.SYSTEM_ADMINISTRATOR:
            organization.links[USER_ROLES].add((user["systemuserid"], role["roleid"]))


def _role(name: str, business_unit: str) -> tuple[str, Row]:
    role_id = str(uuid4())
    administrator = name == reference_data.SYSTEM_ADMINISTRATOR
    template = reference_data.SYSTEM_ADMINISTRATOR_TEMPLATE if administrator else None
    row = {"roleid": role_id, "name": name, "_businessunitid_value": business_unit, "_roletemplateid_value": template}
    return role_id, row
