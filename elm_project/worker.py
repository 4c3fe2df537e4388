"""What our workers do beyond Celery's: they refuse a Redis that loses messages, and outlive any message."""

from __future__ import annotations

import logging.config
from collections.abc import Callable
from typing import Any, Final

import celery
from celery import bootsteps, signals
from celery.worker import consumer
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from kombu import Message

from core_app.stack_chunks import in_one_chunk
from elm_project.eviction import ADVICE, KEEPS, complaint, eviction_policy

# What reading a message raises whose parts are missing or of another type. With Redis, Celery takes some of them for a
# lost connection, connects anew and meets the same message again, without end.
_MALFORMED: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def connect() -> None:
    """Let worker and beat log as everything else does; Celery would add lines of its own form."""
    signals.setup_logging.connect(_log_as_json, dispatch_uid="one log stream")


def _log_as_json(loglevel: int | str | None = None, **_facts: Any) -> None:
    logging.config.dictConfig(settings.LOGGING)
    if loglevel:
        logging.getLogger().setLevel(loglevel)


class Task(celery.Task):  # type: ignore[type-arg]  # the stubs' generic is none at run time
    """A task whose calls lie in one chunk of the stack."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Run the task's function; its request is what the worker has set."""
        return in_one_chunk(self.run)(*arguments, **named)


class KeepsMessages(bootsteps.StartStopStep):
    """Looks, with every new connection to the broker, whether it keeps what it is given; the worker ends if not."""

    requires = ("celery.worker.consumer.connection:Connection",)

    def start(self, parent: Any) -> None:
        """Check the policy.

        Raises:
            ImproperlyConfigured: Redis may evict keys; Celery logs it and exits with code 1.
        """
        policy = eviction_policy(parent.connection)
        if policy != KEEPS:
            raise ImproperlyConfigured(f"{complaint(policy)} {ADVICE}")


class Consumer(consumer.Consumer):
    """Rejects what it cannot read, whatever that raises; Celery's own ends, and meets it again when restarted."""

    def create_task_handler(self, *arguments: Any, **options: Any) -> Callable[[Message], None]:
        """Return what handles an arriving message."""
        handle = super().create_task_handler(*arguments, **options)

        def handle_or_reject(message: Message) -> None:
            try:
                handle(message)
            except _MALFORMED as error:
                self.on_invalid_task(None, message, error)

        return handle_or_reject

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """Acknowledge a message that cannot be decoded, and say so like of any other that is refused."""
        super().on_decode_error(message, exc)
        signals.task_rejected.send(sender=self, message=message, exc=exc)
