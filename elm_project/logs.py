"""The log stream: one JSON object a line on standard error, of a schema that docs/guides/operations.md describes.

Whatever is logged, by us, by Django, Celery, gunicorn or a library, goes through one formatter. Text from outside stays
data: JSON escapes every control character, so that nobody can begin a line of their own.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import structlog
from structlog.typing import Processor

from core_app.redaction import mask_line, mask_names, without_secrets
from core_app.text import as_json
from elm_project.env import PRODUCTION, env, state_dir

_ALIKE: Final[list[Processor]] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


class Line(logging.Formatter):
    """Writes a line of the stream of the log's entries as it is, but for secrets that this process holds."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return without_secrets(record.getMessage())


# Where entries and readings of the log are written for a SIEM (docs/guides/siem.md): stderr, off, or the name of a file
STREAM: Final = env.str("ELM_LOG_STREAM", default="") or (
    "stderr" if PRODUCTION else str(state_dir() / "log-stream.ndjson")
)


def stream_handler() -> dict[str, Any]:
    """Return the handler of the log's stream, as the setting says."""
    if STREAM == "off":
        return {"class": "logging.NullHandler"}
    if STREAM == "stderr":
        return {"class": "logging.StreamHandler", "formatter": "line"}
    # Watched: whoever rotates the file need not tell us
    return {"class": "logging.handlers.WatchedFileHandler", "filename": STREAM, "delay": True, "formatter": "line"}


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
        },
        "line": {"()": Line},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "json"},
        "stream": stream_handler(),
    },
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="WARNING")},
    "loggers": {
        "audit_app.stream": {"handlers": ["stream"], "level": "INFO", "propagate": False},
        "httpx": {"level": "WARNING"},
        "azure": {"level": "WARNING"},
        # It logs Entra's words as they come; our errors carry them redacted. Celery configures this anew in each worker
        "azure.identity": {"level": "CRITICAL"},
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
