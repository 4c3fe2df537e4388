"""The service principals' credentials: inventory with clocks, rotation, registration, privilege review (elm.md §8)."""
