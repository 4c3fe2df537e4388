"""The bank of the documents' pictures: always the same people, requests and hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from playwright.sync_api import Page

from accounts_app.models import BusinessUnit, User
from accounts_app.roles import Depth, Role
from accounts_app.services import confirm_settings, create_tenant, propose_settings
from audit_app import scheduled
from audit_app.checkpoints import sign_now
from gates_app.levels import Outcome
from notifications_app.delivery import deliver_due
from provisioning_app import liveness
from requests_app import services as requests
from requests_app.choices import Zone
from requests_app.models import EnvironmentRequest
from tests.factories import People, decide, facts, make_user
from tests.microsoft import World, WorldMaker
from tests.provisioning_app.reconciling import MANAGED

WIDTH: Final = 1360
HEIGHT: Final = 820
TEAMS: Final = {"teams_webhook_secret": "ELM-Teams-Workflow"}
_REFUSAL: Final = {
    "error": {
        "code": "InvalidRequestContent",
        "message": "The environment's licence does not allow this configuration.",
    }
}
# What is drawn anew in each world, and what it is shown as, so that a picture changes only with the screen
_DRAWN: Final = r"""(() => {
    const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
    const digest = /\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,64}\b/g, today = /\b20\d\d-\d\d-\d\d[ T]\d\d:\d\d:\d\d/g;
    const domain = /\b(fin|hr|ops)-([a-z0-9]+)-[a-z0-9]{5,10}\b/g, host = /(localhost|127\.0\.0\.1)(:\d+)?/g;
    const settled = text => text.replace(uuid, "7b0e8a52-41c6-4d1f-9a55-2f6f3c1d8e90").replace(domain, "$1-$2-k4v7q2")
        .replace(digest, found => "c6e1f0a94b7d2358".repeat(4).slice(0, found.length))
        .replace(host, "api.contoso.example")
        .replace(today, found => found.startsWith("2026-03-0") ? found : "2026-03-05" + found[10] + "09:10:30");
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const before = walker.currentNode.data, after = settled(before);
        if (before !== after) walker.currentNode.data = after;
    }
    document.activeElement?.blur();
})()"""


def picture(page: Page, folder: str, name: str, *, height: int = HEIGHT, from_the_end: bool = False) -> None:
    """Keep what a person sees, for the documents.

    Args:
        page: The page as it stands.
        folder: Where the pictures are.
        name: Of the picture.
        height: Of the picture, in pixels.
        from_the_end: Whether the end of a longer page is shown, not its beginning.
    """
    page.wait_for_load_state("networkidle")
    page.evaluate(_DRAWN)
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.evaluate(f"window.scrollTo(0, {'document.body.scrollHeight' if from_the_end else 0})")
    page.mouse.move(WIDTH - 1, 0)  # over nothing that shows it
    hidden = ".simplebar-track { visibility: hidden !important; }"  # scroll bars come and go by themselves
    page.screenshot(path=Path(folder) / f"{name}.png", animations="disabled", caret="hide", style=hidden)
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})


def make_bank(make_world: WorldMaker) -> World:
    """Return a bank with people, in whose cloud environments take some minutes to be created."""
    timing = {"create_polls": None, "create_seconds": 400}
    return make_world(timing, people=_people())


def _people() -> People:
    tenant = create_tenant("Contoso Bank", UUID(int=7))
    group = BusinessUnit.objects.create(tenant=tenant, name="Contoso Bank")
    insurance = BusinessUnit.objects.create(tenant=tenant, name="Insurance", parent=group)
    unit = BusinessUnit.objects.create(tenant=tenant, name="Claims", parent=insurance)
    BusinessUnit.objects.create(tenant=tenant, name="Treasury", parent=group)
    lead = _person("Gina Green", Role.GOVERNANCE_LEAD, tenant)
    approver = _person("Carl Clark", Role.APPROVER, group, Depth.DEEP, manager=lead)
    return People(
        tenant=tenant,
        unit=unit,
        requester=_person("Amy Adams", Role.REQUESTER, unit, manager=approver),
        approver=approver,
        second_approver=_person("Cleo Cole", Role.APPROVER, group, Depth.DEEP, manager=lead),
        compliance_officer=_person("Dora Diaz", Role.COMPLIANCE_OFFICER, tenant, manager=lead),
        governance_lead=lead,
        operator=_person("Hugo Hall", Role.OPERATOR, tenant, manager=lead),
        auditor=_person("Iris Irwin", Role.AUDITOR, tenant),
    )


def _person(name: str, role: Role, at: Any, depth: Depth | None = None, **fields: Any) -> User:
    upn = f"{name.lower().replace(' ', '.')}@contoso.example"
    return make_user(role, at, depth, display_name=name, upn=upn, entra_object_id=uuid4(), **fields)


def live_through_a_week(world: World) -> dict[str, EnvironmentRequest]:
    """Let the bank work from Monday to Thursday: built, refused, failed, being built, waiting, disputed."""
    people, made = world.people, dict[str, EnvironmentRequest]()
    proposal = propose_settings(people.tenant.pk, by=people.governance_lead, values=TEAMS)
    confirm_settings(proposal.pk, by=second_lead(people))
    made["built"] = _built(world, Zone.ZONE_3, "FIN-LoanDesk-PROD", "Loan officers see a customer's file in one place.")
    _until(world, 3, 10, 5)
    made["team"] = _built(world, Zone.ZONE_2, "OPS-ShiftPlan-DEV", "Shift leads plan who works where, not by mail.")
    _until(world, 3, 13, 40)
    refused = world.pending(
        Zone.ZONE_2,
        environment_name="HR-Onboarding-TEST",
        business_justification="New colleagues find their forms in one place.",
    )
    made["rejected"] = decide(refused, people.approver, Outcome.REJECT, "Use the shared HR environment instead.")
    _until(world, 4, 8, 30)
    made["personal"] = _built(world, Zone.ZONE_1, "OPS-Sketch-DEV", "I try out how a checklist could look.")
    world.fault(**MANAGED, status=400, body=_REFUSAL, count=1)
    made["failed"] = _built(world, Zone.ZONE_2, "FIN-CashDesk-TEST", "The cash desk tests its new closing checklist.")
    _until(world, 4, 15, 20)
    made["waiting"] = world.pending(
        Zone.ZONE_2,
        environment_name="OPS-Visitors-DEV",
        business_justification="Reception registers visitors before they arrive.",
    )
    _pass(world, minutes=15)
    made["disputed"] = _disputed(world)
    _until(world, 5, 9, 10)
    made["claims"] = world.pending(
        Zone.ZONE_3,
        environment_name="FIN-ClaimsIntake-PROD",
        business_justification="Claims handlers automate the intake of paper claims: scan, check, route to a handler.",
        zone_rationale="The data inventory lists the claims system as Restricted; customers' names are in every claim.",
    )
    _pass(world, minutes=20)
    why = "Recoveries from other insurers are followed in one list."
    made["building"] = _approved(world, Zone.ZONE_2, "FIN-Subrogation-DEV", why)
    world.run_until_settled(stop=lambda: made["building"].runs.filter(waiting_for__contains="creation").exists())
    sign_now()
    for is_full in (True, False):
        scheduled.verify(is_full=is_full)
    deliver_due()
    liveness.commit_tick()
    return made


def second_lead(people: People) -> User:
    """Return the second Governance Lead of the bank."""
    known = User.objects.filter(display_name="Greg Gold").first()
    return known or _person("Greg Gold", Role.GOVERNANCE_LEAD, people.tenant)


def _disputed(world: World) -> EnvironmentRequest:
    amy, draft = world.people.requester, facts(Zone.ZONE_3, environment_name="FIN-Glossary-PROD")
    request = requests.create_draft(by=amy, **draft)
    why = "It explains our words. No customer's data is in it, only the names of fields."
    requests.dispute_zone(request.pk, by=amy, wanted=Zone.ZONE_2, rationale=why)
    request.refresh_from_db()
    return request


def _built(world: World, zone: Zone, name: str, why: str) -> EnvironmentRequest:
    request = _approved(world, zone, name, why)
    world.run_until_settled()
    request.refresh_from_db()
    return request


def _approved(world: World, zone: Zone, name: str, why: str) -> EnvironmentRequest:
    """Let people take their time, so that no two messages and entries are of one moment."""
    request = world.pending(zone, environment_name=name, business_justification=why)
    _pass(world, minutes=4)
    if zone == Zone.ZONE_1:  # its objection window is over
        return requests.approve_by_policy(request.pk)
    request = decide(request, world.people.approver, comment="It is needed, and the zone is right.")
    if zone == Zone.ZONE_3:
        _pass(world, minutes=25)
        request = decide(request, world.people.compliance_officer, comment="The group is the right one.")
    return request


def _pass(world: World, *, minutes: float) -> None:
    world.pass_until(world.clock.at + timedelta(minutes=minutes))


def _until(world: World, day: int, hour: int, minute: int) -> None:
    world.pass_until(datetime(2026, 3, day, hour, minute, tzinfo=UTC))
