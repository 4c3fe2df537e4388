"""plan-of-action-and-milestones: what is open, with owner and since when. Where nothing is, there is no such document:
OSCAL allows none without an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from evidence_app.oscal.mapping import CONTROLS, nist_of
from evidence_app.oscal.outcomes import Facts
from evidence_app.oscal.parts import Assessment, Document, back_matter, component_id, line, metadata, moment, prop
from provisioning_app import plan
from provisioning_app.choices import FindingKind
from provisioning_app.models import Gap, ReconciliationFinding

_REMARKS: Final = "Open when the package was exported. Gaps are tried again every five minutes until they are closed."
# Step of the plan → control of the specification that waits for it
_CONTROL_OF_STEP: Final = {"managed": "2.1", "environment_group": "2.2", "baseline": "1.7", "dlp": "2.1"}
_CONTROL_OF_KIND: Final = {
    FindingKind.ORPHAN_ENVIRONMENT: "2.3",
    FindingKind.UNEXPLAINED_OPERATION: "2.3",
    FindingKind.ENVIRONMENT_VANISHED: "2.3",
    FindingKind.ENVIRONMENT_APPEARED: "2.3",
    FindingKind.NOT_MANAGED: "2.1",
}
_OTHERS: Final = "2.8"  # people, roles, the principal's own rights


def open_items(facts: Facts) -> Iterator[Mapping[str, Any]]:
    """Yield what is open in a tenant: gaps of environments, then findings of the reconciler."""
    gaps = Gap.objects.filter(request__tenant=facts.tenant, closed_at__isnull=True)
    for gap in gaps.select_related("request", "run", "owner").order_by("opened_at", "pk").iterator(chunk_size=2000):
        label = plan.label(gap.run.plan_version, gap.step)
        yield {
            "key": str(gap.pk),
            "title": line(f"{gap.request.request_number}: {label} is not applied yet"),
            "reason": line(gap.reason),
            "control": _CONTROL_OF_STEP.get(gap.step, _OTHERS),
            "owner": gap.owner.upn if gap.owner else "",
            "since": moment(gap.opened_at),
        }
    findings = ReconciliationFinding.objects.filter(tenant=facts.tenant, resolved_at__isnull=True)
    for finding in findings.filter(kind__in=_CONTROL_OF_KIND).order_by("found_at", "pk").iterator(chunk_size=2000):
        yield {
            "key": str(finding.pk),
            "title": line(f"{finding.get_kind_display()}: {finding.subject}"),
            "reason": line(finding.detail),
            "control": _CONTROL_OF_KIND[FindingKind(finding.kind)],
            "owner": "",
            "since": moment(finding.found_at),
        }


def plan_of_action(assessment: Assessment) -> Document | None:
    """Return the plan of action and milestones, or None when nothing is open."""
    items = [*assessment.gaps, *_failed_controls(assessment)]
    if not items:
        return None
    document = {
        "uuid": assessment.id_of("poam"),
        "metadata": metadata(assessment, "plan of action and milestones", _REMARKS),
        "system-id": {"identifier-type": "https://ietf.org/rfc/rfc4122", "id": component_id(assessment.facts)},
        "risks": [_risk(assessment, item) for item in items],
        "poam-items": [_item(assessment, item) for item in items],
        "back-matter": back_matter(assessment),
    }
    return {"plan-of-action-and-milestones": document}


def _failed_controls(assessment: Assessment) -> Iterator[Mapping[str, Any]]:
    """Yield an item for every check that does not hold."""
    for check, found in assessment.outcomes.items():
        if not found.holds:
            yield {
                "key": check.key,
                "title": f"{check.control} {CONTROLS[check.control]}: {check.title}",
                "reason": line("; ".join(f"{each.subject}: {each.detail}" for each in found.failures[:3])),
                "control": check.control,
                "owner": "",
                "since": "",
            }


def _risk(assessment: Assessment, item: Mapping[str, Any]) -> Document:
    return {
        "uuid": assessment.id_of("risk", item["key"]),
        "title": item["title"],
        "description": item["reason"],
        "statement": f"Until it is closed, control {item['control']} does not hold for it.",
        "props": _props(item),
        "status": "open",
    }


def _item(assessment: Assessment, item: Mapping[str, Any]) -> Document:
    return {
        "uuid": assessment.id_of("item", item["key"]),
        "title": item["title"],
        "description": item["reason"],
        "props": _props(item),
        "related-risks": [{"risk-uuid": assessment.id_of("risk", item["key"])}],
    }


def _props(item: Mapping[str, Any]) -> list[Document]:
    known = [prop("control", item["control"]), *(prop("nist-sp-800-53-r5", each) for each in nist_of(item["control"]))]
    return [*known, *(prop(name, item[name]) for name in ("owner", "since") if item[name])]
