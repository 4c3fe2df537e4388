"""Two tenants in which something of everything exists, and one person per role who looks at it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from django.contrib import admin
from django.db.models import DateTimeField, Field, ForeignKey, JSONField, Model, UUIDField
from django.db.models.fields import NOT_PROVIDED, IntegerField

from accounts_app.models import BusinessUnit, Tenant, TenantSettings, User
from accounts_app.roles import Depth, Role
from accounts_app.services import grant, propose_settings, revoke, settings_of
from core_app import clock
from evidence_app import reviews
from evidence_app.models import AccessReview
from gates_app.delegations import Terms, delegate
from provisioning_app.choices import FindingKind, RunStatus
from provisioning_app.models import PrivilegeReview, ProvisioningRun
from requests_app import services
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from sign_in_app.mappings import Terms as MappingTerms
from sign_in_app.mappings import propose_mapping
from tests.factories import People, make_people, make_request, make_user, unit_of
from tests.screens import in_order

NOBODY, SUPERUSER = "Somebody without a role", "Superuser"
OWN, SAME_UNIT, FOREIGN_UNIT, FOREIGN_TENANT, MISSING = (
    "own",
    "same unit",
    "foreign unit",
    "foreign tenant",
    "missing",
)
KINDS: Final = (OWN, SAME_UNIT, FOREIGN_UNIT, FOREIGN_TENANT, MISSING)

# Where a row belongs: its business unit, its tenant where it belongs to no unit, and whose own it is
PLACES: Final[dict[str, tuple[str, str, str]]] = {
    "accounts_app.businessunit": ("pk", "tenant", ""),
    "accounts_app.delegation": ("", "tenant", "delegator"),
    "accounts_app.tenant": ("", "pk", ""),
    "accounts_app.tenantidentity": ("", "tenant", ""),
    "accounts_app.tenantsettings": ("", "tenant", ""),
    "accounts_app.user": ("business_unit", "tenant", ""),
    "audit_app.logaccess": ("", "tenant", ""),
    "audit_app.provisioninglog": (
        "environment_request__business_unit",
        "tenant",
        "environment_request__requester",
    ),
    "evidence_app.evidencecopy": ("", "tenant", ""),
    "evidence_app.accessreview": ("", "tenant", ""),
    "gates_app.decision": ("gate__business_unit", "gate__tenant", ""),
    "gates_app.gate": ("business_unit", "tenant", "parties__person_key"),
    "gates_app.stage": ("gate__business_unit", "gate__tenant", "gate__parties__person_key"),
    "notifications_app.outboxmessage": ("recipient__business_unit", "tenant", "recipient"),
    "provisioning_app.circuitbreaker": ("", "tenant", ""),
    "provisioning_app.environment": ("business_unit", "tenant", ""),
    "provisioning_app.gap": ("request__business_unit", "request__tenant", ""),
    "provisioning_app.governedcontrol": ("environment__business_unit", "environment__tenant", ""),
    "provisioning_app.privilegefinding": ("", "review__tenant", ""),
    "provisioning_app.privilegereview": ("", "tenant", ""),
    "provisioning_app.provisioningrun": ("request__business_unit", "tenant", ""),
    "provisioning_app.reconciliationfinding": ("request__business_unit", "tenant", ""),
    "provisioning_app.rollback": ("request__business_unit", "tenant", ""),
    "provisioning_app.rotationrecord": ("", "tenant", ""),
    "provisioning_app.steprecord": ("run__request__business_unit", "run__tenant", ""),
    "requests_app.environmentrequest": ("business_unit", "tenant", "requester"),
    "requests_app.requestcomment": ("request__business_unit", "request__tenant", "request__requester"),
    "requests_app.zonedispute": ("request__business_unit", "request__tenant", "request__requester"),
    "requests_app.intakereceipt": ("request__business_unit", "tenant", ""),
    "requests_app.legalhold": ("request__business_unit", "tenant", ""),
    "sign_in_app.groupmapping": ("", "tenant", ""),
}
# What a row must say so that its buttons have something to do
STANDING: Final[dict[type[Model], dict[str, Any]]] = {
    ProvisioningRun: {"status": RunStatus.FAILED, "attempt": 9, "plan_version": 0},
    PrivilegeReview: {"status": PrivilegeReview.Status.OPEN},
}


@dataclass(slots=True)
class World:
    """The rows, found by what they are to somebody."""

    home: People
    abroad: People
    treasury: BusinessUnit
    looking: dict[str, User]
    requests: dict[tuple[str, str], EnvironmentRequest] = field(default_factory=dict)
    found: dict[tuple[str, type[Model], str], Model | None] = field(default_factory=dict)

    def row(self, who: str, model: type[Model], kind: str, standing: str = "") -> Model | None:
        """Return a row of a kind, seen from a person; None where there can be none."""
        if model is EnvironmentRequest:
            key = (who if kind == OWN else kind, standing or "pending")
            return self.requests.get(key)
        if kind == MISSING:
            return None
        key = (who if kind == OWN else "", model, kind)
        if key not in self.found:
            self.found[key] = next(iter(self._rows(self.looking[who], model, kind)), None)
        return self.found[key]

    def _rows(self, person: User, model: type[Model], kind: str) -> Any:
        unit, tenant, owner = PLACES[model._meta.label_lower]
        rows = in_order(model._default_manager.all())
        if kind == OWN:
            return rows.filter(**{owner: _named(person, owner)})[:1] if owner else ()
        if model is User:  # somebody who holds a role and does not look
            rows = rows.exclude(pk__in=[each.pk for each in self.looking.values()])
        if owner:
            rows = rows.exclude(**{f"{owner}__in": [_named(each, owner) for each in self.looking.values()]})
        if kind == FOREIGN_TENANT:
            return rows.filter(**{tenant: self.abroad.tenant.pk})[:1]
        if not unit:
            newest = rows.order_by("-version") if model is TenantSettings else rows
            return newest.filter(**{tenant: self.home.tenant.pk})[:1] if kind == SAME_UNIT else ()
        return rows.filter(**{unit: (self.home.unit if kind == SAME_UNIT else self.treasury).pk})[:1]


def _named(person: User, owner: str) -> Any:
    return person.person_key if owner.endswith("person_key") else person.pk


def make_world() -> World:
    """Make both tenants."""
    home, abroad = (make_people(undo_window_seconds=3600) for _ in range(2))
    world = World(home, abroad, unit_of(home.tenant, "Treasury"), {})
    _people_who_look(world)
    places = {
        SAME_UNIT: home,
        FOREIGN_UNIT: replace(home, unit=world.treasury, requester=make_user(Role.REQUESTER, world.treasury)),
        FOREIGN_TENANT: abroad,
    }
    for kind, people in places.items():
        for standing, stage, zone in (
            ("draft", State.DRAFT, Zone.ZONE_1),
            ("disputable", State.DRAFT, Zone.ZONE_2),
            ("window", State.PENDING_APPROVAL, Zone.ZONE_1),
            ("pending", State.PENDING_APPROVAL, Zone.ZONE_3),
            ("failed", State.FAILED, Zone.ZONE_2),
        ):
            world.requests[kind, standing] = make_request(stage, people=people, zone=zone)
        _provisioned(world.requests[kind, "failed"], people)
        _talked_about(people, world.requests[kind, "pending"])
        services.share(world.requests[kind, "pending"].pk, reader=people.second_approver, by=people.requester)
        _held(world.requests[kind, "pending"], people)
    for people in (home, abroad):
        _agreed_by_people(people)
    return world


def _people_who_look(world: World) -> None:
    """Everybody once asked for environments; only one of them still does, the others have another role now."""
    home = world.home
    now = clock.now()
    for who in (*Role, NOBODY, SUPERUSER):
        user = make_user(Role.REQUESTER, home.unit, is_staff=True, is_superuser=who == SUPERUSER)
        world.looking[who] = user
        mine = replace(home, requester=user)
        world.requests[who, "draft"] = make_request(State.DRAFT, people=mine)
        asked = make_request(State.PENDING_APPROVAL, people=mine, zone=Zone.ZONE_3)
        world.requests[who, "pending"] = asked
        services.share(asked.pk, reader=home.second_approver, by=user)
        _held(asked, home)
        world.requests[who, "disputable"] = make_request(State.DRAFT, people=mine, zone=Zone.ZONE_2)
        if who == Role.REQUESTER:
            _talked_about(mine, asked)
            continue
        revoke(user, Role.REQUESTER, home.tenant)
        if who in (Role.APPROVER, Role.COMPLIANCE_OFFICER):
            grant(user, Role(who), home.unit, Depth.LOCAL if who == Role.APPROVER else Depth.DEEP)
        elif who in list(Role):
            grant(user, Role(who), home.tenant)
        if who in (Role.APPROVER, Role.COMPLIANCE_OFFICER, Role.GOVERNANCE_LEAD):
            delegate(user, home.second_approver, Terms(now, now + timedelta(days=7), "On holiday."), by=user)


def _held(request: EnvironmentRequest, people: People) -> None:
    services.place_hold(request.pk, matter="2026-14", reason="Examination.", by=people.compliance_officer)


def _talked_about(people: People, request: EnvironmentRequest) -> None:
    services.comment(request.pk, by=people.requester, text="It is needed in March.")
    draft = make_request(people=people, zone=Zone.ZONE_2)
    services.dispute_zone(draft.pk, by=people.requester, wanted=Zone.ZONE_1, rationale="The data is made up.")


def _agreed_by_people(people: People) -> None:
    now = clock.now()
    settings_of(people.tenant)
    propose_settings(people.tenant.pk, by=people.governance_lead, values={"undo_window_seconds": 60})
    terms = Terms(now, now + timedelta(days=7), "On holiday.")
    delegate(people.approver, people.second_approver, terms, by=people.approver)
    reviews.take(people.tenant.pk, by=people.auditor)
    propose_mapping(people.tenant.pk, MappingTerms(uuid4(), "FSI-Auditors", Role.AUDITOR), by=people.governance_lead)


def _provisioned(request: EnvironmentRequest, people: People) -> None:
    """Let there be a row in every table that belongs to provisioning or to the tenant."""
    known: dict[type[Model], Model] = {
        Tenant: request.tenant,
        BusinessUnit: request.business_unit,
        User: people.operator,
        EnvironmentRequest: request,
    }
    for model in admin.site._registry:
        label, tenant = model._meta.app_label, PLACES[model._meta.label_lower][1]
        own = ("accounts_app", "audit_app", "gates_app", "notifications_app", "requests_app", "sign_in_app")
        made_by_verbs = label in own and model._meta.model_name not in ("intakereceipt", "logaccess", "tenantidentity")
        if made_by_verbs:
            continue
        belongs_to_unit = bool(PLACES[model._meta.label_lower][0])
        if model is AccessReview or (
            not belongs_to_unit and model._default_manager.filter(**{tenant: request.tenant_id}).exists()
        ):
            continue
        _known(model, known)


def _known(model: type[Model], known: dict[type[Model], Model]) -> Model:
    if model not in known:
        columns = [each for each in model._meta.concrete_fields if not each.primary_key]
        wanted = [each for each in columns if _is_needed(each)]
        values = {each.name: _value(each, known) for each in wanted}
        known[model] = model._default_manager.create(**{**values, **STANDING.get(model, {})})
    return known[model]


def _is_needed(column: Field[Any, Any]) -> bool:
    joins = isinstance(column, ForeignKey) and column.name in ("request", "business_unit")
    return joins or not (column.null or column.blank or column.default is not NOT_PROVIDED)


def _value(column: Field[Any, Any], known: dict[type[Model], Model]) -> Any:
    if isinstance(column, ForeignKey):
        return _known(column.remote_field.model, known)
    if column.name == "kind" and column.choices == FindingKind.choices:
        return FindingKind.ENVIRONMENT_VANISHED
    if column.choices:
        return column.flatchoices[0][0]
    if isinstance(column, DateTimeField):
        return clock.now()
    if isinstance(column, UUIDField):
        return uuid4()
    if isinstance(column, JSONField):
        return {}
    return 1 if isinstance(column, IntegerField) else uuid4().hex[: column.max_length or 32]


def history_of(row: Model) -> Any:
    """Return the newest kept version of a row."""
    return row.history.latest()  # type: ignore[attr-defined]
