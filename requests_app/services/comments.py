"""What requester and approvers say to each other: comments, an approver's question, the requester's answer."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final
from uuid import UUID, uuid5

from django.utils.translation import gettext as _

from accounts_app.models import User
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from core_app import clock
from core_app.errors import DomainError, InvalidInputError
from core_app.ids import new_id
from core_app.text import clean, has_content, unstorable_reason
from core_app.transactions import transactional
from gates_app import services as gates
from gates_app.models import Gate
from notifications_app.catalogue import Event
from requests_app.choices import State
from requests_app.models import EnvironmentRequest, RequestComment
from requests_app.permissions import require_comment
from requests_app.services.refusals import refusals_recorded
from requests_app.services.rows import locked, tell
from requests_app.zones import open_dispute_of

MAX_COMMENT: Final = 4_000
Kind = RequestComment.Kind
_ACTIONS: Final = {
    Kind.COMMENT: Action.COMMENT_ADDED,
    Kind.QUESTION: Action.INFORMATION_REQUESTED,
    Kind.ANSWER: Action.INFORMATION_GIVEN,
}


@transactional
def comment(request_id: UUID, *, by: User, text: str, token: UUID | None = None) -> RequestComment:
    """Add a comment; the requester's is an answer while a question is open, and the stage's clock goes on.

    Args:
        request_id: The request.
        by: Its requester, or somebody with a deciding role over its business unit.
        text: What they say; only its digest goes to the log.
        token: What tells one filled-in form from another: the same words with it again are the same comment.

    Raises:
        PermissionRefused: for anybody else, and once the request has ended.
        InvalidInputError: the text says nothing, or cannot be stored.
    """
    request = locked(request_id)
    require_comment(by, request)
    if made := _made_before(request, by, text, token):
        return made
    is_answering = request.requester_id == by.pk and request.gate is not None and _is_pending(request)
    stood = gates.resume(request.gate.pk) if is_answering else None  # type: ignore[union-attr]
    if stood is None:
        added = _add(request, by, Kind.COMMENT, text, token)
        tell(Event.COMMENTED, request, _others(request, by), once=str(added.pk), author=by, text=added.text)
        return added
    added = _add(request, by, Kind.ANSWER, text, token, paused_seconds=int(stood.total_seconds()))
    tell(Event.INFORMATION_GIVEN, request, _others(request, by), once=str(added.pk), author=by, text=added.text)
    return added


def ask(request_id: UUID, *, by: User, question: str, token: UUID | None = None) -> RequestComment:
    """Ask the requester for information; the stage's clock stands still until they have answered.

    Raises:
        PermissionRefused: for somebody who may not decide now; logged as DecisionRefused.
        InvalidInputError: the question says nothing, or cannot be stored.
        DomainError: nothing waits for a decision.
    """
    with refusals_recorded(request_id, by, "Ask for information"):
        return _ask(request_id, by=by, question=question, token=token)


@transactional
def _ask(request_id: UUID, *, by: User, question: str, token: UUID | None) -> RequestComment:
    request = locked(request_id)
    if not _is_pending(request) or request.gate is None:
        raise DomainError(
            _("%(request)s is %(state)s; there is nothing to decide, so nothing to ask.")
            % {"request": request, "state": request.get_state_display()}
        )
    gates.require_eligible(by, request.gate, gates.current_stage(request.gate))
    if made := _made_before(request, by, question, token):
        return made
    stage = gates.pause(request.gate.pk)
    added = _add(request, by, Kind.QUESTION, question, token, stage=stage.number)
    tell(Event.INFORMATION_NEEDED, request, [request.requester], once=str(added.pk), author=by, text=added.text)
    return added


def _add(
    request: EnvironmentRequest, by: User, kind: Kind, text: str, token: UUID | None, **details: Any
) -> RequestComment:
    key = _key(request, by, text, token) if token else new_id()
    said = _required(text)
    digest = sha256(said.encode()).hexdigest()
    record(_ACTIONS[kind], on=request, by=person(by), details={"comment": str(key), "sha256": digest, **details})
    return RequestComment.objects.create(
        pk=key, request=request, author=by, kind=kind, text=said, written_at=clock.now()
    )


def _required(text: str) -> str:
    """Return what is said as it is stored, and measured."""
    said = clean(text)
    if not has_content(text):
        raise InvalidInputError([("text", _("Write something; an empty message helps nobody."))])
    if reason := unstorable_reason(text):
        raise InvalidInputError([("text", reason)])
    if len(said) > MAX_COMMENT:
        raise InvalidInputError(
            [
                (
                    "text",
                    _("is %(length)s characters long; use at most %(limit)s.")
                    % {"length": len(said), "limit": MAX_COMMENT},
                )
            ]
        )
    return said


def _key(request: EnvironmentRequest, by: User, text: str, token: UUID) -> UUID:
    return uuid5(by.pk, f"{token} {request.pk} {clean(text)}")


def _made_before(request: EnvironmentRequest, by: User, text: str, token: UUID | None) -> RequestComment | None:
    if token is None or unstorable_reason(text):
        return None
    return request.comments.filter(pk=_key(request, by, text, token)).first()


def _is_pending(request: EnvironmentRequest) -> bool:
    return bool(request.state == State.PENDING_APPROVAL)


def _others(request: EnvironmentRequest, by: User) -> Iterable[User]:
    """Return who hears of it: the requester, who takes part in the thread, and who is asked to decide now."""
    people = {request.requester_id: request.requester}
    people |= {each.author_id: each.author for each in request.comments.select_related("author")}
    if gate := _open_gate(request):
        people |= {each.pk: each for each in gates.expected_deciders(gate, gates.current_stage(gate))}
    people.pop(by.pk, None)
    return people.values()


def _open_gate(request: EnvironmentRequest) -> Gate | None:
    if _is_pending(request):
        return request.gate
    dispute = open_dispute_of(request)
    return dispute.gate if dispute else None
