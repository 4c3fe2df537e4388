"""The demo's supervisor and watchdog, with small processes of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core_app.errors import DomainError
from elm_project.demo import processes, watchdog
from elm_project.demo.processes import ProcessDiedError, Supervisor, listening_socket


def eventually(holds: Callable[[], Any], seconds: float = 20) -> Any:
    """Look until it holds; fail when the time is up."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
    return found


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with Supervisor(tmp_path / "logs", {"GREETING": "hello"}) as running:
        yield running
    for number, handler in before.items():
        signal.signal(number, handler)


def log_of(supervisor: Supervisor, name: str) -> str:
    return (supervisor.logs / f"{name}.log").read_text()


def pid_of(supervisor: Supervisor, name: str) -> int:
    return int(eventually(lambda: log_of(supervisor, name)).split()[-1])


STAYS = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_gets_the_variables_and_its_output_is_kept(supervisor: Supervisor) -> None:
    supervisor.start("greeter", "-c", "import os; print(os.environ['GREETING'])", may_restart=False)
    eventually(lambda: log_of(supervisor, "greeter") == "hello\n")


def test_a_process_that_died_is_started_again(supervisor: Supervisor) -> None:
    supervisor.start("worker", "-c", STAYS)
    first = pid_of(supervisor, "worker")
    os.kill(first, signal.SIGKILL)

    def another() -> bool:
        supervisor.tend()
        return pid_of(supervisor, "worker") != first

    eventually(another)


def test_a_process_that_cannot_be_replaced_ends_the_demo_with_its_last_words(supervisor: Supervisor) -> None:
    supervisor.start("simulator", "-c", "raise SystemExit('no certificate')", may_restart=False)
    with pytest.raises(ProcessDiedError, match=r"(?s)simulator process ended with code 1.*no certificate"):
        eventually(supervisor.tend)


def test_a_process_that_dies_again_and_again_is_given_up(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_RESTART_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(processes, "MOST_RESTARTS", 2)
    supervisor.start("worker", "-c", "raise SystemExit('no broker')")
    with pytest.raises(ProcessDiedError, match="no broker"):
        eventually(supervisor.tend)
    assert log_of(supervisor, "worker").count("no broker") == 3


def test_stopping_ends_a_process_that_does_not_listen_and_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, supervisor: Supervisor
) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.5)
    child = f"{sys.executable!r}, '-c', 'import time; time.sleep(60)'"
    deaf = (
        "import signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"print(subprocess.Popen([{child}]).pid, flush=True); time.sleep(60)"
    )
    supervisor.start("deaf", "-c", deaf)
    grandchild = pid_of(supervisor, "deaf")
    supervisor.stop()
    eventually(lambda: not is_running(grandchild) or is_zombie(grandchild))


def is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_it_ends_with_its_parent_where_it_follows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = Supervisor(tmp_path / "logs", {}, follow_parent=True)
    supervisor.tend()
    monkeypatch.setattr(os, "getppid", lambda: 1_000_000)
    with pytest.raises(KeyboardInterrupt):
        supervisor.tend()


def test_the_watchdog_ends_the_groups_that_were_announced_and_not_taken_back() -> None:
    assert watchdog.remaining(["+10\n", "+20\n", "-10\n", "+30\n"]) == {20, 30}


def test_the_watchdog_ends_what_is_left_when_its_input_ends() -> None:
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    guard = subprocess.Popen([sys.executable, "-I", "-S", watchdog.__file__], stdin=subprocess.PIPE, text=True)
    guard.communicate(f"+{left.pid}\n", timeout=30)
    assert left.wait(timeout=10) == -signal.SIGTERM


def test_a_free_port_is_found_and_a_busy_one_refused() -> None:
    with listening_socket(None, "--port") as free:
        free.listen()
        with pytest.raises(DomainError, match="Choose another one with --port"):
            listening_socket(free.getsockname()[1], "--port")


@pytest.mark.parametrize("port", [70_000, -1])
def test_a_port_that_cannot_exist_is_refused(port: int) -> None:
    with pytest.raises(DomainError, match=f"Port {port} cannot be used"):
        listening_socket(port, "--port")


def test_a_port_just_left_can_be_taken_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        server.accept()[0].close()
        client.close()
    listening_socket(port, "--port").close()
