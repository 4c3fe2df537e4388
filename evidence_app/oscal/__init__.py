"""The controls that the specification names, assessed from log and live state, as OSCAL (docs/guides/oscal.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from evidence_app.oscal import decisions, environments, log
from evidence_app.oscal.component import component_definition
from evidence_app.oscal.outcomes import Facts
from evidence_app.oscal.parts import Assessment, Document, namespace_of
from evidence_app.oscal.poam import open_items, plan_of_action
from evidence_app.oscal.results import assessment_results

__all__ = ["CHECKS", "Assessment", "Facts", "assess", "documents"]

CHECKS: Final = (*environments.CHECKS, *decisions.CHECKS, *log.CHECKS)
RESULTS, COMPONENT, POAM = "oscal-assessment-results.json", "oscal-component-definition.json", "oscal-poam.json"


def assess(facts: Facts, evidence: Mapping[str, Mapping[str, Any]]) -> Assessment:
    """Perform every check on a tenant as a whole.

    Args:
        facts: Whose controls, in which quarter.
        evidence: Files of the package that prove what is said, with their SHA-256.
    """
    outcomes, gaps = {check: check.perform(facts) for check in CHECKS}, tuple(open_items(facts))
    return Assessment(facts, outcomes, evidence, gaps, namespace_of(facts, outcomes, gaps))


def documents(facts: Facts, evidence: Mapping[str, Mapping[str, Any]]) -> dict[str, Document]:
    """Return the OSCAL documents of a package by the names of their files; no plan of action when nothing is open."""
    assessment = assess(facts, evidence)
    found = {COMPONENT: component_definition(assessment), RESULTS: assessment_results(assessment)}
    plan = plan_of_action(assessment)
    return found | ({POAM: plan} if plan else {})
