"""The live run: the steps of a run as a part of a page that renews itself until the run has ended."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from core_app.live import BACKGROUND
from core_app.text import spoken
from provisioning_app.admin.recovery import recovery_of
from provisioning_app.models import ProvisioningRun
from provisioning_app.progress import progress_of
from requests_app.admin.summary import STATE_COLOURS
from requests_app.choices import State
from requests_app.models import EnvironmentRequest

EVERY_SECONDS: Final = 3
SEEN: Final = "seen"  # query parameter: what the page that asks was told last


def live_run(
    request: HttpRequest, row: EnvironmentRequest, run: ProvisioningRun | None, address: str
) -> dict[str, Any]:
    """Return what the part shows of a request's run.

    Args:
        request: Whose turn it is; whoever sees the request sees what was read back for it.
        row: The request.
        run: The run; None before there is one.
        address: Where the part is asked for anew.
    """
    progress = progress_of(row, run)
    is_newest = run is None or not row.runs.filter(attempt__gt=run.attempt).exists()
    told = hashlib.sha256(f"{row.state} {progress.headline}".encode()).hexdigest()[:16]
    return {
        "progress": progress,
        "row": row,
        "state": spoken(State(row.state).label),
        "state_colour": STATE_COLOURS[spoken(State(row.state).label)],
        "recovery": recovery_of(row, run, request.user) if is_newest and not progress.is_live else None,  # type: ignore[arg-type]
        "sees_runs": request.user.has_perm("provisioning_app.view_provisioningrun"),
        "address": f"{address}?{SEEN}={told}",
        "seconds": EVERY_SECONDS,
        "background": BACKGROUND,
        "is_news": request.GET.get(SEEN) != told,
    }


def part(request: HttpRequest, context: dict[str, Any], template: str) -> HttpResponse:
    """Return the part alone, as the page asks for it."""
    return HttpResponse(render_to_string(template, context, request))
