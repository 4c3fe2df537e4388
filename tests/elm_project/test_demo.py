"""``manage.py demo`` as a person meets it: real processes, from an empty folder to governed environments."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from audit_app.notes import public_bytes
from elm_project.env import BASE_DIR
from evidence_app.verifier import elm_verify

pytestmark = [
    pytest.mark.flow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc"),
]

PATIENCE_SECONDS = 120
CHOSEN_BY_THE_DEMO = ("ELM_", "DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE", "SLIPCOVER_", "PYTEST_")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(CHOSEN_BY_THE_DEMO)}


def demo(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start the demo as the only one that says where things are."""
    return subprocess.Popen(
        [sys.executable, str(BASE_DIR / "manage.py"), "demo", *arguments],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def processes_of(folder: Path) -> set[int]:
    """Return the living processes that work on a folder."""
    mark = f"ELM_STATE_DIR={folder}".encode()
    return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _is_marked(entry, mark)}


def _is_marked(process: Path, mark: bytes) -> bool:
    try:
        is_zombie = process.joinpath("stat").read_text().rpartition(")")[2].split()[0] == "Z"
        return not is_zombie and mark in process.joinpath("environ").read_bytes().split(b"\0")
    except OSError:
        return False


def eventually(holds: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Look until it holds; fail when the time is up."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)
    return found


def finished(running: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the end; return exit code, standard output and standard error."""
    stdout, stderr = running.communicate(timeout=400)
    return running.returncode, stdout, stderr


@dataclass(frozen=True)
class Shown:
    """What two demos in one folder, one after the other, have left behind."""

    code: int
    stdout: str
    stderr: str
    left_running: list[int]
    again: list[Any]
    folder: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document of the first one."""
        assert self.code == 0, self.stderr
        return dict(json.loads(self.stdout))


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Any]) -> tuple[Path, Any]:
    """Make something in a folder, once for all processes of pytest-xdist; return the folder and what was returned."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    result = folder.with_suffix(".json")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            result.write_text(json.dumps(make(folder)))
    return folder, json.loads(result.read_text())


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """A whole demo and another one after it."""
    _, found = once(tmp_path_factory, "demo-shown", lambda folder: asdict(_show(folder)))
    return Shown(**found)


@pytest.fixture
def prepared(shown: Shown, tmp_path: Path) -> Path:
    """A folder in which a demo ran before: to make the tables takes longer than all that comes after."""
    return shutil.copytree(shown.folder, tmp_path / "state", ignore=shutil.ignore_patterns("logs", "broker"))


def _show(folder: Path) -> Shown:
    code, stdout, stderr = finished(demo("--once", "--json", "--dir", str(folder)))
    left = sorted(processes_of(folder))
    return Shown(
        code, stdout, stderr, left, list(finished(demo("--once", "--json", "--dir", str(folder)))), str(folder)
    )


def test_every_sample_of_the_three_zones_is_completed(shown: Shown) -> None:
    requests = shown.document["requests"]
    assert {request["zone"] for request in requests} == {1, 2, 3}
    assert {request["state"] for request in requests} == {"Completed"}
    assert len({UUID(request["environment_id"]) for request in requests}) == len(requests) >= 3
    assert all(request["environment_url"].startswith("https://") for request in requests)
    assert all(request["seconds"] > 0 and request["log_entries"] > 15 for request in requests)
    assert {request["number"][:4] for request in requests} == {"REQ-"}


def test_the_log_is_verified(shown: Shown) -> None:
    log = shown.document["log"]
    assert log["verified"] is True
    assert log["entries"] > sum(request["log_entries"] for request in shown.document["requests"])


def test_it_ends_with_a_signed_checkpoint_of_each_log_that_verifies(shown: Shown) -> None:
    key = load_pem_private_key((Path(shown.folder) / "keys" / "log_key.pem").read_bytes(), password=None)
    public = public_bytes(key)  # type: ignore[arg-type]
    signed = shown.document["checkpoints"]
    told = sum(request["log_entries"] for request in shown.document["requests"])
    assert told < sum(each["entries"] for each in signed) <= shown.document["log"]["entries"]
    for each in signed:
        read = elm_verify.opened(each["note"], public)
        assert read is not None
        assert (read[1], read[2].hex()) == (each["entries"], each["root"])
        assert each["key_fingerprint"] == elm_verify.fingerprint(public)
        assert each["note"].splitlines()[0] in shown.stderr


def test_people_read_on_standard_error_what_happened(shown: Shown) -> None:
    told = " ".join(shown.stderr.split())
    assert "poll_interval_seconds 1 instead of 30" in told
    assert "The real defaults have their own tests" in told
    assert "ProvisioningCompleted" in told
    assert "carl.clark@contoso.example → Approved" in told


def test_everything_is_kept_in_the_folder(shown: Shown) -> None:
    folder = Path(shown.folder)
    assert {"elm.sqlite3", "broker", "keys", "logs"} <= {path.name for path in folder.iterdir()}
    assert {path.stem for path in (folder / "logs").iterdir()} == {"simulator", "worker", "beat", "web"}


def test_nothing_is_left_running(shown: Shown) -> None:
    assert shown.left_running == []


def test_again_in_the_same_folder_the_payloads_find_their_requests_and_the_requests_their_environments(
    shown: Shown,
) -> None:
    code, stdout, stderr = shown.again
    again = json.loads(stdout)
    assert code == 0, stderr
    signed_anew = {"checkpoints": shown.document["checkpoints"]}  # the time of signing is another
    assert {**again, **signed_anew} == shown.document, "not even the log has grown: the reconciler misses nothing"
    with closing(sqlite3.connect(Path(shown.folder) / "elm.sqlite3")) as database:
        (findings,) = database.execute("SELECT COUNT(*) FROM provisioning_app_reconciliationfinding").fetchone()
    assert findings == 0
    kept = json.loads((Path(shown.folder) / "simulator" / "world.json").read_text())["environments"]
    assert {request["environment_id"] for request in again["requests"]} < set(kept)


@pytest.fixture
def staying(prepared: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A demo that stays, with all of its processes up."""
    folder = prepared
    running = demo("--dir", str(folder))
    beat = folder / "logs" / "beat.log"
    # The demo itself, simulator, worker, beat, and the web server, which forks once more after its first log line
    eventually(lambda: running.poll() is not None or (beat.exists() and len(processes_of(folder)) >= 6))
    yield running, folder
    for pid in processes_of(folder):
        os.kill(pid, signal.SIGKILL)
    running.communicate(timeout=30)


