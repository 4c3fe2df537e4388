"""Probes answer one word, whoever asks, and whatever else is wrong."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection

from core_app.clock import ManualClock
from elm_project import health
from provisioning_app import liveness

pytestmark = pytest.mark.django_db
WORK = "/health/work"


def test_no_tick_is_red_and_a_tick_is_green_for_a_minute(client, clock: ManualClock):
    assert client.get(WORK).status_code == 503
    liveness.commit_tick()
    for seconds, status in ((0, 200), (60, 200), (1, 503)):
        clock.advance(seconds=seconds)
        assert client.get(WORK).status_code == status
    liveness.commit_tick()
    assert client.get(WORK).json() == {"work": "green"}


def test_a_tick_from_the_future_proves_nothing(client, clock: ManualClock):
    liveness.commit_tick()
    clock.advance(hours=-1)
    assert client.get(WORK).status_code == 503


def test_a_probe_needs_no_name_no_tls_and_no_session(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    answer = client.get("/health/live", headers={"host": "10.0.0.7:8000"})
    assert (answer.status_code, answer.json()) == (200, {"live": "green"})
    assert answer["Cache-Control"] == "no-store"
    assert not answer.cookies


@pytest.mark.parametrize("path", ["/health/", "/health/other", "/health/live/more"])
def test_there_are_no_other_probes(client, path):
    assert client.get(path).status_code == 404


def test_a_probe_is_only_asked(client):
    assert client.post("/health/live").status_code == 404
    assert client.head("/health/live").status_code == 200


def test_o3_a_missing_migration_is_not_ready(client, settings):
    settings.MIGRATION_MODULES = {"provisioning_app": "tests.elm_project.migrations"}
    assert client.get("/health/ready").json() == {"ready": "red"}
    assert client.get("/health/live").status_code == 200


def test_a_database_that_refuses_is_red(client, monkeypatch):
    def refuse(*arguments, **options):
        with connection.cursor() as cursor:
            cursor.execute("SELECT nothing FROM nowhere")

    monkeypatch.setitem(health.PROBES, "live", refuse)
    answer = client.get("/health/live")
    assert (answer.status_code, answer.json()) == (503, {"live": "red"})


def test_the_command_says_it_in_its_exit_code(clock, capsys):
    with pytest.raises(SystemExit, match="1"):
        call_command("health", "work")
    liveness.commit_tick()
    call_command("health", "work")
    assert capsys.readouterr().out.split() == ["red", "green"]
