"""Drafts: create and edit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, TypedDict, Unpack
from uuid import UUID, uuid5

from django.db.models import F, Field
from django.utils.translation import gettext as _

from accounts_app.locks import locked_tenant
from accounts_app.models import BusinessUnit, Tenant, User
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from core_app import clock
from core_app.errors import InvalidInputError, PermissionRefused
from core_app.text import MAX_TEXT, clean, unstorable_reason
from core_app.transactions import transactional
from microsoft_cloud.fields import is_guid
from requests_app.fields import REQUESTED
from requests_app.models import EnvironmentRequest, RequestCounter
from requests_app.permissions import creation_refusal, require_edit
from requests_app.policies.classification import Answers
from requests_app.services.rows import locked
from requests_app.zones import Governance, governance_of

_ZONE_DEPENDS_ON: Final = {*(answer.name for answer in fields(Answers)), "raised_zone"}


class RequestFields(TypedDict, total=False):
    """The fields a requester fills in: ``fields.REQUESTED`` with their types."""

    environment_name: str
    environment_type: int
    region: int
    business_justification: str
    data_sensitivity: int
    expected_users: int
    has_customer_data: bool
    has_financial_data: bool
    has_external_access: bool
    zone_rationale: str
    raised_zone: int | None
    security_group_id: str
    security_group_name: str


@transactional
def create_draft(
    *,
    by: User,
    business_unit: BusinessUnit | None = None,
    source: Mapping[str, Any] | None = None,
    token: UUID | None = None,
    **fields: Unpack[RequestFields],
) -> EnvironmentRequest:
    """Save a new draft with the tenant's next request number and classify it.

    Args:
        by: The requester.
        business_unit: Their own unit when not given; another one of their tenant below their own otherwise.
        source: Where the draft came from, for the log (for example the intake payload's id and digest).
        token: What tells one filled-in form from another: the same content with it again is the same draft.
        fields: The fields a requester fills in.

    Raises:
        PermissionRefused: the person may not ask for environments.
        InvalidInputError: a field holds what cannot be stored.
    """
    request = new_draft(by=by, business_unit=business_unit, **fields)
    if token is not None:
        request.pk = _key_of(request, token)
        if made := _made_before(request):
            return made
    request.number = _next_number(request.tenant)
    request.request_number = f"REQ-{request.number:05}"
    request.save(force_insert=True)
    record(
        Action.REQUEST_CREATED,
        on=request,
        by=person(by),
        transition=(None, request.state),
        details={
            "environment_name": request.environment_name,
            "business_unit": request.business_unit.name,
            **(source or {}),
        },
    )
    _record_zone(request, by, governance_of(request))
    return request


def _key_of(request: EnvironmentRequest, token: UUID) -> UUID:
    """Return the id of a draft that is sent with a token: nobody else's, and no other for the same content."""
    content = [str(getattr(request, name)) for name in (*REQUESTED, "business_unit_id")]
    return uuid5(request.requester.pk, json.dumps([str(token), *content]))


def _made_before(request: EnvironmentRequest) -> EnvironmentRequest | None:
    locked_tenant(request.tenant_id)  # the same form twice at once waits here
    return EnvironmentRequest.objects.filter(pk=request.pk).first()


def new_draft(
    *, by: User, business_unit: BusinessUnit | None = None, **fields: Unpack[RequestFields]
) -> EnvironmentRequest:
    """Return what ``create_draft`` would save: classified, without a number; raises what it raises."""
    if reason := creation_refusal(by):
        raise PermissionRefused(reason)
    own, unit = by.business_unit, business_unit or by.business_unit
    assert own is not None and unit is not None and by.tenant is not None  # noqa: S101, PT018 - checked above
    if not unit.path.startswith(own.path):
        raise PermissionRefused(
            _("You can ask for environments of your own business unit, not of %(unit)s.") % {"unit": unit}
        )
    request = unsaved(**fields)
    request.requester, request.tenant, request.business_unit, request.created_at = by, by.tenant, unit, clock.now()
    return request


def unsaved(**fields: Unpack[RequestFields]) -> EnvironmentRequest:
    """Return the fields as a classified request that belongs to nobody.

    Raises:
        InvalidInputError: a field holds what cannot be stored.
    """
    request = EnvironmentRequest(**_cleaned(fields))
    _require_raise(request, _classify(request))
    return request


@transactional
def edit_draft(request_id: UUID, *, by: User, **fields: Unpack[RequestFields]) -> EnvironmentRequest:
    """Change fields of a draft and classify it again.

    Raises:
        PermissionRefused: for anyone but the requester, and in any state but Draft.
        InvalidInputError: a field holds what cannot be stored, or the zone would be lowered.
    """
    request = locked(request_id)
    require_edit(by, request)
    changed = {name: value for name, value in _cleaned(fields).items() if getattr(request, name) != value}
    if not changed:
        return request
    for name, value in changed.items():
        setattr(request, name, value)
    before = request.zone
    governance = _classify(request)
    if "raised_zone" in changed:
        _require_raise(request, governance)
    record(Action.REQUEST_EDITED, on=request, by=person(by), details={"fields": sorted(changed)})
    if request.zone != before or set(changed) & _ZONE_DEPENDS_ON:
        _record_zone(request, by, governance, previous=before)
    request.save()
    return request


def _next_number(tenant: Tenant) -> int:
    """Take the next number in this transaction: a rollback gives it back, and the row serialises a tenant's writers."""
    RequestCounter.objects.bulk_create([RequestCounter(tenant=tenant)], ignore_conflicts=True)
    RequestCounter.objects.filter(tenant=tenant).update(last=F("last") + 1)
    return RequestCounter.objects.values_list("last", flat=True).get(tenant=tenant)


def _cleaned(fields: Mapping[str, Any]) -> dict[str, Any]:
    problems = [(name, _("is not a field a requester can set.")) for name in fields if name not in REQUESTED]
    values = {
        name: clean(value) if isinstance(value, str) and not unstorable_reason(value) else value
        for name, value in fields.items()
    }
    found = ((name, _problem_of(name, value)) for name, value in values.items() if name in REQUESTED)
    problems += [(name, problem) for name, problem in found if problem]
    if problems:
        raise InvalidInputError(problems)
    return values


def _problem_of(name: str, value: Any) -> str | None:
    field = _field(name)
    if isinstance(value, str) and (reason := unstorable_reason(value)):
        return reason
    if isinstance(value, str) and len(value) > (limit := field.max_length or MAX_TEXT):
        return _("is %(length)s characters long; use at most %(limit)s.") % {"length": len(value), "limit": limit}
    if field.choices and value not in dict(field.flatchoices) and not (value is None and field.null):
        return _("%(value)s is not one of the choices.") % {"value": f"{value!r}"}
    if name == "security_group_id" and value and not is_guid(str(value)):
        return _("must be an object id (a GUID); a group's name belongs into the field for the name.")
    return None


def _field(name: str) -> Field[Any, Any]:
    return next(field for field in EnvironmentRequest._meta.concrete_fields if field.name == name)


def _classify(request: EnvironmentRequest) -> Governance:
    governance = governance_of(request)
    request.zone, request.zone_auto_flags = governance.zone, ",".join(governance.verdict.flags)
    request.rule_set_version = governance.verdict.rule_set_version
    return governance


def _require_raise(request: EnvironmentRequest, governance: Governance) -> None:
    """Refuse to lower the zone: what the rules ask for is disputed before a Governance Lead, not set."""
    if request.raised_zone is not None and request.raised_zone < governance.zone:
        sentence = _(
            "The answers lead to %(zone)s, and a requester can only raise the zone. To lower it, "
            "change the answers, or dispute the zone."
        )
        raise InvalidInputError([("raised_zone", sentence % {"zone": governance.zone.label})])


def _record_zone(request: EnvironmentRequest, by: User, governance: Governance, previous: int | None = None) -> None:
    verdict, zone = governance.verdict, governance.zone
    details: dict[str, Any] = {
        "zone": int(zone),
        "flags": list(verdict.flags),
        "reasons": list(governance.reasons),
    }
    if zone != verdict.zone:
        details["zone_by_the_rules"] = int(verdict.zone)
    if request.raised_zone is not None:
        details["raised_to"] = request.raised_zone
    if governance.override:
        details["lowered_by_dispute"] = str(governance.override.pk)
    if previous is not None:
        details["previous_zone"] = previous
    record(Action.ZONE_CLASSIFIED, on=request, by=person(by), details=details, policy_version=verdict.rule_set_version)
