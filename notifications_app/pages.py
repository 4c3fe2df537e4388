"""Two pages: the catalogue, which says what tells whom through what, and everybody's own choice of what they hear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from core_app.errors import InvalidInputError
from notifications_app.catalogue import CATALOGUE, Audience, Channel, Event, Notice, Silence
from notifications_app.choices import PAIRS, Pair, choices_of, choose, concerning
from notifications_app.delivery import sends

_OF_EVERY_ROLE: Final = "requests_app.view_environmentrequest"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the catalogue as the page shows it; ``channels`` and ``to`` are in words."""

    event: Event
    notice: Notice
    channels: str
    to: str
    silence: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A box that a person ticks or not.

    Attributes:
        value: What the form calls it; empty where the event does not take this channel.
        channel: The channel, in words.
        is_on: Whether they hear of it.
    """

    value: str
    channel: str
    is_on: bool


@dataclass(frozen=True, slots=True)
class Choosable:
    """One event on a person's own page."""

    event: Event
    example: str
    offers: tuple[Offer, ...]
    is_locked: bool
    note: str


def addresses() -> list[URLPattern]:
    """Return the addresses of both pages."""
    return [
        path("catalogue/", admin.site.admin_view(require_safe(catalogue)), name="notification-catalogue"),
        path(
            "mine/", admin.site.admin_view(require_http_methods(["GET", "HEAD", "POST"])(mine)), name="my-notifications"
        ),
    ]


def catalogue(request: HttpRequest) -> HttpResponse:
    """Show every event, to whoever has a role.

    Raises:
        PermissionDenied: to everybody else.
    """
    if not request.user.has_perm(_OF_EVERY_ROLE):
        raise PermissionDenied(_("The catalogue of notifications is for those who have a role here."))
    lines = [
        Line(
            event,
            notice,
            ", ".join(str(channel.label) for channel in notice.channels),
            "; ".join(str(audience.label) for audience in notice.to),
            str(notice.silence.label),
        )
        for event, notice in CATALOGUE.items()
    ]
    context = {
        **admin.site.each_context(request),
        "title": _("Notification catalogue"),
        "lines": lines,
        "is_sink": not sends(),
    }
    return TemplateResponse(request, "notifications_app/catalogue.html", context)


def mine(request: HttpRequest) -> HttpResponse:
    """Show what the person hears of, and store what they choose."""
    problems: tuple[tuple[str, str], ...] = ()
    said = choices_of(request.user)  # type: ignore[arg-type]
    if request.method == "POST":
        said |= (wanted := _said(request.POST))
        try:
            changed = choose(request.user, wanted)  # type: ignore[arg-type]
        except InvalidInputError as refused:
            problems = refused.problems
        else:
            messages.success(request, ", ".join(changed) or _("Nothing was changed."))
            return HttpResponseRedirect(reverse("my-notifications"))
    context = {
        **admin.site.each_context(request),
        "title": _("My notifications"),
        "events": [_choosable(event, said) for event in concerning(request.user)],  # type: ignore[arg-type]
        "channels": [str(channel.label) for channel in Channel],
        "problems": [sentence for _where, sentence in problems],
        "is_sink": not sends(),
    }
    return TemplateResponse(request, "notifications_app/mine.html", context)


def _said(form: QueryDict) -> dict[Pair, bool]:
    """Return what the form speaks of; ``shown`` tells a box that is not ticked from one that was not there."""
    known = {_value(pair): pair for pair in PAIRS}
    ticked = set(form.getlist("on"))
    return {known[value]: value in ticked for value in form.getlist("shown") if value in known}


def _choosable(event: Event, said: dict[Pair, bool]) -> Choosable:
    notice = CATALOGUE[event]
    offers = tuple(
        Offer(_value((event, channel)), str(channel.label), said[event, channel])
        if channel in notice.channels
        else Offer("", str(channel.label), is_on=False)
        for channel in Channel
    )
    notes = {
        Silence.ALLOWED: "",
        Silence.NOT_WHEN_ALONE: _("Where nobody else would hear of it, it reaches you nonetheless."),
        Silence.NEVER: _("Cannot be switched off."),
    }
    return Choosable(event, _example(notice), offers, notice.silence == Silence.NEVER, notes[notice.silence])


def _example(notice: Notice) -> str:
    """Return who is told, in words, so that a person knows in which part they would be."""
    told: list[Any] = [audience.label for audience in Audience if audience in notice.to]
    return _("Tells {people}.").format(people="; ".join(str(each) for each in told))


def _value(pair: Pair) -> str:
    return f"{pair[0]}:{pair[1]}"
