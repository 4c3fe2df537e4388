"""The floor every other app stands on: errors, clock, identifiers, doorbell, governed admin bases. It has no models."""
