"""The state of every request against the fold of its log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.db import models
from django.db.models import Q

from audit_app.models import ProvisioningLog
from audit_app.verify.report import Finding

_CHUNK: Final = 2000


def verify_states(theirs: Q, using: str) -> Iterator[Finding]:
    """Compare the state of every request with the to-state of its newest entry that carries one."""
    subject = ProvisioningLog._meta.get_field("environment_request").related_model
    newest = (
        ProvisioningLog.objects.filter(environment_request=models.OuterRef("pk"), to_state__isnull=False)
        .order_by("-sequence")
        .values("to_state")[:1]
    )
    wrong = (
        subject._base_manager.using(using)
        .annotate(folded=models.Subquery(newest))
        .filter(theirs, Q(folded__isnull=True) | ~Q(folded=models.F("state")))
        .values_list("pk", "state", "folded")
    )
    for pk, state, folded in wrong.iterator(chunk_size=_CHUNK):
        yield Finding(
            "STATE_MISMATCH", f"request:{pk}", f"The request is in state {state}, its log says {folded or 'nothing'}."
        )
