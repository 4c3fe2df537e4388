"""Errors whose text is written for the person who meets them."""

from __future__ import annotations

from collections.abc import Sequence


class DomainError(Exception):
    """A verb refused to act. The text says what is wrong and what to do; it is shown to the user as it is."""


class PermissionRefused(DomainError):  # noqa: N818 - it reads as what happened
    """The person may see the row but may not do this to it (HTTP 403)."""


class SignInAgainError(DomainError):
    """The person signed in too long ago for this; they sign in again and then repeat it (HTTP 403 without a screen)."""


class StaleContentError(DomainError):
    """What was decided on has changed since it was shown (HTTP 409)."""


class AlteredContentError(StaleContentError):
    """What is stored is not what was given to those who decide: it was changed other than by a verb (HTTP 409)."""


class InvalidInputError(DomainError):
    """The input has one or more problems; all of them are listed at once.

    Attributes:
        problems: (JSON path or field name, sentence) pairs in reading order.
    """

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{where}: {what}" if where else what for where, what in self.problems))
