"""A canary for secrets: planted where secrets are, echoed by every error, and found nowhere else.

Searched are every table, the log, what was written to standard error by every logger, the broker's messages, and the
pages and error pages that the people of the tenant can open.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection

from accounts_app.cloud import forget_secret
from notifications_app import delivery
from provisioning_app import services
from provisioning_app.credentials import rotation
from provisioning_app.models import ProvisioningRun, RotationRecord
from provisioning_app.tasks import rotate as rotate_task
from requests_app.choices import State, Zone
from tests.microsoft import World
from tests.rotating import NEXT, Kind, Purpose, Rotating, Stage, make_rotating
from tests.screens import client_of, page_of

pytestmark = pytest.mark.simulated

CANARY = "canary/" + uuid4().hex + "~'\"\\"  # characters that JSON, HTML and URLs each write differently
PARTS = (CANARY, CANARY[7:39])  # whole, and the part that looks the same in every notation


@pytest.fixture
def rotating(world: World) -> Rotating:
    """A tenant whose provisioning principal has the canary for a secret."""
    rotating = make_rotating(world)
    application = {
        "client_id": str(rotating.identity().client_id),
        "object_id": rotating.application()["object_id"],
        "display_name": "ELM-Provisioning-ServicePrincipal",
        "secret": CANARY,
        "management_application": True,
    }
    seed = {
        "id": str(world.tenant_id),
        "applications": [application],
        "key_vault_secrets": {"ELM-ServicePrincipal-Secret": CANARY},
    }
    world.simulator.control("POST", "/seed", {"tenants": [seed]})
    forget_secret(rotating.identity())
    return rotating


@pytest.fixture
def written(capfd: pytest.CaptureFixture[str]) -> Any:
    """Return what all loggers wrote to standard error, at their most talkative, through the real handler."""
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", "httpx", "httpcore", "azure", "msal", "celery")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    handler = next(item for item in root.handlers if "ProcessorFormatter" in type(item.formatter).__name__)
    lines: list[str] = []
    emit = handler.emit
    handler.emit = lambda record: lines.append(handler.format(record))  # type: ignore[method-assign]
    yield lambda: "\n".join([*lines, capfd.readouterr().err])
    handler.emit = emit  # type: ignore[method-assign]
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def stored_anywhere(secrets: tuple[str, ...]) -> list[str]:
    """Return the tables and columns in which one of the texts is stored, in whatever form the database keeps them."""
    hits = []
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        for table in tables:
            cursor.execute(f'SELECT * FROM "{table}"')
            columns = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for column, value in zip(columns, row, strict=True):
                    text = (
                        bytes(value).decode(errors="replace") if isinstance(value, bytes | memoryview) else str(value)
                    )
                    hits += [f"{table}.{column}" for secret in secrets if secret in text]
    assert len(tables) > len(list(apps.get_models())) / 2
    return hits


def messages_of_the_broker() -> str:
    folder = Path(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_out"])
    return "\n".join(path.read_text(errors="replace") for path in folder.iterdir() if path.is_file())


def every_page(rotating: Rotating) -> str:
    """Return what the operator and the auditor can open, and what they are shown when something goes wrong."""
    people, pages = rotating.world.people, []
    for person in (people.operator, people.auditor):
        client = client_of(person, raise_request_exception=False)
        rows = [rotating.identity(), people.tenant, *RotationRecord.objects.all(), *ProvisioningRun.objects.all()]
        rows += people.tenant.environment_requests.all()
        for row in rows:
            pages += [client.get(page_of(row)), client.get(page_of(row, "history"))]
        pages.append(client.get(f"/admin/accounts_app/tenantidentity/{uuid4()}/change/"))
        pages.append(client.post(page_of(rotating.identity(), "rotate"), {"_form_submitted": "on", "kind": CANARY[:4]}))
    return "\n".join(page.content.decode() for page in pages)


def echo(world: World) -> None:
    """Let every service answer its first calls with an error that quotes the secret in each place an error has."""
    said = f"The secret '{CANARY}' is wrong; client_secret={CANARY} {json.dumps(CANARY)}"
    nested = {"error": {"code": CANARY, "message": said, "innererror": {"code": CANARY, "message": said}}}
    header = {"x-ms-error-code": CANARY, "x-ms-request-id": CANARY}
    for host in ("bap", "power_platform", "graph", "key_vault", "dataverse"):
        for nth, status in enumerate((500, 503, 429, 400), start=2):
            world.fault(host=host, nth=nth * 3, status=status, body=nested, headers=header)
    entra = {"error": "invalid_client", "error_description": f"AADSTS7000215: {said}", "error_codes": [7000215]}
    world.fault(host="login", method="POST", nth=4, status=401, body=entra)


def assert_hidden(rotating: Rotating, secrets: tuple[str, ...], written: str) -> None:
    shown, sent = every_page(rotating), messages_of_the_broker()
    for secret in secrets:
        assert secret not in written
        assert secret not in sent
        assert secret not in shown
    assert stored_anywhere(secrets) == []


def test_s15_a_secret_is_found_nowhere_after_rotation_and_provisioning_with_errors_that_echo_it(rotating, written):
    world = rotating.world
    echo(world)
    requests = [world.approved(Zone.ZONE_2) for _ in range(2)]
    world.run_until_settled()
    first = rotating.until_settled(rotating.rotate(), minutes=300)
    made = [rotating.stored().value, rotating.stored(NEXT).value if first.is_live else CANARY]
    world.simulator.control("DELETE", "/faults")
    delivery.deliver_due()

    second = rotating.until_settled(rotating.rotate() if not first.is_live else first)
    made.append(rotating.stored().value)

    assert second.stage == Stage.COMPLETED, second.error
    errors = [first.error, *(run.error for run in ProvisioningRun.objects.all())]
    assert any(errors) or any(request.state == State.FAILED for request in requests)
    text = written()
    assert len(text) > 1_000, "the loggers wrote nothing: this test would prove nothing"
    assert_hidden(rotating, (*PARTS, *made), text)


@pytest.mark.walk
def test_a_private_key_is_found_nowhere_after_a_rotation_to_a_certificate(rotating, written):
    row = rotating.rotate(kind=Kind.CERTIFICATE)
    assert row.stage == Stage.COMPLETED, row.error
    body = rotating.stored().value.split("PRIVATE KEY-----")[1].split()
    rotating.world.fault(host="bap", path="tenant", status=400, body={"error": {"code": "x", "message": "".join(body)}})
    rotating.rotate()

    assert_hidden(rotating, (body[1], body[-2]), written())


@pytest.mark.parametrize("where", ["error", "traceback"])
def test_an_error_that_nobody_foresaw_shows_no_secret_in_the_workers_log(rotating, written, monkeypatch, where):
    identity = rotating.identity()
    services.rotate_credential(identity.tenant_id, Purpose.PROVISIONING, by=rotating.world.people.operator)
    row = RotationRecord.objects.get()

    def broken(desk: Any) -> None:
        known = desk.staged_identity().credential.value
        raise ZeroDivisionError(f"{known} and {rotating.stored().value} in a message")

    monkeypatch.setattr("provisioning_app.credentials.proof.prove", broken)
    rotate_task(str(row.pk))

    row.refresh_from_db()
    assert row.error == "Unexpected ZeroDivisionError."
    text = written()
    assert "ZeroDivisionError" in text
    assert "***" in text
    assert_hidden(rotating, (*PARTS, rotating.stored(NEXT).value), text)


def test_s15_a_broken_page_shows_no_secret(rotating, monkeypatch):
    def broken(*args: Any, **options: Any) -> None:
        raise ZeroDivisionError(CANARY)

    monkeypatch.setattr("provisioning_app.services.rotate_credential", broken)
    client = client_of(rotating.world.people.operator, raise_request_exception=False)

    answer = client.post(page_of(rotating.identity(), "rotate"), {"_form_submitted": "on", "kind": ""})

    assert answer.status_code == 500
    assert all(part not in answer.content.decode() for part in PARTS)


def test_the_doorbell_of_a_rotation_carries_its_id_and_nothing_else(transactional_db, rotating):
    before = set(Path(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_out"]).iterdir())
    row = rotating.start()
    folder = Path(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_out"])
    bells = [json.loads(path.read_text()) for path in folder.iterdir() if path not in before]

    (bell,) = [bell for bell in bells if bell["headers"]["task"] == "provisioning_app.tasks.rotate"]

    assert bell["headers"]["argsrepr"] == f"('{row.pk}',)"
    assert rotation.due() == [row.pk]
