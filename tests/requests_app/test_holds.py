"""Legal holds: placed and released by a Compliance Officer, logged, seen, and stronger than any deletion."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.apps import apps
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts_app.roles import Role
from accounts_app.services import grant
from audit_app import triggers
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from audit_app.verify import verify_log
from core_app.errors import DomainError, InvalidInputError, PermissionRefused
from requests_app import services
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest, LegalHold
from tests.factories import make_people, make_request
from tests.screens import client_of, page_of, press, told

pytestmark = pytest.mark.django_db
WHY = "The supervisor asked for it."


@pytest.fixture
def request_(people):
    return make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_3)


@pytest.fixture
def hold(people, request_):
    return services.place_hold(request_.pk, matter="Exam 14", reason=WHY, by=people.compliance_officer)


def entries(action):
    return list(ProvisioningLog.objects.filter(action=action).order_by("sequence"))


def test_a_compliance_officer_places_a_hold_and_releases_it_and_both_are_logged(clock, people, request_, hold):
    assert LegalHold.objects.on(request_.pk).get() == hold
    (placed,) = entries(Action.LEGAL_HOLD_PLACED)
    assert (placed.actor, placed.environment_request_id) == (people.compliance_officer.upn, request_.pk)
    assert placed.action_details == {"hold": str(hold.pk), "matter": "Exam 14", "reason": WHY}

    clock.advance(days=30)
    services.release_hold(hold.pk, reason="The examination is closed.", by=people.compliance_officer)

    hold.refresh_from_db()
    assert (hold.released_by, hold.released_at) == (people.compliance_officer, clock.at)
    (released,) = entries(Action.LEGAL_HOLD_RELEASED)
    assert released.action_details["reason"] == "The examination is closed."
    assert not LegalHold.objects.on(request_.pk).exists()
    assert LegalHold.objects.obstacle(request_.pk) == ""
    assert verify_log().ok


def test_a_request_may_be_held_for_several_matters_but_once_for_each(people, request_, hold):
    with pytest.raises(DomainError, match="already"):
        services.place_hold(request_.pk, matter=" Exam 14 ", reason=WHY, by=people.compliance_officer)
    services.place_hold(request_.pk, matter="Case 7", reason=WHY, by=people.compliance_officer)
    services.release_hold(hold.pk, reason="Closed.", by=people.compliance_officer)
    assert LegalHold.objects.on(request_.pk).get().matter == "Case 7"
    with pytest.raises(DomainError, match="released before"):
        services.release_hold(hold.pk, reason="Closed.", by=people.compliance_officer)


def test_nobody_else_places_or_releases_one(people, request_, hold):
    others = (people.requester, people.approver, people.governance_lead, people.operator, people.auditor)
    for person in (*others, make_people().compliance_officer):
        with pytest.raises(PermissionRefused, match="Compliance Officer"):
            services.place_hold(request_.pk, matter="Case 7", reason=WHY, by=person)
        with pytest.raises(PermissionRefused, match="Compliance Officer"):
            services.release_hold(hold.pk, reason=WHY, by=person)
    assert len(entries(Action.LEGAL_HOLD_PLACED)) == 1


def test_nobody_lets_the_hold_on_their_own_request_go(people):
    grant(people.requester, Role.COMPLIANCE_OFFICER, people.tenant)
    request = make_request(people=people)
    hold = services.place_hold(request.pk, matter="Case 7", reason=WHY, by=people.requester)
    with pytest.raises(PermissionRefused, match="another Compliance Officer"):
        services.release_hold(hold.pk, reason="Closed.", by=people.requester)
    services.release_hold(hold.pk, reason="Closed.", by=people.compliance_officer)


@pytest.mark.parametrize(("matter", "reason"), [("", WHY), ("Case 7", "\u200b "), ("x" * 101, WHY), ("Case\x007", WHY)])
def test_a_hold_says_for_what_and_why(people, request_, matter, reason):
    with pytest.raises(InvalidInputError):
        services.place_hold(request_.pk, matter=matter, reason=reason, by=people.compliance_officer)
    assert LegalHold.objects.count() == 0


def test_a_release_says_why_and_the_database_wants_it_too(people, hold):
    with pytest.raises(InvalidInputError):
        services.release_hold(hold.pk, reason=" ", by=people.compliance_officer)
    with pytest.raises(IntegrityError, match="a_released_hold_says_who_and_why"), transaction.atomic():
        LegalHold.objects.update(released_by=people.auditor)


def test_on_the_screens_it_is_seen_placed_and_released(people, request_):
    officer = people.compliance_officer
    page = page_of(request_)
    assert "place_hold" in client_of(officer).get(page).content.decode()
    assert "release_hold" not in client_of(officer).get(page).content.decode()
    assert "place_hold" not in client_of(people.auditor).get(page).content.decode()

    answer = press(officer, request_, "place_hold", matter="Exam 14", reason=WHY)
    assert told(answer, officer) == [f"{request_} is under legal hold for Exam 14."]
    hold = LegalHold.objects.get()
    for person in (people.requester, people.auditor):
        shown = client_of(person).get(page).content.decode()
        assert "Under legal hold</strong> for Exam 14" in shown
    listed = client_of(people.auditor).get("/admin/requests_app/legalhold/?is=in_force").content.decode()
    assert "Exam 14" in listed
    assert client_of(people.requester).get("/admin/requests_app/legalhold/").status_code == 403

    assert "Exam 14" in client_of(officer).get(page_of(request_, "release_hold")).content.decode()
    press(officer, request_, "release_hold", hold=str(hold.pk), reason="Closed.")
    assert "Under legal hold" not in client_of(people.auditor).get(page).content.decode()
    assert "Exam 14" in client_of(people.auditor).get("/admin/requests_app/legalhold/?is=released").content.decode()


def deleted(table, where, *values):
    """Delete with raw SQL, past the code and past the log, and say whether the database let it happen."""
    with suppress(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE {where}", values)
        return cursor.rowcount > 0
    return False


def test_e7_nothing_of_a_held_request_is_deleted_and_no_single_entry_ever(people, request_, hold):
    """This release purges nothing; whoever deletes with SQL is refused, under a hold and out of the log always."""
    free = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_3)
    for row, expected in ((request_, False), (free, True)):
        assert deleted("gates_app_historicalstage", "gate_id = %s", _key(row.gate_id)) is expected
        assert deleted("requests_app_historicalenvironmentrequest", "id = %s", _key(row.pk)) is expected
    assert not deleted("requests_app_legalhold", "id = %s", _key(hold.pk))
    assert not deleted("audit_app_provisioninglog", "environment_request_id = %s", _key(free.pk))
    assert not deleted("audit_app_provisioninglog", "id = %s", _key(free.log_entries.first().pk))

    services.release_hold(hold.pk, reason="Closed.", by=people.compliance_officer)
    assert deleted("requests_app_historicalenvironmentrequest", "id = %s", _key(request_.pk))
    assert EnvironmentRequest.objects.filter(pk=request_.pk).exists()


def _key(pk):
    return pk.hex if connection.vendor == "sqlite" else pk


def test_the_gate_of_a_dispute_is_kept_with_its_request(people):
    draft = make_request(people=people, zone=Zone.ZONE_2)
    dispute = services.dispute_zone(draft.pk, by=people.requester, wanted=Zone.ZONE_1, rationale="It is made up.")
    services.place_hold(draft.pk, matter="Case 7", reason=WHY, by=people.compliance_officer)
    assert not deleted("gates_app_historicalstage", "gate_id = %s", _key(dispute.gate_id))
    assert not deleted("requests_app_historicalzonedispute", "id = %s", _key(dispute.pk))


def test_a_hold_that_ends_or_begins_past_the_log_is_found(people, request_, hold):
    """Whoever has the database can end one with SQL of their own; the log then says otherwise."""
    assert verify_log().ok
    other = make_request(people=people)
    LegalHold.objects.filter(pk=hold.pk).update(request=other)
    assert {(each.classification, each.entry, each.detail) for each in verify_log().findings} == {
        ("STATE_MISMATCH", f"request:{request_.pk}", "Legal holds in force on the request: 0; by its log: 1."),
        ("STATE_MISMATCH", f"request:{other.pk}", "Legal holds in force on the request: 1; by its log: 0."),
    }


def test_every_table_of_a_request_is_kept():
    """A new table with a way to a request is kept too, or this says that it is not."""
    kept = {each.table for each in triggers.declared() if isinstance(each, triggers.KeptWhile)}
    append_only = triggers.append_only_tables()
    reached = {
        model._meta.db_table
        for model in _models()
        if {"request", "gate", "run", "environment"}
        & {field.name for field in model._meta.concrete_fields if field.is_relation}
    }
    not_evidence = {"provisioning_app_slot"}  # a right to run, taken back when the run ends
    assert reached - kept - append_only - not_evidence == set()


def _models():
    return [
        model
        for app in ("requests_app", "gates_app", "provisioning_app")
        for model in apps.get_app_config(app).get_models()
    ]


@pytest.mark.postgres
def test_a_table_is_not_emptied_while_anything_is_held(people, request_, hold):
    connection.check_constraints()
    with pytest.raises(IntegrityError, match="legal hold"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE provisioning_app_historicalgap")
    services.release_hold(hold.pk, reason="Closed.", by=people.compliance_officer)
    connection.check_constraints()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE provisioning_app_historicalgap")
