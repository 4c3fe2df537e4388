"""Starts the demo's processes, restarts those that die, and leaves none behind."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from core_app.errors import DomainError
from elm_project.demo import watchdog

LOOPBACK = "127.0.0.1"
STOP_SECONDS = 10.0
MOST_RESTARTS = 5
_RESTART_AFTER_SECONDS = 1.0
_LOG_LINES_SHOWN = 15
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


_interrupted = threading.Event()


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C, a polite kill and a closed terminal all end the demo in the same orderly way."""
    _interrupted.clear()

    def interrupt(_number: int, _frame: object) -> None:
        # Raised where the interpreter cannot pass it on, in a finalizer for instance, it would be lost; tend() knows
        _interrupted.set()
        raise KeyboardInterrupt

    # Set for Ctrl-C too: a shell that starts us in the background has it ignored
    before = {number: signal.signal(number, interrupt) for number in _INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class ProcessDiedError(DomainError):
    """A process that the demo cannot do without has ended; the text holds the end of its log."""


def listening_socket(port: int | None, option: str) -> socket.socket:
    """Return a socket bound to this port of the loopback address, or to a free one.

    Args:
        port: The port wanted; None for any free one.
        option: Name of the option that chooses the port, for the error message.

    Raises:
        DomainError: the port is in use or not allowed.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just left is free; one in use still is not
    try:
        sock.bind((LOOPBACK, port or 0))
    except (OSError, OverflowError) as error:
        sock.close()
        reason = getattr(error, "strerror", None) or error
        raise DomainError(
            f"Port {port} cannot be used ({reason}). Choose another one with {option}, or leave {option} out: "
            "then a free port is found."
        ) from error
    return sock


@dataclass
class Child:
    """One process of the demo.

    Attributes:
        name: What people call it; its log is ``<name>.log``.
        command: Program and arguments.
        may_restart: Whether another start can replace a dead one.
        pass_fds: File descriptors it inherits.
    """

    name: str
    command: Sequence[str]
    log: Path
    may_restart: bool = True
    pass_fds: tuple[int, ...] = ()
    starts: int = 0
    process: subprocess.Popen[bytes] | None = None
    died_at: float | None = field(default=None)

    def log_tail(self) -> str:
        """Return the last lines that the process wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LOG_LINES_SHOWN:])


class Supervisor:
    """Owns the processes. Use it as a context manager, from the main thread: Linux ties the death signal to the thread.

    A process is a session of its own, so that Ctrl-C reaches the supervisor alone. When the supervisor is killed, the
    kernel ends its children (Linux) and a watchdog ends their whole process groups (everywhere).
    """

    def __init__(self, logs: Path, variables: Mapping[str, str], *, follow_parent: bool = False) -> None:
        """Prepare to write logs there, to give processes these environment variables, and to end with the parent."""
        self.logs = logs
        self._parent = os.getppid() if follow_parent else None
        self._environment = {**os.environ, **variables}
        self._children: list[Child] = []
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        self._watchdog = subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-I", "-S", watchdog.__file__], stdin=subprocess.PIPE, text=True, start_new_session=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, *command: str, may_restart: bool = True, pass_fds: tuple[int, ...] = ()) -> None:
        """Start ``python <command>`` with its output in ``<name>.log``."""
        program = (sys.executable, *command)
        child = Child(name, program, self.logs / f"{name}.log", may_restart=may_restart, pass_fds=pass_fds)
        child.log.write_bytes(b"")
        self._children.append(child)
        self._spawn(child)

    def tend(self) -> None:
        """Restart what has died.

        Raises:
            ProcessDiedError: for a process that cannot be replaced, or that dies again and again.
            KeyboardInterrupt: it was asked to end, or the parent is gone, where it is followed.
        """
        if _interrupted.is_set() or (self._parent is not None and os.getppid() != self._parent):
            raise KeyboardInterrupt
        for child in self._children:
            if child.process is None or child.process.poll() is None:
                continue
            if child.died_at is None:
                child.died_at = time.monotonic()
                self._bury(child)
            if not child.may_restart or child.starts > MOST_RESTARTS:
                raise ProcessDiedError(
                    f"The {child.name} process ended with code {child.process.returncode}. "
                    f"The end of {child.log}:\n{child.log_tail()}"
                )
            if time.monotonic() - child.died_at >= _RESTART_AFTER_SECONDS:
                self._spawn(child)

    def kill(self, name: str) -> None:
        """Kill a process and all that it has started, without any warning; ``tend`` starts it again.

        Such a death is wanted, so it does not count among those after which the supervisor gives up.
        """
        child = next(child for child in self._children if child.name == name)
        if child.died_at is None:
            watchdog.kill([_group(child)])
            child.starts -= 1

    def stop(self) -> None:
        """End every process, the last one first, and wait until all are gone; what does not listen is killed."""
        for number in _INTERRUPTS:
            signal.signal(number, signal.SIG_IGN)  # an impatient second Ctrl-C would leave the work half done
        running = [child for child in reversed(self._children) if child.process and child.died_at is None]
        for child in running:
            watchdog.ask([_group(child)])
        deadline = time.monotonic() + STOP_SECONDS
        for child in running:
            assert child.process is not None  # noqa: S101 - running ones have one
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
            self._bury(child)
            child.process.wait()
        self._children.clear()
        if self._watchdog.stdin:
            with suppress(BrokenPipeError):
                self._watchdog.stdin.close()
        self._watchdog.wait()

    def _spawn(self, child: Child) -> None:
        with child.log.open("ab") as log:
            child.process = subprocess.Popen(  # noqa: S603 - our own programs
                child.command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=child.pass_fds,
                preexec_fn=partial(_die_with_parent, os.getpid()),
            )
        child.starts += 1
        child.died_at = None
        self._tell_watchdog(f"+{child.process.pid}\n")

    def _bury(self, child: Child) -> None:
        """End whatever the leader of the group has left behind."""
        watchdog.kill([_group(child)])
        self._tell_watchdog(f"-{_group(child)}\n")

    def _tell_watchdog(self, line: str) -> None:
        if self._watchdog.stdin:
            with suppress(BrokenPipeError):
                self._watchdog.stdin.write(line)
                self._watchdog.stdin.flush()


def _group(child: Child) -> int:
    assert child.process is not None  # noqa: S101 - asked of started ones only
    return child.process.pid


def _die_with_parent(parent: int) -> None:
    """Runs in the child before its program: ask the kernel (Linux) to end it with its parent."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)  # the parent died before the kernel was asked
