"""Microsoft Graph v1.0: groups, users, managers, and the credentials of applications (contract §13)."""

import base64
import re
import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from cryptography import x509

from simulator import odata
from simulator.calls import Call, Refused, Reply, Routes, Service, json_reply, require_audience
from simulator.clock import parse_time, plain_time
from simulator.directory import Application, Certificate, Group, Secret, Tenant, User

AUDIENCE = "https://graph.microsoft.com"
routes = Routes("/v1.0")
_READ_GROUPS = ("Group.Read.All", "GroupMember.Read.All", "Directory.Read.All", "Group.ReadWrite.All")
_READ_USERS = ("User.Read.All", "Directory.Read.All", "User.ReadWrite.All")
_READ_APPLICATIONS = ("Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All")
_OWNED = "Application.ReadWrite.OwnedBy"
_APPLICATION_KEYS = ("/applications/{application}", "/applications(appId='{app_id}')")


@routes.on("GET", "/groups")
def groups(call: Call) -> Reply:
    """Find groups; a display name may match several."""
    _require(call, _READ_GROUPS)
    return _list(call, [_group_document(group) for group in _tenant(call).groups.values()])


@routes.on("GET", "/groups/{group}")
def group(call: Call) -> Reply:
    """Read one group."""
    _require(call, _READ_GROUPS)
    return _one(call, _group_document(_group(call)))


@routes.on("GET", "/groups/{group}/members", "/groups/{group}/transitiveMembers")
def members(call: Call) -> Reply:
    """List the people of a group."""
    _require(call, ("GroupMember.Read.All", "Group.Read.All", "Directory.Read.All"))
    return _list(call, [_user_document(user) for user in _tenant(call).people_of(_group(call))])


@routes.on("GET", "/users")
def users(call: Call) -> Reply:
    """Find people."""
    _require(call, _READ_USERS)
    return _list(call, [_user_document(user) for user in _tenant(call).users.values()])


@routes.on("GET", "/users/{user}")
def user(call: Call) -> Reply:
    """Read one person by id or UPN."""
    _require(call, _READ_USERS)
    return _one(call, _user_document(_user(call)))


@routes.on("GET", "/users/{user}/manager")
def manager(call: Call) -> Reply:
    """Read the manager; 404 when none is set."""
    _require(call, _READ_USERS)
    found = _tenant(call).user(_user(call).manager or "")
    if found is None:
        raise _absent("manager")
    return _one(call, {"@odata.type": "#microsoft.graph.user"} | _user_document(found))


@routes.on("POST", "/users/{user}/checkMemberGroups")
def check_member_groups(call: Call) -> Reply:
    """Say which of the groups the person is in, through nesting."""
    _require(call, ("GroupMember.Read.All", "Group.Read.All", "Directory.Read.All"))
    tenant, person, wanted = _tenant(call), _user(call), call.json_object().get("groupIds")
    if not isinstance(wanted, list):
        raise Refused(400, "Request_BadRequest", "The parameter 'groupIds' is missing.")
    known = [(group_id, tenant.group(str(group_id))) for group_id in wanted]
    return json_reply(
        200, {"value": [group_id for group_id, item in known if item and person in tenant.people_of(item)]}
    )


@routes.on("GET", *_APPLICATION_KEYS)
def application(call: Call) -> Reply:
    """Read an application with its credentials, never their values."""
    return _one(call, _application_document(_application(call, _READ_APPLICATIONS)))


@routes.on("GET", "/applications")
def applications(call: Call) -> Reply:
    """Find applications."""
    _require(call, _READ_APPLICATIONS)
    return _list(call, [_application_document(item) for item in _tenant(call).applications.values()])


@routes.on("POST", *(f"{key}/addPassword" for key in _APPLICATION_KEYS))
def add_password(call: Call) -> Reply:
    """Add a secret; its text is shown this once."""
    found, now = _application(call, ("Application.ReadWrite.All",)), call.world.clock.now()
    wanted = call.json_object().get("passwordCredential") or {}
    end = parse_time(wanted["endDateTime"]) if wanted.get("endDateTime") else now + timedelta(days=730)
    secret = Secret(secrets.token_urlsafe(30), wanted.get("displayName") or "", now, end)
    found.secrets.append(secret)
    return json_reply(200, _password_document(secret) | {"secretText": secret.value})


@routes.on("POST", *(f"{key}/removePassword" for key in _APPLICATION_KEYS))
def remove_password(call: Call) -> Reply:
    """Remove a secret by key id."""
    found = _application(call, ("Application.ReadWrite.All",))
    key_id = call.json_object().get("keyId")
    kept = [secret for secret in found.secrets if secret.key_id != key_id]
    if len(kept) == len(found.secrets):
        raise Refused(400, "Request_BadRequest", f"No password credential found with keyId '{key_id}'.")
    found.secrets = kept
    return Reply(204)


@routes.on("PATCH", *_APPLICATION_KEYS)
def update_application(call: Call) -> Reply:
    """Replace the certificates; one that is already there is named by its key id alone."""
    found = _application(call, ("Application.ReadWrite.All",))
    body = call.json_object()
    if "keyCredentials" in body:
        known = {item.key_id: item for item in found.certificates}
        found.certificates = [_certificate(item, known, call.world.clock.now()) for item in body["keyCredentials"]]
    return Reply(204)


