"""Reads OSCAL with compliance-trestle, which knows NIST's models, and follows what our documents refer to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from accounts_app.scope import Reach
from audit_app.verify import verify_log
from core_app import clock
from evidence_app import oscal, proofs
from evidence_app.quarters import quarter_named
from evidence_app.selection import of_quarter

EVIDENCE: Final = {"log.ndjson": {"sha256": "0" * 64}}


def facts_of(people: Any, quarter: str = "2026Q1") -> oscal.Facts:
    """Return the facts of a tenant's quarter, as an export of its auditor gathers them."""
    selection = of_quarter(people.tenant, quarter_named(quarter, clock.now()), Reach(tenants={people.tenant.pk}))
    checkpoint = proofs.checkpoint_for(people.tenant, selection.entries)
    return oscal.Facts(selection, checkpoint, verify_log(people.tenant.pk))


def documents_of(people: Any, quarter: str = "2026Q1") -> dict[str, Any]:
    """Return a tenant's documents, each of which trestle takes for what it should be."""
    found = oscal.documents(facts_of(people, quarter), EVIDENCE)
    validate(found)
    return found


def validate(documents: Mapping[str, Any]) -> None:
    """Hold documents to NIST's models; every id is there once, and every reference leads to one."""
    # Half a second for every process that only collects
    from trestle.core.duplicates_validator import DuplicatesValidator  # noqa: PLC0415
    from trestle.core.refs_validator import RefsValidator  # noqa: PLC0415
    from trestle.oscal import assessment_results, component, poam  # noqa: PLC0415

    models = {
        oscal.RESULTS: assessment_results.Model,
        oscal.COMPONENT: component.Model,
        oscal.POAM: poam.Model,
    }
    for name, document in documents.items():
        read = models[name](**document)
        (content,) = (getattr(read, field) for field in type(read).model_fields)
        for validator in (DuplicatesValidator(), RefsValidator()):
            assert validator.model_is_valid(content, quiet=True), (name, validator.error_msg())
        known, referred = ids(document), set(references(document))
        assert [key for key, count in Counter(known).items() if count > 1] == [], name
        assert referred <= {*known}, (name, referred - {*known})


def ids(document: Any) -> list[str]:
    return [value for key, value in _members(document) if key == "uuid"]


def references(document: Any) -> Iterator[str]:
    for key, value in _members(document):
        if key.endswith("-uuid"):
            yield value
        elif key == "href" and value.startswith("#"):
            yield value[1:]


def _members(document: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(document, dict):
        for key, value in document.items():
            yield key, value
            yield from _members(value)
    elif isinstance(document, list):
        for each in document:
            yield from _members(each)


def findings(documents: Mapping[str, Any]) -> dict[str, str]:
    """Return control → satisfied or not."""
    (result,) = documents[oscal.RESULTS]["assessment-results"]["results"]
    found = {}
    for finding in result["findings"]:
        control = re.sub(r"^fsi-agentgov-", "", finding["target"]["target-id"])
        found[control] = finding["target"]["status"]["state"]
    return found


def failing_checks(documents: Mapping[str, Any]) -> dict[str, int]:
    """Return check → for how many things it does not hold."""
    (result,) = documents[oscal.RESULTS]["assessment-results"]["results"]
    counted = {}
    for observation in result["observations"]:
        props = {prop["name"]: prop["value"] for prop in observation["props"]}
        counted[props["check"]] = int(props["failed"])
    return {check: failed for check, failed in counted.items() if failed}


def open_items(documents: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the items of the plan of action."""
    if oscal.POAM not in documents:
        return []
    return list(documents[oscal.POAM]["plan-of-action-and-milestones"]["poam-items"])
