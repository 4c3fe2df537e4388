"""The process: ready file, ports, signals, and dying with the parent."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from simulator.__main__ import main
from tests.simulator.cloud import ROOT, wait_until_ready

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-m", "simulator", "--ready-file", sys.argv[1]])
time.sleep(60)
"""
THREADED_PARENT = """
import subprocess, sys, threading, time
start = lambda: subprocess.Popen([sys.executable, "-m", "simulator", "--ready-file", sys.argv[1]])
thread = threading.Thread(target=start); thread.start(); thread.join()
time.sleep(60)
"""


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return (
        Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z" if Path("/proc").exists() else True
    )


def ends(pid, seconds=20):
    for _ in range(seconds * 20):
        if not alive(pid):
            return True
        time.sleep(0.05)
    return False


def free_block(count):
    """Find ports that follow each other, below those that the system gives to everybody."""
    for first in range(20_000, 30_000, count):
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    pytest.skip(f"no room for {count} ports")


def test_the_ready_file_names_every_address(launch):
    process, own = launch()
    assert own.ready["pid"] == process.pid
    assert set(own.ready["endpoints"]) == {"login", "bap", "power_platform", "graph", "key_vault", "blob"}
    assert len(set(own.ready["trusted_hosts"])) == 11
    assert Path(own.ready["ca"]).is_absolute()
    assert process.stdout.readline().strip() == own.ready["control"]


def test_ports_follow_each_other_and_the_ca_goes_where_it_is_told(launch, tmp_path):
    port = free_block(11)
    _, own = launch("--port", port, "--state-dir", tmp_path / "state")
    assert own.endpoints["login"] == f"https://localhost:{port}"
    assert own.ready["control"] == f"https://localhost:{port + 8}"
    assert Path(own.ready["ca"]) == tmp_path / "state" / "ca.pem"


def test_a_busy_port_is_one_clear_line_and_exit_code_2(cloud):
    port = cloud.endpoints["login"].rpartition(":")[2]
    command = [sys.executable, "-m", "simulator", "--port", port]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"simulator: port {port} on localhost is already in use\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"tenants": [{"id": "x"}]}', "tenants[0].id: 'x' is not a GUID"),
        ("{", "not valid JSON"),
        (None, "No such file"),
    ],
)
def test_a_bad_seed_file_is_one_clear_line_and_exit_code_2(tmp_path, capsys, content, problem):
    seed = tmp_path / "seed.json"
    if content:
        seed.write_text(content)
    assert main(["--seed", str(seed)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("simulator: ")
    assert problem in error
    assert error.count("\n") == 1


def test_a_seed_file_brings_tenants_and_a_population(launch, tmp_path):
    seed, tenant = tmp_path / "seed.json", str(uuid4())
    seed.write_text(f'{{"tenants": [{{"id": "{tenant}", "name": "Fabrikam"}}], "timing": {{"create_polls": 9}}}}')
    _, own = launch("--seed", seed, "--environments", 30)
    state = own.control("GET", "/state")
    assert (state["tenants"][0]["name"], state["timing"]["create_polls"]) == ("Fabrikam", 9)
    assert len(state["environments"]) == 31


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_on_a_signal(launch, name):
    process, own = launch()
    ca = Path(own.ready["ca"])
    process.send_signal(name)
    assert process.wait(timeout=20) == 0
    assert process.stderr.read() == ""
    assert not ca.exists()


@pytest.mark.parametrize("code", [PARENT, THREADED_PARENT], ids=["plain", "thread"])
def test_it_dies_with_its_parent_but_not_with_a_thread_of_it(tmp_path, code):
    ready = tmp_path / "ready.json"
    environment = os.environ | {"SIMULATOR_DIE_WITH_PARENT": "1"}
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(ready)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    pid = wait_until_ready(ready)["pid"]
    try:
        time.sleep(0.6)  # a watcher that mistakes the thread for the parent would have struck by now
        assert alive(pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait(timeout=20)
        assert ends(pid)
    finally:
        parent.kill()
        if alive(pid):
            os.kill(pid, signal.SIGKILL)
