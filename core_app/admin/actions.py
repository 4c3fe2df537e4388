"""Buttons on a row's page: each opens a dialog, acts on its POST only, and tells how the verb went."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.enums import ActionVariant

from core_app.admin import kept_words
from core_app.errors import DomainError, InvalidInputError, PermissionRefused, SignInAgainError
from core_app.read_once import once


def dialog_action(
    *,
    label: str | Promise,
    icon: str,
    form: type,
    offered: Callable[[Any, Any], bool],
    explained: str | Promise = "",
    variant: ActionVariant = ActionVariant.DEFAULT,
) -> Callable[[Callable[..., HttpResponse]], Any]:
    """Make a button on a row's page that opens a dialog and acts on its POST only (style guide, trap T4).

    Args:
        label: The verb, as people say it.
        icon: Material symbol.
        form: The dialog's form.
        offered: ``(user, row)`` → whether the button is shown. It only mirrors the verb, which decides for itself.
        explained: One sentence in the dialog about what will happen.
        variant: How the button looks.
    """

    def decorate(verb: Callable[..., HttpResponse]) -> Any:
        dialog = {"title": label, "description": explained, "form_class": form, "form_submit_text": label}
        shown = action(description=label, icon=icon, variant=variant, dialog=dialog)(verb)

        @wraps(shown)
        def guarded(self: ActingAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
            row = self.visible(request, object_id)
            if request.method != "POST" and not offered(request.user, row):
                raise PermissionDenied(
                    _("%(label)s: this is not offered to you for %(row)s now.") % {"label": label, "row": row}
                )
            return shown(self, request, object_id=object_id)

        guarded.offered = offered  # type: ignore[attr-defined]
        return guarded

    return decorate


def page_action(
    *,
    label: str | Promise,
    icon: str,
    offered: Callable[[Any, Any], bool],
    variant: ActionVariant = ActionVariant.DEFAULT,
) -> Callable[[Callable[..., HttpResponseBase]], Any]:
    """Make a button on a row's page that opens a page of its own: for what a dialog cannot do, as handing out a file.

    The page acts on its POST only, and no method of it answers whom it is not offered.

    Args:
        label: The verb, as people say it.
        icon: Material symbol.
        offered: ``(user, row)`` → whether the page is there for this person. The verb decides for itself as well.
        variant: How the button looks.
    """

    def decorate(page: Callable[..., HttpResponseBase]) -> Any:
        shown = action(description=label, icon=icon, variant=variant)(page)

        @wraps(shown)
        def guarded(self: ActingAdmin, request: HttpRequest, object_id: str) -> HttpResponseBase:
            row = self.visible(request, object_id)
            if not offered(request.user, row):
                raise PermissionDenied(
                    _("%(label)s: this is not offered to you for %(row)s.") % {"label": label, "row": row}
                )
            return shown(self, request, object_id=object_id)

        guarded.offered = offered  # type: ignore[attr-defined]
        guarded.opens_page = True  # type: ignore[attr-defined]
        return guarded

    return decorate


class ActingAdmin(ModelAdmin):
    """A screen whose buttons are verbs."""

    def visible(self, request: HttpRequest, object_id: str, *, anew: bool = False) -> Any:
        """Return a row by its key as it stands in an address, looked up once for each request.

        Args:
            request: Whose turn it is.
            object_id: The row's key.
            anew: Look again: it was written to meanwhile.

        Raises:
            Http404: it does not exist, or not for this person.
        """
        seen: dict[tuple[type, str], Any] = request.__dict__.setdefault("rows_seen", {})
        key = (self.model, str(object_id))
        if anew or key not in seen:
            seen[key] = self.get_object(request, unquote(str(object_id))) if self.has_view_permission(request) else None
        if seen[key] is None:
            raise Http404(_("There is no such %(verbose_name)s here.") % {"verbose_name": self.opts.verbose_name})
        return seen[key]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return a row, or None; the same one for the form of a page that is only read."""
        return once(
            (self.model, object_id, from_field),
            lambda: super(ActingAdmin, self).get_object(request, object_id, from_field),
        )

    def get_unfold_action(self, action: str) -> Any:
        """Return an action; a bare one would run on GET and is a mistake in the code."""
        found = super().get_unfold_action(action)
        if found.dialog is None and not getattr(found.method, "opens_page", False):
            raise ImproperlyConfigured(
                f"{type(self).__name__}.{action} has no dialog; make it with dialog_action or page_action."
            )
        return found

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Return the buttons that this person is offered for this row."""
        row = self.visible(request, object_id)
        return [found for found in self._get_base_actions_detail() if found.method.offered(request.user, row)]

    @contextmanager
    def telling(self, request: HttpRequest, done: str) -> Iterator[None]:
        """Run verbs and tell the person how it went, in the verb's own words.

        Args:
            request: Whose turn it is.
            done: What to say when nothing was refused.

        Raises:
            PermissionDenied: the verb refused this person.
            SignInAgainError: they signed in too long ago; what they typed is to be kept for them.
        """
        try:
            yield
        except SignInAgainError:
            raise
        except PermissionRefused as refused:
            messages.error(request, str(refused))
            raise PermissionDenied(str(refused)) from refused
        except InvalidInputError as invalid:
            for where, what in invalid.problems:
                messages.error(request, f"{self.label_of(where)}: {what}" if where else what)
        except DomainError as refused:
            messages.error(request, str(refused))
            request.verb_refused = True  # type: ignore[attr-defined]
        else:
            messages.success(request, done)

    def act(
        self,
        request: HttpRequest,
        object_id: str,
        verb: Callable[[], object],
        *,
        done: str,
        typed: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """Run a verb for a dialog, then show the row; 403 when it refused the person, 409 when it refused the row.

        Args:
            request: Whose turn it is.
            object_id: The row's key as it stands in the address.
            verb: What to do.
            done: What to say when nothing was refused.
            typed: What the person typed and would not want to type again, should they have to sign in first.
        """
        status = 200
        page = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[object_id])
        try:
            with self.telling(request, done):
                verb()
                kept_words.forget(request)
            status = 409 if getattr(request, "verb_refused", False) else 200
        except PermissionDenied:
            if "HX-Request" not in request.headers:
                raise
            status = 403  # the dialog follows the redirect below whatever the status; the message waits on the page
        except SignInAgainError:
            kept_words.keep(request, typed or {})
            page = f"{reverse('sign_in_again')}?{urlencode({'next': page})}"
        if "HX-Request" in request.headers:
            return HttpResponse(status=status, headers={"HX-Redirect": page})
        return HttpResponseRedirect(page)

    def run_verb(
        self, request: HttpRequest, object_id: str, verb: Callable[..., object], done: str, **said: Any
    ) -> HttpResponse:
        """Run a verb that takes the row's key, who does it and what they said, as ``act`` does.

        Args:
            request: Whose turn it is.
            object_id: The row's key as it stands in the address.
            verb: Called as ``verb(key, by=person, **said)``.
            done: What to say when nothing was refused; its first ``{}`` is the row.
            said: What the dialog asked for; words among it are kept should the person have to sign in first.
        """
        row = self.visible(request, object_id)
        typed = {name: words for name, words in said.items() if isinstance(words, str)}
        done = done.replace("{}", str(row), 1)
        return self.act(request, object_id, lambda: verb(row.pk, by=request.user, **said), done=done, typed=typed)

    def label_of(self, field: str) -> str:
        """Return what people call a field."""
        known = {each.name: str(each.verbose_name) for each in self.opts.concrete_fields}
        return capfirst(known.get(field, field.replace("_", " ")))
