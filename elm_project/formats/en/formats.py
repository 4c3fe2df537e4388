"""English: ISO 8601 dates, 24 hours, and the time zone said."""

from __future__ import annotations

DATE_FORMAT = "Y-m-d"
SHORT_DATE_FORMAT = "Y-m-d"
TIME_FORMAT = "H:i:s"
DATETIME_FORMAT = r"Y-m-d H:i:s \U\T\C"  # TIME_ZONE is UTC
SHORT_DATETIME_FORMAT = r"Y-m-d H:i \U\T\C"
