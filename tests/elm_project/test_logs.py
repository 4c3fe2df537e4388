"""The log stream: one JSON object a line, whatever somebody writes into it, and every line says where it belongs."""

from __future__ import annotations

import json
import logging
import logging.config
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from celery import signals
from django.conf import settings
from django.http import HttpResponse
from django.test import Client, RequestFactory

from elm_project import correlation
from provisioning_app.tasks import advance
from tests.factories import make_user
from tests.screens import client_of

Lines = Callable[[], list[dict[str, Any]]]
FORGED = 'x\n{"event": "start_refused", "level": "critical"}\r\n\x1b[2J\x7f\u2028\u202e\x00'
SCHEMA = {"event", "level", "logger", "timestamp"}


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Return what was logged meanwhile, read back from the lines that the installation's own handler writes."""
    written: list[str] = []
    handler = next(
        item for item in logging.getLogger().handlers if "ProcessorFormatter" in type(item.formatter).__name__
    )
    emit = handler.emit
    handler.emit = lambda record: written.append(handler.format(record))  # type: ignore[method-assign]
    yield lambda: [json.loads(one) for whole in written for one in whole.splitlines()]
    handler.emit = emit  # type: ignore[method-assign]


def test_every_line_has_the_schema_whoever_logs(lines: Lines) -> None:
    structlog.get_logger("ours").error("something_happened", step="create")
    logging.getLogger("theirs").error("said %s", "hello", extra={"status_code": 403, "request": object()})

    ours, theirs = lines()
    assert set(ours) == SCHEMA | {"step"}
    assert (theirs["event"], theirs["status_code"], set(theirs)) == ("said hello", 403, SCHEMA | {"status_code"})
    assert (ours["level"], ours["logger"], ours["timestamp"][-1]) == ("error", "ours", "Z")


@pytest.mark.django_db
def test_s3_forged_lines_stay_data_of_one_record_and_a_correlation_id_has_to_look_like_one(
    lines: Lines, client: Client
) -> None:
    structlog.get_logger("ours").error("comment_seen", comment=FORGED)
    logging.getLogger("theirs").error("agent %s", FORGED)
    client.get("/nothing-here/%0a{forged}", headers={"User-Agent": FORGED[:40], "X-Correlation-ID": 'a\n{"event": 1}'})
    client.get("/nothing-here/", headers={"X-Correlation-ID": "agent-7f3a.42"})

    first, second, third, fourth = lines()
    assert (first["event"], first["comment"]) == ("comment_seen", FORGED)
    assert second["event"] == f"agent {FORGED}"
    assert third["correlation_id"] == third["request_id"] != fourth["request_id"]
    assert (third["status_code"], fourth["correlation_id"]) == (404, "agent-7f3a.42")


def test_a_line_is_ascii_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    record = logging.LogRecord("ours", logging.ERROR, "", 0, FORGED, None, None)
    (handler,) = (item for item in root.handlers if "ProcessorFormatter" in type(item.formatter).__name__)
    line = handler.format(record)
    assert line.isascii()
    assert line.isprintable()


@pytest.mark.parametrize(
    "text",
    ["", "short", "x" * 65, "{7f3a0000-0000-4000-8000-000000000001}", "a b c d e f", "../../etc", "-starts-badly", 7],
)
def test_what_is_no_correlation_id_is_not_taken_over(text: Any) -> None:
    assert correlation.given(text) is None


@pytest.mark.django_db
def test_an_answer_names_its_request_and_nothing_is_left_for_the_next_one(client: Client) -> None:
    seen = {}

    def view(_request: Any) -> HttpResponse:
        seen.update(structlog.contextvars.get_contextvars())
        return HttpResponse()

    structlog.contextvars.bind_contextvars(left_over="from another request of this thread")
    answer = correlation.middleware(view)(RequestFactory().get("/"))
    assert seen == {"request_id": answer["X-Request-ID"], "correlation_id": answer["X-Request-ID"]}
    client.get("/nothing-here/")
    assert structlog.contextvars.get_contextvars() == {}


def test_a_task_carries_on_the_correlation_id_of_who_rang_for_it(lines: Lines) -> None:
    headers: dict[str, Any] = {}
    with structlog.contextvars.bound_contextvars(correlation_id="agent-7f3a.42"):
        signals.before_task_publish.send(sender=advance.name, headers=headers)
    for sent in (headers, {"elm_correlation_id": FORGED}):
        advance.push_request(**sent)
        signals.task_prerun.send(sender=advance, task_id="the-task", task=advance)
        structlog.get_logger("ours").error("step_done")
        signals.task_postrun.send(sender=advance, task_id="the-task", task=advance)
        advance.pop_request()
    structlog.get_logger("ours").error("afterwards")

    first, second, third = lines()
    assert (first["task"], first["task_id"], first["correlation_id"]) == (advance.name, "the-task", "agent-7f3a.42")
    assert second["correlation_id"] == "the-task"
    assert set(third) == SCHEMA


def test_what_a_line_calls_a_secret_is_masked(lines: Lines) -> None:
    secrets = ("password", "client_secret", "access_token", "Authorization", "session_cookie", "api_key", "csrf")
    structlog.get_logger("ours").error("careless", **dict.fromkeys(secrets, "hunter2"), lease_token=4)

    (line,) = lines()
    assert {line[name] for name in secrets} == {"***"}
    assert line["lease_token"] == 4


@pytest.mark.parametrize("name", ["django", "django.server", "gunicorn.error", "gunicorn.access", "celery", "httpx"])
def test_nobody_writes_lines_of_another_form(name: str) -> None:
    logger = logging.getLogger(name)
    assert [handler for handler in logger.handlers if not isinstance(handler, logging.NullHandler)] == []
    assert logger.propagate


def test_a_worker_logs_as_everything_else_does(lines: Lines) -> None:
    root = logging.getLogger()
    before, handlers = root.level, root.handlers[:]
    try:
        answered = signals.setup_logging.send(sender=None, loglevel=logging.INFO)
        (handler,) = (item for item in root.handlers if item not in handlers)
        assert "ProcessorFormatter" in type(handler.formatter).__name__
        assert len(answered) == 1, "Celery sets up nothing of its own when somebody has answered"
        assert root.level == logging.INFO
        assert not logging.getLogger("azure.identity._internal").isEnabledFor(logging.ERROR), "it quotes secrets"
    finally:
        root.handlers, root.level = handlers, before


@pytest.mark.django_db
def test_a_refusal_is_in_the_log(lines: Lines) -> None:
    client_of(make_user()).get("/admin/audit_app/provisioninglog/")
    assert [line for line in lines() if line.get("status_code") == 403 and line["logger"] == "django.request"]
    assert settings.LOGGING["root"]["handlers"] == ["stderr"]
