"""What a person typed into a dialog, kept in their session while they sign in again, under the dialog's address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.http import HttpRequest

_KEY: Final = "kept_words"
_MOST: Final = 5  # dialogs; the oldest is dropped


def keep(request: HttpRequest, typed: Mapping[str, str]) -> None:
    """Keep what was typed into the dialog at this address."""
    kept = {path: words for path, words in request.session.get(_KEY, {}).items() if path != request.path}
    kept[request.path] = dict(typed)
    request.session[_KEY] = dict(list(kept.items())[-_MOST:])


def recall(request: HttpRequest) -> dict[str, str]:
    """Return what was kept of the dialog at this address; nothing when nothing was."""
    found = request.session.get(_KEY, {}).get(request.path, {})
    return dict(found)


def forget(request: HttpRequest) -> None:
    """Drop what was kept of the dialog at this address: it has been said."""
    kept = request.session.get(_KEY, {})
    if kept.pop(request.path, None) is not None:
        request.session[_KEY] = kept
