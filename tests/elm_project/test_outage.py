"""What a browser shows while the database refuses (on a server that really does: D5 and D13 of the fault list)."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from core_app.outage import Outage
from elm_project.outage import handler500


def answered(request: HttpRequest, error: Exception, cause: Exception | None = None) -> HttpResponse:
    """Return what Django answers when nobody caught an error."""
    try:
        raise error from cause
    except type(error):
        return handler500(request)


LOST = psycopg.OperationalError("server closed the connection unexpectedly")


def test_what_was_typed_is_kept_to_be_sent_again_and_a_password_is_not_shown() -> None:
    typed = {
        "comment": "It <b>fits</b>.",
        "_form_submitted": "on",
        "new_password1": "hunter2",
        "csrfmiddlewaretoken": "x",
    }
    answer = answered(RequestFactory().post("/somewhere/", typed), OperationalError("lost"), LOST)

    page = answer.content.decode()
    assert (answer.status_code, answer["Retry-After"], answer["Cache-Control"]) == (503, "30", "no-store")
    assert Outage.UNREACHABLE.value in page
    assert "It &lt;b&gt;fits&lt;/b&gt;." in page
    assert '<input type="hidden" name="_form_submitted" value="on">' in page
    assert "Send again" in page
    assert "hunter2" not in page


def test_a_page_that_was_only_read_offers_nothing_to_send() -> None:
    answer = answered(RequestFactory().get("/somewhere/?q=1"), OperationalError("lost"), LOST)

    assert answer.status_code == 503
    assert "Send again" not in answer.content.decode()


@pytest.mark.parametrize("error", [ValueError("a mistake"), OperationalError("no such table")])
def test_a_mistake_stays_an_error(error: Any) -> None:
    assert answered(RequestFactory().get("/"), error).status_code == 500
