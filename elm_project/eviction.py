"""Redis must keep every message: one that may throw keys away when memory is short loses doorbells and queues."""

from __future__ import annotations

from contextlib import closing
from typing import Any, Final

from kombu import Connection

KEEPS: Final = "noeviction"
ADVICE: Final = f"Set maxmemory-policy to {KEEPS} in Redis; a cache that may lose keys needs a server of its own."


def eviction_policy(connection: Connection) -> str:
    """Return the ``maxmemory-policy`` of the Redis behind a connection; ``noeviction`` for any other broker.

    It is read with INFO, which managed services allow where they forbid CONFIG.

    Raises:
        Exception: one of the connection's ``connection_errors`` or ``channel_errors``, when Redis does not answer.
    """
    if connection.transport.driver_type != "redis":
        return KEEPS
    channel: Any = connection.channel()  # kombu's types know only what all transports share
    with closing(channel):
        memory = channel.client.info("memory")
    return str(memory.get("maxmemory_policy", KEEPS))


def complaint(policy: str) -> str:
    """Return what is wrong with a policy, in one sentence."""
    return f"Redis has maxmemory-policy {policy}: when memory is short it throws messages away."
