"""Governed bases of every admin screen.

:class:`GovernedAdmin` for all, :class:`ReadOnlyAdmin` for what nobody edits, :class:`HistoryAdmin` for models with a
history, :class:`ReadOnlyInline` for related rows, :class:`VerbFormAdmin` for a form that a verb stores. A button is
made with :func:`dialog_action` or :func:`page_action`; :func:`readable` shows stored JSON,
:class:`Coloured` finds the colour of a badge; :class:`RowsOnlyFilter` offers what rows refer to;
:func:`rendered_late` spares what a page does not show.
"""

from core_app.admin.actions import ActingAdmin, dialog_action, page_action
from core_app.admin.bases import GovernedAdmin, HistoryAdmin, ReadOnlyAdmin, ReadOnlyInline
from core_app.admin.colours import Coloured
from core_app.admin.filters import RowsOnlyFilter
from core_app.admin.forms import (
    ConfirmDialog,
    ReasonDialog,
    VerbForm,
    VerbFormAdmin,
    WordsField,
    said_in,
    with_content,
)
from core_app.admin.late import rendered_late
from core_app.admin.readable import readable

__all__ = [
    "ActingAdmin",
    "Coloured",
    "ConfirmDialog",
    "GovernedAdmin",
    "HistoryAdmin",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "ReasonDialog",
    "RowsOnlyFilter",
    "VerbForm",
    "VerbFormAdmin",
    "WordsField",
    "dialog_action",
    "page_action",
    "readable",
    "rendered_late",
    "said_in",
    "with_content",
]
