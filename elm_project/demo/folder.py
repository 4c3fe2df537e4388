"""The demo's folder, and the environment variables with which every process of the demo works on it.

It needs no settings, because settings are read from these variables.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from core_app.errors import DomainError
from elm_project.env import BASE_DIR, state_dir

# The identity of the workers themselves, at the simulator
WORKLOAD_CLIENT_ID: Final = UUID("d35e0000-0000-4000-8000-0000000000aa")


def choose(arguments: Sequence[str]) -> None:
    """Point this process, before it reads its settings, and all that it starts at the folder of the demo.

    Args:
        arguments: Those of ``manage.py demo``; only ``--dir`` and ``--chaos`` matter here. Chaos needs requests that
            nobody has provisioned yet: without ``--dir`` it gets a new folder in that of the installation.
    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--chaos", action="store_true")
    chosen, _ = parser.parse_known_args(arguments)
    if chosen.chaos and chosen.dir is None:
        os.environ["ELM_STATE_DIR"] = tempfile.mkdtemp(prefix="chaos-", dir=state_dir())
    os.environ.update(Folder.at(chosen.dir).variables())


@dataclass(frozen=True, slots=True)
class Folder:
    """Where database, broker, keys and logs of a demo are (``ELM_STATE_DIR``)."""

    root: Path

    @classmethod
    def at(cls, path: Path | None) -> Folder:
        """Return the folder that ``--dir`` names, or that of the installation."""
        return cls(path.expanduser().resolve() if path else state_dir())

    @property
    def logs(self) -> Path:
        """Return the folder with one log per process."""
        return self.root / "logs"

    @property
    def simulator(self) -> Path:
        """Return the folder in which the simulator keeps its certificate authority."""
        return self.root / "simulator"

    @property
    def seed(self) -> Path:
        """Return the file that tells the simulator which tenants there are; it holds secrets of the simulator."""
        return self.simulator / "seed.json"

    @property
    def world(self) -> Path:
        """Return the file in which the simulator keeps its world, so that another demo finds its environments."""
        return self.simulator / "world.json"

    @property
    def ready_file(self) -> Path:
        """Return the file that the simulator writes when it answers."""
        return self.simulator / "ready.json"

    @property
    def workload_secret(self) -> Path:
        """Return the file with the secret of the workers' own identity."""
        return self.root / "keys" / "workload_secret"

    def variables(self) -> dict[str, str]:
        """Return the environment variables that point a process at this folder and its simulator."""
        inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        paths = dict.fromkeys([str(BASE_DIR), *(path for path in inherited if path)])
        return {
            "ELM_STATE_DIR": str(self.root),
            "ELM_CLOUD_ENDPOINTS_FILE": str(self.ready_file),
            "ELM_WORKLOAD_CLIENT_ID": str(WORKLOAD_CLIENT_ID),
            "ELM_WORKLOAD_SECRET_FILE": str(self.workload_secret),
            "ELM_NOTIFICATIONS": "sink",  # the demo's people are made up, and mail for them leaves nowhere
            "PYTHONPATH": os.pathsep.join(paths),
            "SIMULATOR_DIE_WITH_PARENT": "1",
        }

    def password(self) -> str:
        """Return the password of the demo's people: made once for this folder, and shown to whoever runs the demo."""
        path = self.root / "keys" / "demo_password"
        if not path.exists():
            write_secret(path, secrets.token_urlsafe(12))
        return path.read_text()

    def is_chosen(self) -> bool:
        """Say whether this process works on the folder."""
        return all(os.environ.get(name) == value for name, value in self.variables().items())

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the folder to one demo at a time; the kernel lets go of it with the process.

        Raises:
            DomainError: another demo is running in it, or it cannot be written.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self.root / "demo.lock").open("w")
        except OSError as error:
            raise DomainError(f"{self.root} cannot be used ({error.strerror}); choose a folder with --dir.") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DomainError(
                    f"A demo is already running in {self.root}. Stop it first, or choose another folder with --dir."
                ) from None
            yield


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner reads; a reader sees all of it or nothing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)
