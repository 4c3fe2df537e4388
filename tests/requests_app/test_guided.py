"""The guided form: a request in a few steps, saved at each, with its zone beside the questions."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts_app.roles import Depth, Role
from accounts_app.services import grant
from accounts_app.tenant_settings import Settings
from audit_app.actions import Action
from gates_app.levels import Outcome
from requests_app import services
from requests_app.choices import DataSensitivity, EnvironmentType, ExpectedUsers, State, Zone
from requests_app.guided import searches
from requests_app.guided.forms import Asking
from requests_app.guided.live import answers_in, zone_so_far
from requests_app.guided.zone_form import ZoneForm
from requests_app.models import EnvironmentRequest
from tests.factories import People, make_people, make_request, make_user, unit_of
from tests.microsoft import GROUP_NAME, World
from tests.screens import client_of, page_of

PURPOSE = {"environment_type": "2", "region": "2"}
DATA = {"data_sensitivity": "4", "involves": ["has_customer_data"], "expected_users": "2"}
REASON = {
    "environment_name": "FIN-Guided-PROD",
    "business_justification": "Claims handlers automate the intake of paper claims.",
}


def at(view: str) -> str:
    return reverse(f"admin:requests_app_environmentrequest_{view}")


def step_of(draft: EnvironmentRequest, step: str) -> str:
    return f"{page_of(draft, 'guided')}?step={step}"


def begun(client: Client, **changes: Any) -> str:
    """Take the first step and return the address of the second."""
    answer = client.post(at("new"), {**PURPOSE, **changes})
    assert answer.status_code == 302, answer.context["form"].errors
    return answer["Location"]


def errors(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return dict(answer.context["form"].errors)


@pytest.fixture
def client(people: People) -> Client:
    return client_of(people.requester)


@pytest.fixture
def draft(people: People) -> EnvironmentRequest:
    return make_request(people=people, zone=Zone.ZONE_3, zone_rationale="", security_group_name="")


def test_two_steps_make_a_draft_and_the_others_complete_it(people: People, client: Client) -> None:
    second = begun(client)
    assert not EnvironmentRequest.objects.exists()
    third = client.post(second, DATA)["Location"]

    draft = EnvironmentRequest.objects.get()
    assert (draft.requester, draft.state, draft.zone) == (people.requester, State.DRAFT, Zone.ZONE_3)
    assert draft.flags == ["RESTRICTED_DATA", "CUSTOMER_PII", "PRODUCTION_WORKLOAD", "TEAM_WORKLOAD"]
    assert third == step_of(draft, "reason")
    fourth = client.post(third, REASON)["Location"]
    assert fourth == step_of(draft, "zone")
    last = client.post(fourth, {"zone_rationale": "The inventory says so.", "group": "SG-Claims"})["Location"]
    overview = client.get(last).context["overview"]
    assert overview.is_complete
    draft.refresh_from_db()
    assert (draft.environment_name, draft.security_group_name) == ("FIN-Guided-PROD", "SG-Claims")


def test_the_second_step_sent_again_makes_no_second_draft(client: Client) -> None:
    second = begun(client)
    answers = {client.post(second, DATA)["Location"] for _ in range(2)}
    changed = client.post(second, {**DATA, "expected_users": "4"})["Location"]  # back and on again: the same draft
    assert answers == {changed}
    draft = EnvironmentRequest.objects.get()
    assert draft.expected_users == ExpectedUsers.DEPARTMENT
    assert draft.log_entries.filter(action=Action.REQUEST_CREATED).count() == 1
    services.withdraw(draft.pk, by=draft.requester)
    assert client.get(second)["Location"] == page_of(draft)


def test_the_first_answers_are_kept_until_they_are_in_a_draft(client: Client) -> None:
    second = begun(client)
    again = client.get(at("new"))
    assert again.context["begun"]
    assert again.context["form"].initial["region"] == 2
    assert client.get(second).context["zone"].zone == Zone.ZONE_2  # Production, so far
    assert not client.get(f"{at('new')}?anew=1").context["begun"]
    client.post(second, DATA)
    assert not client.get(at("new")).context["begun"]
    for unknown in (f"{at('new_data')}?form={uuid4()}", at("new_data"), f"{at('new_data')}?form=x"):
        assert client.get(unknown)["Location"] == at("new")


def test_of_several_forms_the_last_five_are_kept(client: Client) -> None:
    seconds = [client.post(f"{at('new')}?form={uuid4()}", PURPOSE)["Location"] for _ in range(6)]
    assert [client.get(second).status_code for second in seconds] == [302, *[200] * 5]


def test_what_is_wrong_is_said_beside_the_question_and_nothing_is_lost(
    people: People, client: Client, draft: EnvironmentRequest
) -> None:
    taken = make_request(State.PENDING_APPROVAL, people=people, environment_name="FIN-Taken-DEV")
    assert errors(client.post(at("new"), {"region": "2"})) == {"environment_type": ["Choose one."]}
    second = begun(client)
    wrong = client.post(second, {**DATA, "involves": ["none", "has_customer_data"]})
    assert list(errors(wrong)) == ["involves"]
    assert errors(client.post(second, {"data_sensitivity": "4"})) == {
        "involves": ["Choose what applies, or “None of these”."],
        "expected_users": ["Choose one."],
    }
    said = client.post(step_of(draft, "reason"), {"environment_name": "claims", "business_justification": "Short."})
    assert list(errors(said)) == ["environment_name", "business_justification"]
    assert "Short." in said.content.decode()
    for name in (taken.environment_name, taken.environment_name.lower().replace("fin-", "FIN-").replace("dev", "DEV")):
        answer = client.post(step_of(draft, "reason"), {**REASON, "environment_name": name})
        assert "is already used by another request" in errors(answer)["environment_name"][0]
    assert errors(client.post(step_of(draft, "zone"), {"group": " "})) == {
        "zone_rationale": ["Zone 3 needs a sentence or two here."],
        "group": ["Zone 3 needs a security group."],
    }


def test_a_step_is_kept_as_it_is_for_later(client: Client, draft: EnvironmentRequest) -> None:
    answer = client.post(step_of(draft, "reason"), {"environment_name": "claims", "_later": "1"})
    assert answer["Location"] == page_of(draft)
    assert client.post(step_of(draft, "zone"), {"group": "", "_later": "1"})["Location"] == page_of(draft)
    draft.refresh_from_db()
    assert (draft.environment_name, draft.business_justification) == ("claims", "")
    missing = [section.missing for section in client.get(step_of(draft, "summary")).context["overview"].sections]
    assert [len(each) for each in missing] == [0, 0, 2, 2]


def test_what_the_verb_refuses_comes_back_beside_the_question(client: Client, draft: EnvironmentRequest) -> None:
    said = {"zone_rationale": "Kept.", "group": "x" * 256, "raised_zone": ""}
    assert client.post(step_of(draft, "zone"), said).status_code == 302
    form = ZoneForm(Asking(draft.requester, draft, Settings()), said)
    form.refuse([("security_group_id", "must be a GUID."), ("zone", "is in dispute.")])
    assert dict(form.errors) == {"group": ["must be a GUID."], "__all__": ["is in dispute."]}


def test_the_zone_is_raised_and_the_choice_is_offered_only_upwards(people: People, client: Client) -> None:
    draft = make_request(people=people)
    offered = client.get(step_of(draft, "zone")).context["form"]["raised_zone"]
    assert [value for value, _title in offered.field.choices] == ["", 2, 3]
    client.post(step_of(draft, "zone"), {"raised_zone": "2", "zone_rationale": "To be safe.", "group": "SG-Claims"})
    draft.refresh_from_db()
    assert (draft.zone, draft.raised_zone) == (Zone.ZONE_2, 2)
    high = make_request(people=people, zone=Zone.ZONE_3)
    assert "raised_zone" not in client.get(step_of(high, "zone")).context["form"].fields


@pytest.mark.parametrize(
    ("typed", "chosen", "expected"),
    [
        (
            "SG-Cla",
            f"{'1' * 8}-0000-4000-8000-{'1' * 12}|SG-Claims",
            ("11111111-0000-4000-8000-111111111111", "SG-Claims"),
        ),
        ("SG-Other", f"{'1' * 8}-0000-4000-8000-{'1' * 12}|SG-Claims", ("", "SG-Other")),
        ("22222222-0000-4000-8000-222222222222", "", ("22222222-0000-4000-8000-222222222222", "")),
        ("SG-Claims", "nonsense|SG-Claims", ("", "SG-Claims")),
    ],
)
def test_a_group_is_chosen_from_what_was_found_or_typed(
    client: Client, draft: EnvironmentRequest, typed: str, chosen: str, expected: tuple[str, str]
) -> None:
    said = {"zone_rationale": "The inventory says so.", "group": typed, "group_found": chosen}
    assert client.post(step_of(draft, "zone"), said).status_code == 302
    draft.refresh_from_db()
    assert (draft.security_group_id, draft.security_group_name) == expected


def test_developer_environments_and_units_are_offered_to_whom_they_are_of_use(people: People) -> None:
    alone = client_of(make_user(Role.REQUESTER, unit_of(people.tenant, "Cards")))
    form = alone.get(at("new")).context["form"]
    assert "business_unit" not in form.fields
    assert [value for value, _title in form.fields["environment_type"].choices] == [1, 2]
    several = client_of(people.requester)
    assert set(several.get(at("new")).context["form"].fields["business_unit"].queryset) == {
        people.unit,
        unit_of(people.tenant, "Cards"),
    }
    second = begun(several, business_unit=unit_of(people.tenant, "Cards").pk)
    several.post(second, DATA)
    assert EnvironmentRequest.objects.get().business_unit.name == "Cards"
    developer = make_request(people=people, environment_type=EnvironmentType.DEVELOPER)
    choices = several.get(step_of(developer, "purpose")).context["form"].fields["environment_type"].choices
    assert [value for value, _title in choices] == [1, 2, 3]


def test_who_approves_for_a_unit_is_told_at_the_first_step(people: People) -> None:
    grant(people.requester, Role.APPROVER, people.unit, Depth.DEEP)
    answer = client_of(people.requester).post(at("new"), {**PURPOSE, "business_unit": people.unit.pk})
    assert "You approve requests of Retail" in errors(answer)["business_unit"][0]


def test_only_its_requester_fills_in_a_draft(people: People, draft: EnvironmentRequest) -> None:
    pending = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_2)
    assert client_of(people.approver).get(at("new")).status_code == 403
    assert client_of(people.governance_lead).get(page_of(draft, "guided")).status_code == 403
    assert client_of(people.requester).get(page_of(pending, "guided")).status_code == 403
    live = at("live_name")
    approver = client_of(people.approver)
    assert approver.post(live, {"draft": draft.pk}).status_code == 403
    colleague = client_of(make_user(Role.REQUESTER, people.unit))
    assert colleague.post(live, {"draft": draft.pk}).status_code == 404
    own = client_of(people.requester)
    assert own.post(live, {"draft": pending.pk}).status_code == 403
    assert own.post(live, {"draft": "x"}).status_code == 404
    assert own.get(live).status_code == 405


def test_the_last_step_submits_or_says_what_is_wrong_and_where(people: People, client: Client) -> None:
    draft = make_request(people=people, zone=Zone.ZONE_1, environment_name="")
    refused = client.post(step_of(draft, "summary"))
    assert [(label, step.key) for label, _what, step in refused.context["refused"]] == [("Environment name", "reason")]
    client.post(step_of(draft, "reason"), REASON)
    assert client.post(step_of(draft, "summary"))["Location"] == page_of(draft)
    draft.refresh_from_db()
    assert draft.state == State.PENDING_APPROVAL
    assert client.post(step_of(draft, "summary")).status_code == 403


def test_a_step_costs_the_same_number_of_queries_however_much_there_is(
    people: People, client: Client, draft: EnvironmentRequest
) -> None:
    def costs() -> list[int]:
        counted = []
        for step in ("zone", "summary"):
            with CaptureQueriesContext(connection) as captured:
                client.get(step_of(draft, step))
            counted.append(len(captured))
        return counted

    costs()  # what a process reads once
    before = costs()
    for zone in (Zone.ZONE_1, Zone.ZONE_2):
        make_request(State.PENDING_APPROVAL, people=people, zone=zone)
    make_user(Role.APPROVER, people.unit)
    assert costs() == before
    assert max(before) <= 45


def test_a_draft_in_dispute_is_shown_and_not_asked_about(people: People, client: Client) -> None:
    draft = make_request(people=people, zone=Zone.ZONE_2)
    page = client.get(page_of(draft, "dispute"))
    assert [value for value, _title in page.context["form"].fields["wanted_zone"].choices] == [1]
    assert list(errors(client.post(page_of(draft, "dispute"), {"wanted_zone": "1", "rationale": " \u200b"}))) == [
        "rationale"
    ]
    answer = client.post(page_of(draft, "dispute"), {"wanted_zone": "1", "rationale": "It is made up."})
    dispute = draft.zone_disputes.get()
    assert answer["Location"] == page_of(dispute)
    shown = client.get(step_of(draft, "data"))
    assert shown.context["overview"].dispute == dispute
    assert client.post(step_of(draft, "data"), DATA).context["refused"]
    assert client.get(page_of(draft, "dispute")).status_code == 403

    lead = client_of(people.governance_lead)
    assert "What would change" in lead.get(page_of(dispute)).content.decode()
    shown_hash = services.dispute_hash(dispute)
    said = {"_form_submitted": "on", "comment": "Yes, it is.", "content_hash": shown_hash}
    assert lead.post(page_of(dispute, "lower"), {**said, "content_hash": "0" * 64}).status_code == 302
    assert lead.post(page_of(dispute, "lower"), said).status_code == 302
    draft.refresh_from_db()
    assert draft.zone == Zone.ZONE_1
    for reader in (lead, client):
        assert "Yes, it is." in reader.get(page_of(dispute)).content.decode()
    assert client.get(step_of(draft, "zone")).context["form"].lowest == Zone.ZONE_1
    other = services.dispute_zone(
        make_request(people=people, zone=Zone.ZONE_2).pk, by=people.requester, wanted=Zone.ZONE_1, rationale="Why not?"
    )
    lead.post(page_of(other, "keep"), {**said, "content_hash": services.dispute_hash(other)})
    assert not other.request.zone_disputes.filter(closed_at=None).exists()


def test_a_copy_begins_with_the_same_answers(people: People, client: Client) -> None:
    old = make_request(State.REJECTED, people=people, zone=Zone.ZONE_2, raised_zone=Zone.ZONE_3)
    said = {"_form_submitted": "on", "form_token": str(uuid4())}
    pages = {client.post(page_of(old, "copy"), said)["Location"] for _ in range(2)}
    copy = EnvironmentRequest.objects.get(state=State.DRAFT)
    assert pages == {page_of(copy, "guided")}
    assert (copy.environment_name, copy.zone, copy.raised_zone) == (old.environment_name, Zone.ZONE_3, 3)
    created = copy.log_entries.get(action=Action.REQUEST_CREATED)
    assert created.action_details["copied_from"] == old.request_number
    with_htmx = client.post(page_of(old, "copy"), {**said, "form_token": str(uuid4())}, headers={"HX-Request": "true"})
    assert with_htmx["HX-Redirect"].endswith("/guided/")
    stranger = make_people().requester
    with pytest.raises(EnvironmentRequest.DoesNotExist):
        services.copy(old.pk, by=stranger)


def test_a_copy_of_a_lowered_zone_starts_from_the_rules(people: People) -> None:
    draft = make_request(people=people, zone=Zone.ZONE_3)
    dispute = services.dispute_zone(draft.pk, by=people.requester, wanted=Zone.ZONE_1, rationale="It is made up.")
    shown = services.dispute_hash(dispute)
    services.decide_dispute(
        dispute.pk, by=people.governance_lead, outcome=Outcome.APPROVE, comment="Yes.", content_hash=shown
    )
    services.edit_draft(draft.pk, by=people.requester, raised_zone=Zone.ZONE_2)
    assert services.copy(draft.pk, by=people.requester).zone == Zone.ZONE_3


# While it is filled in


def test_the_zone_so_far_is_at_least_what_the_answers_ask_for() -> None:
    nothing = zone_so_far({}, Settings())
    assert (nothing.zone, nothing.is_final, nothing.lower_by, nothing.deciders) == (Zone.ZONE_1, False, (), ())
    some = zone_so_far({"environment_type": EnvironmentType.PRODUCTION}, Settings())
    assert (some.zone, some.is_final, some.lower_by) == (Zone.ZONE_2, False, ())
    answers = answers_in({"environment_type": "1", "data_sensitivity": "4", "expected_users": "1"}, ["none"])
    every = zone_so_far(answers, Settings())
    assert (every.zone, every.is_final, every.needs_group) == (Zone.ZONE_3, True, True)
    assert every.lower_by == ("use data that is Confidential at most",)
    assert (every.deciders, every.hours) == (("Approver", "Compliance Officer"), 72)


def test_what_a_browser_sends_is_read_as_far_as_it_is_an_answer() -> None:
    said = answers_in({"environment_type": "9", "data_sensitivity": "x", "expected_users": "3", "zone": "1"}, [])
    assert said == {"expected_users": ExpectedUsers.LARGE_TEAM}
    assert answers_in({"data_sensitivity": "2"}, ["has_external_access"]) == {
        "data_sensitivity": DataSensitivity.INTERNAL,
        "has_customer_data": False,
        "has_financial_data": False,
        "has_external_access": True,
    }


def test_the_zone_follows_while_the_form_is_filled_in(
    people: People, client: Client, draft: EnvironmentRequest
) -> None:
    live = at("live_zone")

    def zone(said: dict[str, Any]) -> Any:
        return client.post(live, said).context["zone"]

    token = begun(client).rpartition("=")[2]
    assert zone({"environment_type": "2"}).zone == Zone.ZONE_2
    assert zone({"step": "data", "form_token": token}).zone == Zone.ZONE_2
    assert (
        zone({"step": "data", "form_token": token, **DATA}).reasons[0] == "The data is Restricted, which needs Zone 3."
    )
    on_draft = {"draft": draft.pk, "step": "data", "data_sensitivity": "1", "expected_users": "1"}
    assert (zone(on_draft).zone, zone(on_draft).is_final) == (Zone.ZONE_2, False)  # nothing is ticked: an open question
    assert zone({**on_draft, "step": "purpose", "environment_type": "1"}).zone == Zone.ZONE_3
    mild = make_request(people=people)
    raised = zone({"draft": mild.pk, "step": "zone", "raised_zone": "3"})
    assert (raised.zone, raised.reasons, raised.lower_by) == (Zone.ZONE_3, ("You raise it to Zone 3.",), ())
    assert zone({"draft": mild.pk, "step": "zone", "raised_zone": "x"}).zone == Zone.ZONE_1


def test_the_zone_stays_raised_and_lowered_while_the_form_is_filled_in(people: People, client: Client) -> None:
    def zone(draft: EnvironmentRequest, **said: Any) -> tuple[Zone, bool]:
        shown = client.post(at("live_zone"), {"draft": draft.pk, "environment_type": "1", **said}).context["zone"]
        return shown.zone, shown.is_final

    raised = make_request(people=people, raised_zone=Zone.ZONE_3)
    assert zone(raised, step="purpose") == (Zone.ZONE_3, True)
    assert zone(raised, step="data", data_sensitivity="3") == (Zone.ZONE_3, False)
    disputed = make_request(people=people, zone=Zone.ZONE_2, expected_users=ExpectedUsers.JUST_ME)
    dispute = services.dispute_zone(disputed.pk, by=people.requester, wanted=Zone.ZONE_1, rationale="It is made up.")
    shown = services.dispute_hash(dispute)
    services.decide_dispute(
        dispute.pk, by=people.governance_lead, outcome=Outcome.APPROVE, comment="Yes.", content_hash=shown
    )
    same = {"step": "data", "data_sensitivity": "3", "expected_users": "1"}
    assert zone(disputed, step="purpose") == (Zone.ZONE_1, True)
    assert zone(disputed, **same) == (Zone.ZONE_1, False)
    assert zone(disputed, **same, involves="none") == (Zone.ZONE_1, True)
    assert zone(disputed, **same, involves="has_customer_data") == (Zone.ZONE_3, True)
    assert zone(disputed, step="purpose", environment_type="2") == (Zone.ZONE_2, True)


def test_a_name_is_checked_while_it_is_typed(people: People, client: Client, draft: EnvironmentRequest) -> None:
    make_request(State.PENDING_APPROVAL, people=people, environment_name="FIN-Taken-DEV")

    def told(name: str) -> str:
        return client.post(at("live_name"), {"environment_name": name, "draft": draft.pk}).content.decode()

    assert "does not follow the convention" in told("claims")
    assert "already used" in told("fin-taken-dev".upper().replace("TAKEN", "Taken"))
    assert "follows the convention and is free" in told("FIN-Free-DEV")
    assert told(" ").strip() == ""


def test_groups_are_searched_by_name_throttled_and_missed_when_graph_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.clear()
    monkeypatch.setattr(searches, "SEARCHES", "3/min")
    client = client_of(world.people.requester)

    def found(typed: str) -> str:
        return client.post(at("live_groups"), {"group": typed}).content.decode()

    assert world.group_id in found(GROUP_NAME[:5].lower())
    assert "No security group begins with" in found("Nothing")
    assert found("S").strip() == found(world.group_id).strip() == ""  # too short to search, and nothing to search for
    world.fault(host="graph", status=503, count=0)
    assert "Microsoft Entra cannot be searched now" in found("SG")
    assert "Wait a moment" in found("SG")

    world.simulator.control("DELETE", "/faults")
    cache.clear()
    draft = make_request(people=world.people, zone=Zone.ZONE_2, security_group_name="")
    page = client.post(step_of(draft, "zone"), {"group": GROUP_NAME[:5], "_search": "1"})  # without JavaScript
    assert world.group_id in page.content.decode()
    assert errors(page) == {}
    cache.clear()
