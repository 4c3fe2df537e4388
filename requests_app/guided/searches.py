"""How often a person may search for security groups."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest
from ninja.throttling import UserRateThrottle

SEARCHES: Final = "30/min"  # per person and web process


class _Searches(UserRateThrottle):
    scope = "group_search"


def may_search(request: HttpRequest) -> bool:
    """Count a search, and say whether it is within what a person may ask."""
    return bool(_Searches(SEARCHES).allow_request(request))
