"""The ways a message takes out of here; each sends one, or says why it could not and whether to try again."""

from __future__ import annotations


class NotDeliveredError(Exception):
    """A message was not delivered. The text is shown in the outbox: it holds no secret and nobody else's words.

    Attributes:
        is_permanent: Whether trying again cannot help.
        retry_after: Seconds the other side asked us to wait (0 to 300), or None.
    """

    def __init__(self, reason: str, *, is_permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.is_permanent = is_permanent
        self.retry_after = retry_after
