"""The first answers of a form, kept in the person's session: a draft needs the others too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest

_KEY: Final = "guided_forms"
_MOST: Final = 5  # forms; the oldest is dropped
_DRAFT: Final = "draft"


def keep(request: HttpRequest, token: UUID, said: Mapping[str, Any]) -> None:
    """Keep what was said in the form with this token."""
    kept = {key: values for key, values in request.session.get(_KEY, {}).items() if key != str(token)}
    kept[str(token)] = dict(said)
    request.session[_KEY] = dict(list(kept.items())[-_MOST:])


def recall(request: HttpRequest, token: UUID | None) -> dict[str, Any] | None:
    """Return what was said in the form with this token; None when nothing of it is kept."""
    found: dict[str, Any] | None = request.session.get(_KEY, {}).get(str(token))
    return found


def newest(request: HttpRequest) -> UUID | None:
    """Return the token of the form that was begun last and is no draft yet."""
    kept = request.session.get(_KEY, {})
    tokens = [key for key, said in kept.items() if _DRAFT not in said]
    return UUID(tokens[-1]) if tokens else None


def became(request: HttpRequest, token: UUID, draft: UUID) -> None:
    """Remember which draft a form became, so that going back and on again changes that one."""
    keep(request, token, {**(recall(request, token) or {}), _DRAFT: str(draft)})


def draft_of(said: Mapping[str, Any]) -> str:
    """Return the key of the draft that a form became; nothing when it is none yet."""
    return str(said.get(_DRAFT, ""))


def answers_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was said in a form, without the draft that it became."""
    return {name: value for name, value in said.items() if name != _DRAFT}
