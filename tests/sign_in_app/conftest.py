"""Sign-in is tested against the simulator, as a process of its own."""

from tests.entra import entra, now  # noqa: F401 - fixtures
