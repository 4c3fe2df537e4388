"""Web, worker and beat do not start in production while something is unsafe; the embedded demo does."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from celery import signals
from django.core import checks as django_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, connections
from django.db.utils import OperationalError

from elm_project import checks, defaults_checks, startup
from elm_project.demo import people as demo
from tests.elm_project.test_logs import lines  # noqa: F401 - a fixture

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = dict(
    line.split("=", 1)
    for line in (ROOT / "tests/production.env").read_text().splitlines()
    if line and not line.startswith("#")
)
PROCESSES = {
    "web": ("gunicorn", "elm_project.wsgi", "--no-control-socket", "--bind=127.0.0.1:0"),
    "worker": ("celery", "-A", "elm_project", "worker", "--concurrency=1"),
    "beat": ("celery", "-A", "elm_project", "beat"),
}


@pytest.fixture
def production(settings, monkeypatch):
    """A production installation whose settings are safe; its database and broker are those of the tests."""
    settings.PRODUCTION = True
    settings.ALLOWED_HOSTS = ["elm.example"]
    settings.SECURE_HSTS_SECONDS = 3600
    settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.ENTRA_SIGN_IN_CLIENT_ID, settings.ENTRA_SIGN_IN_SECRET_FILE = str(uuid4()), "/run/secrets/sign-in"
    settings.CELERY_BROKER_URL = "rediss://broker.example"
    monkeypatch.setenv("CELERY_BROKER_URL", settings.CELERY_BROKER_URL)
    monkeypatch.setenv("SECRET_KEY", "given")
    monkeypatch.setenv("ELM_DOMAIN_NAME_KEY", "given")
    return settings


def found(messages):
    return [message.id for message in messages]


def refused(lines) -> dict[str, str]:  # noqa: F811 - a fixture
    """Return the sentences of the problems for which this process was not started."""
    with pytest.raises(SystemExit) as ended:
        startup.refuse_when_unsafe("web")
    assert ended.value.code == startup.EXIT_CODE
    said = [line for line in lines() if line["event"] == "start_refused"]
    assert {line["process"] for line in said} == {"web"}
    assert all(line["problem"].endswith(".") and line["advice"].endswith(".") for line in said)
    return {line["check"]: line["problem"] for line in said}


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "process", ["web", *(pytest.param(name, marks=pytest.mark.assurance) for name in ("worker", "beat"))]
)
def test_o2_debug_and_a_default_key_keep_web_worker_and_beat_from_starting(tmp_path, process):
    unsafe = {"SECRET_KEY": "django-insecure-key", "DEBUG": "true", "DATABASE_URL": f"sqlite:///{tmp_path / 'db'}"}
    environment = {**os.environ, **SAMPLE, **unsafe, "CELERY_BROKER_URL": "", "ELM_STATE_DIR": str(tmp_path)}
    environment["DJANGO_SETTINGS_MODULE"] = "elm_project.settings"

    ended = subprocess.run(
        [sys.executable, "-m", *PROCESSES[process]],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    said = [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("{")]
    problems = {line["check"] for line in said if line["event"] == "start_refused" and line["process"] == process}
    assert {"elm.E003", "elm.E004", "elm.E020"} <= problems
    assert ended.returncode == startup.EXIT_CODE


@pytest.mark.parametrize(("process", "signal"), [("worker", signals.worker_init), ("beat", signals.beat_init)])
def test_o2_worker_and_beat_ask_before_they_take_up_work(production, db, lines, process, signal):  # noqa: F811
    production.DEBUG = True
    with pytest.raises(SystemExit):
        signal.send(sender=None)
    assert {line["process"] for line in lines() if line["event"] == "start_refused"} == {process}


def test_o2_an_embedded_installation_starts_with_defaults(settings):
    settings.DEBUG = True
    startup.refuse_when_unsafe("web")


@pytest.mark.parametrize(
    ("name", "value", "identifier"),
    [
        ("SECRET_KEY", "django-insecure-" + "kV8_" * 20, "elm.E020"),
        ("SECRET_KEY", "short", "elm.E020"),
        ("SECRET_KEY", "ab" * 40, "elm.E020"),
        ("DOMAIN_NAME_KEY", b"x" * 80, "elm.E020"),
        ("ALLOWED_HOSTS", ["*"], "elm.E021"),
        ("ALLOWED_HOSTS", ["localhost", "127.0.0.1"], "elm.E021"),
        ("SESSION_COOKIE_SECURE", False, "elm.E022"),
        ("SESSION_COOKIE_HTTPONLY", False, "elm.E022"),
        ("SESSION_COOKIE_SAMESITE", "None", "elm.E022"),
        ("CSRF_COOKIE_SECURE", False, "elm.E022"),
        ("SECURE_HSTS_SECONDS", 0, "elm.E023"),
        ("SECURE_SSL_REDIRECT", False, "elm.E023"),
        ("LOGGING", {"root": {"level": "WARNING", "handlers": []}}, "elm.E025"),
        ("LOGGING", {"root": {"level": "ERROR", "handlers": ["stderr"]}}, "elm.E025"),
        ("CLOUD_ENDPOINTS_FILE", "/nowhere/endpoints.json", "elm.E026"),
    ],
)
def test_o2_every_unsafe_default_is_named(production, name, value, identifier):
    assert defaults_checks.defaults_are_safe() == []
    setattr(production, name, value)
    assert found(defaults_checks.defaults_are_safe()) == [identifier]


def test_keys_that_are_the_same_are_named(production):
    production.DOMAIN_NAME_KEY = production.SECRET_KEY.encode()
    assert found(defaults_checks.defaults_are_safe()) == ["elm.E020"]


def test_a_simulator_is_no_cloud_for_production(production, tmp_path):
    file = tmp_path / "endpoints.json"
    file.write_text(json.dumps({"cloud": "gcc", "bap": "https://gov.api.bap.microsoft.us"}))
    production.CLOUD_ENDPOINTS_FILE = str(file)
    assert defaults_checks.defaults_are_safe() == []
    file.write_text(json.dumps({"login": "https://127.0.0.1:8443/login", "trusted_hosts": []}))
    assert found(defaults_checks.defaults_are_safe()) == ["elm.E026"]


@pytest.mark.parametrize(("url", "identifiers"), [("redis://b.example/0", ["elm.W005"]), ("redis://127.0.0.1/0", [])])
def test_a_broker_without_tls_is_a_warning(production, monkeypatch, url, identifiers):
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    assert found(defaults_checks.defaults_are_safe()) == identifiers


def test_a_database_of_the_demo_is_not_one_for_production(production, db):
    assert defaults_checks.nobody_is_of_the_demo(databases=["default"]) == []
    demo.set_up(password="x" * 20, key_vault_url="https://vault.example", is_new_cloud=False)
    assert found(defaults_checks.nobody_is_of_the_demo(databases=["default"])) == ["elm.E024"]
    production.PRODUCTION = False
    assert defaults_checks.nobody_is_of_the_demo(databases=["default"]) == []


@pytest.mark.postgres
def test_o1_a_superuser_is_refused_at_the_start_in_production(production, db, lines):  # noqa: F811
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (True,), "the tests connect as a superuser"
    problems = refused(lines)
    assert list(problems) == ["elm.E007"]
    assert "superuser" in problems["elm.E007"]


@pytest.mark.postgres
def test_o1_the_owner_of_the_log_is_refused_and_a_role_that_owns_nothing_starts(production, db, lines, monkeypatch):  # noqa: F811
    monkeypatch.setattr(connections["default"], "close", lambda: None)  # the role lasts as long as the session
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE ROLE elm_test_starting; GRANT SELECT ON ALL TABLES IN SCHEMA public TO elm_test_starting"
        )
        cursor.execute("SET LOCAL ROLE elm_test_starting")
        startup.refuse_when_unsafe("web")
        cursor.execute("RESET ROLE; ALTER TABLE audit_app_provisioninglog OWNER TO elm_test_starting")
        cursor.execute("SET LOCAL ROLE elm_test_starting")
        assert "owns the table audit_app_provisioninglog" in refused(lines)["elm.E007"]


def test_what_the_database_cannot_be_asked_is_not_taken_for_safe(production, db, lines, monkeypatch):  # noqa: F811
    def lost(**_options):
        raise OperationalError("connection refused: password=hunter2")

    monkeypatch.setattr(django_checks.registry.registry, "deployment_checks", {lost})
    lost.tags = ("database",)
    problems = refused(lines)
    assert "could not be made" in problems["elm.E027"]
    assert "hunter2" not in str(problems)


def test_every_check_is_registered_for_deployment_only():
    registered = set(django_checks.registry.registry.deployment_checks)
    ours = {checks.log_is_protected, defaults_checks.defaults_are_safe, defaults_checks.nobody_is_of_the_demo}
    assert ours <= registered


@pytest.mark.parametrize(("named", "is_production"), [("production", True), ("embedded", False), ("", False)])
def test_the_environment_is_embedded_unless_production_is_named(monkeypatch, named, is_production):
    monkeypatch.setenv("ELM_ENVIRONMENT", named)
    assert runpy.run_path(str(ROOT / "elm_project/env.py"))["PRODUCTION"] is is_production


def test_a_misspelt_environment_is_not_taken_for_the_embedded_one(monkeypatch):
    monkeypatch.setenv("ELM_ENVIRONMENT", "Production")
    with pytest.raises(ImproperlyConfigured, match="ELM_ENVIRONMENT is 'Production'; it must be embedded or produc"):
        runpy.run_path(str(ROOT / "elm_project/env.py"))


def test_garbage_is_collected_again_when_every_application_is_ready() -> None:
    look = "import django, gc; django.setup(); print(gc.isenabled(), gc.get_freeze_count() > 0)"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "elm_project.settings"}
    ended = subprocess.run([sys.executable, "-c", look], env=environment, capture_output=True, text=True, check=True)

    assert ended.stdout == "True True\n"