def _certificate(document: dict[str, Any], known: dict[str, Certificate], now: datetime) -> Certificate:
    if not document.get("key"):
        if document.get("keyId") in known:
            return known[document["keyId"]]
        raise Refused(400, "Request_BadRequest", "The key credential has no key.")
    try:
        content = base64.b64decode(document["key"])
        pem = content.startswith(b"-----")
        parsed = x509.load_pem_x509_certificate(content) if pem else x509.load_der_x509_certificate(content)
    except ValueError as error:
        raise Refused(400, "KeyCredentialsInvalidEncoding", "The key is not a certificate.") from error
    return Certificate(parsed, document.get("displayName") or "", document.get("keyId") or str(uuid4()), now)


def _admit(call: Call) -> None:
    require_audience(call, AUDIENCE)


def _require(call: Call, permissions: tuple[str, ...]) -> None:
    """Ask for one of the application permissions, where the seed restricts them (contract §13)."""
    found = _tenant(call).applications.get(call.caller.client_id)
    granted = found.graph_permissions if found else set()
    if granted is not None and not granted & set(permissions):
        raise Refused(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def _application(call: Call, permissions: tuple[str, ...]) -> Application:
    key, app_id = call.parameters.get("application"), call.parameters.get("app_id", "")
    tenant = _tenant(call)
    found = tenant.application_by_object(key) if key else tenant.applications.get(app_id.lower())
    caller = tenant.applications.get(call.caller.client_id)
    own = found is not None and caller is not None and found.client_id in {caller.client_id, *caller.owned}
    _require(call, (*permissions, _OWNED) if own else permissions)
    if found is None:
        raise _absent(key or app_id)
    return found


def _group(call: Call) -> Group:
    found = _tenant(call).group(call.parameters["group"])
    if found is None:
        raise _absent(call.parameters["group"])
    return found


def _user(call: Call) -> User:
    found = _tenant(call).user(call.parameters["user"])
    if found is None:
        raise _absent(call.parameters["user"])
    return found


def _absent(key: str) -> Refused:
    message = f"Resource '{key}' does not exist or one of its queried reference-property objects are not present."
    return Refused(404, "Request_ResourceNotFound", message)


def _list(call: Call, rows: list[dict[str, Any]]) -> Reply:
    try:
        return json_reply(
            200, {"@odata.context": f"{call.origin}/v1.0/$metadata", "value": odata.select(rows, call.query)}
        )
    except odata.FilterError as error:
        raise Refused(400, "Request_UnsupportedQuery", str(error)) from error


def _one(call: Call, row: dict[str, Any]) -> Reply:
    return json_reply(
        200, {"@odata.context": f"{call.origin}/v1.0/$metadata"} | odata.project(row, call.query.get("$select"))
    )


def _group_document(group: Group) -> dict[str, Any]:
    return {
        "id": group.id,
        "displayName": group.display_name,
        "description": None,
        "securityEnabled": group.security_enabled,
        "mailEnabled": group.mail_enabled,
        "mailNickname": re.sub(r"\W", "", group.display_name),
        "groupTypes": group.group_types,
    }


def _user_document(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "displayName": user.display_name,
        "userPrincipalName": user.upn,
        "mail": user.mail,
        "accountEnabled": user.enabled,
    }


def _application_document(application: Application) -> dict[str, Any]:
    return {
        "id": application.object_id,
        "appId": application.client_id,
        "displayName": application.display_name,
        "passwordCredentials": [_password_document(secret) for secret in application.secrets],
        "keyCredentials": [_key_document(item) for item in application.certificates],
    }


def _password_document(secret: Secret) -> dict[str, Any]:
    return {
        "keyId": secret.key_id,
        "displayName": secret.display_name,
        "hint": secret.value[:3],
        "startDateTime": plain_time(secret.start),
        "endDateTime": plain_time(secret.end),
        "customKeyIdentifier": None,
        "secretText": None,
    }


def _key_document(item: Certificate) -> dict[str, Any]:
    return {
        "keyId": item.key_id,
        "displayName": item.display_name,
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
        "customKeyIdentifier": item.thumbprint("sha1").hex().upper(),
        "startDateTime": plain_time(item.certificate.not_valid_before_utc),
        "endDateTime": plain_time(item.certificate.not_valid_after_utc),
        "key": None,
    }


def _render(refused: Refused, call: Call) -> Reply:
    client_request = call.headers.get("client-request-id", str(uuid4()))
    inner = {
        "date": plain_time(call.world.clock.now()),
        "request-id": str(uuid4()),
        "client-request-id": client_request,
    }
    code = "InvalidAuthenticationToken" if refused.status == 401 else refused.code
    return json_reply(refused.status, {"error": {"code": code, "message": refused.message, "innerError": inner}})


def _tenant(call: Call) -> Tenant:
    return call.world.tenants[call.caller.tenant_id]


SERVICE = Service("graph", routes, _admit, _render)
