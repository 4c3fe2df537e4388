"""Evidence is taken of what really happened, at Microsoft as well."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from tests.evidence_app.history import History, lived_through
from tests.faults.tampered import host_at
from tests.microsoft import Simulator


@pytest.fixture(scope="module")
def lived(
    django_db_setup: None,
    django_db_blocker: Any,
    simulator: Simulator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[History]:
    """The history, made once for all tests of a module and undone after the last of them."""
    folder: Path = tmp_path_factory.mktemp("history")
    with django_db_blocker.unblock(), transaction.atomic(), lived_through(simulator, folder) as history:
        yield history
        transaction.set_rollback(True)


@pytest.fixture
def history(lived: History, db: None, signer: Path, tmp_path: Path) -> Iterator[History]:
    """The history, for one test; what the test does to it, and to the signer's host, is undone."""
    at = lived.world.clock.at
    shutil.copytree(lived.host, tmp_path / "host")
    with host_at(tmp_path / "host"):
        yield lived
    lived.world.clock.at = at
