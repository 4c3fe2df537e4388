"""The guards that ``make assurance`` takes out are where it looks for them."""

from __future__ import annotations

import os
import subprocess
import sys

from elm_project.env import BASE_DIR
from tests.assurance.guards import GUARDS
from tests.assurance.runs import place_of

TAKE_OUT_ALL = """
import django
django.setup()
from tests.assurance.guards import GUARDS
for guard in GUARDS:
    guard.take_out()
"""


def test_every_guard_can_be_taken_out() -> None:
    """In a process of its own, which is of no use afterwards."""
    command = [sys.executable, "-c", TAKE_OUT_ALL]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    ended = subprocess.run(command, cwd=BASE_DIR, env=environment, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr


def test_every_guard_names_tests_that_there_are() -> None:
    assert all(place_of(test) for guard in GUARDS for test in guard.tests)
