"""The one address at which a program delivers payloads: ``POST /api/intake`` with a bearer token.

The token's file, ``ELM_API_TOKENS_FILE``, holds no token: only the SHA-256 of each, with the caller's name and tenant.
It is read with every call, so that a token taken out of it stops working at once. There are no pages here.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import HttpError
from ninja.security import HttpBearer
from ninja.throttling import AuthRateThrottle

from accounts_app.models import Tenant
from core_app import tenancy
from core_app.errors import InvalidInputError
from core_app.outage import outage_of
from requests_app.intake import Caller, TooLargeError, read_bounded, receive

RATE = "120/min"  # per caller and web process
log = structlog.get_logger(__name__)


class IntakeToken(HttpBearer):
    """Knows callers by the SHA-256 of their token."""

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        """Return whose token it is, or None."""
        given = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        found = None
        for known, holder in _tokens().items():  # all of them, so that the time tells nothing
            if hmac.compare_digest(known.lower().encode(), given.encode()):
                found = holder
        return _caller(found) if found else None


api = NinjaAPI(title="ELM intake", docs_url=None, openapi_url=None, urls_namespace="api", auth=IntakeToken())


@api.post("/intake", throttle=AuthRateThrottle(RATE), url_name="intake")
def intake(request: HttpRequest) -> HttpResponse:
    """Take one payload: 201 when it made a request, 200 when it had done so before, else its problems."""
    if request.content_type != "application/json":
        raise HttpError(415, _("Send the payload with Content-Type application/json."))
    caller: Caller = request.auth  # type: ignore[attr-defined]
    with tenancy.everywhere("a program is of no tenant"), tenancy.of(caller.tenant_id):
        received = receive(read_bounded(request), by=caller)
    return _answer(201 if received.created else 200, received.as_json())


@api.exception_handler(InvalidInputError)
def _invalid(request: HttpRequest, error: InvalidInputError) -> HttpResponse:
    return _refusal(413 if isinstance(error, TooLargeError) else 400, error.problems)


@api.exception_handler(HttpError)
def _not_served(request: HttpRequest, error: HttpError) -> HttpResponse:
    answer = _refusal(error.status_code, [("$", str(error))])
    if error.status_code == 401:
        answer["WWW-Authenticate"] = "Bearer"
    return answer


@api.exception_handler(Exception)
def _broken(request: HttpRequest, error: Exception) -> HttpResponse:
    if outage := outage_of(error):
        log.warning("intake_without_database", error=type(error).__name__, outage=outage.name)
        answer = _refusal(
            503, [("$", _("%(outage)s The same payload again is taken once only.") % {"outage": outage.value})]
        )
        answer["Retry-After"] = "30"
        return answer
    log.error("intake_broke", exc_info=error)
    return _refusal(500, [("$", _("Something went wrong here; nothing was stored. Try again later."))])


def _refusal(status: int, problems: Iterable[tuple[str, str]]) -> HttpResponse:
    return _answer(status, {"problems": [{"path": path, "message": message} for path, message in problems]})


def _answer(status: int, content: dict[str, Any]) -> HttpResponse:
    answer = HttpResponse(json.dumps(content), content_type="application/json", status=status)
    answer["Cache-Control"] = "no-store"
    return answer


def _tokens() -> dict[str, Any]:
    """Return SHA-256 → holder; nobody when the file is missing or no such table."""
    if not settings.API_TOKENS_FILE:
        return {}
    try:
        table = json.loads(Path(settings.API_TOKENS_FILE).read_text())
    except (OSError, ValueError) as error:
        log.error("api_tokens_unreadable", error=type(error).__name__)  # noqa: TRY400 - the text may quote the file
        return {}
    return table if isinstance(table, dict) else {}


def _caller(holder: Any) -> Caller | None:
    """Return the caller a table's row describes, or None when it names no tenant of ours."""
    if not isinstance(holder, dict):
        return None
    name, tenant = str(holder.get("name", "")), _tenant(str(holder.get("tenant", "")))
    if not name or tenant is None:
        log.error("api_token_without_tenant", name=name)
        return None
    return Caller(name, tenant.pk)


@tenancy.everywhere("a token's tenant may be given by its name")
def _tenant(named: str) -> Tenant | None:
    try:
        return Tenant.objects.filter(pk=UUID(named)).first()
    except ValueError:
        return Tenant.objects.filter(name=named).first()
