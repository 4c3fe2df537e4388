"""The Adaptive Card of a message, as a Teams workflow takes it ("When a Teams webhook request is received").

Words of people stand in RichTextBlocks, which know no Markdown, so that nobody places a link in a card. People are
mentioned in a TextBlock, where Teams looks for mentions. Version 1.4 is what every client of Teams shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts_app.models import User
from notifications_app.models import OutboxMessage

VERSION: Final = "1.4"
CONTENT_TYPE: Final = "application/vnd.microsoft.card.adaptive"
_SCHEMA: Final = "http://adaptivecards.io/schemas/adaptive-card.json"
_MOST_MENTIONED: Final = 20
_LONGEST_BODY: Final = 2_000  # characters; Teams refuses messages of more than 28 KB
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]()#+!|~<>])")


def card_of(message: OutboxMessage, mentioned: Iterable[User]) -> dict[str, Any]:
    """Return the body of the request that posts a message's card.

    Args:
        message: The message.
        mentioned: The people who are told and want to be mentioned.
    """
    people = list(mentioned)[:_MOST_MENTIONED]
    with override(settings.LANGUAGE_CODE):
        content = {
            "$schema": _SCHEMA,
            "type": "AdaptiveCard",
            "version": VERSION,
            "fallbackText": message.subject,
            "body": [
                _words(message.subject, size="Large", weight="Bolder"),
                _words(_shortened(message.body)),
                {"type": "FactSet", "facts": _facts(message)},
                *([_mentions(people)] if people else []),
            ],
            "actions": _actions(message),
            "msteams": {"width": "Full", "entities": [_entity(person) for person in people]},
        }
    attachment = {"contentType": CONTENT_TYPE, "contentUrl": None, "content": content}
    return {"type": "message", "attachments": [attachment]}


def _facts(message: OutboxMessage) -> list[dict[str, str]]:
    facts = (
        (_("What"), message.get_event_display()),
        (_("About"), message.reference),
        (_("Tenant"), str(message.tenant)),
        (_("When"), f"{message.created_at:%Y-%m-%d %H:%M} UTC"),
    )
    return [{"title": title, "value": _MARKUP.sub(r"\\\1", value)} for title, value in facts]


def _actions(message: OutboxMessage) -> list[dict[str, str]]:
    if not message.link:
        return []
    title = _("Open {reference}").format(reference=message.reference)
    return [{"type": "Action.OpenUrl", "title": title, "url": f"{settings.PUBLIC_URL}{message.link}"}]


def _words(text: str, **look: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **look}]}


def _mentions(people: list[User]) -> dict[str, Any]:
    return {"type": "TextBlock", "wrap": True, "text": ", ".join(_at(person) for person in people)}


def _entity(person: User) -> dict[str, Any]:
    return {"type": "mention", "text": _at(person), "mentioned": {"id": person.upn, "name": _name(person)}}


def _at(person: User) -> str:
    return f"<at>{_name(person)}</at>"


def _name(person: User) -> str:
    """Return a name without what Teams would take for markup."""
    return " ".join(_MARKUP.sub(" ", str(person).replace("&", " ")).split()) or "?"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_BODY else f"{text[: _LONGEST_BODY - 1]}…"
