"""What time alone brings about: notices, due rotations, the quarterly review."""

from __future__ import annotations

from core_app.doorbell import ring
from provisioning_app.credentials import clocks, reviews, rotation


def wake_rotations() -> None:
    """Ring for each rotation that is due; comes once a second."""
    for rotation_id in rotation.due():
        ring("provisioning_app.tasks.rotate", str(rotation_id))


def sweep_credentials() -> None:
    """Announce credentials that are due, start due reviews, ring for what waits; comes every five minutes."""
    clocks.announce_due()
    reviews.start_due()
    for review_id in reviews.to_collect():
        ring("provisioning_app.tasks.collect_review", str(review_id))
