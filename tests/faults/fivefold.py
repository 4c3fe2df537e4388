"""Settings of an installation whose broker delivers every message five times: five queues behind one exchange."""

from __future__ import annotations

from kombu import Exchange, Queue

from elm_project.settings import *  # noqa: F403 - the installation's, but for the queues

TIMES = 5
# Not a direct exchange, past which Celery sends to the queue itself
CELERY_TASK_DEFAULT_EXCHANGE, CELERY_TASK_DEFAULT_EXCHANGE_TYPE = "elm", "topic"
CELERY_TASK_DEFAULT_ROUTING_KEY = "elm"
CELERY_TASK_QUEUES = [
    Queue(f"elm{number}", Exchange(CELERY_TASK_DEFAULT_EXCHANGE, CELERY_TASK_DEFAULT_EXCHANGE_TYPE), "elm")
    for number in range(TIMES)
]
CELERY_TASK_DEFAULT_QUEUE = "elm0"
