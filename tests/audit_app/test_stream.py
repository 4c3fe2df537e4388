"""The log's stream for a SIEM: one line per committed entry, in a schema that is published and never breaks."""

from __future__ import annotations

import json
import logging
import logging.handlers
import re
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from accounts_app.models import Tenant
from audit_app import stream
from audit_app.actions import Action
from audit_app.actors import SYSTEM
from audit_app.log import record
from audit_app.models import ProvisioningLog
from core_app import redaction
from elm_project import logs
from requests_app.choices import State, Zone
from tests import repeated
from tests.factories import make_people, make_request, make_tenant
from tests.schemas import SCHEMAS, schema

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Lines]:
    """Return what the stream wrote meanwhile, read back from the file."""
    file = tmp_path / "log.ndjson"
    handler = logging.handlers.WatchedFileHandler(file, delay=True)
    handler.setFormatter(logs.Line())
    logger = logging.getLogger("audit_app.stream")
    before, logger.handlers = logger.handlers, [handler]
    yield lambda: [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    logger.handlers = before
    handler.close()


def rolled_back(tenant: Tenant) -> None:
    """Record in a transaction that does not commit."""
    with transaction.atomic():
        record(Action.TENANT_HALTED, on=tenant, by=SYSTEM)
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_each_committed_entry_is_one_line_of_the_published_schema_and_what_rolls_back_is_none(lines: Lines) -> None:
    repeated.forget()  # by the verbs: rows that are written again say nothing
    people = make_people()
    rejected = make_request(State.REJECTED, people=people, zone=Zone.ZONE_2)

    with transaction.atomic():
        rolled_back(people.tenant)
        record(Action.TENANT_RESUMED, on=people.tenant, by=SYSTEM, error="Überlauf\x7f\u2028\n{}", success=False)
        assert len(lines()) == ProvisioningLog.objects.count() - 1  # nothing is said before it is so
    rolled_back(people.tenant)

    written, published = lines(), schema("log-entry-1")
    assert [list(published.iter_errors(line)) for line in written] == [[]] * len(written)
    stored = {str(entry.pk): entry for entry in ProvisioningLog.objects.all()}
    assert sorted(line["id"] for line in written) == sorted(stored)
    for line in written:
        entry = stored[line["id"]]
        assert (line["entry_hash"], line["action_details"]) == (entry.entry_hash, entry.action_details)
    of_request = [line for line in written if line["chain"] == rejected.log_chain().key]
    assert [line["sequence"] for line in of_request] == list(range(1, len(of_request) + 1))
    last = of_request[-1]
    assert (last["action_name"], last["actor"], last["from_state"], last["to_state"]) == (
        "Rejected",
        people.approver.upn,
        State.PENDING_APPROVAL,
        State.REJECTED,
    )
    assert (written[-1]["action"], written[-1]["error_message"]) == (128, "Überlauf\x7f\u2028\n{}")


def test_the_published_schema_lists_every_member_and_forbids_others() -> None:
    for name in ("log-entry-1", "log-access-1"):
        published = schema(name).schema
        assert published["required"] == list(published["properties"])
        assert published["additionalProperties"] is False
        # What a consumer relies on: a change of these is another version
        version = f"elm.{name.removesuffix('-1')}/1"
        assert published["properties"]["schema"]["const"] == version
        told = (SCHEMAS.parent / "guides" / "siem.md").read_text().partition(f"### `{version}`")[2]
        assert set(re.findall(r"`(\w+)`", told.partition("\n### ")[0])) >= set(published["properties"])


@pytest.mark.django_db(transaction=True)
def test_a_stream_that_fails_fails_no_verb(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("The disk is full.")

    logger = logging.getLogger("audit_app.stream")
    monkeypatch.setattr(logger, "handlers", [Broken()])
    tenant = make_tenant()
    assert ProvisioningLog.objects.filter(tenant=tenant).exists()
    assert "The disk is full." in caplog.text


@pytest.mark.django_db
def test_what_a_siem_missed_is_written_again_in_the_same_lines(clock: Any) -> None:
    tenant = make_tenant()
    clock.advance(hours=1)
    missed = record(Action.TENANT_HALTED, on=tenant, by=SYSTEM)
    clock.advance(hours=1)
    record(Action.TENANT_RESUMED, on=tenant, by=SYSTEM)

    def sent(*arguments: str) -> list[str]:
        out = StringIO()
        call_command("stream_log", *arguments, stdout=out)
        return out.getvalue().splitlines()

    assert sent("--since", "2026-03-02T10:00", "--until", "2026-03-02T13:00+02:00") == [stream.entry_line(missed)]
    assert sent("--chain", tenant.log_chain().key) == sent()
    assert len(sent()) == ProvisioningLog.objects.count() == 3
    with pytest.raises(CommandError, match="write it as in 2026-03-02T09:00"):
        sent("--since", "yesterday")


@pytest.mark.parametrize(
    ("where", "handler"),
    [("off", logging.NullHandler), ("stderr", logging.StreamHandler), ("", logging.handlers.WatchedFileHandler)],
)
def test_where_the_stream_goes_is_a_setting(where: str, handler: type, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(logs, "STREAM", where or str(tmp_path / "log.ndjson"))
    made = logs.stream_handler()
    name = made["class"].rpartition(".")[2]
    assert name == handler.__name__
    assert made.get("filename", "") == ("" if where else str(tmp_path / "log.ndjson"))


def test_a_secret_that_this_process_holds_is_in_no_line(lines: Lines) -> None:
    redaction.never_show('tr"icky-secret-of-ours')
    stream.send({"schema": "elm.log-access/1", "address": 'x?key=tr"icky-secret-of-ours'})
    assert lines() == [{"schema": "elm.log-access/1", "address": "x?key=***"}]
