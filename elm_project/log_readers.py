"""Notes who opens a page that shows entries of the log, whatever the answer is (ASVS 16.3.2: also what is refused)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse
from structlog.contextvars import get_contextvars

from accounts_app.tenancy import NO_TENANT, tenants_of
from audit_app import access
from audit_app.models import LogAccess

PAGES: Final = {
    "admin:audit_app_provisioninglog_changelist": LogAccess.Page.LOG,
    "admin:audit_app_provisioninglog_export": LogAccess.Page.LOG,
    "admin:audit_app_provisioninglog_change": LogAccess.Page.ENTRY,
    "log-proof": LogAccess.Page.PROOF,
    "admin:requests_app_environmentrequest_change": LogAccess.Page.REQUEST,
    "admin:requests_app_environmentrequest_brief": LogAccess.Page.REQUEST,
    "admin:accounts_app_tenant_export_evidence": LogAccess.Page.EXPORT,
    "admin:requests_app_environmentrequest_evidence_package": LogAccess.Page.EXPORT,
    "admin:accounts_app_tenant_questions": LogAccess.Page.QUESTIONS,
    "admin:audit_app_logaccess_changelist": LogAccess.Page.ACCESS,
    "admin:audit_app_logaccess_change": LogAccess.Page.ACCESS,
}
_REDIRECTS: Final = range(300, 400)  # show nothing: to the sign-in, or on from a form


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Note every reading by who is signed in; it stands within the transaction that shows the person's tenant."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        page = PAGES.get(request.resolver_match.view_name) if request.resolver_match else None
        if page is not None and request.user.is_authenticated and response.status_code not in _REDIRECTS:
            reading = access.Reading(
                page=page,
                address=request.get_full_path(),
                method=request.method or "",
                status=response.status_code,
                request_id=get_contextvars().get("request_id", ""),
            )
            access.note(reading, person=request.user.upn, tenants=tenants_of(request.user) - {NO_TENANT})
        return response

    return answer
