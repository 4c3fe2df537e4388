"""assessment-results: one observation per check, one finding per control of the specification.

A finding says that the control *operated* in the quarter, as far as log and live state show it. Whether it is effective
is the assessor's judgement.
"""

from __future__ import annotations

from typing import Final

from evidence_app.oscal.mapping import CONTROLS, MAPPING, nist_of
from evidence_app.oscal.outcomes import MOST_NAMED, Check, Failure, Outcome
from evidence_app.oscal.parts import (
    TITLE,
    Assessment,
    Document,
    back_matter,
    component_id,
    line,
    metadata,
    moment,
    prop,
)

_REMARKS: Final = (
    "Computed from the tamper-evident log of the quarter and from the live state when the package was exported; the "
    "log's entry EvidenceExported says when, and by whom. A control that is satisfied operated as far as these show; "
    "whether it is effective is for the assessor to judge. Times are those of the signature under the entries."
)
_NO_PLAN: Final = (
    "There is no assessment plan: this is no assessment by a third party but what the program finds about itself, each "
    "time evidence is exported. OSCAL wants one to be named."
)


def assessment_results(assessment: Assessment) -> Document:
    """Return the assessment-results document."""
    facts, plan = assessment.facts, assessment.id_of("resource", "plan")
    result = {
        "uuid": assessment.id_of("result"),
        "title": line(f"Controls in {facts.quarter}"),
        "description": f"What log and live state of {line(facts.tenant.name)} show of the controls in the quarter.",
        "start": moment(facts.selection.begin),
        "end": moment(facts.selection.end),
        "props": [prop("quarter-has-ended", str(facts.quarter_has_ended).lower())],
        "local-definitions": {"components": [_component(assessment)], **_inventory(assessment)},
        "reviewed-controls": _reviewed(),
        "observations": [_observation(assessment, check, found) for check, found in assessment.outcomes.items()],
        "findings": [_finding(assessment, control) for control in CONTROLS],
    }
    document = {
        "uuid": assessment.id_of("assessment-results"),
        "metadata": metadata(assessment, "assessment results", _REMARKS),
        "import-ap": {"href": f"#{plan}"},
        "results": [result],
        "back-matter": back_matter(assessment, {"uuid": plan, "title": "No assessment plan", "description": _NO_PLAN}),
    }
    return {"assessment-results": document}


def _component(assessment: Assessment) -> Document:
    return {
        "uuid": component_id(assessment.facts),
        "type": "software",
        "title": TITLE,
        "description": "Requests, decides on, provisions and records Power Platform environments; it computed these.",
        "status": {"state": "operational"},
    }


def _reviewed() -> Document:
    controls = sorted({mapped.nist for mapped in MAPPING})
    return {
        "description": "Controls of NIST SP 800-53 Rev. 5 that the specification's controls speak for (mapping.csv).",
        "control-selections": [{"include-controls": [{"control-id": control} for control in controls]}],
        "control-objective-selections": [
            {"include-objectives": [{"objective-id": objective(control)} for control in CONTROLS]}
        ],
    }


def objective(control: str) -> str:
    """Return the id of a control of the specification, as OSCAL takes it."""
    return f"fsi-agentgov-{control}"


def _inventory(assessment: Assessment) -> Document:
    items = {
        assessment.id_of("subject", each.key): each
        for found in assessment.outcomes.values()
        for each in found.failures
        if each.key
    }
    described = [
        {
            "uuid": key,
            "description": line(each.subject),
            "props": [prop("row", each.key)],
            "implemented-components": [{"component-uuid": component_id(assessment.facts)}],
        }
        for key, each in sorted(items.items())
    ]
    return {"inventory-items": described} if described else {}


def _observation(assessment: Assessment, check: Check, found: Outcome) -> Document:
    facts = assessment.facts
    failing = sorted({assessment.id_of("subject", each.key) for each in found.failures if each.key})
    return {
        "uuid": assessment.id_of("observation", check.key),
        "title": check.title,
        "description": f"Compared: {check.looks_at}. {_counted(found)}",
        "props": [
            prop("check", check.key),
            prop("control", check.control),
            prop("examined", found.examined),
            prop("failed", found.failed),
        ],
        "methods": ["TEST"],
        "types": ["control-objective"],
        "origins": [{"actors": [{"type": "tool", "actor-uuid": component_id(facts)}]}],
        **({"subjects": [{"subject-uuid": key, "type": "inventory-item"} for key in failing]} if failing else {}),
        "relevant-evidence": [
            {"href": f"#{assessment.id_of('resource', 'log')}", "description": "The log entries of the quarter."},
            *({"description": _told(each)} for each in found.failures),
        ],
        "collected": moment(assessment.moment),
    }


def _counted(found: Outcome) -> str:
    if found.holds:
        return f"{found.examined} examined, nothing contradicts it."
    named = f", the first {MOST_NAMED} are named" if found.failed > MOST_NAMED else ""
    return f"{found.examined} examined; it does not hold for {found.failed}{named}."


def _told(failure: Failure) -> str:
    return line(f"{failure.subject}: {failure.detail}")


def _finding(assessment: Assessment, control: str) -> Document:
    checks = assessment.of_control(control)
    failed = [check for check, found in checks.items() if not found.holds]
    is_idle = not any(found.examined for found in checks.values())
    said = "; ".join(f"{check.title}: {_counted(found)}" for check, found in checks.items())
    return {
        "uuid": finding_id(assessment, control),
        "title": f"{control} {CONTROLS[control]}",
        "description": said,
        "props": [prop("nist-sp-800-53-r5", each) for each in nist_of(control)],
        "target": {
            "type": "objective-id",
            "target-id": objective(control),
            "title": CONTROLS[control],
            "status": {
                "state": "not-satisfied" if failed else "satisfied",
                "reason": "fail" if failed else "other" if is_idle else "pass",
                **({"remarks": "Nothing happened that could show the control at work."} if is_idle else {}),
            },
        },
        "related-observations": [{"observation-uuid": assessment.id_of("observation", check.key)} for check in checks],
    }


def finding_id(assessment: Assessment, control: str) -> str:
    """Return the id of a control's finding."""
    return assessment.id_of("finding", control)
