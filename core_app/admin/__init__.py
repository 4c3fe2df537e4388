"""Governed bases of every admin screen.

:class:`GovernedAdmin` for all, :class:`ReadOnlyAdmin` for what nobody edits, :class:`HistoryAdmin` for models with a
history, :class:`ReadOnlyInline` for related rows. A button is made with :func:`dialog_action`.
"""

from core_app.admin.actions import ActingAdmin, dialog_action
from core_app.admin.bases import GovernedAdmin, HistoryAdmin, ReadOnlyAdmin, ReadOnlyInline

__all__ = ["ActingAdmin", "GovernedAdmin", "HistoryAdmin", "ReadOnlyAdmin", "ReadOnlyInline", "dialog_action"]
