"""The pages of the guided form: the first two steps make a draft, the others change it, the last submits it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.enums import ActionVariant

from accounts_app.models import BusinessUnit, User
from accounts_app.services import settings_of
from core_app.admin import GovernedAdmin, page_action
from core_app.errors import DomainError, InvalidInputError, PermissionRefused
from requests_app import directory, services
from requests_app.guided import kept
from requests_app.guided.forms import Asking, StepForm
from requests_app.guided.live import answers_in, zone_of_draft, zone_so_far
from requests_app.guided.livepages import LivePages
from requests_app.guided.overview import overview_of
from requests_app.guided.steps import BY_KEY, STEPS, Step, after, before, step_of
from requests_app.models import EnvironmentRequest
from requests_app.permissions import creation_refusal, may_continue, may_dispute
from requests_app.zones import open_dispute_of

_PURPOSE, _DATA, *_OTHERS = STEPS


class GuidedForm(LivePages, GovernedAdmin):
    """Adds the guided form to the screen of requests."""

    actions_detail: ClassVar[tuple[str, ...]] = ("guided",)
    show_add_link = False  # a new request begins with the guided form

    def get_urls(self) -> list[Any]:
        """Return the addresses of the steps before there is a draft, and of what the form asks meanwhile."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        pages: list[tuple[str, str, Callable[..., HttpResponse]]] = [
            ("guided/", "new", self.begin),
            ("guided/data/", "new_data", self.describe_data),
            *self.live_pages(),
        ]
        own = [path(at, self.admin_site.admin_view(page), name=f"{name}_{view}") for at, view, page in pages]
        return [*own, *super().get_urls()]

    # The first two steps: there is no draft yet

    def begin(self, request: HttpRequest) -> HttpResponse:
        """Ask for the purpose; it is kept in the session until the next step makes a draft of it."""
        asking = _asking(request)
        token = _token(request) or kept.newest(request) or uuid4()
        said = {} if request.GET.get("anew") else kept.recall(request, token)
        if request.GET.get("anew"):
            token = uuid4()
        form = _PURPOSE.form(asking, request.POST or None, initial=said)  # type: ignore[misc]
        if request.method == "POST" and form.is_valid():
            kept.keep(request, token, _plain(form.values()))
            return _to(f"{_address('new_data')}?{urlencode({'form': token})}")
        zone = zone_so_far(answers_in(said or {}, []), asking.settings)
        return self._step(request, _PURPOSE, form, token=token, zone=zone, begun=bool(said))

    def describe_data(self, request: HttpRequest) -> HttpResponse:
        """Ask for data and people, and make the draft; the same form sent again makes no second one."""
        asking = _asking(request)
        token = _token(request)
        purpose = kept.recall(request, token)
        if token is None or purpose is None:
            messages.info(request, _("Begin here: what was said in the first step is not known any more."))
            return _to(_address("new"))
        if made_before := kept.draft_of(purpose):  # somebody went back, or sent it again: it is that draft now
            draft = self.visible(request, made_before)
            return self._edit(request, draft, _DATA) if may_continue(asking.user, draft) else _to(_row(draft))
        form = _DATA.form(asking, request.POST or None)  # type: ignore[misc]
        if request.method == "POST" and form.is_valid():
            said, unit = kept.answers_of(purpose), _unit(purpose)
            said |= {"business_unit": unit, "environment_name": "", "business_justification": "", **form.values()}
            made = self._verb(form, lambda: services.create_draft(by=asking.user, token=token, **said))
            if made is not None:
                kept.became(request, token, made.pk)
                messages.success(request, _("Saved as draft %(number)s.") % {"number": made.request_number})
                return _to(_page(made, after(_DATA)))
        zone = zone_so_far(answers_in(purpose, []), asking.settings)
        return self._step(request, _DATA, form, token=token, zone=zone)

    # The others: they change the draft, and the last one submits it

    @page_action(
        label=gettext_lazy("Guided form"), icon="assistant", offered=may_continue, variant=ActionVariant.PRIMARY
    )
    def guided(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show or take one step of a draft; which one is said in the address."""
        draft = self.visible(request, object_id)
        step = BY_KEY.get(request.GET.get("step", ""), STEPS[-1])
        if step.form is None or open_dispute_of(draft):
            return self._summary(request, draft)
        return self._edit(request, draft, step)

    def _edit(self, request: HttpRequest, draft: EnvironmentRequest, step: Step) -> HttpResponse:
        asking = _asking(request, draft)
        strict, searches = "_later" not in request.POST, "_search" in request.POST
        form = step.form(asking, request.POST or None, strict=strict and not searches)  # type: ignore[misc]
        if request.method == "POST" and form.is_valid() and not searches:
            saved = self._verb(form, lambda: services.edit_draft(draft.pk, by=asking.user, **form.values()))
            if saved is not None:
                messages.success(request, _("Draft %(number)s is saved.") % {"number": draft.request_number})
                return _to(_page(draft, after(step)) if strict else _row(draft))
            draft = self.visible(request, str(draft.pk), anew=True)  # the form may have written onto what it was given
        zone = zone_of_draft(draft, asking.settings, draft.raised_zone)
        found = self.groups_found(request) if searches else {"chosen": _group_of(draft)}
        return self._step(
            request, step, form, draft=draft, zone=zone, may_dispute=may_dispute(asking.user, draft), **found
        )

    def _summary(self, request: HttpRequest, draft: EnvironmentRequest) -> HttpResponse:
        user: User = request.user  # type: ignore[assignment]
        refused: list[tuple[str, str]] = []
        if request.method == "POST":
            try:
                # Microsoft Graph is asked before the verb's transaction
                services.submit(draft.pk, by=user, directory=directory.look_up(draft))
            except InvalidInputError as invalid:
                refused = list(invalid.problems)
            except PermissionRefused as denied:
                raise PermissionDenied(str(denied)) from denied
            except DomainError as error:
                refused = [("", str(error))]
            else:
                messages.success(request, _("%(number)s is submitted.") % {"number": draft.request_number})
                return _to(_row(draft))
            draft = self.visible(request, str(draft.pk), anew=True)
        overview = overview_of(draft, user)
        context = self._context(request, STEPS[-1], draft, linked=overview.dispute is None)
        context |= {
            "overview": overview,
            "refused": [(self.label_of(name) if name else "", what, step_of(name)) for name, what in refused],
        }
        return TemplateResponse(request, "requests_app/guided/summary.html", context)

    def _step(self, request: HttpRequest, step: Step, form: StepForm, **more: Any) -> HttpResponse:
        context = {**self._context(request, step, more.get("draft")), "form": form, **more}
        return TemplateResponse(request, f"requests_app/guided/{step.key}.html", context)

    def _context(
        self, request: HttpRequest, step: Step, draft: EnvironmentRequest | None, *, linked: bool = True
    ) -> dict[str, Any]:
        earlier = before(step)
        return {
            **self.admin_site.each_context(request),
            "title": draft.request_number if draft else _("New request"),
            "subtitle": _("Step %(place)d of %(count)d: %(title)s")
            % {"place": STEPS.index(step) + 1, "count": len(STEPS), "title": step.title},
            **({"opts": self.opts, "original": draft} if draft else {}),  # the way back in the header
            "steps": [_Place(each, step, draft, linked=linked) for each in STEPS],
            "step": step,
            "draft": draft,
            "back": _page(draft, earlier) if draft and earlier else (_address("new") if step is _DATA else ""),
            "one_page": reverse("admin:requests_app_environmentrequest_add") if draft is None else _row(draft),
        }

    @staticmethod
    def _verb(form: StepForm, verb: Callable[[], EnvironmentRequest]) -> EnvironmentRequest | None:
        """Run a verb; what it refuses comes back beside the fields."""
        try:
            return verb()
        except InvalidInputError as invalid:
            form.refuse(invalid.problems)
        except PermissionRefused as denied:
            raise PermissionDenied(str(denied)) from denied
        return None


class _Place:
    """A step as the list of steps shows it."""

    def __init__(self, step: Step, current: Step, draft: EnvironmentRequest | None, *, linked: bool) -> None:
        self.title, self.is_current = step.title, step is current
        self.is_done = STEPS.index(step) < STEPS.index(current)
        self.link = _page(draft, step) if draft and linked and not self.is_current else ""


def _asking(request: HttpRequest, draft: EnvironmentRequest | None = None) -> Asking:
    """Return who asks.

    Raises:
        PermissionDenied: this person cannot.
    """
    user: User = request.user  # type: ignore[assignment]
    if reason := creation_refusal(user):
        raise PermissionDenied(reason)
    assert user.tenant is not None  # noqa: S101 - checked above
    return Asking(user, draft, settings_of(user.tenant))


def _token(request: HttpRequest) -> UUID | None:
    try:
        return UUID(request.GET.get("form", ""))
    except ValueError:
        return None


def _unit(said: dict[str, Any]) -> BusinessUnit | None:
    chosen = said.get("business_unit")
    return BusinessUnit.objects.filter(pk=chosen).first() if chosen else None


def _to(address: str) -> HttpResponse:
    return HttpResponseRedirect(address)


def _plain(said: dict[str, Any]) -> dict[str, Any]:
    """Return what was said as a session keeps it."""
    return {name: str(value.pk) if isinstance(value, BusinessUnit) else value for name, value in said.items()}


def _address(view: str) -> str:
    return reverse(f"admin:requests_app_environmentrequest_{view}")


def _group_of(draft: EnvironmentRequest) -> directory.ResolvedGroup | None:
    if not draft.security_group_id:
        return None
    return directory.ResolvedGroup(draft.security_group_id, draft.security_group_name)


def _page(draft: EnvironmentRequest, step: Step) -> str:
    address = reverse("admin:requests_app_environmentrequest_guided", args=[draft.pk])
    return f"{address}?{urlencode({'step': step.key})}"


def _row(draft: EnvironmentRequest) -> str:
    return reverse("admin:requests_app_environmentrequest_change", args=[draft.pk])
