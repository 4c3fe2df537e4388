"""Checks of control 1.7 on the log itself."""

from __future__ import annotations

from django.db.models import Exists, Max, OuterRef

from audit_app import triggers
from audit_app.anchors import NOTE
from audit_app.models import Anchor, Checkpoint, TreeLeaf
from evidence_app.oscal.outcomes import MOST_NAMED, Check, Facts, Failure, Outcome, outcome


def _verifies(facts: Facts) -> Outcome:
    """Chains, tree, signatures and anchors hold."""
    defects = facts.report.defects
    named = (Failure(each.entry, f"{each.classification}: {each.detail}") for each in defects[:MOST_NAMED])
    return outcome(facts.entries.count(), named, len(defects))


def _signed(facts: Facts) -> Outcome:
    """Every entry of the quarter is under a signed checkpoint, and a copy of one that covers it is anchored."""
    entries = facts.entries
    signed = Checkpoint.objects.filter(tenant=facts.tenant).aggregate(size=Max("size"))
    anchored = Anchor.objects.filter(tenant=facts.tenant, name__endswith=NOTE).aggregate(size=Max("checkpoint__size"))
    failures = []
    for word, largest in (("signed for", signed), ("anchored", anchored)):
        covered = TreeLeaf.objects.filter(entry=OuterRef("pk"), tenant=facts.tenant, index__lt=largest["size"] or 0)
        uncovered = entries.filter(~Exists(covered)).count()
        if uncovered:
            failures.append(Failure(facts.tenant.name, f"{uncovered} entries of the quarter are not {word}."))
    return outcome(entries.count(), failures)


def _protected(_facts: Facts) -> Outcome:
    """The triggers that refuse changes are there and switched on."""
    missing = triggers.missing()
    failures = [Failure(name, "The trigger is missing or switched off.") for name in sorted(missing)]
    return outcome(len(triggers.expected_names()), failures)


CHECKS = (
    Check(
        "log-verifies",
        "1.7",
        "The log holds what was written, and all of it",
        "every entry's bytes, hash and place, the tree, the signed checkpoints, the signer's memory and the anchors",
        _verifies,
    ),
    Check(
        "log-signed",
        "1.7",
        "Every entry of the quarter is signed for and anchored",
        "the entries of the quarter, the tree, the checkpoints and the anchors",
        _signed,
    ),
    Check(
        "log-protected",
        "1.7",
        "The database refuses changes of the log",
        "the triggers that should be there and those that are, and are enabled",
        _protected,
    ),
)
