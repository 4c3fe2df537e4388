"""The tests of notifications use the simulator, whose Key Vault holds the address of the Teams workflow."""

from tests.microsoft import make_world, simulator, world  # noqa: F401 - fixtures
