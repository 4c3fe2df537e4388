"""Place a request under legal hold, and release it from that."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext as _

from accounts_app.models import User
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from core_app import clock
from core_app.errors import DomainError, InvalidInputError
from core_app.text import clean, has_content, unstorable_reason
from core_app.transactions import transactional
from requests_app.models import LegalHold
from requests_app.permissions import require_hold, require_release
from requests_app.services.rows import locked

LONGEST_MATTER = 100  # characters


@transactional
def place_hold(request_id: UUID, *, matter: str, reason: str, by: User) -> LegalHold:
    """Keep everything that belongs to a request until the matter is closed, whatever the retention says.

    Args:
        request_id: The request, wherever it stands.
        matter: The case or examination, by its number or name; at most 100 characters.
        reason: Why; it is logged.
        by: A Compliance Officer of the request's unit.

    Raises:
        PermissionRefused: without that role of their own over the unit.
        InvalidInputError: no matter or no reason is named.
        DomainError: it is held for this matter already.
    """
    request = locked(request_id)
    require_hold(by, request)
    matter, reason = _said(matter=matter, reason=reason)
    if LegalHold.objects.on(request_id).filter(matter=matter).exists():
        raise DomainError(
            _("%(request)s is under legal hold for %(matter)s already.") % {"request": request, "matter": matter}
        )
    hold = LegalHold(
        tenant_id=request.tenant_id,
        request=request,
        matter=matter,
        reason=reason,
        placed_by=by,
        placed_at=clock.now(),
    )
    facts = {"hold": str(hold.pk), "matter": matter, "reason": reason}
    record(Action.LEGAL_HOLD_PLACED, on=request, by=person(by), details=facts)
    hold.save(force_insert=True)
    return hold


@transactional
def release_hold(hold_id: UUID, *, reason: str, by: User) -> LegalHold:
    """End a hold; what belongs to the request is then kept as long as its zone's retention says.

    Args:
        hold_id: The hold.
        reason: Why; it is logged.
        by: A Compliance Officer of the request's unit who has not asked for the request.

    Raises:
        PermissionRefused: without that role of their own over the unit, or for a request of their own.
        InvalidInputError: no reason is given.
        DomainError: it was released before.
    """
    request = locked(LegalHold.objects.values_list("request", flat=True).get(pk=hold_id))
    require_release(by, request)
    (reason,) = _said(reason=reason)
    hold = LegalHold.objects.select_for_update(no_key=True).get(pk=hold_id)
    if hold.released_at:
        raise DomainError(
            _("The hold on %(request)s for %(matter)s was released before.")
            % {"request": request, "matter": hold.matter}
        )
    facts = {"hold": str(hold.pk), "matter": hold.matter, "reason": reason, "placed_at": hold.placed_at.isoformat()}
    record(Action.LEGAL_HOLD_RELEASED, on=request, by=person(by), details=facts)
    hold.released_by, hold.released_at, hold.release_reason = by, clock.now(), reason
    hold.save(update_fields=["released_by", "released_at", "release_reason"])
    return hold


def _said(**words: str) -> list[str]:
    problems = [(name, _("must say something; it is logged.")) for name, text in words.items() if not has_content(text)]
    problems += [(name, reason) for name, text in words.items() if (reason := unstorable_reason(text))]
    if len(words.get("matter", "")) > LONGEST_MATTER:
        too_long = _("must not have more than %(most)s characters.") % {"most": LONGEST_MATTER}
        problems.append(("matter", too_long))
    if problems:
        raise InvalidInputError(problems)
    return [clean(text) for text in words.values()]