def test_ctrl_c_ends_it_well_and_leaves_no_process(staying: tuple[subprocess.Popen[str], Path]) -> None:
    running, folder = staying
    assert len(processes_of(folder)) >= 6
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=PATIENCE_SECONDS) == 0
    assert processes_of(folder) == set()


def test_killing_it_leaves_no_process(staying: tuple[subprocess.Popen[str], Path]) -> None:
    running, folder = staying
    assert len(processes_of(folder)) >= 6
    running.kill()
    eventually(lambda: not processes_of(folder), 30)


def test_it_ends_with_the_process_that_it_was_told_to_follow(prepared: Path) -> None:
    folder = prepared
    command = f'"{sys.executable}" "{BASE_DIR / "manage.py"}" demo --follow-parent --dir "{folder}"; true'
    shell = subprocess.Popen(["/bin/sh", "-c", command], env=ENVIRONMENT, stderr=subprocess.DEVNULL, stdout=-3)
    eventually(lambda: (folder / "logs" / "worker.log").exists())
    shell.kill()
    shell.wait()
    eventually(lambda: not processes_of(folder), 60)


@pytest.mark.parametrize("option", ["--port", "--simulator-port"])
def test_a_busy_port_is_said_clearly(option: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, stdout, stderr = finished(demo("--once", "--json", "--dir", str(tmp_path / "state"), option, str(port)))
    assert code != 0
    assert stdout == ""
    assert f"Port {port} cannot be used (Address already in use). Choose another one with {option}" in stderr
    assert "Traceback" not in stderr
    assert processes_of(tmp_path / "state") == set()


def test_interrupting_a_demo_that_had_to_finish_is_no_success(prepared: Path) -> None:
    running = demo("--once", "--json", "--dir", str(prepared))
    eventually(lambda: (prepared / "logs" / "simulator.log").exists())
    running.send_signal(signal.SIGTERM)
    code, stdout, _ = finished(running)
    assert (code, stdout) == (130, "")
    eventually(lambda: not processes_of(prepared))
