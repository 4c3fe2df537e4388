"""A zone in dispute: the requester asks for a lower one, a Governance Lead decides at a gate of its own (elm.md §2)."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext as _

from accounts_app.models import User
from accounts_app.roles import Role
from accounts_app.services import settings_of
from accounts_app.step_up import require_fresh_sign_in
from audit_app.actions import Action
from audit_app.actors import SYSTEM, person
from audit_app.log import record
from core_app import clock
from core_app.errors import DomainError, InvalidInputError, PermissionRefused
from core_app.one_by_one import each
from core_app.text import clean, has_content
from core_app.transactions import transactional
from gates_app import services as gates
from gates_app.levels import Level, Outcome, Part
from gates_app.models import Stage
from notifications_app.catalogue import Event
from requests_app.choices import Zone
from requests_app.fields import REQUESTED
from requests_app.models import EnvironmentRequest, ZoneDispute
from requests_app.permissions import require_dispute
from requests_app.services.delegated import record_delegation
from requests_app.services.refusals import refusals_recorded
from requests_app.services.rows import locked, moment, tell
from requests_app.zones import governance_of, open_dispute_of

GATE_KIND: Final = "zone_dispute"


@transactional
def dispute_zone(request_id: UUID, *, by: User, wanted: Zone, rationale: str) -> ZoneDispute:
    """Ask a Governance Lead for a lower zone than the answers lead to; until then the draft stands still.

    Args:
        request_id: A draft.
        by: Its requester.
        wanted: The zone they find right.
        rationale: Why the rules are wrong about this case.

    Raises:
        PermissionRefused: for anyone but the requester, or while a dispute is open.
        InvalidInputError: the zone is no lower one, the rationale says nothing, or nobody could decide.
    """
    request = locked(request_id)
    require_dispute(by, request)
    governance, rationale = governance_of(request), clean(rationale)
    settings = settings_of(request.tenant)
    if problems := _problems(request, governance.zone, wanted, rationale):
        raise InvalidInputError(problems)
    dispute = ZoneDispute(
        request=request,
        classified_zone=governance.verdict.zone,
        wanted_zone=wanted,
        rationale=rationale,
        answers=request.answers.as_json(),
        rule_set_version=governance.verdict.rule_set_version,
        opened_at=clock.now(),
    )
    dispute.gate = gates.open_gate(
        gates.NewGate(
            kind=GATE_KIND,
            subject=request.request_number,
            business_unit=request.business_unit,
            level=Level.L2,
            roles=(Role.GOVERNANCE_LEAD,),
            hours=settings.escalation_hours[int(governance.verdict.zone)],
            undo_seconds=0,
            content_hash=dispute_hash(dispute),
            parties={request.requester.person_key: Part.REQUESTER},
        )
    )
    record(
        Action.ZONE_DISPUTED,
        on=request,
        by=person(by),
        details={**_details(dispute), "rationale": rationale},
        policy_version=dispute.rule_set_version,
    )
    dispute.save(force_insert=True)
    _tell_leads(Event.ZONE_DISPUTED, dispute)
    return dispute


def decide_dispute(dispute_id: UUID, *, by: User, outcome: Outcome, comment: str, content_hash: str) -> ZoneDispute:
    """Lower the zone as asked (approve), or leave it as the rules say (reject); either needs words.

    Raises:
        PermissionRefused: segregation of duties or a missing role; logged as DecisionRefused.
        SignInAgainError: it is about Zone 3, and the person's last sign-in is not recent.
        StaleContentError: what was shown is not what would be decided.
        AlteredContentError: it was changed other than by a verb; logged as DecisionRefused, and an alarm.
        DomainError: it is decided already, or the comment is missing.
    """
    dispute = ZoneDispute.objects.get(pk=dispute_id)
    with refusals_recorded(dispute.request_id, by, outcome.label, **_details(dispute)):
        return _decide(dispute_id, by=by, outcome=outcome, comment=comment, content_hash=content_hash)


@transactional
def withdraw_dispute(dispute_id: UUID, *, by: User) -> ZoneDispute:
    """Take a dispute back: the draft can be changed and submitted again, in the zone that the rules ask for.

    Raises:
        PermissionRefused: for anyone but the requester.
        DomainError: it is decided already.
    """
    request, dispute = _locked(dispute_id)
    if request.requester_id != by.pk or not by.is_active:
        raise PermissionRefused(_("Only the requester of %(request)s takes the dispute back.") % {"request": request})
    if dispute.closed_at:
        raise DomainError(_("The dispute is decided already."))
    close_dispute_of(request, by=by)
    dispute.refresh_from_db()
    return dispute


def close_dispute_of(request: EnvironmentRequest, *, by: User) -> None:
    """Close the open dispute of a request, if there is one, in the transaction of the verb that holds its lock."""
    dispute = open_dispute_of(request)
    if dispute is None:
        return
    gates.close(dispute.gate_id)
    record(Action.ZONE_DISPUTE_WITHDRAWN, on=request, by=person(by), details=_details(dispute))
    _close(dispute)


def remind_disputes() -> int:
    """Remind the Governance Leads of every dispute at half its time, once; returns how many reminders were sent."""
    return each(list(gates.due_for_reminder(clock.now(), GATE_KIND)), _remind)


def dispute_hash(dispute: ZoneDispute) -> str:
    """Return the SHA-256 over what a Governance Lead decides on: the request's fields, both zones, the rationale."""
    said = {name: getattr(dispute.request, name) for name in REQUESTED}
    content: dict[str, Any] = {
        "request": dispute.request.request_number,
        "fields": {name: value for name, value in said.items() if value is not None},
        "zones": [int(dispute.classified_zone), int(dispute.wanted_zone)],
        "rules": dispute.rule_set_version,
        "rationale": dispute.rationale,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def editors_by_dispute(request: EnvironmentRequest) -> dict[str, Part]:
    """Return person key → part for whoever lowered the zone: they have changed the request, so they never approve it.

    Those in whose place they decided are among them.
    """
    override = governance_of(request).override
    if override is None:
        return {}
    parties = gates.parties_of(override.gate)
    return {key: Part.EDITOR for key, part in parties.items() if part in (Part.DECIDER, Part.DELEGATOR)}


def _problems(request: EnvironmentRequest, zone: Zone, wanted: Zone, rationale: str) -> list[tuple[str, str]]:
    problems = []
    if wanted >= zone:
        problems.append(
            ("wanted_zone", _("The request is in %(zone)s already; ask for a lower zone.") % {"zone": zone.label})
        )
    elif request.raised_zone is not None and request.raised_zone > wanted:
        raised = Zone(request.raised_zone).label
        refused = _("You raised the zone to %(zone)s yourself; take that back first.") % {"zone": raised}
        problems.append(("wanted_zone", refused))
    if not has_content(rationale):
        problems.append(("rationale", _("Say why the rules are wrong about this case; a Governance Lead reads it.")))
    parties = {request.requester.person_key: Part.REQUESTER}
    if gates.unresolvable_role(request.business_unit, (Role.GOVERNANCE_LEAD,), parties) is not None:
        nobody = _("Nobody who may decide holds the role %(role)s for %(unit)s.") % {
            "role": Role.GOVERNANCE_LEAD,
            "unit": request.business_unit,
        }
        problems.append(("", nobody))
    return problems


@transactional
def _decide(dispute_id: UUID, *, by: User, outcome: Outcome, comment: str, content_hash: str) -> ZoneDispute:
    request, dispute = _locked(dispute_id)
    if dispute.classified_zone == Zone.ZONE_3 and dispute.closed_at is None:
        gates.require_eligible(by, dispute.gate, gates.current_stage(dispute.gate))
        require_fresh_sign_in(by, _("A decision on the zone of %(request)s") % {"request": request})
    if outcome == Outcome.APPROVE and not has_content(comment):
        raise DomainError(_("Lowering a zone needs a comment that says why the rules are wrong about this case."))
    verdict = gates.decide(
        dispute.gate_id,
        by=by,
        outcome=outcome,
        comment=comment,
        content_hash=content_hash,
        stored_hash=dispute_hash(dispute),
    )
    details = {**_details(dispute), "comment": verdict.decision.comment, "content_hash": content_hash}
    record_delegation(request, by, verdict.decision.delegation)
    approved = outcome == Outcome.APPROVE
    if approved:
        details |= {
            "previous_zone": request.zone,
            "zone": int(governance_of(request).zone),
            "rationale": dispute.rationale,
        }
        request.zone = details["zone"]
    action = Action.ZONE_OVERRIDDEN if approved else Action.ZONE_DISPUTE_REJECTED
    record(action, on=request, by=person(by), details=details, policy_version=dispute.rule_set_version)
    _close(dispute)
    request.save()
    became = (_("It is Zone %(zone)s now.") if approved else _("It stays Zone %(zone)s.")) % {"zone": request.zone}
    said = verdict.decision.comment
    tell(
        Event.DISPUTE_DECIDED,
        request,
        [request.requester],
        once=str(dispute.pk),
        decider=by,
        comment=said,
        became=became,
    )
    return dispute


def _locked(dispute_id: UUID) -> tuple[EnvironmentRequest, ZoneDispute]:
    """Lock the request first, as the lock order wants, then the dispute."""
    request = locked(ZoneDispute.objects.values_list("request_id", flat=True).get(pk=dispute_id))
    disputes = ZoneDispute.objects.select_related("gate__business_unit").select_for_update(no_key=True, of=("self",))
    dispute = disputes.get(pk=dispute_id)
    dispute.request = request
    return request, dispute


def _close(dispute: ZoneDispute) -> None:
    dispute.closed_at = clock.now()
    dispute.save(update_fields=["closed_at"])


def _details(dispute: ZoneDispute) -> dict[str, Any]:
    return {
        "dispute": str(dispute.pk),
        "zone_by_the_rules": int(dispute.classified_zone),
        "zone_asked_for": int(dispute.wanted_zone),
    }


def _tell_leads(event: Event, dispute: ZoneDispute) -> list[User]:
    stage = gates.current_stage(dispute.gate)
    leads = gates.expected_deciders(dispute.gate, stage)
    due = moment(stage.escalate_at if stage else None)
    tell(
        event,
        dispute.request,
        leads,
        once=str(dispute.pk),
        due=due,
        wanted=_("Zone %(zone)s") % {"zone": dispute.wanted_zone},
    )
    return leads


@transactional
def _remind(stage: Stage) -> bool:
    request, dispute = _locked(ZoneDispute.objects.values_list("pk", flat=True).get(gate=stage.gate_id))
    if not gates.remind(stage):
        return False  # decided or taken back meanwhile, or another process was first
    leads = _tell_leads(Event.DISPUTE_REMINDER, dispute)
    details = {**_details(dispute), "to": [lead.upn for lead in leads]}
    record(Action.REMINDER_SENT, on=request, by=SYSTEM, details=details)
    return True
