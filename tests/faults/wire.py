"""A network between the application and its database that can lose the acknowledgement of a commit."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_COMMIT, _READY = b"COMMIT\x00", b"Z\x00\x00\x00\x05"  # the statement; the server's "ready for query"
_CHANGED = (b"INSERT 0 ", b"UPDATE ", b"DELETE ")  # how the server acknowledges a change
_MOST = 65536


@dataclass(slots=True)
class Wire:
    """Forwards bytes from a port of its own to the database's.

    Attributes:
        port: Where the application connects to.
        commits: How many commits of changes have passed or were cut; that of a transaction that only reads is none.
        cut_at: The number of the commit, from 1, whose acknowledgement is lost; 0: none.
        lost: How many acknowledgements were lost.
    """

    port: int
    commits: int = 0
    cut_at: int = 0
    lost: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def lose_the_next(self) -> None:
        """Lose the acknowledgement of the next commit."""
        with self.lock:
            self.cut_at = self.commits + 1

    def is_to_be_lost(self) -> bool:
        """Count a commit, and say whether its acknowledgement is the one to be lost."""
        with self.lock:
            self.commits += 1
            self.lost += self.commits == self.cut_at
            return self.commits == self.cut_at


@contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    """Lay a wire to a port of this host, for as many connections as are made."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wire = Wire(listener.getsockname()[1])
        threading.Thread(target=_accept, args=(listener, wire, port), daemon=True).start()
        try:
            yield wire
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, wire: Wire, port: int) -> None:
    with contextlib.suppress(OSError):  # closed at the end
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=_to_server, args=(client, server, wire), daemon=True).start()


def _to_server(client: socket.socket, server: socket.socket, wire: Wire) -> None:
    """Forward what the client says; answers come back in a thread of their own until they are to be lost."""
    losing, changed = threading.Event(), threading.Event()
    back = threading.Thread(target=_to_client, args=(server, client, losing, changed), daemon=True)
    back.start()
    with client, server, contextlib.suppress(OSError):
        while sent := client.recv(_MOST):
            if changed.is_set() and _COMMIT in sent:
                changed.clear()
                if wire.is_to_be_lost():
                    losing.set()
            server.sendall(sent)
            if losing.is_set():
                back.join()  # the server has committed and answered; nobody hears it
                return
        server.shutdown(socket.SHUT_RDWR)


def _to_client(server: socket.socket, client: socket.socket, losing: threading.Event, changed: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while answer := server.recv(_MOST):
            if losing.is_set() and _READY in answer:
                return
            if any(tag in answer for tag in _CHANGED):
                changed.set()
            client.sendall(answer)
