"""``manage.py check --deploy`` finds what makes an installation unsafe."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from django.core import checks as django_checks
from django.db import ProgrammingError, connection, transaction
from pytest_django import DjangoAssertNumQueries, Settings

from audit_app import triggers
from elm_project import checks
from elm_project.env import BASE_DIR

IDENTIFIER = re.compile(r"elm\.[EW]\d{3}")
LOG = "audit_app_provisioninglog"


def found(messages: list[django_checks.CheckMessage]) -> list[str | None]:
    return [message.id for message in messages]


@pytest.fixture
def production(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A production installation with nothing to complain about."""
    settings.PRODUCTION = True
    settings.DEBUG = False
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.postgresql")
    settings.CELERY_BROKER_URL = "redis://broker.example"
    settings.NOTIFICATIONS = "send"
    settings.LOG_SIGNING_KEY_SECRET = ""
    settings.LOG_SIGNING_KEY_FILE = Path("/nowhere/log_key.pem")
    settings.LOG_KEY_FINGERPRINTS = ["0" * 64]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    monkeypatch.setenv("SECRET_KEY", "given")
    monkeypatch.setenv("ELM_DOMAIN_NAME_KEY", "given")
    monkeypatch.setenv("ELM_NOTIFICATIONS", "send")
    return settings


def test_a_well_configured_production_passes(production: Settings) -> None:
    assert checks.production_is_configured() == []


def test_an_embedded_installation_says_what_it_is() -> None:
    assert found(checks.production_is_configured()) == ["elm.W001"]


@pytest.mark.parametrize(("name", "identifier"), [("SECRET_KEY", "elm.E001"), ("ELM_DOMAIN_NAME_KEY", "elm.E002")])
def test_a_production_is_given_its_keys(
    production: Settings, monkeypatch: pytest.MonkeyPatch, name: str, identifier: str
) -> None:
    monkeypatch.delenv(name)
    (message,) = checks.production_is_configured()
    assert message.id == identifier
    assert name in message.msg


@pytest.mark.parametrize(
    ("setting", "value", "identifier"),
    [
        ("DEBUG", True, "elm.E003"),
        ("CELERY_BROKER_URL", "filesystem://", "elm.E005"),
        ("NOTIFICATIONS", "sink", "elm.W002"),
        ("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend", "elm.W002"),
    ],
)
def test_a_part_of_an_embedded_installation_is_named(
    production: Settings, setting: str, value: object, identifier: str
) -> None:
    setattr(production, setting, value)
    assert found(checks.production_is_configured()) == [identifier]


