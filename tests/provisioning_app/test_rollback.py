"""The rollback matrix, and a deletion that a person chose: durable, by the second credential, never of what is used."""

from __future__ import annotations

import pytest
from django.db import connection

from audit_app.actions import Action, ActorType
from audit_app.verify import verify_log
from core_app.errors import DomainError, PermissionRefused
from notifications_app.models import OutboxMessage
from provisioning_app import matrix, rollback, services
from provisioning_app.choices import EnvironmentStatus, RollbackStatus
from provisioning_app.matrix import Choice, FailurePoint
from provisioning_app.models import Environment, Rollback
from provisioning_app.plan import PLANS
from requests_app import services as requests
from requests_app.choices import State, Zone
from tests.provisioning_app.reconciling import (
    calls,
    failed_at_managed,
    findings_of,
    give_rollback_credential,
    let_pass,
    reconcile_now,
    roll_back,
)
from tests.screens import client_of, page_of, press, told

pytestmark = pytest.mark.simulated

EVERYTHING = {Choice.CONTINUE, Choice.ATTEST, Choice.DELETE}
GROUP = {"host": "power_platform", "method": "POST", "path": "addEnvironment", "count": 0}


@pytest.fixture
def deletable(world):
    """A tenant with the second credential and a request that failed before its environment was managed."""
    give_rollback_credential(world)
    return failed_at_managed(world)


def begin(world, request):
    return services.initiate_rollback(request.pk, by=world.people.operator, reason="Asked for twice.")


def actions(request):
    return list(request.log_entries.order_by("sequence").values_list("action", flat=True))


def deletes(world):
    return len(calls(world, "DELETE https://"))


@pytest.mark.parametrize(
    ("point", "choices"),
    [
        (FailurePoint.BEFORE_CREATE, set()),
        (FailurePoint.UNKNOWN, {Choice.CONTINUE}),
        (FailurePoint.AFTER_CREATE, EVERYTHING),
        (FailurePoint.AFTER_MANAGED, {Choice.CONTINUE, Choice.ATTEST}),
        (FailurePoint.AFTER_GROUP, {Choice.CONTINUE, Choice.ATTEST}),
        (FailurePoint.AFTER_BASELINE, {Choice.CONTINUE, Choice.ATTEST}),
    ],
)
def test_the_matrix_is_the_seeds(point, choices):
    assert point.choices == choices


def test_every_step_of_every_plan_has_its_place_in_the_matrix():
    for steps in PLANS.values():
        assert {step.key for step in steps} <= set(matrix.POINT_OF_STEP)


def test_before_create_there_is_nothing_to_roll_back(world):
    world.fault(host="bap", method="GET", path="/locations", status=400, body={"error": {"code": "x"}})
    request = world.provision(Zone.ZONE_2)

    assert matrix.point_of(request.runs.get()) == FailurePoint.BEFORE_CREATE
    assert matrix.options(request, world.people.operator) == set()
    with pytest.raises(DomainError, match="Before Create"):
        begin(world, request)


def test_after_create_everything_is_offered_to_an_operator_and_nothing_to_others(world):
    request = failed_at_managed(world)

    assert matrix.options(request, world.people.operator) == EVERYTHING
    for name in ("requester", "approver", "auditor", "governance_lead"):
        assert matrix.options(request, getattr(world.people, name)) == set()


def test_deleting_is_offered_for_five_minutes(world):
    request = failed_at_managed(world)
    row = request.environments.get()
    let_pass(world, seconds=(row.created_at - world.clock.at).total_seconds() + 300)
    assert Choice.DELETE in matrix.options(request, world.people.operator)

    let_pass(world, seconds=1)

    assert matrix.options(request, world.people.operator) == {Choice.CONTINUE, Choice.ATTEST}


def test_after_managed_nothing_is_deleted(make_world):
    world = make_world(baselines={"2": {"blocking_steps": ["environment_group"]}})
    give_rollback_credential(world)
    world.fault(**GROUP, status=400, body={"error": {"code": "InvalidRequest"}})
    request = world.provision(Zone.ZONE_2)

    assert matrix.point_of(request.runs.get()) == FailurePoint.AFTER_MANAGED
    with pytest.raises(DomainError, match="After Managed, before Group"):
        begin(world, request)
    assert not Rollback.objects.exists()


