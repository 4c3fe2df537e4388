"""What kind of value a setting takes: its meaning, unit and range, and the check of what somebody proposes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from core_app.text import clean, has_content, unstorable_reason

_AS_WRITTEN: Final = {"dlp": "DLP", "developer": "Developer", "teams": "Teams"}
_SECRET_NAME: Final = re.compile(r"[0-9A-Za-z-]{0,127}")


def in_words(name: str) -> str:
    """Return a name of the code as people write it: ``required_dlp_policy`` is "required DLP policy"."""
    return " ".join(_AS_WRITTEN.get(part, part) for part in name.replace("_", " ").split(" "))


@dataclass(frozen=True, slots=True)
class Kind:
    """A setting's meaning; each kind adds what values it takes.

    Attributes:
        meaning: One sentence for those who change it.
    """

    meaning: str

    @property
    def range(self) -> str:
        """Return what it takes, in words."""
        raise NotImplementedError

    def checked(self, value: Any) -> Any:
        """Return the value as it is used.

        Raises:
            ValueError: saying what would be right.
        """
        raise NotImplementedError

    def in_words(self, value: Any) -> str:
        """Return a value as people read it."""
        return str(value) or "-"


@dataclass(frozen=True, slots=True)
class Number(Kind):
    """A whole number.

    Attributes:
        unit: What is counted.
        low: Smallest.
        high: Largest.
        empty: What no number means; empty text where there has to be one.
    """

    unit: str
    low: int
    high: int
    empty: str = ""

    @property
    def range(self) -> str:
        """Return what it takes, in words."""
        alternative = _(", or nothing: %(meaning)s") % {"meaning": _(self.empty)} if self.empty else ""
        return _("%(unit)s, from %(low)s to %(high)s%(alternative)s") % {
            "unit": capfirst(_(self.unit)),
            "low": self.low,
            "high": self.high,
            "alternative": alternative,
        }

    def checked(self, value: Any) -> int | None:
        """Return the number."""
        if value is None and self.empty:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            sentence = (
                _("must be a whole number from %(low)s to %(high)s or nothing.")
                if self.empty
                else _("must be a whole number from %(low)s to %(high)s.")
            )
            raise ValueError(sentence % {"low": self.low, "high": self.high})
        return value

    def in_words(self, value: Any) -> str:
        """Return the number with its unit."""
        return _(self.empty) if value is None else _("%(number)s %(unit)s") % {"number": value, "unit": _(self.unit)}


@dataclass(frozen=True, slots=True)
class Switch(Kind):
    """Yes or no."""

    @property
    def range(self) -> str:
        """Return what it takes, in words."""
        return _("Yes or no")

    def checked(self, value: Any) -> bool:
        """Return the switch."""
        if not isinstance(value, bool):
            raise ValueError(_("must be true or false."))  # noqa: TRY004 - reported as a problem
        return value

    def in_words(self, value: Any) -> str:
        """Return yes or no."""
        return _("yes") if value else _("no")


@dataclass(frozen=True, slots=True)
class Text(Kind):
    """One line of text.

    Attributes:
        longest: Characters.
        empty: What no text means; empty where there has to be one.
    """

    longest: int
    empty: str = ""

    @property
    def range(self) -> str:
        """Return what it takes, in words."""
        alternative = _(", or nothing: %(meaning)s") % {"meaning": _(self.empty)} if self.empty else ""
        return _("Text of up to %(longest)s characters%(alternative)s") % {
            "longest": self.longest,
            "alternative": alternative,
        }

    def checked(self, value: Any) -> str:
        """Return the text."""
        if not isinstance(value, str) or len(value) > self.longest:
            raise ValueError(_("must be text of up to %(most)s characters.") % {"most": self.longest})
        if reason := unstorable_reason(value):
            raise ValueError(reason)
        if not self.empty and not has_content(value):
            raise ValueError(_("must not be empty."))
        return clean(value)

    def in_words(self, value: Any) -> str:
        """Return the text, or what its absence means."""
        return str(value) or _(self.empty)


@dataclass(frozen=True, slots=True)
class SecretName(Text):
    """The name of a secret in the tenant's Key Vault; never what it holds."""

    @property
    def range(self) -> str:
        """Return what it takes, in words."""
        meaning = {"meaning": _(self.empty)}
        return _("Name of a Key Vault secret (letters, digits, dashes), or nothing: %(meaning)s") % meaning

    def checked(self, value: Any) -> str:
        """Return the name."""
        if not isinstance(value, str) or not _SECRET_NAME.fullmatch(value.strip()):
            raise ValueError(_("must be the name of a Key Vault secret: at most 127 letters, digits and dashes."))
        return value.strip()


@dataclass(frozen=True, slots=True)
class Choice(Kind):
    """One of a few words.

    Attributes:
        options: The words.
    """

    options: tuple[str, ...]

    @property
    def range(self) -> str:
        """Return what it takes, in words."""
        return _("One of %(options)s") % {"options": _listed(self.options)}

    def checked(self, value: Any) -> str:
        """Return the word."""
        if value not in self.options:
            raise ValueError(_("must be one of %(options)s.") % {"options": ", ".join(self.options)})
        return str(value)

    def in_words(self, value: Any) -> str:
        """Return the word as people write it."""
        return _(in_words(value))


@dataclass(frozen=True, slots=True)
class Several(Kind):
    """Some of a few words, each once.

    Attributes:
        options: The words.
        least: How many there have to be.
        empty: What none of them means.
        in_order: Whether their order counts.
    """

    options: tuple[str, ...]
    least: int
    empty: str
    in_order: bool = False

    @property
    def range(self) -> str:
        """Return what it takes, in words."""
        words = _("At least one of %(options)s") if self.least else _("Any of %(options)s")
        return words % {"options": _listed(self.options)}

    def checked(self, value: Any) -> tuple[str, ...]:
        """Return the words."""
        if not isinstance(value, list | tuple) or any(each not in self.options for each in value):
            raise ValueError(_("must be a list out of %(options)s.") % {"options": ", ".join(self.options)})
        if len(set(value)) != len(value):
            raise ValueError(_("names the same one twice; each may stand there once."))
        if len(value) < self.least:
            raise ValueError(_("must name at least %(least)s.") % {"least": self.least})
        return tuple(value)

    def in_words(self, value: Any) -> str:
        """Return the words, in their order."""
        return _listed(value, _(", then ") if self.in_order else ", ") or _(self.empty)


def _listed(options: Iterable[str], between: str = ", ") -> str:
    return between.join(_(in_words(option)) for option in options)
