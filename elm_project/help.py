"""Help without internet: the pages of ``docs`` inside the application, and which of them is about which screen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any, Final
from urllib.parse import urlsplit

from django.contrib import admin
from django.http import FileResponse, Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

from elm_project.env import BASE_DIR
from elm_project.help_screens import guides_of, section_for

DOCS: Final = BASE_DIR / "docs"
INDEX: Final = "README.md"
_SHOWN: Final = (".md", ".png", ".json")
# HTML that a document holds is shown as text: what reaches a browser is what Markdown has words for
_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass(frozen=True, slots=True)
class Page:
    """A document as the browser gets it.

    Attributes:
        title: Its first heading.
        body: The rest of it, as HTML.
        sections: Its second-level headings, anchor and text, in their order.
    """

    title: str
    body: SafeString
    sections: tuple[tuple[str, str], ...]


def addresses() -> list[URLPattern]:
    """Return the addresses of the documents; below them the tree is that of ``docs``, so that relative links hold."""
    return [
        path("", admin.site.admin_view(require_safe(shown)), name="help"),
        path("<path:name>", admin.site.admin_view(require_safe(shown)), name="help-page"),
    ]


def shown(request: HttpRequest, name: str = INDEX) -> HttpResponseBase:
    """Show a document, a picture or a schema to whoever is signed in.

    Raises:
        Http404: there is no such document.
    """
    file = _files().get(name)
    if file is None:
        raise Http404(_("There is no such page of the help."))
    if file.suffix != ".md":
        return FileResponse(file.open("rb"))
    page = rendered(file.read_text(encoding="utf-8"), at=name)
    context = {
        **admin.site.each_context(request),
        "title": page.title,
        "page": page,
        "mine": [(address_of(guide), rendered_title(guide)) for guide in guides_of(request.user)],
        "is_index": name == INDEX,
    }
    return TemplateResponse(request, "help/page.html", context)


def help_link(request: HttpRequest) -> dict[str, Any]:
    """Tell every page where its help is (a context processor); only a page that shows it asks who is there.

    A page about trouble of the database does not, and could not.
    """
    return {"help_address": SimpleLazyObject(lambda: _help_for(request))}


def _help_for(request: HttpRequest) -> str:
    user = getattr(request, "user", None)
    if user is None or not user.is_staff:
        return ""
    screen = (request.resolver_match.url_name or "") if request.resolver_match else ""
    return address_of(section_for(screen, user))


def address_of(section: str) -> str:
    """Return the address of a document or of a section of it, ``guides/requester.md#sharing``."""
    name, hash_, anchor = section.partition("#")
    return f"{reverse('help-page', args=[name])}{hash_}{anchor}"


@cache
def _files() -> dict[str, Path]:
    """Return what can be shown, by its name below ``docs``; a name that leads elsewhere is not among them."""
    return {file.relative_to(DOCS).as_posix(): file for file in DOCS.rglob("*") if file.suffix in _SHOWN}


@cache
def rendered_title(name: str) -> str:
    """Return a document's first heading."""
    return rendered((DOCS / name).read_text(encoding="utf-8"), at=name).title


def rendered(text: str, *, at: str) -> Page:
    """Turn a document into HTML without scripts or foreign markup.

    Args:
        text: Markdown.
        at: Its name below ``docs``, which its links start from.
    """
    tokens = _MARKDOWN.parse(text)
    title = tokens[1].content if len(tokens) > 1 and tokens[0].tag == "h1" else at
    rest = tokens[3:] if tokens and tokens[0].tag == "h1" else tokens
    sections = tuple(_anchored(rest))
    for token in rest:
        for child in token.children or ():
            _led(child, at)
    body = _MARKDOWN.renderer.render(rest, _MARKDOWN.options, {})
    return Page(title.replace("`", ""), mark_safe(body), sections)  # noqa: S308 - rendered above, of our own files


def anchor_of(heading: str) -> str:
    """Return the anchor of a heading, as code hosts make it from its text."""
    words = re.sub(r"[`*]|\[|\]\([^)]*\)", "", heading).lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def _anchored(tokens: list[Token]) -> Iterator[tuple[str, str]]:
    """Give every heading its anchor; yield those of the second level."""
    for token, words in pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchor_of(words.content))
            if token.tag == "h2":
                yield anchor_of(words.content), words.content.replace("`", "")


def _led(token: Token, at: str) -> None:
    """Let a link lead where it leads on disk; what is not in ``docs`` cannot be opened here and stays a name."""
    if token.type != "link_open":
        return
    target = urlsplit(str(token.attrs["href"]))
    if target.scheme:
        token.attrSet("rel", "noreferrer")
    elif target.path and normpath(PurePosixPath(at).parent / target.path) not in _files():
        del token.attrs["href"]
