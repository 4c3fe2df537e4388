"""Ends the demo's processes when the demo itself was killed and could not; runs alone, with the standard library only.

It reads ``+GROUP`` and ``-GROUP`` lines (process group ids) on standard input. The end of the input means that the
other side is gone, whatever killed it: the pipe needs no cooperation of the dead.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

POLITE_SECONDS = 4.0
_STEP = 0.1


def main() -> None:
    """Follow the groups until the input ends, then end what is left: politely first."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups = remaining(sys.stdin)
    ask(groups)
    deadline = time.monotonic() + POLITE_SECONDS
    while groups and time.monotonic() < deadline:
        time.sleep(_STEP)
        groups = {group for group in groups if exists(group)}
    kill(groups)


def remaining(lines: Iterable[str]) -> set[int]:
    """Return the groups that were announced and not taken back."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    return groups


def exists(group: int) -> bool:
    """Say whether a process group has a member."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def ask(groups: Iterable[int]) -> None:
    """Ask the leader of each group to stop; it ends its own workers in order."""
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(group, signal.SIGTERM)


def kill(groups: Iterable[int]) -> None:
    """Kill every member of each group."""
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