def test_whether_people_are_told_is_said_and_not_guessed(production: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELM_NOTIFICATIONS")
    assert found(checks.production_is_configured()) == ["elm.W007"]


def test_a_host_that_neither_signs_nor_knows_who_does_is_a_warning(production: Settings, tmp_path: Path) -> None:
    production.LOG_KEY_FINGERPRINTS = []
    assert found(checks.production_is_configured()) == ["elm.W006"]
    production.LOG_SIGNING_KEY_SECRET = "https://vault.example/secrets/log"
    assert checks.production_is_configured() == []
    production.LOG_SIGNING_KEY_SECRET = ""
    production.LOG_SIGNING_KEY_FILE = tmp_path / "log_key.pem"
    assert found(checks.production_is_configured()) == ["elm.W006"]
    production.LOG_SIGNING_KEY_FILE.touch()
    assert checks.production_is_configured() == []


def test_the_guide_lists_every_check() -> None:
    sources = [path for folder in BASE_DIR.glob("*_app") for path in folder.rglob("*.py")]
    sources += (BASE_DIR / "elm_project").rglob("*.py")
    made = {name for path in sources for name in IDENTIFIER.findall(path.read_text())}
    listed = re.findall(r"^\| (`elm\..*?) \|", (BASE_DIR / "docs/guides/operations.md").read_text(), re.MULTILINE)
    assert made == {name for row in listed for name in IDENTIFIER.findall(row)}


@pytest.mark.parametrize("owner", ["postgres://elm_owner@database.example/elm", ""])
def test_a_release_migrates_and_gives_the_application_its_role_as_the_owner(tmp_path: Path, owner: str) -> None:
    lines = (BASE_DIR / "Procfile").read_text().splitlines()
    (release,) = (line.partition(": ")[2] for line in lines if line.startswith("release: "))
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$DATABASE_URL $*"\n')
    python.chmod(0o755)
    environment = {"DATABASE_URL": "postgres://elm_app@database.example/elm", "ELM_OWNER_DATABASE_URL": owner}

    ended = subprocess.run(
        ["/bin/sh", "-c", release],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    if owner:
        ran = [f"{owner} manage.py migrate --no-input", f"{owner} manage.py app_role elm_app"]
        assert (ended.returncode, ended.stdout.splitlines()) == (0, ran)
    else:
        assert ended.returncode != 0
        assert ended.stdout == ""
        assert "ELM_OWNER_DATABASE_URL" in ended.stderr


def test_a_second_database_or_a_router_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.what_is_decided_on_is_the_latest(databases=None) == []
    with monkeypatch.context() as patch:
        patch.setattr(checks.settings, "DATABASE_ROUTERS", ["elsewhere.Router"])
        assert found(checks.what_is_decided_on_is_the_latest(databases=["default"])) == ["elm.E010"]
    monkeypatch.setitem(checks.settings.DATABASES, "replica", {})
    assert found(checks.what_is_decided_on_is_the_latest(databases=["default"])) == ["elm.E010"]


def test_an_sqlite_file_is_no_database_for_production(production: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(production.DATABASES["default"], "ENGINE", "django.db.backends.sqlite3")
    assert found(checks.production_is_configured()) == ["elm.E004"]


def test_the_checks_are_registered_for_deployment_only() -> None:
    registered = django_checks.registry.registry
    assert {checks.production_is_configured, checks.log_is_protected} <= set(registered.deployment_checks)


def test_without_a_database_nothing_is_asked(django_assert_num_queries: DjangoAssertNumQueries, db: None) -> None:
    with django_assert_num_queries(0):
        assert checks.log_is_protected() == []


@pytest.mark.django_db
def test_missing_triggers_are_named_one_by_one() -> None:
    assert checks.log_is_protected(databases=["default"]) == []
    triggers.drop()
    messages = checks.log_is_protected(databases=["default"])
    assert set(found(messages)) == {"elm.E006"}
    assert len(messages) == len(triggers.expected_names())


@pytest.mark.sqlite
@pytest.mark.django_db
def test_sqlite_knows_no_roles(settings: Settings) -> None:
    settings.PRODUCTION = True
    assert checks.log_is_protected(databases=["default"]) == []


@pytest.mark.postgres
@pytest.mark.django_db
def test_a_session_that_would_wait_for_ever_is_named() -> None:
    assert checks.every_wait_ends(databases=["default"]) == []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = 0")
    (message,) = checks.every_wait_ends(databases=["default"])
    assert message.id == "elm.W004"
    assert "lock_timeout" in message.msg


@pytest.mark.sqlite
@pytest.mark.django_db
def test_sqlite_always_stops_waiting() -> None:
    assert checks.every_wait_ends(databases=["default"]) == []


@pytest.mark.postgres
@pytest.mark.django_db
class TestRoles:
    """The role that the application connects as; it is created in the test's transaction and gone after it."""

    @pytest.fixture(autouse=True)
    def role(self, settings: Settings) -> None:
        settings.PRODUCTION = True
        self.run("CREATE ROLE elm_test_app", f"GRANT SELECT, INSERT ON {LOG} TO elm_test_app")

    def run(self, *statements: str) -> None:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def test_a_superuser_is_refused(self) -> None:
        (message,) = checks.log_is_protected(databases=["default"])
        assert message.id == "elm.E007"
        assert "superuser" in message.msg

    def test_a_role_that_bypasses_row_level_security_is_refused(self) -> None:
        self.run("ALTER ROLE elm_test_app BYPASSRLS", "SET LOCAL ROLE elm_test_app")
        (message,) = checks.log_is_protected(databases=["default"])
        assert message.id == "elm.E007"
        assert "bypasses" in message.msg

    @pytest.mark.parametrize("table", [LOG, "gates_app_decision", "accounts_app_user_groups"])
    def test_the_owner_of_any_table_is_refused(self, table: str) -> None:
        self.run(f"ALTER TABLE {table} OWNER TO elm_test_app", "SET LOCAL ROLE elm_test_app")
        (message,) = checks.log_is_protected(databases=["default"])
        assert message.id == "elm.E007"
        assert f"owns the table {table}" in message.msg

    @pytest.mark.parametrize(
        ("kind", "name"),
        [
            ("SCHEMA", "public"),
            ("FUNCTION", f"{LOG}_no_change"),
            ("FUNCTION", "elm_shows_every_tenant"),
            ("FUNCTION", "requests_app_environmentrequest_state_follows_log"),
        ],
    )
    def test_the_owner_of_the_schema_or_of_what_triggers_and_policies_run_is_refused(
        self, kind: str, name: str
    ) -> None:
        self.run(f"GRANT CREATE ON SCHEMA public TO elm_test_app; ALTER {kind} {name} OWNER TO elm_test_app")
        self.run("SET LOCAL ROLE elm_test_app")
        (message,) = checks.log_is_protected(databases=["default"])
        assert message.id == "elm.E007"
        assert f"owns the {kind.lower()} {name}" in message.msg

    def test_the_owner_of_the_database_who_thereby_owns_the_schema_is_refused(self) -> None:
        database = connection.settings_dict["NAME"]
        self.run(f"ALTER DATABASE {database} OWNER TO elm_test_app", "SET LOCAL ROLE elm_test_app")
        (message,) = checks.log_is_protected(databases=["default"])
        assert f"owns the database {database} and the schema public" in message.msg

    def test_a_role_that_may_make_roles_is_refused(self) -> None:
        self.run("ALTER ROLE elm_test_app CREATEROLE", "SET LOCAL ROLE elm_test_app")
        (message,) = checks.log_is_protected(databases=["default"])
        assert "may make roles, and so become the owner" in message.msg

    def test_a_member_of_the_owner_is_refused(self) -> None:
        self.run(
            "CREATE ROLE elm_test_owner",
            f"ALTER TABLE {LOG} OWNER TO elm_test_owner",
            "GRANT elm_test_owner TO elm_test_app",
            "SET LOCAL ROLE elm_test_app",
        )
        assert found(checks.log_is_protected(databases=["default"])) == ["elm.E007"]

    @pytest.mark.parametrize(
        "attempt",
        [
            f"ALTER TABLE {LOG} DISABLE TRIGGER ALL",
            f"DROP TRIGGER {LOG}_no_change ON {LOG}",
            "SET LOCAL session_replication_role = replica",
            f"UPDATE {LOG} SET actor = 'nobody'",
            f"TRUNCATE {LOG}",
        ],
    )
    def test_a_role_that_owns_nothing_passes_and_cannot_get_past_the_triggers(self, attempt: str) -> None:
        self.run("SET LOCAL ROLE elm_test_app")
        assert checks.log_is_protected(databases=["default"]) == []
        with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"), transaction.atomic():
            self.run(attempt)


def test_nobody_but_who_migrates_is_given_the_owner_s_password() -> None:
    """.env is given to every service of compose.yaml, and the owner of the tables could drop what protects them."""
    compose = (BASE_DIR / "compose.yaml").read_text()
    common = compose.partition("services:")[0]
    assert "env_file: .env" in common
    assert 'ELM_OWNER_PASSWORD: ""' in common
    assert 'ELM_OWNER_DATABASE_URL: ""' in common
