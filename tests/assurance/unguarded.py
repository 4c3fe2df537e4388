"""Settings of the tests, for a run without the guard that ``ELM_WITHOUT_GUARD`` names."""

from __future__ import annotations

from tests.settings import *  # noqa: F403 - the settings of the tests
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.assurance.apps.WithoutAGuard"]
