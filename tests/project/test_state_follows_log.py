"""The database refuses a state that the log does not tell, whoever writes it."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from audit_app.actions import Action
from audit_app.actors import SYSTEM
from audit_app.log import record
from audit_app.verify import verify_log
from requests_app import services
from requests_app.choices import State
from requests_app.models import EnvironmentRequest
from tests.factories import PRINCIPAL, make_people, make_request

pytestmark = pytest.mark.django_db

TABLE = "requests_app_environmentrequest"
LATER = sorted(set(State) - {State.DRAFT})
COLUMNS = [field.column for field in EnvironmentRequest._meta.concrete_fields]


def key(request: EnvironmentRequest) -> object:
    return request.pk.hex if connection.vendor == "sqlite" else request.pk


def set_state(request: EnvironmentRequest, state: State) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {TABLE} SET state = %s WHERE id = %s", [state, key(request)])


def copy(request: EnvironmentRequest, verb: str = "INSERT", **changed: str) -> None:
    """Insert a row like another one, with some columns changed to SQL expressions."""
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    values = ", ".join(changed.get(name, f'"{name}"') for name in COLUMNS)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"{verb} INTO {TABLE} ({columns}) SELECT {values} FROM {TABLE} WHERE id = %s", [key(request)])


def fresh(state: State) -> dict[str, str]:
    """Return the columns that make a copied row another request."""
    return {
        "id": f"'{uuid4().hex if connection.vendor == 'sqlite' else uuid4()}'",
        "number": "99",
        "state": str(int(state)),
    }


def test_c13_a_raw_update_of_the_state_is_refused() -> None:
    request = make_request()
    for state in LATER:
        with pytest.raises(IntegrityError, match="newest log entry does not name this change"):
            set_state(request, state)


def test_a_change_that_the_newest_entry_names_is_accepted_once() -> None:
    request = make_request()
    record(Action.REQUEST_WITHDRAWN, on=request, by=SYSTEM, transition=(State.DRAFT, State.WITHDRAWN))
    record(Action.INTAKE_RECEIVED, on=request, by=SYSTEM)  # an entry without a state is no obstacle
    set_state(request, State.WITHDRAWN)
    with pytest.raises(IntegrityError, match="newest log entry does not name this change"):
        set_state(request, State.DRAFT)


@pytest.mark.parametrize(
    "named", [(State.DRAFT, State.SUBMITTED), (State.SUBMITTED, State.WITHDRAWN), (State.WITHDRAWN, State.DRAFT)]
)
def test_an_entry_that_names_another_change_does_not_help(named: tuple[State, State]) -> None:
    request = make_request()
    record(Action.REQUEST_WITHDRAWN, on=request, by=SYSTEM, transition=named)
    with pytest.raises(IntegrityError, match="newest log entry does not name this change"):
        set_state(request, State.WITHDRAWN)


def test_an_entry_of_another_request_does_not_help() -> None:
    request, other = make_request(), make_request()
    record(Action.REQUEST_WITHDRAWN, on=other, by=SYSTEM, transition=(State.DRAFT, State.WITHDRAWN))
    with pytest.raises(IntegrityError, match="newest log entry does not name this change"):
        set_state(request, State.WITHDRAWN)


def test_an_older_entry_does_not_help() -> None:
    people, run = make_people(), uuid4()
    request = make_request(State.FAILED, people=people)
    services.retry(request.pk, by=people.operator, reason="The quota was raised.", run_id=run)
    services.fail(request.pk, by=PRINCIPAL, run_id=run, step="create", reason="The quota is used up again.")
    assert request.log_entries.filter(from_state=State.FAILED, to_state=State.PROVISIONING).exists()
    with pytest.raises(IntegrityError, match="newest log entry does not name this change"):
        set_state(request, State.PROVISIONING)
    assert verify_log().ok


def test_other_columns_change_freely() -> None:
    request = make_request()
    EnvironmentRequest.objects.filter(pk=request.pk).update(business_justification="Something else altogether.")


def test_a_row_that_does_not_start_as_a_draft_is_refused() -> None:
    request = make_request()
    for state in LATER:
        with pytest.raises(IntegrityError, match="starts in state 1"):
            copy(request, **fresh(state))


def test_a_row_that_starts_as_a_draft_is_accepted() -> None:
    copy(make_request(), **fresh(State.DRAFT))
    assert EnvironmentRequest.objects.filter(number=99, state=State.DRAFT).exists()


@pytest.mark.sqlite
def test_a_request_is_not_replaced_by_a_fresh_draft() -> None:
    request = make_request(State.REJECTED)
    with pytest.raises(IntegrityError, match="starts in state 1"):
        copy(request, "INSERT OR REPLACE", state="1")
    assert EnvironmentRequest.objects.get(pk=request.pk).state == State.REJECTED
