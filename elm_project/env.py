"""Reads the environment: what is configured, and what an embedded installation makes for itself."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any, Final

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()

_ENVIRONMENT: Final = env.str("ELM_ENVIRONMENT", default="") or "embedded"
if _ENVIRONMENT not in ("embedded", "production"):
    raise ImproperlyConfigured(f"ELM_ENVIRONMENT is {_ENVIRONMENT!r}; it must be embedded or production.")
PRODUCTION: Final = _ENVIRONMENT == "production"


def state_dir() -> Path:
    """Return the folder for database, broker, keys and logs of an embedded installation (``ELM_STATE_DIR``)."""
    folder = Path(env.str("ELM_STATE_DIR", default="") or BASE_DIR / ".elm").resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def generated_key(name: str) -> str:
    """Return a random key that is made once and kept in the state folder; for embedded installations only."""
    path = state_dir() / "keys" / name
    path.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        # O_EXCL: of several processes that start together exactly one writes; the content arrives complete by rename
        draft = path.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50))
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
    return path.read_text()


def postgresql(named: dict[str, Any]) -> dict[str, Any]:
    """Return Django's settings for a PostgreSQL database: connections that are checked, and an end to every wait.

    A pooler in transaction mode (``ELM_BEHIND_PGBOUNCER``) gives a session to many clients and takes no start-up
    options: there the role carries the time limits (``ALTER ROLE elm_app SET lock_timeout = …``).

    Args:
        named: What DATABASE_URL says; its options win.
    """
    is_pooled = env.bool("ELM_BEHIND_PGBOUNCER", default=False)
    options: dict[str, Any] = {"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 60_000}
    if not is_pooled:
        limits = {
            "lock_timeout": env.int("ELM_LOCK_TIMEOUT_SECONDS", default=10),
            "statement_timeout": env.int("ELM_STATEMENT_TIMEOUT_SECONDS", default=60),
            "idle_in_transaction_session_timeout": env.int("ELM_IDLE_IN_TRANSACTION_SECONDS", default=60),
        }
        options["options"] = " ".join(f"-c {name}={seconds}s" for name, seconds in limits.items())
    return {
        "CONN_MAX_AGE": 60,
        **named,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": is_pooled,
        "OPTIONS": {**options, **named.get("OPTIONS", {})},
    }
