"""A real simulator process for the session, and a fresh tenant with its own service principal for each test."""

from uuid import uuid4

import pytest

from tests.simulator.cloud import QUICK, Cloud, start_process


def _serve(folder):
    process, ready = start_process(ready=folder / "ready.json")
    cloud = Cloud(ready)
    yield cloud
    cloud.close()
    process.terminate()
    process.communicate(timeout=20)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    """The simulator that tests share, each with tenants of its own."""
    yield from _serve(tmp_path_factory.mktemp("simulator"))


@pytest.fixture(scope="session")
def _second(tmp_path_factory):
    yield from _serve(tmp_path_factory.mktemp("simulator"))


@pytest.fixture
def alone(_second):
    """A simulator for tests that move its clock, change its timing, or meet everybody with a fault."""
    timing = _second.control("GET", "/state")["timing"]
    yield _second
    _second.control("DELETE", "/faults")
    _second.control("POST", "/timing", timing, status=200)
    _second.control("POST", "/clock", {"frozen": False}, status=200)


@pytest.fixture
def tenant(cloud):
    """A tenant with the default delays."""
    return cloud.tenant()


@pytest.fixture
def quick(cloud):
    """A tenant in which nothing takes long."""
    return cloud.tenant(timing=QUICK)


@pytest.fixture
def launch(tmp_path):
    """Start further simulators that end with the test."""
    started = []

    def run(*arguments, environment=None):
        process, ready = start_process(*arguments, ready=tmp_path / f"{uuid4()}.json", environment=environment)
        cloud = Cloud(ready)
        started.append((process, cloud))
        return process, cloud

    yield run
    for process, cloud in started:
        cloud.close()
        process.terminate()
        process.communicate(timeout=10)
