"""The same in every language: ISO 8601 dates, 24 hours, and the time zone said."""

from __future__ import annotations

import sys

from django.conf import settings
from django.utils.translation import to_locale

DATE_FORMAT = "Y-m-d"
SHORT_DATE_FORMAT = "Y-m-d"
TIME_FORMAT = "H:i:s"
DATETIME_FORMAT = r"Y-m-d H:i:s \U\T\C"  # TIME_ZONE is UTC
SHORT_DATETIME_FORMAT = r"Y-m-d H:i \U\T\C"


def hold_in_every_language() -> None:
    """Let Django find this module wherever it looks for the formats of a language, below FORMAT_MODULE_PATH."""
    for language in (*dict(settings.LANGUAGES), settings.LANGUAGE_CODE):
        sys.modules[f"{__name__}.{to_locale(language)}.formats"] = sys.modules[__name__]
