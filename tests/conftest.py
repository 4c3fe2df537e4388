"""What every test can ask for: people, a clock, an environment for real processes, a browser."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import stamina
from _pytest import runner
from django.conf import settings
from django.core.management.commands import flush
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from accounts_app.models import User
from audit_app import attempts, triggers
from core_app import clock as core_clock
from core_app.clock import ManualClock
from core_app.stack_chunks import in_one_chunk
from tests import repeated
from tests.assurance.items import item_of
from tests.factories import People, make_people
from tests.processes import environment_in

# One simulator for each process that runs tests, and worlds in it: imported elsewhere, each module would start its own
pytest_plugins = ["tests.microsoft"]

# How long an example takes says more about the machine than about the code
hypothesis_settings.register_profile("elm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("elm")
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright runs an event loop in the thread of the test

# The first one is Chromium without its own windows: a third of the work
_BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _BROWSERS)), None)
_hosts = count(1)
DATABASE_FIXTURES = {"db", "transactional_db", "django_db_reset_sequences", "live_server"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what touches the database, and leave out what this database or machine cannot run, or takes too long."""
    on_sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    elsewhere = "postgres" if on_sqlite else "sqlite"
    left_out = [elsewhere, *([] if os.environ.get("ELM_ASSURANCE") == "1" else ["assurance"])]
    left_out += [] if os.environ.get("ELM_SCREENSHOTS") else ["pictures"]
    deselected = [item for item in items if any(item.get_closest_marker(marker) for marker in left_out)]
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if item.get_closest_marker("django_db") or fixtures & DATABASE_FIXTURES:
            item.add_marker(pytest.mark.database)
        if "page" in fixtures:
            item.add_marker(pytest.mark.browser)
        if item_of(item.name):
            item.add_marker(pytest.mark.fault)
        if item.get_closest_marker("browser") and not CHROMIUM:
            item.add_marker(pytest.mark.skip(reason="no Chromium found; install it or name it in CHROMIUM"))
    if deselected:
        config.hook.pytest_deselected(items=deselected)
        left = set(deselected)
        items[:] = [item for item in items if item not in left]
    # What takes longest comes first: no process is left alone with it at the end, nor waits there for another's demo
    items.sort(key=lambda item: item.get_closest_marker("flow") is None)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[Any]:
    """Keep the collector of garbage from looking at thousands of tests again and again: an eighth of all time."""
    gc.disable()
    collected = yield
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()
    return collected


_run_test = in_one_chunk(runner.pytest_runtest_protocol)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Run a test as a page or a task runs, in one chunk of the stack: a tenth of all time."""
    return _run_test(item, nextitem)


@pytest.fixture(scope="session", autouse=True)
def flush_past_the_triggers() -> Iterator[None]:
    """Let the flush after a transactional test empty the append-only tables; afterwards the triggers are back."""
    original = flush.Command.handle

    def handle(self: flush.Command, **options: Any) -> None:
        repeated.forget()
        triggers.drop()
        try:
            original(self, **options)
        finally:
            triggers.install()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush.Command, "handle", handle)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_pauses_between_retries() -> Iterator[None]:
    """Let a client repeat a read at once: how often is tested, how long it rests in between is not waited for."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


class _JustNow:
    """When somebody signed in whom a test lets act without a browser."""

    def __get__(self, user: object, owner: type) -> datetime:
        return core_clock.now()


@pytest.fixture(scope="session", autouse=True)
def people_who_act_without_a_browser_have_just_signed_in() -> Iterator[None]:
    """Let tests call verbs that want a fresh sign-in; with a session, the session says when it was, as always."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(User, "authenticated_at", _JustNow())
        yield


@pytest.fixture
def clock() -> Iterator[ManualClock]:
    """A clock that stands still until the test advances it."""
    manual = ManualClock(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
    with core_clock.using(manual):
        yield manual


@pytest.fixture
def people(db: None) -> People:
    """A tenant with business units and one person per role."""
    return make_people()


@pytest.fixture
def process_environment(transactional_db: None, tmp_path: Path) -> dict[str, str]:
    """Environment variables with which a real process works on this test's database, with a broker of its own."""
    return environment_in(tmp_path / "state")


@pytest.fixture(autouse=True)
def signer(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host that signs for the log: its key, its memory of what it signed and its anchors are this test's alone."""
    host = settings.LOG_SIGNER_FOLDER.parent / f"host-{next(_hosts)}"
    monkeypatch.setattr(settings, "LOG_SIGNING_KEY_FILE", host / "log_key.pem")
    monkeypatch.setattr(settings, "LOG_SIGNER_FOLDER", host / "signer")
    monkeypatch.setattr(settings, "LOG_ANCHOR_FOLDER", host / "anchors")
    return host


@pytest.fixture(autouse=True)
def no_attempt_of_another_test() -> Iterator[None]:
    """Forget refused writes on the log: their transaction ends with the test, and the next one has another log."""
    yield
    attempts.taken()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Start the Chromium of this machine; Playwright's own cannot be downloaded everywhere."""
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": quiet}
