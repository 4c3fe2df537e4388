"""Microsoft Entra: discovery and the token endpoint for secrets, certificates and workload identities (contract §2)."""

import hmac
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from simulator import entra_sign_in
from simulator.calls import Call, Refused, Reply, Routes, Service, json_reply
from simulator.directory import Application, Certificate, Tenant
from simulator.environment import within
from simulator.tokens import Principal, decode_segment

_GRAPH = "https://graph.microsoft.com"
AUDIENCES = frozenset(
    {
        "https://service.powerapps.com",
        "https://api.powerplatform.com",
        _GRAPH,
        "https://vault.azure.net",
        "https://storage.azure.com",
        "https://management.azure.com",
        "https://advisor.powerapps.com",
    }
)
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# AADSTS code → status, error, text (contract §2.3)
_ERRORS: dict[int, tuple[int, str, str]] = {
    7000215: (
        401,
        "invalid_client",
        "Invalid client secret provided. Ensure the secret being sent is the secret value, not its ID",
    ),
    7000222: (401, "invalid_client", "The provided client secret keys are expired"),
    700027: (
        401,
        "invalid_client",
        "The certificate with identifier used to sign the client assertion is not registered",
    ),
    700016: (400, "unauthorized_client", "Application was not found in the directory"),
    90002: (400, "invalid_request", "Tenant not found"),
    70011: (400, "invalid_scope", "The provided value for the input parameter 'scope' is not valid"),
    500011: (400, "invalid_resource", "The resource principal was not found in the tenant"),
    53003: (400, "interaction_required", "Access has been blocked by Conditional Access policies"),
    700213: (401, "invalid_client", "No matching federated identity record found for presented assertion"),
    70003: (400, "unsupported_grant_type", "The app requested an unsupported grant type"),
    50011: (400, "invalid_request", "The redirect URI specified in the request does not match"),
    50034: (400, "invalid_grant", "The user account does not exist in the directory"),
    50057: (400, "invalid_grant", "The user account is disabled"),
    70008: (400, "invalid_grant", "The provided authorization code or refresh token has expired"),
    501461: (400, "invalid_grant", "The redirect URI or the client does not match the one of the code"),
    501481: (400, "invalid_grant", "The Code_Verifier does not match the code_challenge"),
}
routes = Routes()


