"""What every OSCAL document of ours is made of: deterministic ids, metadata, properties, resources.

OSCAL wants UUIDs of version 4 or 5, names without spaces, single lines that are not empty, and times with an offset
(https://pages.nist.gov/OSCAL-Reference/). Nothing here reads the clock: the same state gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from evidence_app.oscal.outcomes import Check, Facts, Outcome

OSCAL_VERSION: Final = "1.2.1"
NAMESPACE: Final = "urn:elm:oscal"
CATALOG: Final = (
    "https://raw.githubusercontent.com/usnistgov/oscal-content/main/nist.gov/SP800-53/rev5/json/"
    "NIST_SP-800-53_rev5_catalog.json"
)
FRAMEWORK: Final = "https://github.com/judeper/FSI-AgentGov"
TITLE: Final = "Environment Lifecycle Management"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Assessment:
    """The facts and what the checks made of them: all that the documents say.

    Attributes:
        facts: What was looked at.
        outcomes: Check → what it found.
        evidence: Files of the package → SHA-256, size, lines.
        gaps: What is open, as items of the plan of action.
        namespace: What all ids follow from: the signed root, the quarter, and what was found.
    """

    facts: Facts
    outcomes: Mapping[Check, Outcome]
    evidence: Mapping[str, Mapping[str, Any]]
    gaps: Sequence[Mapping[str, Any]]
    namespace: UUID

    @property
    def moment(self) -> datetime:
        """Return the time that the documents carry: of the signature under the quarter's entries."""
        checkpoint = self.facts.checkpoint
        return checkpoint.signed_at if checkpoint else self.facts.selection.begin

    def id_of(self, *names: object) -> str:
        """Return the id of a part of the assessment."""
        return str(uuid5(self.namespace, ":".join(map(str, names))))

    def of_control(self, control: str) -> dict[Check, Outcome]:
        """Return the checks of a control and what they found."""
        return {check: found for check, found in self.outcomes.items() if check.control == control}


def namespace_of(facts: Facts, outcomes: Mapping[Check, Outcome], gaps: Sequence[Mapping[str, Any]]) -> UUID:
    """Return the namespace of what was found under a signed root: another state, and all ids are others."""
    signed = facts.checkpoint and [facts.checkpoint.incarnation, facts.checkpoint.size, facts.checkpoint.root]
    found = [
        [check.key, each.examined, each.failed, [[one.subject, one.detail, one.key] for one in each.failures]]
        for check, each in outcomes.items()
    ]
    known = [facts.tenant.pk, facts.quarter, signed, found, list(gaps)]
    digest = hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()
    return uuid5(NAMESPACE_URL, f"{NAMESPACE}:{digest}")


def component_id(facts: Facts) -> str:
    """Return the id of this program in a tenant: the same in every export."""
    return str(uuid5(NAMESPACE_URL, f"{NAMESPACE}:component:{facts.tenant.pk}"))


def metadata(assessment: Assessment, title: str, remarks: str) -> Document:
    """Return a document's metadata."""
    facts = assessment.facts
    return {
        "title": line(f"{TITLE}, {facts.tenant.name}: {title}, {facts.quarter}"),
        "last-modified": moment(assessment.moment),
        "version": facts.quarter,
        "oscal-version": OSCAL_VERSION,
        "remarks": remarks,
    }


def prop(name: str, value: object, **more: str) -> Document:
    """Return a property of ours."""
    return {"name": name, "ns": NAMESPACE, "value": line(str(value)), **more}


def line(text: str) -> str:
    """Return a text as one line that is not empty."""
    return " ".join(text.split()) or "-"


def moment(at: datetime) -> str:
    """Return a time with its offset."""
    return at.isoformat()


def back_matter(assessment: Assessment, *resources: Document) -> Document:
    """Return the resources: what is proved by which file of the package, then those of the document itself."""
    checkpoint = assessment.facts.checkpoint
    proof = {
        "uuid": assessment.id_of("resource", "log"),
        "title": "The log entries of the quarter, and the signed root that they lead to",
        "description": "Files of the same package; elm_verify.py holds them against each other and the signature.",
        "rlinks": [
            {"href": name, "hashes": [{"algorithm": "SHA-256", "value": facts["sha256"]}]}
            for name, facts in sorted(assessment.evidence.items())
        ],
    }
    if checkpoint:
        proof["props"] = [prop("root", checkpoint.root), prop("size", checkpoint.size)]
    return {"resources": [proof, *resources]}
