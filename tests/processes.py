"""With what real processes work on the database of the tests."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings
from django.db import connection


def environment_in(folder: Path) -> dict[str, str]:
    """Return environment variables with which a process works on this test run's database.

    Args:
        folder: Its state folder, which holds the embedded broker too.
    """
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{database['NAME']}"
    else:
        host = f"{database['HOST'] or 'localhost'}:{database['PORT'] or 5432}"
        url = f"postgres://{database['USER']}:{database['PASSWORD']}@{host}/{database['NAME']}"
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("COV_", "PYTEST_"))},
        "DJANGO_SETTINGS_MODULE": "elm_project.settings",
        "DATABASE_URL": url,
        "ELM_STATE_DIR": str(folder),
        "SECRET_KEY": settings.SECRET_KEY,
        "ELM_LOG_SIGNING_KEY_FILE": str(settings.LOG_SIGNING_KEY_FILE),
        "ELM_DOMAIN_NAME_KEY": settings.DOMAIN_NAME_KEY.decode(),
    }
