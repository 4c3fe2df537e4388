"""Text of a page that is made only where it is shown: the admin lays a form out more than once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.utils.functional import SimpleLazyObject


def rendered_late(render: Callable[..., str], *args: Any) -> Any:
    """Return the text that ``render(*args)`` gives, made once, when a template asks for it."""
    return SimpleLazyObject(partial(render, *args))
