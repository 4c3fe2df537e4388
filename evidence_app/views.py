"""What an examiner takes from the screens: the proof of one entry."""

from __future__ import annotations

from uuid import UUID

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from audit_app.models import ProvisioningLog
from evidence_app.proofs import NotYetProvenError, proof_text

_CONFLICT = 409


@require_GET
def proof(request: HttpRequest, entry_id: UUID) -> HttpResponse:
    """Give the proof of a log entry to whoever sees the entry on the log's own screen, and to nobody else.

    It is to be wrapped in the admin site's ``admin_view``, which asks for the sign-in.
    """
    screen = admin.site.get_model_admin(ProvisioningLog)
    entry = screen.get_queryset(request).filter(pk=entry_id).first()
    if entry is None or not screen.has_view_permission(request):
        raise Http404
    try:
        text = proof_text(entry)
    except NotYetProvenError as error:
        return HttpResponse(f"{error}\n", status=_CONFLICT, content_type="text/plain; charset=utf-8")
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{entry_id}.tlog-proof"'
    response["Cache-Control"] = "no-store"
    return response
