"""Service protection: how often each user has asked each organization in the last five minutes (contract §3.4)."""

from collections import defaultdict, deque
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=5)
User = tuple[str, str]  # organization, object id


class ServiceProtection:
    """Counts requests in a sliding window; it belongs to one start, as the faults do."""

    def __init__(self) -> None:
        self._asked: dict[User, deque[datetime]] = defaultdict(deque)

    def wait(self, user: User, limit: int | None, now: datetime) -> timedelta | None:
        """Return how long the user has to wait, None when they may ask now."""
        asked = self._asked[user]
        while asked and asked[0] <= now - WINDOW:
            asked.popleft()
        if limit is None or len(asked) < limit:
            return None
        return asked[0] + WINDOW - now if asked else WINDOW

    def count(self, user: User, now: datetime) -> None:
        """Count a request that is served."""
        self._asked[user].append(now)

    def used(self, user: User) -> int:
        """Return how many requests of the user count at present."""
        return len(self._asked[user])
