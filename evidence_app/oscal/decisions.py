"""Checks of controls 2.3 and 2.8: who decided, what came before, and who could have done something else."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Exists, OuterRef, Q

from accounts_app.privileges import verify_privileges
from audit_app.actions import Action, ActorType
from audit_app.models import ProvisioningLog
from evidence_app.models import AccessReview
from evidence_app.oscal.outcomes import MOST_NAMED, Check, Facts, Failure, Outcome, outcome

_ASKED = (Action.REQUEST_CREATED, Action.REQUEST_EDITED, Action.REQUEST_SUBMITTED)
_DECIDED = (Action.STAGE_APPROVED, Action.APPROVED, Action.REJECTED)
_STATE_MISMATCH = "STATE_MISMATCH"


def _approved_first(facts: Facts) -> Outcome:
    """Every start of provisioning in the quarter has an approval before it in its chain."""
    starts = facts.entries_of(Action.PROVISIONING_STARTED)
    approvals = ProvisioningLog.objects.filter(
        chain=OuterRef("chain"), action=Action.APPROVED, success=True, sequence__lt=OuterRef("sequence")
    )
    lacking = starts.filter(~Exists(approvals)).order_by("timestamp", "pk")
    failures = (Failure(row.subject, "Provisioning began before an approval.", row.pk) for row in lacking[:MOST_NAMED])
    return outcome(starts.count(), failures, lacking.count())


def _states_follow(facts: Facts) -> Outcome:
    """Each request is in the state that its log leads to."""
    wrong = [found for found in facts.report.defects if found.classification == _STATE_MISMATCH]
    examined = facts.tenant.environment_requests.count()
    return outcome(examined, [Failure(found.entry, found.detail) for found in wrong])


def _by_two(facts: Facts) -> Outcome:
    """Settings that were confirmed in the quarter were proposed by somebody else."""
    confirmed = (
        facts.entries_of(Action.SETTINGS_CONFIRMED).filter(actor_type=ActorType.USER).order_by("timestamp", "pk")
    )
    failures = []
    for row in confirmed:
        before = ProvisioningLog.objects.filter(chain=row.chain, sequence__lt=row.sequence)
        proposed = before.filter(action=Action.SETTINGS_PROPOSED).order_by("-sequence").first()
        if proposed is None or proposed.actor == row.actor:
            failures.append(Failure(row.subject, "The settings were confirmed by who proposed them.", row.pk))
    return outcome(confirmed.count(), failures)


def _by_others(facts: Facts) -> Outcome:
    """Nobody decided on what they asked for, nor twice, and no service principal decided."""
    decisions = facts.entries_of(*_DECIDED).filter(success=True)
    same = ProvisioningLog.objects.filter(chain=OuterRef("chain"), actor=OuterRef("actor"), success=True)
    wrong = decisions.annotate(
        asked=Exists(same.filter(action__in=_ASKED)),
        decided_before=Exists(same.filter(action__in=_DECIDED, sequence__lt=OuterRef("sequence"))),
    ).filter(
        Q(actor_type=ActorType.USER) & (Q(asked=True) | Q(decided_before=True))
        | Q(actor_type=ActorType.SERVICE_PRINCIPAL)
    )
    failures = (
        Failure(row.subject, f"{row.actor} decided: {_why(row)}.", row.pk)
        for row in wrong.order_by("timestamp", "pk")[:MOST_NAMED]
    )
    return outcome(decisions.count(), failures, wrong.count())


def _why(row: ProvisioningLog) -> str:
    if row.actor_type == ActorType.SERVICE_PRINCIPAL:
        return "a service principal decides nothing"
    return "they asked for it" if row.asked else "they had decided another stage"  # type: ignore[attr-defined]


def _as_expected(facts: Facts) -> Outcome:
    """What roles, grants and the database allow is what the table of roles says."""
    found = verify_privileges(is_production=settings.PRODUCTION).of_tenant(facts.tenant.pk)
    failures = [Failure(each.subject, f"{each.kind}: {each.detail}") for each in found.findings]
    return outcome(len(found.cells) + len(found.grants), failures)


def _review_signed(facts: Facts) -> Outcome:
    """Somebody took an access review in the quarter and signed it; it is missed when a quarter with a log is over."""
    taken = AccessReview.objects.filter(
        tenant=facts.tenant, taken_at__gte=facts.selection.begin, taken_at__lt=facts.selection.end
    )
    has_log = ProvisioningLog.objects.filter(tenant=facts.tenant, timestamp__lt=facts.selection.end).exists()
    is_due = has_log and facts.quarter_has_ended
    if taken.filter(signed_at__isnull=False).exists() or not is_due:
        return outcome(taken.count(), [])
    return outcome(taken.count(), [Failure(facts.quarter, "Nobody signed an access review of this quarter.")])


CHECKS = (
    Check(
        "approved-before-provisioning",
        "2.3",
        "Nothing is provisioned before it is approved",
        "the log's ProvisioningStarted entries of the quarter and the Approved entries before them",
        _approved_first,
    ),
    Check(
        "states-follow-log",
        "2.3",
        "Every request is in the state that its log leads to",
        "the state of each request and the fold of its log",
        _states_follow,
    ),
    Check(
        "settings-by-two",
        "2.3",
        "Settings are changed by two people",
        "the log's SettingsConfirmed entries of the quarter and the SettingsProposed entries before them",
        _by_two,
    ),
    Check(
        "decided-by-others",
        "2.8",
        "Who asked does not decide, and nobody decides twice",
        "the deciders in the log's entries of the quarter and who created, edited or submitted the request",
        _by_others,
    ),
    Check(
        "privileges-as-expected",
        "2.8",
        "Roles, grants and database rights are what the table of roles says",
        "what Django, django-guardian and the database allow now and the table of roles (manage.py verify_privileges)",
        _as_expected,
    ),
    Check(
        "access-review-signed",
        "2.8",
        "The quarter's access review is signed",
        "the access reviews that were taken in the quarter",
        _review_signed,
    ),
)
