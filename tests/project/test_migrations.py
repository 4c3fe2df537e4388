"""Migrations say what the models say, and leave the triggers in place."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from audit_app import triggers

pytestmark = pytest.mark.django_db


def test_the_migrations_are_up_to_date() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_migrating_again_installs_the_triggers_that_are_missing() -> None:
    triggers.drop()
    assert triggers.missing()
    call_command("migrate", verbosity=0)
    assert triggers.missing() == set()
