"""The pages of those who decide: the queue, the brief of one request, the check and the result of several."""

from __future__ import annotations

from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.enums import ActionVariant

from accounts_app.admin import name_actors, scope_for
from accounts_app.models import User
from accounts_app.step_up import is_fresh
from core_app import clock
from core_app.admin import GovernedAdmin, kept_words, page_action
from core_app.errors import DomainError, InvalidInputError, PermissionRefused, SignInAgainError
from core_app.read_once import reading_once
from core_app.text import spoken
from core_app.words import translated_choices
from gates_app.levels import Outcome
from requests_app import services
from requests_app.admin.scoped import visible_for
from requests_app.admin.summary import STATE_COLOURS, ZONE_COLOURS
from requests_app.approvals.brief import brief_of, colleagues_of
from requests_app.approvals.bulk import decide_each, keys_in, shown_of
from requests_app.approvals.forms import Act, BulkForm, DecisionForm
from requests_app.approvals.queue import queue_of, rows_for, rows_of
from requests_app.approvals.similar import ANSWERS, TIE_RULE
from requests_app.approvals.words import decided
from requests_app.choices import State, Zone
from requests_app.models import EnvironmentRequest
from requests_app.permissions import may_read_brief

_ROWS_PER_PAGE: Final = 50
_MOST_AT_ONCE: Final = 50
_FORBIDDEN, _CONFLICT = 403, 409
_OUTCOMES: Final = {"approve": Outcome.APPROVE, "reject": Outcome.REJECT}


