"""The installation as a whole, against the simulator as a process of its own."""

from tests.microsoft import make_world, simulator, world  # noqa: F401 - fixtures