@routes.on("GET", "/{tenant}/v2.0/.well-known/openid-configuration")
def discovery(call: Call) -> Reply:
    """Answer the discovery document that azure-identity asks for first (contract §2.2)."""
    login, name = call.world.origins.login, call.parameters["tenant"].lower()
    is_common = name in entra_sign_in.COMMON
    path = name if is_common else _tenant(call).id
    return json_reply(
        200,
        {
            "token_endpoint": f"{login}/{path}/oauth2/v2.0/token",
            "authorization_endpoint": f"{login}/{path}/oauth2/v2.0/authorize",
            "jwks_uri": f"{login}/{path}/discovery/v2.0/keys",
            "issuer": f"{login}/{'{tenantid}' if is_common else path}/v2.0",
            "response_types_supported": ["code", "id_token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        },
    )


@routes.on("GET", "/{tenant}/discovery/v2.0/keys")
def keys(call: Call) -> Reply:
    """Publish the keys of id tokens; access tokens are opaque to clients."""
    return json_reply(200, {"keys": call.world.sign_ins.public_keys()})


@routes.on("GET", "/{tenant}/oauth2/v2.0/authorize")
def authorize(call: Call) -> Reply:
    """Let a person sign in."""
    if call.parameters["tenant"].lower() not in entra_sign_in.COMMON:
        _tenant(call)
    return entra_sign_in.authorize(call)


@routes.on("GET", "/common/discovery/instance")
def instances(call: Call) -> Reply:
    """Answer instance discovery with this authority alone."""
    tenant = f"{call.world.origins.login}/common/.well-known/openid-configuration"
    return json_reply(200, {"tenant_discovery_endpoint": tenant, "api-version": "1.1", "metadata": []})


@routes.on("POST", "/{tenant}/oauth2/v2.0/token")
def token(call: Call) -> Reply:
    """Issue a token for exactly one audience (contract §2.1)."""
    form = dict(parse_qsl(call.body.decode("utf-8", "replace")))
    if form.get("grant_type") == "authorization_code":
        return _redeem(call, form)
    tenant = _tenant(call)
    if form.get("grant_type") != "client_credentials":
        raise _refused(70003)
    application = tenant.applications.get(form.get("client_id", "").lower())
    if application is None:
        raise _refused(700016, f"Application with identifier '{form.get('client_id')}'")
    _authenticate(call, application, form)
    audience = _audience(call, tenant, form.get("scope", ""))
    timing = call.world.timing_of(tenant.id)
    claims = _claims(form.get("claims", ""))
    principal = Principal(
        tenant_id=tenant.id,
        audience=audience,
        object_id=application.service_principal_id,
        display_name=application.display_name,
        client_id=application.client_id,
        roles=tuple(sorted(application.graph_permissions or ())) if audience == _GRAPH else (),
        answered_challenge=bool(set(claims) - {"xms_cc"}),
    )
    access_token = call.world.tokens.issue(
        principal, f"{call.world.origins.login}/{tenant.id}/v2.0", timing.token_lifetime
    )
    lifetime = int(timing.token_lifetime)
    answer = {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": access_token}
    return json_reply(200, answer, {"Cache-Control": "no-store"})


def _redeem(call: Call, form: dict[str, str]) -> Reply:
    """Exchange the code of a person's sign-in; the application proves itself as for any token."""
    name = call.parameters["tenant"]
    application = entra_sign_in.application_of(call, name, form.get("client_id", "").lower())
    if application is None:
        raise _refused(700016, f"Application with identifier '{form.get('client_id')}'")
    _authenticate(call, application, form)
    return entra_sign_in.redeem(call, form, application)


def error(code: int, now_text: str, detail: str = "") -> tuple[int, dict[str, Any]]:
    """Build an Entra error by its AADSTS number; also used by injected faults."""
    status, name, text = _ERRORS.get(code, (400, "invalid_request", "The request is invalid"))
    trace = str(uuid4())
    description = f"AADSTS{code}: {text}{'. ' + detail if detail else ''}. Trace ID: {trace} Timestamp: {now_text}"
    return status, {
        "error": name,
        "error_description": description,
        "error_codes": [code],
        "timestamp": now_text,
        "trace_id": trace,
        "correlation_id": str(uuid4()),
        "error_uri": f"https://login.microsoftonline.com/error?code={code}",
    }


@dataclass(frozen=True)
class _Assertion:
    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def _authenticate(call: Call, application: Application, form: dict[str, str]) -> None:
    if form.get("client_assertion_type") == _ASSERTION_TYPE:
        assertion = _parse(form.get("client_assertion", ""))
        if assertion.claims.get("iss") == application.client_id:
            _check_certificate(call, application, assertion)
        else:
            _check_federation(application, assertion)
        return
    timing, now = call.world.timing_of(call.parameters["tenant"].lower()), call.world.clock.now()
    given = form.get("client_secret", "").encode()
    matching = [secret for secret in application.secrets if hmac.compare_digest(secret.value.encode(), given)]
    if not any(secret.start + timedelta(seconds=timing.secret_propagation_seconds) <= now for secret in matching):
        raise _refused(7000215, f"for app '{application.client_id}'")
    if all(secret.end <= now for secret in matching):
        raise _refused(7000222, f"for app '{application.client_id}'")


def _parse(token_text: str) -> _Assertion:
    try:
        header, claims, signature = token_text.split(".")
        return _Assertion(
            header=json.loads(decode_segment(header)),
            claims=json.loads(decode_segment(claims)),
            signed=f"{header}.{claims}".encode(),
            signature=decode_segment(signature),
        )
    except ValueError as problem:
        raise _refused(700027, "The client assertion is malformed") from problem


def _check_certificate(call: Call, application: Application, assertion: _Assertion) -> None:
    """Accept RS256 with x5t and PS256 with x5t#S256, padded or not, with float dates (contract §2.1)."""
    now = call.world.clock.now()
    certificate = next((item for item in application.certificates if _is_signed_by(assertion, item)), None)
    spreading = timedelta(
        seconds=call.world.timing_of(call.parameters["tenant"].lower()).certificate_propagation_seconds
    )
    if certificate is None or (certificate.added and now < certificate.added + spreading):
        raise _refused(700027)
    if certificate.certificate.not_valid_after_utc <= now:
        raise _refused(700027)
    endpoint = f"{call.world.origins.login}{call.path}"
    if assertion.claims.get("aud") != endpoint or float(assertion.claims.get("exp", 0)) <= now.timestamp() - 300:
        raise _refused(700027, "The audience or the lifetime of the client assertion is wrong")


def _is_signed_by(assertion: _Assertion, certificate: Certificate) -> bool:
    for member, digest in (("x5t", "sha1"), ("x5t#S256", "sha256")):
        claimed = assertion.header.get(member)
        if claimed and decode_segment(claimed) != certificate.thumbprint(digest):
            return False
    if not {"x5t", "x5t#S256"} & set(assertion.header):
        return False
    pss = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
    scheme = {"RS256": padding.PKCS1v15(), "PS256": pss}.get(assertion.header.get("alg", ""))
    try:
        if scheme is None:
            return False
        certificate.public_key.verify(assertion.signature, assertion.signed, scheme, SHA256())
    except InvalidSignature:
        return False
    return True


def _check_federation(application: Application, assertion: _Assertion) -> None:
    """Match a workload identity by issuer, subject and audience; its issuer's keys are not known here."""
    for trusted in application.federated:
        claims = assertion.claims
        named = claims.get("aud")
        audiences = named if isinstance(named, list) else [named]
        if (claims.get("iss"), claims.get("sub")) == (
            trusted.issuer,
            trusted.subject,
        ) and trusted.audience in audiences:
            return
    raise _refused(700213, f"for issuer '{assertion.claims.get('iss')}', subject '{assertion.claims.get('sub')}'")


def _audience(call: Call, tenant: Tenant, scope: str) -> str:
    audience, suffix, rest = scope.strip().partition("/.default")
    if " " in scope.strip() or not suffix or rest or not audience.startswith("https://"):
        raise _refused(70011, f"The scope {scope} is not valid")
    audience = audience.rstrip("/")
    if audience in AUDIENCES:
        return audience
    base = f"{call.world.origins.dataverse}/"
    environment = call.world.with_domain(audience.removeprefix(base)) if audience.startswith(base) else None
    if environment is None or environment.organization is None or environment.tenant_id != tenant.id:
        raise _refused(500011, f"The resource principal named {audience} was not found in tenant {tenant.id}")
    organization, timing = environment.organization, call.world.timing_of(tenant.id)
    organization.token_refusals += 1
    now = call.world.clock.now()
    if within(environment.ready_at, now, organization.token_refusals, timing.token_denials, timing.dataverse_seconds):
        raise _refused(500011, f"The resource principal named {audience} was not found in tenant {tenant.id}")  # E15
    return audience


def _claims(text: str) -> dict[str, Any]:
    """Return what the `claims` of a request ask for of the access token; CP1 alone is no answered challenge."""
    try:
        wanted = json.loads(text).get("access_token", {}) if text else {}
    except (ValueError, AttributeError):
        return {}
    return wanted if isinstance(wanted, dict) else {}


def _tenant(call: Call) -> Tenant:
    tenant = call.world.tenants.get(call.parameters["tenant"].lower())
    if tenant is None:
        raise _refused(90002, f"Tenant '{call.parameters['tenant']}'")
    return tenant


def _refused(code: int, detail: str = "") -> Refused:
    return Refused(_ERRORS[code][0], str(code), detail)


def _render(refused: Refused, call: Call) -> Reply:
    if not refused.code.isdigit():
        return json_reply(refused.status, {"error": "invalid_request", "error_description": refused.message})
    status, document = error(int(refused.code), f"{call.world.clock.now():%Y-%m-%d %H:%M:%SZ}", refused.message)
    return json_reply(status, document)


SERVICE = Service("login", routes, lambda call: None, _render)
