"""The log stream: one JSON object a line on standard error, of a schema that docs/guides/operations.md describes.

Whatever is logged, by us, by Django, Celery, gunicorn or a library, goes through one formatter. Text from outside stays
data: JSON escapes every control character, so that nobody can begin a line of their own.
"""

from __future__ import annotations

import json
from typing import Any, Final

import structlog
from structlog.typing import Processor

from core_app.redaction import mask_line, mask_names
from elm_project.env import env

_ALIKE: Final[list[Processor]] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def as_json(event: Any, **options: Any) -> str:
    """Return an event on one line, in ASCII: also DEL and what Unicode takes for a line end are escaped."""
    return json.dumps(event, **options).replace("\x7f", "\\u007f")


LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                mask_names,
                structlog.processors.JSONRenderer(serializer=as_json),
                mask_line,
            ],
            "foreign_pre_chain": [*_ALIKE, structlog.stdlib.ExtraAdder(allow={"status_code"})],
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="WARNING")},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "azure": {"level": "WARNING"},
        # Django gives these handlers of their own when it starts; with them a line would not be JSON, or written twice
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        "gunicorn.error": {"handlers": [], "propagate": True},
        # Its lines hold whole addresses, and with them what was searched for and codes of a sign-in
        "gunicorn.access": {"handlers": [], "propagate": True, "level": "WARNING"},
    },
}


def configure() -> None:
    """Let structlog hand its events to the standard library's loggers, and with them to the one formatter."""
    structlog.configure(
        processors=[*_ALIKE, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
