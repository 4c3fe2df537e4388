"""Whole journeys, against the simulator as a process of its own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

# Without a graphics card a blurred background takes half of the computing time; what is tested does not depend on it
CLEAR = """
const sheet = new CSSStyleSheet();
sheet.replaceSync("* { backdrop-filter: none !important }");
document.adoptedStyleSheets = [sheet];
"""
expect.set_options(timeout=30_000)  # as long as for a click: a busy machine is no failure


@pytest.fixture
def visit(browser: Browser, live_server) -> Iterator[Callable[..., BrowserContext]]:
    """Open a browser of one person's own on the application; all of them are closed at the end."""
    opened: list[BrowserContext] = []

    def one_more(*, is_pictured: bool = False, **options: Any) -> BrowserContext:
        size = {"width": 1440, "height": 1000}
        opened.append(browser.new_context(base_url=live_server.url, viewport=size, **options))
        if not is_pictured:
            opened[-1].add_init_script(CLEAR)
        return opened[-1]

    yield one_more
    for context in opened:
        context.close()