class ApprovalPages(GovernedAdmin):
    """Adds the queue and the decision brief to the screen of requests."""

    actions_detail: ClassVar[tuple[str, ...]] = ("brief",)

    def get_urls(self) -> list[Any]:
        """Return the address of the queue beside the others."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_approvals"
        return [path("approvals/", self.admin_site.admin_view(self.approvals), name=name), *super().get_urls()]

    # The queue

    def approvals(self, request: HttpRequest) -> HttpResponse:
        """Show what waits, or check and decide on several rows of it."""
        user: User = request.user  # type: ignore[assignment]
        if not user.has_perm("requests_app.decide_environmentrequest"):
            raise PermissionDenied(_("The queue of approvals is for those who decide on requests."))
        outcome = _OUTCOMES.get(request.POST.get("outcome", ""))
        if request.method == "POST" and outcome is not None:
            return self._bulk(request, user, outcome)
        with reading_once():
            return self._queue(request, user)

    def _queue(self, request: HttpRequest, user: User) -> HttpResponse:
        asked = request.GET
        zone = int(asked["zone"]) if asked.get("zone") in {str(each.value) for each in Zone} else None
        text, view = asked.get("q", "").strip(), "all" if asked.get("view") == "all" else "mine"
        queue = queue_of(user, scope_for(request), zone=zone, text=text)
        pages = {name: Paginator(keys, _ROWS_PER_PAGE) for name, keys in queue.items()}
        page = pages[view].get_page(asked.get("page"))
        page.object_list = rows_of(user, page.object_list)  # type: ignore[assignment]
        context = {
            **self._page(request, _("Approvals")),
            "rows": page,
            "view": view,
            "views": [
                ("mine", _("Waiting for me"), pages["mine"].count),
                ("all", _("All I can see"), pages["all"].count),
            ],
            "zone": zone,
            "zones": translated_choices(Zone),
            "q": text,
            "now": clock.now(),
            "zone_colours": ZONE_COLOURS,
            "kept": urlencode({name: value for name, value in (("zone", zone), ("q", text)) if value}),
        }
        return TemplateResponse(request, "requests_app/approvals/queue.html", context)

    def _bulk(self, request: HttpRequest, user: User, outcome: Outcome) -> HttpResponse:
        shown = keys_in(request.POST.getlist("row")[:_MOST_AT_ONCE])
        rows = rows_for(user, shown, visible_for(request))
        if not rows:
            messages.warning(request, _("Choose at least one row first."))
            return HttpResponseRedirect(request.get_full_path())
        confirmed = "confirmed" in request.POST
        initial = {"text": kept_words.recall(request).get("comment", "")}
        form = BulkForm(request.POST if confirmed else None, initial=initial, rejects=outcome == Outcome.REJECT)
        context = {**self._page(request, _("Approvals")), "outcome": outcome, "zone_colours": ZONE_COLOURS}
        if confirmed and form.is_valid():
            comment = form.cleaned_data["text"]
            results = decide_each(rows, shown, by=user, outcome=outcome, comment=comment)
            if any(result.sign_in_again for result in results):
                kept_words.keep(request, {"comment": comment})
            else:
                kept_words.forget(request)
            context["results"] = results
            context["sign_in_again"] = _sign_in_again(request.path)
            return TemplateResponse(request, "requests_app/approvals/results.html", context)
        context |= {
            "form": form,
            "checked": shown_of(rows, outcome),
            "needs_sign_in": any(row.request.zone == Zone.ZONE_3 for row in rows)
            and not is_fresh(user.authenticated_at),
            "sign_in_again": _sign_in_again(request.path),
        }
        return TemplateResponse(request, "requests_app/approvals/bulk.html", context)

    # The brief

    @page_action(
        label=gettext_lazy("Decision brief"), icon="gavel", offered=may_read_brief, variant=ActionVariant.SUCCESS
    )
    def brief(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the brief, or do what one of its buttons says."""
        row: EnvironmentRequest = self.visible(request, object_id)
        user: User = request.user  # type: ignore[assignment]
        pressed = request.POST.get("act", "")
        if request.method != "POST" or pressed not in list(Act):
            said = kept_words.recall(request)
            return self._brief(request, row, initial={"text": said.get("comment", "")})
        act = Act(pressed)
        form = DecisionForm(request.POST, act=act, colleagues=colleagues_of(row, user) if act == Act.HAND_OVER else [])
        if not form.is_valid():
            return self._brief(request, row, form=form)
        try:
            done = self._acted(row, user, act, form.cleaned_data)
        except DomainError as refused:
            return self._refused(request, row, form, refused)
        kept_words.forget(request)
        messages.success(request, done)
        decided = act in (Act.APPROVE, Act.REJECT)
        back = "admin:requests_app_environmentrequest_approvals"
        return HttpResponseRedirect(reverse(back) if decided else request.path)

    def _refused(
        self, request: HttpRequest, row: EnvironmentRequest, form: DecisionForm, refused: DomainError
    ) -> HttpResponse:
        """Show the brief as it stands now, with why nothing was done; what was typed stays."""
        if isinstance(refused, InvalidInputError):
            for _field, problem in refused.problems:
                form.add_error("text", problem)
            return self._brief(request, row, form=form)
        again = isinstance(refused, SignInAgainError)
        if again:
            kept_words.keep(request, {"comment": form.cleaned_data["text"]})
        # No redirect: what a form's answer leads to must be ours (form-action), and signing in may lead to Microsoft
        status = _FORBIDDEN if again or isinstance(refused, PermissionRefused) else _CONFLICT
        return self._brief(request, row, form=form, status=status, refused=str(refused), again=again)

    @staticmethod
    def _acted(row: EnvironmentRequest, user: User, act: Act, said: dict[str, Any]) -> str:
        """Run the verb of a button and return what to tell when it was not refused."""
        text, token = said["text"], said["form_token"]
        if act in (Act.APPROVE, Act.REJECT):
            outcome = _OUTCOMES[act]
            made = services.decide(row.pk, by=user, outcome=outcome, comment=text, content_hash=said["content_hash"])
            return _("%(number)s: your decision is recorded. %(next)s") % {"number": made, "next": decided(made)}
        if act == Act.ASK:
            services.ask(row.pk, by=user, question=text, token=token)
            return _("The requester is asked; the clock stands still until they answer.")
        if act == Act.COMMENT:
            services.comment(row.pk, by=user, text=text, token=token)
            return _("Your comment is added.")
        person = user if act == Act.CLAIM else said["person"]
        services.assign(row.pk, to=person, by=user)
        return _("%(number)s is assigned to %(person)s.") % {"number": row, "person": person}

    def _brief(  # noqa: PLR0913 - how the page differs
        self,
        request: HttpRequest,
        row: EnvironmentRequest,
        *,
        form: DecisionForm | None = None,
        initial: dict[str, Any] | None = None,
        status: int = 200,
        refused: str = "",
        again: bool = False,
    ) -> HttpResponse:
        if refused:
            row = self.visible(request, str(row.pk), anew=True)  # it may have moved on
        with reading_once():
            shown = brief_of(row, request.user, visible_for(request))  # type: ignore[arg-type]
        name_actors(shown.history)
        form = form or DecisionForm(initial=initial)
        form.offer(shown.colleagues)
        context = {
            **self._page(request, str(row)),
            "opts": self.opts,
            "original": row,
            "row": row,
            "brief": shown,
            "form": form,
            "refused": refused,
            "sign_in_again": _sign_in_again(request.path) if again else "",
            "state": spoken(State(row.state).label),
            "state_colour": STATE_COLOURS[spoken(State(row.state).label)],
            "zone_colour": ZONE_COLOURS[row.get_zone_display()],
            "tie_rule": TIE_RULE,
            "compared": len(ANSWERS),
            "now": clock.now(),
        }
        return TemplateResponse(request, "requests_app/approvals/brief.html", context, status=status)

    def _page(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "title": title}


def _sign_in_again(back: str) -> str:
    return f"{reverse('sign_in_again')}?{urlencode({'next': back})}"
