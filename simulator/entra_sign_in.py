"""Microsoft Entra: people sign in with OpenID Connect, authorization code flow with PKCE.

Written from OpenID Connect Core 1.0, RFC 7636 and the Microsoft identity platform's reference of ID token claims.
Whoever opens the page chooses the account; a program adds ``account=<UPN or object id>`` to the address instead.
"""

import hashlib
import hmac
import html
import secrets
from datetime import timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlencode
from uuid import NAMESPACE_URL, uuid5

from simulator.calls import Call, Refused, Reply, json_reply
from simulator.directory import Application, Tenant, User
from simulator.sign_ins import BrowserSession, Code, text

COMMON = frozenset({"organizations", "common"})
_COOKIE = "ESTSAUTH"
_CODE_LASTS = timedelta(minutes=10)
_TOKEN_LASTS = 3900
_MOST_GROUPS = 200  # more do not fit into a JWT; the token then says where they could be asked for


def authorize(call: Call) -> Reply:
    """Let a person choose an account, or go on with the browser's session, and send them back with a code."""
    asked = call.query
    applications = _applications(call)
    if not applications:
        raise Refused(400, "700016", f"Application with identifier '{asked.get('client_id')}'")
    redirect = asked.get("redirect_uri", "")
    if not any(redirect in application.redirect_uris for _, application in applications):
        raise Refused(400, "50011", f"The redirect URI '{redirect}' does not match one of the application")
    if refusal := _refusal(asked):
        return _back(redirect, dict(zip(("error", "error_description"), refusal, strict=True)))
    tenants = [tenant for tenant, _ in applications]
    session = _session(call, tenants)
    if asked.get("account"):
        session = _signed_in(call, tenants, asked["account"])
    elif session is None or not _suffices(call, session):
        if asked.get("prompt") == "none":
            return _back(redirect, {"error": "login_required", "error_description": "AADSTS50058: no session"})
        return _page(call, tenants)
    return _answer(call, session)


def _refusal(asked: dict[str, str]) -> tuple[str, str] | None:
    if asked.get("response_type") != "code" or "openid" not in asked.get("scope", "").split():
        return "invalid_request", "AADSTS900144: response_type must be code, scope must contain openid"
    if asked.get("code_challenge") and asked.get("code_challenge_method") != "S256":
        return "invalid_request", "AADSTS9002313: code_challenge_method must be S256"
    return ("access_denied", "AADSTS65004: the person declined") if asked.get("cancel") else None


def redeem(call: Call, form: dict[str, str], application: Application) -> Reply:
    """Exchange a code for an id token, once."""
    sign_ins, now = call.world.sign_ins, call.world.clock.now()
    code = sign_ins.codes.pop(form.get("code", ""), None)
    if code is None or code.ends <= now:
        raise Refused(400, "70008", "The authorization code is unknown, used or expired")
    if code.client_id != application.client_id or code.redirect_uri != form.get("redirect_uri"):
        raise Refused(400, "501461", "The code was issued to another application or redirect URI")
    verifier = form.get("code_verifier", "")
    proof = text(hashlib.sha256(verifier.encode()).digest())
    if code.challenge and not hmac.compare_digest(proof, code.challenge):
        raise Refused(400, "501481", "The Code_Verifier does not match the code_challenge")
    tenant = call.world.tenants[code.tenant_id]
    user = tenant.user(code.user_id)
    if user is None or not user.enabled:
        raise Refused(400, "50057", "The user account is disabled")
    answer = {
        "token_type": "Bearer",
        "scope": "openid profile",
        "expires_in": _TOKEN_LASTS,
        "access_token": secrets.token_urlsafe(32),
        "id_token": sign_ins.sign(_claims(call, tenant, user, code)),
    }
    return json_reply(200, answer, {"Cache-Control": "no-store"})


def application_of(call: Call, tenant_name: str, client_id: str) -> Application | None:
    """Find an application by the name of an authority that serves one or several tenants."""
    for tenant in _tenants(call, tenant_name):
        if application := tenant.applications.get(client_id):
            return application
    return None


def _applications(call: Call) -> list[tuple[Tenant, Application]]:
    client_id = call.query.get("client_id", "").lower()
    tenants = _tenants(call, call.parameters["tenant"])
    return [(tenant, tenant.applications[client_id]) for tenant in tenants if client_id in tenant.applications]


def _tenants(call: Call, name: str) -> list[Tenant]:
    if name.lower() in COMMON:
        return list(call.world.tenants.values())
    tenant = call.world.tenants.get(name.lower())
    return [tenant] if tenant else []


