"""Bases of every admin screen: rows are scoped, and history and evidence are for reading only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, NoReturn
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, JSONField, Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy
from simple_history.admin import SimpleHistoryAdmin
from simple_history.models import DeletedObject
from simple_history.template_utils import HistoricalRecordContextHelper
from unfold.admin import TabularInline

from core_app.admin.actions import ActingAdmin
from core_app.admin.readable import readable
from core_app.recorded import shown

_SHOWN_OF_A_CHANGE = 500  # characters
_OPERATORS = frozenset({"exact", "isnull", "in", "gt", "gte", "lt", "lte"})


class GovernedAdmin(ActingAdmin):
    """A screen whose rows are scoped, whose lookups are a closed list, and where nothing is deleted or done in bulk."""

    actions = None
    list_per_page = 50
    list_max_show_all = 200
    list_filter_sheet = True
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    view_on_site = False
    allowed_lookups: ClassVar[tuple[str, ...]] = ()
    nothing_here: ClassVar[str | Promise] = gettext_lazy(
        "Nothing has been recorded that your roles reach."
    )  # what an empty list says

    # Rows

    def scoped(self, queryset: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
        """Return the rows the signed-in person may see; a screen that does not say shows none."""
        return queryset.none()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the visible rows; lists, forms, autocomplete and history all start here."""
        return self.scoped(super().get_queryset(request), request)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow only what the filters of this screen ask; Django would let people probe any field of the row."""
        names = set(self.allowed_lookups)
        for item in self.get_list_filter(request) if request else self.list_filter:
            names.add(getattr(item, "parameter_name", None) or (item if isinstance(item, str) else item[0]))
        path, _, operator = lookup.rpartition("__")
        return lookup in names or (operator in _OPERATORS and path.removesuffix("__id") in names)

    # What is never done here

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is deleted in the admin."""
        return False

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> NoReturn:
        """Refuse: 404 for what one may not see, 403 for the rest."""
        raise PermissionDenied(
            gettext("%(visible)s cannot be deleted; a record stays.") % {"visible": self.visible(request, object_id)}
        )

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """Keep no second log beside the provisioning log."""

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """Keep no second log beside the provisioning log."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Answer 404: this model has no history of its own."""
        raise Http404(gettext("This record has no history."))

    # Pages

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Show the form; what one may not see is not found."""
        if object_id is not None:
            self.visible(request, object_id)
        has_history = isinstance(self, HistoryAdmin)
        context = {
            **(extra_context or {}),
            "show_history": has_history,
            "show_save_and_add_another": False,
            "show_save_and_continue": False,
        }
        return super().changeform_view(request, object_id, form_url, context)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[tuple[Any, Any]]:
        """Return the fieldsets, with links only to related rows whose screen the person may open."""
        return self.without_dead_links(request, obj, super().get_fieldsets(request, obj))

    def without_dead_links(self, request: HttpRequest, obj: Any, fieldsets: Any) -> list[tuple[Any, Any]]:
        """Show a related row as text where its link would only lead the person to a refusal."""
        readonly = set(self.get_readonly_fields(request, obj))

        def shown(name: str) -> Any:
            return self._plain_texts[name] if name in readonly and self._is_dead(request, name) else name

        return [(title, {**options, "fields": [*map(shown, options["fields"])]}) for title, options in fieldsets]

    def _is_dead(self, request: HttpRequest, name: str) -> bool:
        if name not in self._plain_texts:
            return False
        screen = self.admin_site._registry.get(self.opts.get_field(name).remote_field.model)
        return screen is None or not screen.has_view_permission(request)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[Any, ...]:
        """Return the fields that are shown as text."""
        return (*super().get_readonly_fields(request, obj), *self._plain_texts.values())

    @cached_property
    def _plain_texts(self) -> dict[str, Callable[[Model], str]]:
        keys = [field for field in self.opts.concrete_fields if isinstance(field, ForeignKey)]
        return {field.name: _plain_text(field) for field in keys}


class ReadOnlyAdmin(GovernedAdmin):
    """A screen that shows every field and changes none."""

    hidden_fields: ClassVar[tuple[str, ...]] = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows are made by verbs."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Rows are changed by verbs."""
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the screen's own fields, or every column; the key, which nobody looks for, comes last."""
        if self.fields:
            return list(self.fields)
        names = [field.name for field in self.opts.concrete_fields if field.name not in self.hidden_fields]
        return sorted(names, key=lambda name: name == self.opts.pk.name)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[tuple[Any, Any]]:
        """Return the fieldsets, with stored JSON as tables and recorded sentences in the language at work."""
        return [
            (title, {**options, "fields": [self._readable.get(name, name) for name in options["fields"]]})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[Any, ...]:
        """Return every column."""
        columns = (field.name for field in self.opts.concrete_fields)
        return (*super().get_readonly_fields(request, obj), *columns, *self._readable.values())

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Return the columns, with recorded sentences in the language at work."""
        return [self._sentences.get(name, name) for name in super().get_list_display(request)]

    @cached_property
    def _readable(self) -> dict[str, Callable[[Model], str]]:
        stored = [field for field in self.opts.concrete_fields if isinstance(field, JSONField)]
        return {field.name: _table(field) for field in stored} | self._sentences

    @cached_property
    def _sentences(self) -> dict[str, Callable[[Model], str]]:
        names = getattr(self.model, "recorded", ())
        return {name: _sentence(self.opts.get_field(name)) for name in names}


class ReadOnlyInline(TabularInline):
    """Related rows below a row, to be read."""

    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are made by verbs."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are changed by verbs."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing is deleted in the admin."""
        return False


class HistoryAdmin(GovernedAdmin, SimpleHistoryAdmin):
    """A screen with a history that can be read and never written back (style guide, trap T1)."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """List what changed when; for visible rows only."""
        self.visible(request, object_id)
        # Without the name of a view the people are named, not linked: most readers may not open the people's screen.
        return SimpleHistoryAdmin.history_view(
            self, request, object_id, {"admin_user_view": "", **(extra_context or {})}
        )

    def history_form_view(
        self, request: HttpRequest, object_id: str, version_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Show a row as it was; the package would save what is posted here, so anything but reading is refused."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied(gettext("History is for reading; nothing is changed here."))
        self.visible(request, object_id)
        try:
            UUID(version_id)
        except ValueError as error:
            raise Http404(gettext("There is no such version.")) from error
        request.shows_history = True  # type: ignore[attr-defined]
        return super().history_form_view(request, object_id, version_id, extra_context)

    def get_historical_record_context_helper(self, request: HttpRequest, historical_record: Any) -> Any:
        """Return what puts a change in words."""
        return _ChangeInWords(self.model, historical_record, max_displayed_delta_change_chars=_SHOWN_OF_A_CHANGE)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Old versions are never a form."""
        return not getattr(request, "shows_history", False) and super().has_change_permission(request, obj)


class _ChangeInWords(HistoricalRecordContextHelper):
    """Says what a number stands for, and dates as everywhere else."""

    def prepare_delta_change_value(self, change: Any, value: Any) -> Any:
        """Return a value as people read it."""
        field = self.model._meta.get_field(change.field)
        if getattr(field, "choices", None):
            return dict(field.flatchoices).get(value, value)
        if isinstance(value, datetime):
            return date_format(value, "DATETIME_FORMAT")
        if isinstance(value, DeletedObject) and value.pk is None:
            return ""  # the package takes an empty foreign key for a deleted row
        return super().prepare_delta_change_value(change, value)


def _plain_text(field: ForeignKey[Any, Any]) -> Callable[[Model], str]:
    return _shown(field, lambda row: str(getattr(row, field.name) or "-"))


def _table(field: Any) -> Callable[[Model], str]:
    return _shown(field, lambda row: readable(getattr(row, field.name)))


def _sentence(field: Any) -> Callable[[Model], str]:
    sentence = _shown(field, lambda row: shown(getattr(row, field.name)) or "-")
    sentence.admin_order_field = field.name  # type: ignore[attr-defined]
    return sentence


def _shown(field: Any, text: Callable[[Model], str]) -> Callable[[Model], str]:
    """Give a text for a field the field's name and words."""
    text.__name__ = field.name
    text.short_description = field.verbose_name  # type: ignore[attr-defined]
    return text
