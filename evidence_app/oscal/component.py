"""component-definition: what this program does for each control, and which checks and tests say so."""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid5

from evidence_app.oscal.mapping import CONTROLS, MAPPING, Mapped
from evidence_app.oscal.outcomes import Check
from evidence_app.oscal.parts import (
    CATALOG,
    FRAMEWORK,
    TITLE,
    Assessment,
    Document,
    back_matter,
    component_id,
    metadata,
    prop,
)
from evidence_app.oscal.results import objective

_REMARKS: Final = (
    "The mapping to NIST SP 800-53 Rev. 5 is ours (evidence_app/oscal/mapping.csv, with the source of each line); it "
    "says which requirements the program helps to meet, not that an organisation meets them."
)


def component_definition(assessment: Assessment) -> Document:
    """Return the component-definition document."""
    component = {
        "uuid": component_id(assessment.facts),
        "type": "software",
        "title": TITLE,
        "description": "Environment lifecycle management for Microsoft Power Platform in regulated finance.",
        "control-implementations": [_of_nist(assessment), _of_framework(assessment)],
    }
    document = {
        "uuid": assessment.id_of("component-definition"),
        "metadata": metadata(assessment, "component definition", _REMARKS),
        "components": [component],
        "back-matter": back_matter(assessment),
    }
    return {"component-definition": document}


def _of_nist(assessment: Assessment) -> Document:
    lines: dict[str, list[Mapped]] = {}
    for mapped in MAPPING:
        lines.setdefault(mapped.nist, []).append(mapped)
    return {
        "uuid": _fixed(assessment, "nist"),
        "source": CATALOG,
        "description": "Requirements of NIST SP 800-53 Rev. 5 that the program helps to meet.",
        "implemented-requirements": [
            {
                "uuid": _fixed(assessment, "nist", nist),
                "control-id": nist,
                "description": " ".join(f"{each.because}." for each in mapped),
                "props": [
                    prop("implementation-status", "implemented"),
                    *(prop("control", each) for each in sorted({one.control for one in mapped})),
                    *(prop("check", each) for each in sorted({key for one in mapped for key in one.checks})),
                    *(prop("source", each.source) for each in mapped),
                ],
            }
            for nist, mapped in sorted(lines.items())
        ],
    }


def _of_framework(assessment: Assessment) -> Document:
    return {
        "uuid": _fixed(assessment, "framework"),
        "source": FRAMEWORK,
        "description": "The controls of FSI-AgentGov v1.2 that the specification names.",
        "implemented-requirements": [
            {
                "uuid": _fixed(assessment, "framework", control),
                "control-id": objective(control),
                "description": f"{title}: " + "; ".join(_says(check) for check in assessment.of_control(control)),
                "props": [prop("check", check.key) for check in assessment.of_control(control)],
            }
            for control, title in CONTROLS.items()
        ],
    }


def _says(check: Check) -> str:
    return f"{check.title} ({check.looks_at})"


def _fixed(assessment: Assessment, *names: str) -> str:
    """Return the id of a part of the component: the same in every export."""
    return str(uuid5(UUID(component_id(assessment.facts)), ":".join(names)))
