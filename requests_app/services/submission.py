"""From Draft to those who decide: submit, route, withdraw."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

from django.conf import settings as django_settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.utils.translation import gettext_noop as noop

from accounts_app.models import User
from accounts_app.services import settings_of
from accounts_app.tenant_settings import Settings
from audit_app.actions import Action
from audit_app.actors import SYSTEM, Actor, person
from audit_app.log import record
from core_app import clock
from core_app.errors import DomainError, InvalidInputError
from core_app.recorded import shown, told
from core_app.text import has_content
from core_app.transactions import transactional
from gates_app import services as gates
from gates_app.levels import Level, Part
from gates_app.models import Gate, Stage
from notifications_app.catalogue import Event
from requests_app.choices import LOCATION, NAME_HOLDING_STATES, EnvironmentType, Region, State, Zone
from requests_app.directory import Directory
from requests_app.models import EnvironmentRequest
from requests_app.permissions import IN_DISPUTE, own_unit_refusal, require_submit, require_withdraw
from requests_app.policies.naming import domain_name, justification_problem, name_problem
from requests_app.policies.routing import Route, route_for
from requests_app.services.disputes import close_dispute_of, editors_by_dispute
from requests_app.services.rows import locked, moment, move, tell
from requests_app.staging import content_hash
from requests_app.zones import open_dispute_of

GATE_KIND = "environment_request"
_TAKEN = noop("The name %(name)s is already used by another request; choose another purpose or stage in the name.")


@transactional
def submit(request_id: UUID, *, by: User, directory: Directory) -> EnvironmentRequest:
    """Hand a draft in and, unless the directory could not be asked, route it to those who decide.

    Args:
        request_id: The draft.
        by: Its requester.
        directory: What Microsoft Graph said about the group, fetched before this transaction.

    Raises:
        PermissionRefused: for anyone but an active requester.
        InvalidInputError: listing everything that has to be mended first; the draft stays as it is.
        DomainError: the request is not a draft.
    """
    request = locked(request_id)
    require_submit(by, request)
    if request.state != State.DRAFT:
        raise DomainError(
            _("%(request)s was already submitted; it is %(state)s.")
            % {"request": request, "state": request.get_state_display()}
        )
    settings = settings_of(request.tenant)
    if problems := submission_problems(request, settings, directory):
        raise InvalidInputError(problems)
    try:
        with transaction.atomic():
            move(request, request.submit, Action.REQUEST_SUBMITTED, by=person(by), at=clock.now())
    except IntegrityError as error:
        raise InvalidInputError([("environment_name", _(_TAKEN) % {"name": request.environment_name})]) from error
    if directory.unavailable:
        _delay_routing(request, directory.unavailable)
    else:
        _route(request, settings, directory, by=person(by))
    return request


@transactional
def route(request_id: UUID, *, directory: Directory) -> EnvironmentRequest:
    """Route a submitted request whose directory facts had been unavailable.

    Raises:
        DomainError: the request is no longer Submitted, or it cannot be routed, with what to do.
    """
    request = locked(request_id)
    if request.state != State.SUBMITTED:
        raise DomainError(
            _("%(request)s is %(state)s; it needs no routing.")
            % {"request": request, "state": request.get_state_display()}
        )
    if directory.unavailable:
        _delay_routing(request, directory.unavailable)
        return request
    settings = settings_of(request.tenant)
    cloud_problems = _location_problems(request, directory) + _group_problems(request, directory)
    if problems := _people_problems(request, settings) + cloud_problems:
        raise InvalidInputError(problems)
    _route(request, settings, directory, by=SYSTEM)
    return request


@transactional
def withdraw(request_id: UUID, *, by: User) -> EnvironmentRequest:
    """Take a request back before it is decided.

    Raises:
        PermissionRefused: for anyone but the requester.
        DomainError: it is already decided.
    """
    request = locked(request_id)
    require_withdraw(by, request)
    move(request, request.withdraw, Action.REQUEST_WITHDRAWN, by=person(by))
    if request.gate_id:
        gates.close(request.gate_id)
    close_dispute_of(request, by=by)
    return request


def submission_problems(request: EnvironmentRequest, settings: Settings, directory: Directory) -> list[tuple[str, str]]:
    """Return everything that keeps a draft from being submitted, as (field, sentence) pairs."""
    problems = field_problems(request)
    if open_dispute_of(request):
        problems.append(("zone", _(IN_DISPUTE) % {"request": request}))
    taken = name_taken(request.environment_name, request.tenant_id, by_other_than=request.pk)
    if taken and "environment_name" not in dict(problems):
        problems.append(("environment_name", taken))
    if request.environment_type == EnvironmentType.DEVELOPER and not settings.allow_developer:
        problems.append(
            (
                "environment_type",
                _(
                    "A Developer environment belongs to one licensed person and cannot be created by automation; "
                    "ask for a Sandbox, or create it yourself in the maker portal."
                ),
            )
        )
    problems += _location_problems(request, directory)
    return problems + _group_problems(request, directory) + _people_problems(request, settings)


def field_problems(request: EnvironmentRequest) -> list[tuple[str, str]]:
    """Return what is wrong with the fields by themselves, whoever asks and whatever else exists."""
    problems: list[tuple[str, str]] = []
    if problem := name_problem(request.environment_name):
        problems.append(("environment_name", problem))
    if problem := justification_problem(request.business_justification):
        problems.append(("business_justification", problem))
    if request.zone == Zone.ZONE_1:
        return problems
    if not has_content(request.zone_rationale):
        needed = _("Zone %(zone)s needs a rationale: say why these answers are right.") % {"zone": request.zone}
        problems.append(("zone_rationale", needed))
    if not _named_group(request):
        needed = _("Zone %(zone)s needs a Microsoft Entra security group; give its name or object id.") % {
            "zone": request.zone
        }
        problems.append(("security_group_id", needed))
    return problems


def _named_group(request: EnvironmentRequest) -> str:
    return request.security_group_id or request.security_group_name


def _location_problems(request: EnvironmentRequest, directory: Directory) -> list[tuple[str, str]]:
    region = Region(request.region)
    if LOCATION[region] not in directory.unusable_locations:
        return []
    open_regions = [each.label for each in Region if LOCATION[each] not in directory.unusable_locations]
    if not open_regions:
        sentence = noop(
            "Your Microsoft tenant may not create environments in %(region)s; choose another region, or "
            "ask your administrator to open it."
        )
        return [("region", told(sentence, region=region.label))]
    sentence = noop(
        "Your Microsoft tenant may not create environments in %(region)s; choose one of %(open)s, or "
        "ask your administrator to open it."
    )
    return [("region", told(sentence, region=region.label, open=", ".join(open_regions)))]


def _group_problems(request: EnvironmentRequest, directory: Directory) -> list[tuple[str, str]]:
    named = _named_group(request)
    if named and not directory.group and not directory.unavailable:
        sentence = noop("The security group %(named)s could not be resolved; check its name or object id.")
        return [("security_group_id", told(sentence, named=repr(named)))]
    return []


def _people_problems(request: EnvironmentRequest, settings: Settings) -> list[tuple[str, str]]:
    unit, way = request.business_unit, route_for(Zone(request.zone), settings)
    allowed = settings.approvers_may_request_for_their_unit
    if reason := own_unit_refusal(request.requester, unit, allowed=allowed):
        return [("business_unit", reason)]
    role = gates.unresolvable_role(unit, way.roles or gates.OBJECTING_ROLES, _parties(request))
    if role is not None:
        sentence = noop(
            "Nobody who may decide holds the role %(role)s for %(unit)s; ask your ELM Governance Lead to name someone."
        )
        return [("business_unit", told(sentence, role=role, unit=unit))]
    return []


def name_taken(name: str, tenant_id: UUID | None, *, by_other_than: UUID | None = None) -> str | None:
    """Return that another live request of the tenant has a name, and what to do; None when it is free."""
    holders = EnvironmentRequest.objects.filter(
        tenant=tenant_id, environment_name__iexact=name, state__in=NAME_HOLDING_STATES - {State.DRAFT}
    )
    return _(_TAKEN) % {"name": name} if holders.exclude(pk=by_other_than).exists() else None


def _parties(request: EnvironmentRequest) -> dict[str, Part]:
    """Return requester and editors by person key.

    A draft is edited by its requester alone, and by the Governance Lead who lowered its zone.
    """
    return {**editors_by_dispute(request), request.requester.person_key: Part.REQUESTER}


def _route(request: EnvironmentRequest, settings: Settings, directory: Directory, by: Actor) -> None:
    if directory.group:
        request.security_group_id, request.security_group_name = directory.group.id, directory.group.name
    request.settings_version = settings.version
    request.domain_name = domain_name(request.environment_name, request.pk, 1, django_settings.DOMAIN_NAME_KEY)
    request.content_hash = content_hash(request, settings)
    way = route_for(Zone(request.zone), settings)
    request.gate = gates.open_gate(
        gates.NewGate(
            kind=GATE_KIND,
            subject=request.request_number,
            business_unit=request.business_unit,
            level=way.level,
            roles=way.roles,
            hours=way.hours,
            undo_seconds=settings.undo_window_seconds,
            content_hash=request.content_hash,
            parties=_parties(request),
            preferred=request.requester.manager,
        )
    )
    stage = gates.current_stage(request.gate)
    move(
        request,
        request.route,
        Action.APPROVAL_REQUESTED,
        by=by,
        details={
            "level": f"L{int(way.level)}",
            "stages": [str(role) for role in way.roles],
            "content_hash": request.content_hash,
            "assigned_to": stage.assigned_to.upn if stage and stage.assigned_to else None,
        },
        policy_version=f"settings-{settings.version}",
        approver=stage.assigned_to if stage else None,
    )
    _tell_deciders(request, request.gate, stage, way)


def _tell_deciders(request: EnvironmentRequest, gate: Gate, stage: Stage | None, way: Route) -> None:
    due = stage.escalate_at if stage else gate.undo_until
    deciders = gates.expected_deciders(gate, stage)
    event = Event.OBJECTION_WINDOW if way.level == Level.L1 else Event.DECISION_NEEDED
    tell(event, request, deciders, once=f"{stage.pk if stage else gate.pk}", due=moment(due))
    following = (
        gettext_lazy("It is approved by policy unless someone objects.")
        if way.level == Level.L1
        else gettext_lazy("It waits for a decision.")
    )
    tell(Event.SUBMITTED, request, [request.requester], next=following)


@transactional
def delay_routing(request_id: UUID, *, why: str) -> None:
    """Leave a request Submitted and say why; one that went on meanwhile stays as it is."""
    request = locked(request_id)
    if request.state == State.SUBMITTED:
        _delay_routing(request, why)


def _delay_routing(request: EnvironmentRequest, why: str) -> None:
    """Stay Submitted and say why, once for each reason; the sweep tries again."""
    if request.log_entries.filter(action=Action.ROUTING_DELAYED, error_message=why).exists():
        return
    record(Action.ROUTING_DELAYED, on=request, by=SYSTEM, error=why, success=False)
    tell(Event.ROUTING_DELAYED, request, [request.requester], once=sha256(why.encode()).hexdigest(), reason=shown(why))
