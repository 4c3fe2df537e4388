"""The virtual clock (contract §19.1): wall time, moved or stopped on demand, so that no test sleeps."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Tells the time inside the simulator."""

    def __init__(self) -> None:
        self._offset = timedelta(0)
        self._frozen: datetime | None = None

    def now(self) -> datetime:
        return self._frozen or datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        self.set(self.now() + timedelta(seconds=seconds))

    def set(self, moment: datetime) -> None:
        self._offset = moment - datetime.now(UTC)
        if self._frozen:
            self._frozen = moment

    def freeze(self, frozen: bool) -> None:
        now = self.now()
        self._frozen = None
        self.set(now)
        self._frozen = now if frozen else None


def bap_time(moment: datetime) -> str:
    """Write a time as BAP does, with seven fractional digits (contract §0.2)."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}0Z"


def plain_time(moment: datetime) -> str:
    """Write a time with whole seconds, as Graph and the Power Platform API do."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def parse_time(text: str) -> datetime:
    """Read an ISO time; fractions beyond microseconds are cut, a missing zone means UTC."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
