"""From a payload to a submitted request: nothing is stored when anything is wrong, and nothing is stored twice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from accounts_app.models import Tenant, User
from accounts_app.services import settings_of
from audit_app.actions import Action
from audit_app.actors import SYSTEM, Actor, service_principal
from audit_app.log import record
from core_app import clock
from core_app.errors import InvalidInputError, PermissionRefused
from core_app.transactions import transactional
from requests_app.directory import Directory, look_up
from requests_app.intake.document import digest, parse
from requests_app.intake.payload import PATHS, Payload, path_of, read_payload
from requests_app.models import EnvironmentRequest, IntakeReceipt
from requests_app.permissions import creation_refusal
from requests_app.services.drafts import create_draft, new_draft, unsaved
from requests_app.services.submission import field_problems, submission_problems, submit


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated program that delivers payloads for one tenant."""

    name: str
    tenant_id: UUID

    def __str__(self) -> str:
        return f"{self.name} of {self.tenant_id}"


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a payload.

    Attributes:
        request: The request it made, now or when it came first.
        created: Whether it made it now.
        differences: Where the payload's advice differs from what holds: name → ``{"payload": …, "computed": …}``.
    """

    request: EnvironmentRequest
    created: bool
    differences: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return what a caller is told, as plain values."""
        return {
            "number": self.request.request_number,
            "zone": int(self.request.zone),
            "state": self.request.get_state_display(),
            "created": self.created,
            "differences": dict(self.differences),
        }


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A payload on its way, and who brings it (None: a person at the command line)."""

    payload: Payload
    digest: str
    caller: Caller | None


def receive(payload: bytes | Mapping[str, Any], *, by: Caller | None) -> Received:
    """Turn a payload of the intake agent into a submitted request of the person it names.

    The same payload again answers the request it made before. While Microsoft Graph cannot be asked, the request stays
    Submitted. Must be called outside any transaction.

    Args:
        payload: The JSON document, as bytes or already decoded.
        by: Who delivers it; a requester of another tenant is unknown to them.

    Raises:
        InvalidInputError: everything that is wrong, by JSON path; nothing was stored.
    """
    document = parse(payload if isinstance(payload, bytes) else json.dumps(payload).encode())
    delivery = _Delivery(read_payload(document), digest(document), by)
    requester = _requester(delivery)
    if known := _known(delivery, requester.tenant_id):
        return known
    try:
        directory = _checked(delivery, requester)
    except InvalidInputError:
        if known := _known(delivery, requester.tenant_id):
            return known  # the same payload, delivered at the same time, was stored meanwhile
        raise
    try:
        return _store(delivery, requester, directory)
    except InvalidInputError as error:  # something changed since it was checked, for example the name was taken
        raise InvalidInputError(_in_order(delivery.payload, dict(error.problems))) from error
    except PermissionRefused as error:
        raise _nobody(delivery.payload, str(error)) from error


def _requester(delivery: _Delivery) -> User:
    """Return the person with the payload's UPN, of the caller's tenant.

    Raises:
        InvalidInputError: there is none; with what can be said about the payload all the same.
    """
    payload, upn = delivery.payload, delivery.payload.values.get("upn", "")
    people = User.objects.select_related("tenant", "business_unit").filter(tenant__isnull=False)
    if delivery.caller:
        people = people.filter(tenant=delivery.caller.tenant_id)
    requester = people.filter(upn__iexact=upn).first()
    if requester is None:
        raise _nobody(payload, _("%(upn)r is nobody known here; check the user principal name.") % {"upn": upn})
    return requester


def _nobody(payload: Payload, reason: str, changed: Mapping[str, str] | None = None) -> InvalidInputError:
    """Return the error for a requester who cannot be one, with what can be said about the payload all the same."""
    problems = dict(field_problems(unsaved(**payload.request_fields()))) | dict(changed or {})
    return InvalidInputError(_in_order(payload, {"upn": reason, **problems}))


def _known(delivery: _Delivery, tenant_id: UUID | None) -> Received | None:
    """Return what this payload made before."""
    receipt = _receipt(delivery, tenant_id)
    return Received(receipt.request, created=False) if receipt and receipt.digest == delivery.digest else None


def _changed(delivery: _Delivery, tenant_id: UUID | None) -> dict[str, str]:
    """Return the problem of a payload whose id came before with other content."""
    receipt = _receipt(delivery, tenant_id)
    if receipt is None or receipt.digest == delivery.digest:
        return {}
    changed = _("was received before with other content, as %(request)s; send a change under a new requestId.")
    return {"external_id": changed % {"request": receipt.request}}


def _receipt(delivery: _Delivery, tenant_id: UUID | None) -> IntakeReceipt | None:
    receipts = IntakeReceipt.objects.select_related("request").filter(tenant=tenant_id)
    return receipts.filter(external_id=delivery.payload.values.get("external_id", "")).first()


def _checked(delivery: _Delivery, requester: User) -> Directory:
    """Return what the directory says about the group.

    Raises:
        InvalidInputError: the problems of the payload together with those of the request it would make.
    """
    payload, changed = delivery.payload, _changed(delivery, requester.tenant_id)
    if reason := creation_refusal(requester):
        raise _nobody(payload, reason, changed)
    draft = new_draft(by=requester, **payload.request_fields())
    directory, refused = Directory(), {}
    try:
        directory = look_up(draft)
    except InvalidInputError as error:
        refused = dict(error.problems)
    problems = dict(submission_problems(draft, settings_of(draft.tenant), directory)) | refused | changed
    if in_order := _in_order(payload, problems):
        raise InvalidInputError(in_order)
    return directory


@transactional
def _store(delivery: _Delivery, requester: User, directory: Directory) -> Received:
    # The tenant's row lets the same payload, delivered twice at once, through one after the other.
    tenant = Tenant.objects.select_for_update(no_key=True).get(users=requester)
    if known := _known(delivery, tenant.pk):
        return known
    if changed := _changed(delivery, tenant.pk):
        raise InvalidInputError(list(changed.items()))
    payload = delivery.payload
    draft = create_draft(by=requester, **payload.request_fields())
    differences = dict(_differences(payload, draft, directory))
    record(
        Action.INTAKE_RECEIVED,
        on=draft,
        by=_actor(delivery.caller),
        details={
            "external_id": payload.values["external_id"],
            "sent_at": payload.values["sent_at"],
            "digest": delivery.digest,
            "delivered_by": delivery.caller.name if delivery.caller else "command line",
            "payload_zone": int(payload.zone),
            "computed_zone": int(draft.zone),
            "differences": differences,
            "answers_from": dict(payload.answers_from),
            "asked_for_zone_review": payload.values.get("zone_review", False),
        },
        policy_version=draft.rule_set_version,
    )
    IntakeReceipt.objects.create(
        tenant=draft.tenant,
        external_id=payload.values["external_id"],
        digest=delivery.digest,
        request=draft,
        received_at=clock.now(),
    )
    return Received(submit(draft.pk, by=requester, directory=directory), created=True, differences=differences)


def _actor(caller: Caller | None) -> Actor:
    return service_principal(caller.name) if caller else SYSTEM


def _differences(
    payload: Payload, draft: EnvironmentRequest, directory: Directory
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield where the agent's advice differs from our rules, and its group's name from the directory's."""
    stated, computed = payload.values.get, draft.zone
    pairs: list[tuple[str, Any, Any]] = [
        ("zone", int(payload.zone), int(computed)),
        ("flags", list(stated("auto_flags", draft.flags)), draft.flags),
        ("manager_approval", stated("manager_approval"), computed > 1),
        ("compliance_approval", stated("compliance_approval"), computed > 2),
    ]
    if directory.group and draft.security_group_name:
        pairs.append(("security_group_name", draft.security_group_name, directory.group.name))
    for name, said, holds in pairs:
        if said != holds:
            yield name, {"payload": said, "computed": holds}


def _in_order(payload: Payload, problems: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the payload's problems and those of the request's fields, one for each path, in the payload's order."""
    found = dict(payload.problems)
    for name, sentence in problems.items():
        path = path_of(name, payload)
        if not any(path == known or path.startswith(f"{known}.") for known in found):
            found[path] = sentence
    places = {path: place for place, path in enumerate(PATHS.values())}
    sections = {path.rpartition(".")[0]: place for path, place in reversed(places.items())}
    return sorted(found.items(), key=lambda item: places.get(item[0], sections.get(item[0], -1)))