def test_a_rollback_deletes_with_the_second_credential_and_is_logged(world, deletable):
    rollback = begin(world, deletable)
    assert matrix.options(deletable, world.people.operator) == set()
    roll_back(world)

    rollback.refresh_from_db()
    assert (rollback.status, rollback.attempts) == (RollbackStatus.COMPLETED, 1)
    assert set(rollback.history.values_list("status", flat=True)) == {
        RollbackStatus.INITIATED,
        RollbackStatus.DELETING,
        RollbackStatus.COMPLETED,
    }
    assert [environment for environment in world.environments if environment["life"] == "Ready"] == []
    assert deletable.environments.get().status == EnvironmentStatus.DELETED
    assert actions(deletable)[-2:] == [Action.ROLLBACK_INITIATED, Action.ROLLBACK_COMPLETED]
    initiated = deletable.log_entries.get(action=Action.ROLLBACK_INITIATED)
    completed = deletable.log_entries.get(action=Action.ROLLBACK_COMPLETED)
    assert (initiated.actor, initiated.action_details["reason"]) == (world.people.operator.upn, "Asked for twice.")
    assert completed.actor_type == ActorType.SERVICE_PRINCIPAL
    assert completed.actor == str(world.people.tenant.identities.get(purpose="rollback").client_id)
    assert verify_log().ok


def test_what_nobody_foresaw_ends_the_rollback_and_quarantines_the_environment(world, deletable):
    rollback = begin(world, deletable)
    broken = []

    def breaks_once(execute, sql, params, many, context):
        if not broken and sql.startswith("UPDATE") and "provisioning_app_rollback" in sql and "attempts" in sql:
            broken.append(sql)
            raise KeyError("a secret")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(breaks_once):
        roll_back(world)

    rollback.refresh_from_db()
    assert broken
    assert (rollback.status, rollback.error) == (RollbackStatus.FAILED, "Unexpected KeyError while it was deleted.")
    assert deletable.environments.get().status == EnvironmentStatus.QUARANTINED


@pytest.mark.walk
def test_a_retry_after_a_deletion_creates_the_next_generation(world, deletable):
    first = deletable.runs.get()
    begin(world, deletable)
    roll_back(world)

    second = services.retry(deletable.pk, by=world.people.operator, reason="Wanted after all.")
    world.run_until_settled()

    deletable.refresh_from_db()
    assert deletable.state == State.COMPLETED, deletable.failure_reason
    assert (first.generation, second.generation) == (1, 2)
    assert second.domain_name != first.domain_name
    assert deletable.domain_name == second.domain_name
    rows = {row.status: row for row in deletable.environments.all()}
    assert set(rows) == {EnvironmentStatus.DELETED, EnvironmentStatus.ACTIVE}
    assert rows[EnvironmentStatus.ACTIVE].environment_id == deletable.environment_id
    assert rows[EnvironmentStatus.DELETED].domain_name == first.domain_name
    assert deletable.log_entries.get(action=Action.RETRY_REQUESTED).action_details["domain_name"] == second.domain_name
    reconcile_now()
    assert not Environment.objects.filter(status=EnvironmentStatus.QUARANTINED).exists()
    assert [kind for kind in matrix.FailurePoint if findings_of(world, 1)] == []


def test_a_retry_waits_for_a_deletion(world, deletable):
    begin(world, deletable)

    with pytest.raises(DomainError, match="being deleted"):
        services.retry(deletable.pk, by=world.people.operator, reason="Wanted after all.")


def test_without_the_second_credential_the_environment_is_quarantined_and_not_forgotten(world):
    request = failed_at_managed(world)

    begin(world, request)
    roll_back(world, minutes=1)

    row = request.environments.get()
    assert row.status == EnvironmentStatus.QUARANTINED
    assert "rollback principal" in row.quarantine_reason
    assert row.quarantined_at is not None
    assert actions(request)[-3:] == [
        Action.ROLLBACK_INITIATED,
        Action.ROLLBACK_FAILED,
        Action.ENVIRONMENT_QUARANTINED,
    ]
    assert deletes(world) == 0
    assert OutboxMessage.objects.filter(event="quarantined", recipient=world.people.operator).count() == 1
    world.people.tenant.refresh_from_db()
    assert not world.people.tenant.halted_reason


