"""The little answers the form asks for while it is filled in: posted by htmx, each a piece of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from accounts_app.models import User
from accounts_app.services import settings_of
from core_app.admin import GovernedAdmin
from microsoft_cloud.fields import is_guid
from requests_app import directory
from requests_app.choices import Zone
from requests_app.guided import kept
from requests_app.guided.live import answers_in, name_check, zone_of_draft, zone_so_far
from requests_app.models import EnvironmentRequest
from requests_app.permissions import creation_refusal, may_continue

_SHORTEST: Final = 2  # letters to search for


class LivePages(GovernedAdmin):
    """Zone, name and groups; posted, so that Microsoft is asked outside the transaction of a page that reads."""

    def live_pages(self) -> list[tuple[str, str, Callable[..., HttpResponse]]]:
        """Return the addresses below the list, their names and pages."""
        return [
            ("guided/zone/", "live_zone", self.live_zone),
            ("guided/name/", "live_name", self.live_name),
            ("guided/groups/", "live_groups", self.live_groups),
        ]

    def live_zone(self, request: HttpRequest) -> HttpResponse:
        """Answer the zone that follows from what is filled in up to now."""
        user, draft = self._who(request)
        assert user.tenant is not None  # noqa: S101 - checked by _who
        settings = settings_of(user.tenant)
        if draft is not None and "raised_zone" in request.POST:
            wished = request.POST["raised_zone"]
            raised = int(wished) if wished in {str(zone.value) for zone in Zone} else None
            return _piece(request, "zone", zone=zone_of_draft(draft, settings, raised), draft=draft)
        token = request.POST.get("form_token", "")
        known = _answers_of(draft) if draft else answers_in(kept.recall(request, token) or {}, [])  # type: ignore[arg-type]
        if request.POST.get("step") == "data":  # what is not ticked there is open again
            known = {name: value for name, value in known.items() if name == "environment_type"}
        said = answers_in(request.POST, request.POST.getlist("involves"))
        return _piece(request, "zone", zone=zone_so_far({**known, **said}, settings, draft), draft=draft)

    def live_name(self, request: HttpRequest) -> HttpResponse:
        """Answer whether a name follows the convention and is free."""
        user, draft = self._who(request)
        name = request.POST.get("environment_name", "").strip()
        problem = name_check(name, user.tenant_id, draft) if name else ""
        return _piece(request, "name", name=name, problem=problem)

    def live_groups(self, request: HttpRequest) -> HttpResponse:
        """Answer the security groups whose name begins with what is typed."""
        self._who(request)
        return _piece(request, "groups", **self.groups_found(request))

    def groups_found(self, request: HttpRequest) -> dict[str, Any]:
        """Return what the piece of the page with the groups shows for what is typed."""
        typed = request.POST.get("group", "").strip()
        if len(typed) < _SHORTEST or is_guid(typed):
            return {"typed": ""}
        # Here, so that workers and commands, which import every screen, do without django-ninja
        from requests_app.guided.searches import may_search  # noqa: PLC0415

        if not may_search(request):
            return {"typed": typed, "throttled": True}
        tenant_id = request.user.tenant_id  # type: ignore[union-attr]
        assert tenant_id is not None  # noqa: S101 - whoever may ask belongs to a tenant
        return {"typed": typed, "search": directory.search_groups(tenant_id, typed)}

    def _who(self, request: HttpRequest) -> tuple[User, EnvironmentRequest | None]:
        """Return who fills the form in, and their draft when there is one.

        Raises:
            PermissionDenied: the person may not ask for environments, or it is not their draft.
            Http404: there is no such draft for them.
        """
        user: User = request.user  # type: ignore[assignment]
        if reason := creation_refusal(user):
            raise PermissionDenied(reason)
        named = request.POST.get("draft", "")
        if not named:
            return user, None
        if not is_guid(named):
            raise Http404(_("There is no such draft."))
        draft = self.visible(request, named)
        if not may_continue(user, draft):
            raise PermissionDenied(_("Only its requester fills in a draft."))
        return user, draft


def _answers_of(draft: EnvironmentRequest) -> dict[str, Any]:
    answers = draft.answers
    return {name: getattr(answers, name) for name in answers.__slots__}


def _piece(request: HttpRequest, piece: str, **context: Any) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    answer = TemplateResponse(request, f"requests_app/guided/piece_{piece}.html", context)
    answer["Cache-Control"] = "no-store"
    return answer
