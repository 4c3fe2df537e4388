"""``python -m tests.lanes``: the tests on SQLite, then on PostgreSQL, then on Redis, and the coverage gates."""
