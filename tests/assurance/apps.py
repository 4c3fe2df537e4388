"""Takes a guard out when everything else is in place."""

from __future__ import annotations

import os
from importlib import import_module

from django.apps import AppConfig


class WithoutAGuard(AppConfig):
    """The last of the apps."""

    name = "tests.assurance"
    label = "without_a_guard"

    def ready(self) -> None:
        """Take out the guard that the environment names."""
        guards = import_module("tests.assurance.guards").GUARDS  # needs the models of the other apps
        (guard,) = (guard for guard in guards if guard.name == os.environ["ELM_WITHOUT_GUARD"])
        guard.take_out()
