"""A transaction that stays open: its chain waits for the tree, and what it wrote comes late (PostgreSQL).

Who watches needs no right to see other sessions: the oldest transaction that is still open is in every snapshot.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import connection

from audit_app.witness import write_safely
from core_app import clock

log = structlog.get_logger(__name__)

ALARM_AFTER: Final = timedelta(seconds=60)
_SNAPSHOT: Final = """
    SELECT pg_snapshot_xmin(snapshot)::text, pg_snapshot_xmax(snapshot)::text
    FROM (SELECT pg_current_snapshot() AS snapshot) AS now
"""


def watch() -> None:
    """Raise an alarm, with each look, while a transaction that writes has been open for more than a minute."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(_SNAPSHOT)
        oldest, following = cursor.fetchone()
    since = _open_since(oldest) if oldest != following else None
    if since is None:
        _path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_safely(_path(), {"oldest": oldest, "since": clock.now().isoformat()})
    elif (seconds := (clock.now() - since).total_seconds()) >= ALARM_AFTER.total_seconds():
        log.error("transaction_open_for_long", transaction=oldest, seconds=round(seconds))


def _open_since(oldest: str) -> datetime | None:
    """Return when this host first saw the transaction as the oldest; None when it was another one till now."""
    try:
        seen: dict[str, Any] = json.loads(_path().read_text())
        return datetime.fromisoformat(seen["since"]) if seen["oldest"] == oldest else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _path() -> Path:
    folder: Path = settings.LOG_SIGNER_FOLDER
    return folder / "horizon.state"
