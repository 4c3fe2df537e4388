"""Django's makemessages, which also finds the names of our tables and what the admin packages say."""

from __future__ import annotations

from itertools import chain
from os.path import relpath
from pathlib import Path
from typing import Any, Final

import simple_history
import unfold
from django.apps import apps
from django.core.management.commands import makemessages
from django.core.management.commands.makemessages import TranslatableFile

from accounts_app import tenant_settings
from core_app.words import names_of

_NAMES: Final = "names.py"  # exists in the catalogue's folder while the command runs
_NOT_ON_SCREENS: Final = ("tests", "simulator", "benchmarks", "docs", "staticfiles")
_PACKAGES: Final = (unfold, simple_history)  # the one has no catalogue, the other's is not complete
_IN_DJANGOS: Final = "object_history.html"  # of the packages: what it says is in Django's own catalogues


class Command(makemessages.Command):
    """Finds every text that people see on a screen."""

    xgettext_options = [
        *makemessages.Command.xgettext_options,
        "--keyword=noop",
    ]

    def handle(self, *args: Any, **options: Any) -> None:
        """Make or update the catalogues; names of tables and columns are written into a file that is read like code."""
        options["ignore_patterns"] = [*options["ignore_patterns"], *_NOT_ON_SCREENS]
        try:
            super().handle(*args, **options)
        finally:
            (self._folder / _NAMES).unlink(missing_ok=True)

    def find_files(self, root: str) -> list[TranslatableFile]:
        """Return what to read: the project, the admin packages, and the names."""
        own = super().find_files(root)
        ignored, self.ignore_patterns = self.ignore_patterns, [_IN_DJANGOS]
        found = (super(Command, self).find_files(_from_here(each.__path__[0])) for each in _PACKAGES)
        of_packages = [  # into our catalogue, not into theirs
            TranslatableFile(each.dirpath, each.file, self.default_locale_path) for each in chain.from_iterable(found)
        ]
        self.ignore_patterns = ignored
        lines = chain.from_iterable((f"# Translators: {of}", f"_({name!r})") for name, of in _names().items())
        (self._folder / _NAMES).write_text("\n".join(lines))
        names = TranslatableFile(_from_here(self._folder), _NAMES, self.default_locale_path)
        return [*own, *of_packages, names]

    @property
    def _folder(self) -> Path:
        assert self.default_locale_path is not None  # noqa: S101 - LOCALE_PATHS has one
        return Path(self.default_locale_path)


def _names() -> dict[str, str]:
    """Return what code looks up without standing in it as a literal, each with what it is about."""
    return {
        **dict.fromkeys(sorted(tenant_settings.texts()), "a tenant's setting"),
        **names_of(config for config in apps.get_app_configs() if config.name.endswith("_app")),
    }


def _from_here(folder: str | Path) -> str:
    return f"./{relpath(folder)}"  # no path of this machine in a catalogue
