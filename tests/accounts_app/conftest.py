"""Tenants at a simulated Microsoft."""

from tests.microsoft import make_world, simulator, world  # noqa: F401 - fixtures