def test_when_use_cannot_be_ruled_out_nothing_is_deleted(world, deletable):
    world.fault(host="dataverse", method="GET", path="/systemusers", status=500, count=0)

    with pytest.raises(DomainError, match="could not be ruled out"):
        begin(world, deletable)

    assert not Rollback.objects.exists()


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_r12_a_lost_answer_to_the_deletion_is_found_out(world, deletable, kind):
    world.fault(host="bap", method="DELETE", path="scopes/admin/environments", **{kind: True})

    begin(world, deletable)
    roll_back(world)

    rollback = Rollback.objects.get()
    assert rollback.status == RollbackStatus.COMPLETED, rollback.error
    assert rollback.attempts == (2 if kind == "drop_before" else 1)


def test_a_worker_killed_after_its_call_is_followed_by_one_that_looks(world, deletable, monkeypatch):
    rollback = begin(world, deletable)

    class KilledError(BaseException):
        pass

    def die(*_arguments, **_more):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("microsoft_cloud.operations.Started.parse", die)
        with pytest.raises(KilledError):
            services.advance_rollback(rollback.pk)
    rollback.refresh_from_db()
    assert (rollback.status, rollback.operation_url) == (RollbackStatus.DELETING, "")
    assert services.due_rollbacks() == []

    let_pass(world, minutes=4)
    roll_back(world)

    rollback.refresh_from_db()
    assert (rollback.status, rollback.attempts) == (RollbackStatus.COMPLETED, 1)


def test_only_an_operator_initiates_a_rollback_and_says_why(world, deletable):
    for name in ("requester", "approver", "auditor", "governance_lead"):
        with pytest.raises(PermissionRefused):
            services.initiate_rollback(deletable.pk, by=getattr(world.people, name), reason="x")
    with pytest.raises(DomainError, match="Say why"):
        services.initiate_rollback(deletable.pk, by=world.people.operator, reason=" \u200b ")
    begin(world, deletable)
    with pytest.raises(DomainError):
        begin(world, deletable)
    assert Rollback.objects.count() == 1


def test_an_operator_deletes_on_the_requests_page_and_then_the_button_is_gone(world, deletable):
    operator = world.people.operator
    button = f'hx-get="{page_of(deletable, "roll_back")}'
    assert button in client_of(operator).get(page_of(deletable)).content.decode()
    assert button not in client_of(world.people.auditor).get(page_of(deletable)).content.decode()

    answer = press(operator, deletable, "roll_back", reason="Asked for twice.")

    assert told(answer, operator) == [f"The environment of {deletable} is being deleted."]
    assert Rollback.objects.get().initiated_by == operator
    assert button not in client_of(operator).get(page_of(deletable)).content.decode()


@pytest.mark.parametrize("verb", ["roll_back", "attest"])
def test_who_does_not_operate_presses_no_button(world, deletable, verb):
    for name in ("auditor", "governance_lead"):
        assert press(getattr(world.people, name), deletable, verb, reason="Please.").status_code == 403
    assert not Rollback.objects.exists()


def test_what_is_under_legal_hold_is_not_deleted(world, deletable):
    """Neither begun nor, once somebody has placed the hold in between, carried out: it is quarantined then."""
    officer = world.people.compliance_officer
    hold = requests.place_hold(deletable.pk, matter="Case 7", reason="Litigation.", by=officer)
    assert Choice.DELETE not in matrix.options(deletable, world.people.operator)
    with pytest.raises(DomainError, match="Deleting is offered only"):
        begin(world, deletable)
    requests.release_hold(hold.pk, reason="Closed.", by=officer)
    begin(world, deletable)

    requests.place_hold(deletable.pk, matter="Case 8", reason="Litigation.", by=officer)
    roll_back(world)

    assert deletes(world) == 0
    entry = deletable.log_entries.get(action=Action.ROLLBACK_FAILED)
    assert entry.error_message == "Its request is under legal hold for Case 8."
    assert deletable.environments.get().status == EnvironmentStatus.QUARANTINED


def test_a_hold_that_comes_between_the_look_and_the_deletion_stops_it(world, deletable, monkeypatch):
    begin(world, deletable)
    look = rollback._obstacle

    def placed_meanwhile(run, row):
        found = look(run, row)
        requests.place_hold(deletable.pk, matter="Case 9", reason="Litigation.", by=world.people.compliance_officer)
        return found

    monkeypatch.setattr(rollback, "_obstacle", placed_meanwhile)
    roll_back(world, minutes=1)

    assert deletes(world) == 0
    assert deletable.log_entries.get(action=Action.ROLLBACK_FAILED).error_message.endswith("for Case 9.")
