"""The guards around the protected state."""

from __future__ import annotations

import pytest

from core_app.errors import DomainError
from requests_app.choices import State
from requests_app.models import EnvironmentRequest
from tests.factories import make_request

pytestmark = pytest.mark.django_db


def test_c13_a_state_is_never_written_in_bulk(people):
    request = make_request(people=people)

    with pytest.raises(DomainError, match="only through a transition"):
        EnvironmentRequest.objects.filter(pk=request.pk).update(state=State.APPROVED)
    with pytest.raises(DomainError):
        EnvironmentRequest.objects.bulk_update([request], ["state"])
    with pytest.raises(AttributeError):
        request.state = State.APPROVED


def test_a_refresh_reloads_the_state_and_keeps_its_protection(people):
    request = make_request(State.PENDING_APPROVAL, people=people)
    stale = EnvironmentRequest.objects.get(pk=request.pk)

    request.refresh_from_db(fields=["state"])
    stale.refresh_from_db()

    assert stale.state == request.state == State.PENDING_APPROVAL
    with pytest.raises(AttributeError):
        stale.state = State.APPROVED


def test_other_fields_are_written_in_bulk_as_usual(people):
    request = make_request(people=people)

    EnvironmentRequest.objects.filter(pk=request.pk).update(failure_reason="x")
    EnvironmentRequest.objects.bulk_update([request], ["failure_reason"])
