"""The watchdog of a turn (with real workers: W13 of the fault list)."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from provisioning_app import watchdog

NEVER = threading.Event()


def test_w13_what_blocks_is_interrupted_before_its_lease_ends_and_what_does_not_is_left_alone(settings) -> None:
    settings.RUN_LEASE_SECONDS = 0.2
    before, began = signal.getsignal(signal.SIGALRM), time.monotonic()
    with pytest.raises(watchdog.BlockedError), watchdog.watched():
        NEVER.wait(30)
    assert time.monotonic() - began < 30
    with watchdog.watched():
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is before
