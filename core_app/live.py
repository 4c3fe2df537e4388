"""Parts of a page that renew themselves: what a browser asks for by itself is no act of the person in front of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

BACKGROUND: Final = "X-Background"  # header of what a page asks for by itself, set with hx-headers


def is_background(request: HttpRequest) -> bool:
    """Say whether a page asked by itself; that keeps no session alive (ASVS 7.3.1)."""
    return BACKGROUND in request.headers


def page_shown(request: HttpRequest) -> str:
    """Return the address of the page on which a request began: of a part of a page, the page's."""
    shown = urlsplit(request.headers.get("HX-Current-URL", ""))
    if "HX-Request" not in request.headers or not shown.path.startswith("/"):
        return request.get_full_path()
    return f"{shown.path}?{shown.query}" if shown.query else shown.path


def live(site: AdminSite, part: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Guard the view of a part like every page of the admin; who is not signed in any more is led there as a whole."""
    guarded = site.admin_view(require_safe(part))

    @wraps(part)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "HX-Request" in request.headers and not site.has_permission(request):
            # htmx would follow a redirect and put the page it leads to in the part's place
            sign_in = f"{reverse('admin:login')}?{urlencode({'next': page_shown(request)})}"
            return HttpResponse(headers={"HX-Redirect": sign_in})
        return guarded(request, *args, **kwargs)

    return answer
