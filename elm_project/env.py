"""Reads the environment: what is configured, and what an embedded installation makes for itself."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()


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