def _session(call: Call, tenants: list[Tenant]) -> BrowserSession | None:
    """Return the browser's session, while its account may still sign in."""
    try:
        cookie = SimpleCookie(call.headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        return None
    session = call.world.sign_ins.sessions.get(cookie.value) if cookie else None
    tenant = next((each for each in tenants if session and each.id == session.tenant_id), None)
    user = tenant.user(session.user_id) if tenant and session else None
    return session if user and user.enabled else None


def _signed_in(call: Call, tenants: list[Tenant], name: str) -> BrowserSession:
    """Let the account prove itself, now."""
    for tenant in tenants:
        user = tenant.user(name)
        if user and user.enabled:
            return BrowserSession(tenant.id, user.id, call.world.clock.now())
    raise Refused(400, "50034", f"The user account '{name}' does not exist or is disabled")


def _suffices(call: Call, session: BrowserSession) -> bool:
    """Whether the session answers what was asked without asking the person anything (OpenID Connect Core, 3.1.2.1)."""
    if {"login", "select_account"} & set(call.query.get("prompt", "").split()):
        return False
    most = call.query.get("max_age", "")
    return not most.isdigit() or call.world.clock.now() - session.since < timedelta(seconds=int(most))


def _answer(call: Call, session: BrowserSession) -> Reply:
    asked, sign_ins = call.query, call.world.sign_ins
    code, cookie = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    sign_ins.codes[code] = Code(
        tenant_id=session.tenant_id,
        user_id=session.user_id,
        client_id=asked["client_id"].lower(),
        redirect_uri=asked["redirect_uri"],
        challenge=asked.get("code_challenge", ""),
        nonce=asked.get("nonce", ""),
        since=session.since,
        ends=call.world.clock.now() + _CODE_LASTS,
    )
    sign_ins.sessions[cookie] = session
    reply = _back(asked["redirect_uri"], {"code": code})
    if state := asked.get("state"):
        reply.headers["Location"] += "&" + urlencode({"state": state})
    reply.headers["Set-Cookie"] = f"{_COOKIE}={cookie}; Path=/; Secure; HttpOnly; SameSite=None"
    return reply


def _back(redirect: str, values: dict[str, str]) -> Reply:
    joint = "&" if "?" in redirect else "?"
    return Reply(302, b"", {"Location": f"{redirect}{joint}{urlencode(values)}", "Cache-Control": "no-store"})


def _page(call: Call, tenants: list[Tenant]) -> Reply:
    """Show the accounts; a click stands for the password and whatever else the account is protected with."""
    asked = {name: value for name, value in call.query.items() if name != "account"}
    rows = [
        f'<li><a href="?{html.escape(urlencode({**asked, "account": user.id}))}">{html.escape(user.display_name)}</a>'
        f" {html.escape(user.upn)}</li>"
        for tenant in tenants
        for user in tenant.users.values()
        if user.enabled
    ]
    cancel = html.escape(urlencode({**asked, "cancel": "1"}))
    document = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in (simulated)</title>'
        "<h1>Pick an account</h1><p>This stands in for Microsoft Entra; a click is a sign-in.</p>"
        f'<ul>{"".join(rows)}</ul><p><a href="?{cancel}">Cancel</a></p></html>'
    )
    return Reply(200, document.encode(), {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"})


def _claims(call: Call, tenant: Tenant, user: User, code: Code) -> dict[str, Any]:
    now, login = int(call.world.clock.now().timestamp()), call.world.origins.login
    claims: dict[str, Any] = {
        "aud": code.client_id,
        "iss": f"{login}/{tenant.id}/v2.0",
        "iat": now,
        "nbf": now,
        "exp": now + _TOKEN_LASTS,
        "auth_time": int(code.since.timestamp()),
        "name": user.display_name,
        "oid": user.id,
        "preferred_username": user.upn,
        "sub": text(hashlib.sha256(f"{code.client_id}{user.id}".encode()).digest()),
        "tid": tenant.id,
        "uti": secrets.token_urlsafe(16),
        "ver": "2.0",
        "sid": str(uuid5(NAMESPACE_URL, f"{user.id}{code.since}")),
    }
    if code.nonce:
        claims["nonce"] = code.nonce
    groups = [group.id for group in tenant.groups.values() if user in tenant.people_of(group)]
    if len(groups) > _MOST_GROUPS:
        where = f"https://graph.microsoft.com/v1.0/users/{user.id}/getMemberObjects"
        return claims | {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": where}}}
    return claims | ({"groups": groups} if groups else {})
