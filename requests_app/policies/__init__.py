"""Rules as pure functions: facts in, verdict and reasons out; no database, clock or network."""
