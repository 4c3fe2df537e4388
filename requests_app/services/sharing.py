"""Let a colleague read a single request, and end that again."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext as _
from guardian.shortcuts import assign_perm, remove_perm

from accounts_app.models import User
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from core_app.errors import DomainError
from core_app.transactions import transactional
from notifications_app.catalogue import Event
from requests_app.models import EnvironmentRequest
from requests_app.permissions import require_share
from requests_app.services.rows import locked, tell
from requests_app.visibility import SHARED_PERMISSION, readers_of

_PERMISSION = f"requests_app.{SHARED_PERMISSION}"


@transactional
def share(request_id: UUID, *, reader: User, by: User) -> EnvironmentRequest:
    """Let a colleague read a request, its log and what was built for it; it gives no right to change or decide.

    Raises:
        PermissionRefused: unless the person is the requester or a Governance Lead of the request's unit.
        DomainError: when the colleague cannot be given it, with the reason.
    """
    request = locked(request_id)
    require_share(by, request)
    if reason := _why_not(request, reader):
        raise DomainError(reason)
    assign_perm(_PERMISSION, reader, request)
    record(Action.REQUEST_SHARED, on=request, by=person(by), details={"reader": reader.upn})
    tell(Event.SHARED, request, [reader], once=f"{reader.pk}:{request.log_entries.count()}", by=by)
    return request


@transactional
def unshare(request_id: UUID, *, reader: User, by: User) -> EnvironmentRequest:
    """End a share; it stops counting with the next click.

    Raises:
        PermissionRefused: unless the person is the requester or a Governance Lead of the request's unit.
        DomainError: when it is not shared with them.
    """
    request = locked(request_id)
    require_share(by, request)
    held = request.environmentrequestuserobjectpermission_set.filter(user=reader)
    if not held.exists():
        raise DomainError(_("%(request)s is not shared with %(reader)s.") % {"request": request, "reader": reader})
    remove_perm(_PERMISSION, reader, request)
    record(Action.REQUEST_UNSHARED, on=request, by=person(by), details={"reader": reader.upn})
    return request


def _why_not(request: EnvironmentRequest, reader: User) -> str:
    if reader.tenant_id != request.tenant_id or not reader.is_active or reader.is_service_principal:
        return _("It can be shared with active colleagues of your organisation only.")
    if reader.pk == request.requester_id:
        return _("%(request)s is %(reader)s's own request.") % {"request": request, "reader": reader}
    if not reader.groups.exists():
        return _(
            "%(reader)s has no role here and could not open %(request)s; ask your administrator to give them one."
        ) % {"reader": reader, "request": request}
    if readers_of(request).filter(pk=reader.pk).exists():
        return _("%(request)s is shared with %(reader)s already.") % {"request": request, "reader": reader}
    return ""
