"""Ends the process with its parent, however the parent ends (SIMULATOR_DIE_WITH_PARENT=1)."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable

from simulator import PARENT

_PR_SET_PDEATHSIG = 1
_INTERVAL = 0.5


def follow_parent(stop: Callable[[], None]) -> "asyncio.Task[None] | None":
    """Call `stop` when the parent is gone; return the watching task, to be kept."""
    if os.environ.get("SIMULATOR_DIE_WITH_PARENT") != "1":
        return None

    def check() -> None:
        if os.getppid() != PARENT:
            stop()

    async def watch() -> None:
        while True:
            check()
            await asyncio.sleep(_INTERVAL)

    if sys.platform == "linux":
        # The kernel signals when the spawning *thread* ends, so the signal only makes us look.
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, check)
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGUSR1)
    return asyncio.create_task(watch())
