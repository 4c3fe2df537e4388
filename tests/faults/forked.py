"""The Celery application with a worker that opens everything before it forks: what W14 of the fault list fears."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from celery.signals import celeryd_after_setup
from django.db import connection

from elm_project.celery import app
from microsoft_cloud.pool import client_for

__all__ = ["app"]


@celeryd_after_setup.connect
def open_everything(**_signal: Any) -> None:
    """Connect to the database and to Microsoft in the parent; its children are forked right after it."""
    connection.ensure_connection()
    ready = json.loads(Path(os.environ["ELM_CLOUD_ENDPOINTS_FILE"]).read_text())
    client_for(ready["ca"]).get(ready["endpoints"]["bap"])
